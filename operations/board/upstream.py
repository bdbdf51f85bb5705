"""Imports rq-dashboard and patches it, so that it reads our JSON jobs."""

from flask import current_app
from rq import serializers
from rq.serializers import JSONSerializer

# Patched before rq-dashboard is imported, because its pages for requeue, delete and workers ignore the JSON
# flag (rq-dashboard 0.9.0, web.py).
serializers.DefaultSerializer = JSONSerializer  # type: ignore[misc, assignment] # replaces another class
serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment] # replaces another class

from rq_dashboard import web  # noqa: E402 # see above

from operations.shown import install  # noqa: E402 # it needs the import above

install(web)
web.config.serializer = JSONSerializer
# rq-dashboard would open new connections for each request, from a URL that it shows on its pages.
web.from_url = lambda *_, **__: (None, current_app.redis_conn)  # type: ignore[attr-defined] # set by our app

PACKAGE = "rq_dashboard"
"""The package with the templates and static files; the names of its routes begin with it."""

blueprint = web.blueprint

jobs_page, job_page = web.jobs_overview, web.job_view
"""Its pages of a registry and of a job."""
