"""Importing this module lets all HTTP clients of a process share the certificates of this machine.

Each client would read them anew, which takes longer than most tests.
"""

import os
import ssl
from functools import cache
from typing import Any

import httpx
from httpx._transports import default

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@cache
def _made(_: tuple[str | None, ...], **options: Any) -> ssl.SSLContext:
    return httpx.create_ssl_context(**options)


def _shared(**options: Any) -> ssl.SSLContext:
    return _made(tuple(map(os.environ.get, _VARIABLES)), **options)


_shared(verify=True, cert=None, trust_env=True)  # as clients call it
default.create_ssl_context = _shared  # type: ignore[assignment, attr-defined]
