"""Importing this module lets all HTTP clients of a process share the certificates of this machine.

Each client would read them anew, which takes longer than most tests.
"""

from functools import cache

import httpx
from httpx._transports import default

_shared = cache(httpx.create_ssl_context)
_shared(verify=True, cert=None, trust_env=True)  # as clients call it
default.create_ssl_context = _shared  # type: ignore[attr-defined]
