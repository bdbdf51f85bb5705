"""Why Redis cannot be reached or used: the kind of it in words, and whether waiting can help.

No word of an error's own is repeated, nor of the address: both may hold a password.
"""

import re
import ssl
from collections.abc import Iterator

import redis
from redis.exceptions import RedisError, ResponseError

from events.errors import PublishError
from events.publishing.causes import (
    CERTIFICATE,
    CERTIFICATES,
    CLOSED,
    FAILS,
    HANDSHAKES,
    LATE,
    NUMBERS,
    RULES,
    Cause,
)


def cause_of(error: BaseException) -> Cause:
    """The kind of cause, which may stand in what led to the error."""
    for link in _chain(error):
        if (cause := _own(link)) is not None:
            return cause
        if isinstance(link, ResponseError):
            return _unknown(link)  # Redis has spoken: what was before it is another matter
    if any(isinstance(link, redis.ConnectionError | OSError) for link in _chain(error)):
        return FAILS
    return LATE if isinstance(error, PublishError) else _unknown(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _own(error: BaseException) -> Cause | None:
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    for kind in RULES:
        if kind.fits(error):
            return kind.cause
    return NUMBERS.get(error.errno or 0) if isinstance(error, OSError) else None


def _tls(error: ssl.SSLError) -> Cause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATES.get(error.verify_code, CERTIFICATE)
    reason = getattr(error, "reason", None) or ""  # what Python itself raises has none
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return CLOSED
    for part, cause in HANDSHAKES.items():
        if part in reason:
            return cause
    return Cause(f"TLS with Redis fails ({reason or 'no reason given'})", "check both ends' TLS", lasts=True)


def _unknown(error: BaseException) -> Cause:
    # The first word of an answer is its code. Anything else may quote what was sent.
    code = re.match(r"[A-Z]{3,20}(?= |$)", str(error)) if isinstance(error, RedisError) else None
    name = code[0] if code else type(error).__name__
    return Cause(f"Redis cannot be used ({name})", "look into the log of Redis", away=False)
