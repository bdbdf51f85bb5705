"""Adds security headers to every response, and masks personal data in JSON responses."""

import json
from typing import Any

from flask import Response, g, request

from gateway.masking import mask, mask_text

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",  # rq-dashboard's pages use it; it cannot run code
    "img-src": "'self' data:",  # Bootstrap has images in data: URLs
    "connect-src": "'self'",
    **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
}
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def seal(response: Response) -> Response:
    """Add the headers to a response, and mask its JSON."""
    response.headers.update(_ALWAYS)
    response.headers["Content-Security-Policy"] = _policy()
    if not (request.endpoint or "").endswith("static"):
        response.headers["Cache-Control"] = "no-store"
    if response.is_json:
        response.set_data(json.dumps(_masked(response.get_json())))
    return response


def _policy() -> str:
    policy = dict(_POLICY)
    if "nonce" in g:
        policy["script-src"] += f" 'nonce-{g.nonce}'"
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {name: _under(name, element) for name, element in value.items()}
        case list():
            return [_masked(element) for element in value]
        case str():
            return mask_text(value)
    return value


def _under(name: str, value: Any) -> Any:
    """Mask a value by its name in rq-dashboard's JSON."""
    match name:
        case "id" | "job_id" | "url":  # the page sends them in further requests
            return value
        case "metadata":  # a text that contains JSON
            return json.dumps(mask(json.loads(value)))
        case "result":
            return mask(value)
    return value if name.endswith("_url") else _masked(value)
