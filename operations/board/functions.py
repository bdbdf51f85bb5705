"""Compiles the pages' Underscore templates to JavaScript functions that escape every value.

Underscore would compile them in the browser with ``new Function``, which needs ``eval`` in the
Content-Security-Policy, and its ``<%= %>`` does not escape.
"""

import re
from collections.abc import Iterable

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

_TAG = re.compile(r"<%([=-]?)([\s\S]+?)%>")
_ESCAPED_ALREADY = re.compile(r"\$\('<div/>'\)\.text\((.*)\)\.html\(\)")

_TELLING = """
$(document).ajaxError(function(event, answer, request) {
    if (request.type === 'POST') { alert(answer.responseText || 'The dashboard does not answer.'); }
});
"""
"""Shows refused requests: rq-dashboard itself shows nothing when the request of a button fails."""


def script(templates: Iterable[str]) -> Markup:
    """Return a script that replaces Underscore's ``template`` by a lookup of the compiled templates."""
    functions = ",\n".join(f"{_literal(text)}: {_function(text)}" for text in templates)
    lookup = f"_.template = function(text) {{ return {{{functions}}}[text]; }};"
    return Markup(f"{lookup}\n{_TELLING}")  # noqa: S704 # built from rq-dashboard's own templates


def _function(text: str) -> str:
    statements = "\n".join(_statements(text))
    return f"function(__data) {{ var __page = ''; with (__data) {{\n{statements}\nreturn __page; }} }}"


def _statements(text: str) -> Iterable[str]:
    end = 0
    for tag in _TAG.finditer(text):
        yield f"__page += {_literal(text[end : tag.start()])};"
        yield f"__page += _.escape({_ESCAPED_ALREADY.sub(_inside, tag[2])});" if tag[1] else tag[2]
        end = tag.end()
    yield f"__page += {_literal(text[end:])};"


def _inside(call: re.Match[str]) -> str:
    return call[1]


def _literal(text: str) -> str:
    return str(htmlsafe_json_dumps(text))
