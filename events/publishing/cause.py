"""Finds the cause of a Redis error: a message for people, and whether waiting can help.

The message never quotes the error or the URL, because both may contain a password.
"""

import re
import ssl
from collections.abc import Iterator

import redis
from redis.exceptions import RedisError, ResponseError

from events.errors import PublishError
from events.publishing.causes import CLOSED, FAILS, LATE, NUMBERS, RULES, Cause
from events.publishing.tls import CERTIFICATE, CERTIFICATES, HANDSHAKES


def cause_of(error: BaseException) -> Cause:
    """Return the cause of the error, which may be an exception in its chain."""
    for link in _chain(error):
        if (cause := _cause_of_link(link)) is not None:
            return cause
        if isinstance(link, ResponseError):
            return _unknown(link)  # Redis answered, so earlier exceptions are not the cause
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


def _cause_of_link(error: BaseException) -> Cause | None:
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    for rule in RULES:
        if (cause := rule.find(error)) is not None:
            return cause
    return NUMBERS.get(error.errno or 0) if isinstance(error, OSError) else None


def _tls(error: ssl.SSLError) -> Cause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATES.get(error.verify_code, CERTIFICATE)
    reason = getattr(error, "reason", None) or ""  # None if Python raised the error itself
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return CLOSED
    for part, cause in HANDSHAKES.items():
        if part in reason:
            return cause
    return Cause(
        f"TLS with Redis failed ({reason or 'no reason given'})",
        "check the TLS settings of both sides",
        lasts=True,
    )


def _unknown(error: BaseException) -> Cause:
    # The first word of a Redis error is its code. The rest may quote the data of the command.
    code = re.match(r"[A-Z]{3,20}(?= |$)", str(error)) if isinstance(error, RedisError) else None
    name = code[0] if code else type(error).__name__
    return Cause(f"Redis cannot be used ({name})", "check the log of Redis", away=False)
