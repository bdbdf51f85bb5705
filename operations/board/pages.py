"""Patches rq-dashboard's templates when they are loaded, so that only its own inline scripts run."""

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
_OWN_FILE = "{{{{ url_for('botlive.static', filename='{}') }}}}"
_LINK = (
    """<li class="nav-item{% if active_tab == 'failed' %} active{% endif %}">"""
    """<a href="{{ url_for('botlive.failed') }}" class="nav-link">Failed</a></li>"""
)

PATCHES: dict[str, list[tuple[str, str]]] = {
    "base.html": [
        ('<script type="text/javascript">', '<script nonce="{{ nonce() }}">{{ functions() }}'),
        ('content="initial-scale=1.0"', 'content="width=device-width, initial-scale=1.0"'),
        ("</head>", f"<link rel='stylesheet' href='{_OWN_FILE.format('monitor.css')}'></head>"),
        ("</body>", f"<script src='{_OWN_FILE.format('monitor.js')}'></script></body>"),
    ],
    "navbar.html": [('<ul class="navbar-nav mr-auto">', f'<ul class="navbar-nav mr-auto">{_LINK}')],
    # Hides "Compact", as rq-dashboard hides "Empty": an interrupted "Compact" loses the queue.
    "jobs.html": [
        ("{% if registry_name == 'queued' %}\n", "{% if enable_delete and registry_name == 'queued' %}\n")
    ],
    # A quote, a backslash or a line break in the name would end the string.
    "scripts/jobs.js": [("'{{ queue.name }}'", "{{ queue.name|tojson }}")],
}
"""By template: pairs of the original text and its replacement."""

_TEMPLATE = re.compile(r'(<script name="[\w-]+" type="text/template">)(.*?)(</script>)', re.DOTALL)
_MARKED = r"\1{% filter underscore %}\2{% endfilter %}\3"


class Loader(BaseLoader):
    """Loads the templates of another loader and patches them."""

    def __init__(self, other: BaseLoader) -> None:
        self._other = other

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return the patched source."""
        source, path, is_current = self._other.get_source(environment, template)
        for old, new in PATCHES.get(template.removeprefix(_FOLDER), []):
            source = source.replace(old, new)
        return _TEMPLATE.sub(_MARKED, source), path, is_current


def prepare(environment: Environment) -> None:
    """Add the functions that the patches call, and a ``url_for`` whose result is not masked."""
    address = environment.globals["url_for"]
    environment.globals |= {
        "nonce": nonce,
        "functions": lambda: script(g.get("templates", [])),
        "url_for": lambda *names, **values: Markup.escape(address(*names, **values)),  # type: ignore[operator]
    }
    environment.filters["underscore"] = _noted


def nonce() -> str:
    """Return the nonce of this response, which allows its own inline script."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def shown(value: Any) -> Any:
    """Mask personal data in a text that a page shows; markup and addresses are not changed."""
    return mask_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _noted(text: str) -> Markup:
    if "<%" in text:  # templates without code need no compiled function
        g.setdefault("templates", []).append(str(text))
    return Markup(text)  # noqa: S704 # from rq-dashboard's own templates
