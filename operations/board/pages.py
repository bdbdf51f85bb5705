"""rq-dashboard's templates, patched as they are loaded: nothing inline runs but what is theirs."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import g
from jinja2 import BaseLoader, Environment
from markupsafe import Markup

from gateway.masking import mask_text
from operations.board.functions import script

_FOLDER = "rq_dashboard/"

PATCHES: dict[str, list[tuple[str, str]]] = {
    "base.html": [('<script type="text/javascript">', '<script nonce="{{ nonce() }}">{{ functions() }}')],
    # "Compact" loses the queue where it is interrupted: it is no more there than "Empty".
    "jobs.html": [
        ("{% if registry_name == 'queued' %}\n", "{% if enable_delete and registry_name == 'queued' %}\n")
    ],
    # A quote, a backslash or a line break in the name ended the text.
    "scripts/jobs.js": [("'{{ queue.name }}'", "{{ queue.name|tojson }}")],
}
"""By template: what stands there, and what stands there instead."""

_TEMPLATE = re.compile(r'(<script name="[\w-]+" type="text/template">)(.*?)(</script>)', re.DOTALL)
_MARKED = r"\1{% filter underscore %}\2{% endfilter %}\3"


class Loader(BaseLoader):
    """Loads what another loader finds, with our patches in it."""

    def __init__(self, other: BaseLoader) -> None:
        self._other = other

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """The source, patched."""
        source, path, is_current = self._other.get_source(environment, template)
        for old, new in PATCHES.get(template.removeprefix(_FOLDER), []):
            source = source.replace(old, new)
        return _TEMPLATE.sub(_MARKED, source), path, is_current


def prepare(environment: Environment) -> None:
    """Give the templates what the patches call, and addresses that stay as they are."""
    address = environment.globals["url_for"]
    environment.globals |= {
        "nonce": nonce,
        "functions": lambda: script(g.get("templates", [])),
        "url_for": lambda *names, **values: Markup.escape(address(*names, **values)),  # type: ignore[operator]
    }
    environment.filters["underscore"] = _noted


def nonce() -> str:
    """What this answer's own inline script is known by."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def shown(value: Any) -> Any:
    """What a page shows of a value: no phone number. Markup and addresses are left alone."""
    return mask_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _noted(text: str) -> Markup:
    if "<%" in text:  # the others are used as they are
        g.setdefault("templates", []).append(str(text))
    return Markup(text)  # noqa: S704 # of rq-dashboard's own templates
