"""rq-dashboard itself, imported so that it reads our JSON jobs."""

from typing import Any

from flask import current_app
from rq import serializers
from rq.serializers import JSONSerializer

# Before rq-dashboard is imported: its pages for requeue, delete and workers ignore the JSON flag
# (rq-dashboard 0.9.0, web.py).
serializers.DefaultSerializer = JSONSerializer  # type: ignore[misc, assignment] # a class, in another's place
serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment] # the same

from rq_dashboard import web  # noqa: E402 # see above

from operations.shown import ShownQueue, install  # noqa: E402 # it looks at what was imported


class _ReadQueue(ShownQueue):
    """A queue that is only read: RQ's own takes out an id whose job is not there, while it shows a list."""

    def remove(self, *_: Any, **__: Any) -> int:
        """Nothing."""
        return 0


install(web)
web.Queue = _ReadQueue
web.config.serializer = JSONSerializer
# It would open new connections for each request, from a URL that it shows on its pages.
web.from_url = lambda *_, **__: (None, current_app.redis_conn)  # type: ignore[attr-defined] # of our app's own

PACKAGE = "rq_dashboard"
"""Its folder holds the templates and what is static; its routes begin with this name."""

blueprint = web.blueprint
