"""Why a connection failed, in words for whoever set its address: from the exceptions behind it."""

import errno
import socket
import ssl
from collections.abc import Iterator

import httpx

_BY_NUMBER = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.ENETUNREACH: "this machine has no way to that network, which may be an IPv6 one",
    errno.EHOSTUNREACH: "this machine has no way to that host",
    errno.EADDRNOTAVAIL: "this machine has no address for that network, which may be an IPv6 one",
    errno.EMFILE: "this process has too many files and connections open",
    errno.EACCES: "this machine lets no connection out to there",
    errno.EPERM: "this machine lets no connection out to there",
}

_BY_KIND = {  # a kind before the kind that it is one of
    ssl.SSLCertVerificationError: "its certificate is not trusted, or has expired, or is another host's",
    ssl.SSLError: "it does not speak TLS as expected: is https right, and the port?",
    TimeoutError: "no answer in time",
    httpx.TimeoutException: "no answer in time",
    httpx.ProxyError: "the proxy that HTTPS_PROXY or HTTP_PROXY names lets nothing through",
    httpx.RemoteProtocolError: "the connection was cut, or what answers there speaks no HTTP",
    httpx.DecodingError: "its answer is spoilt on the way",
}


def cause(error: BaseException) -> str:
    """What happened, where it is known; else the exception's name."""
    links = list(_chain(error))
    return next((words for link in links if (words := _words(link))), type(error).__name__)


def _words(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        is_for_now = error.errno == socket.EAI_AGAIN
        return "its host name cannot be looked up just now" if is_for_now else "its host name is unknown"
    by_kind = (words for kind, words in _BY_KIND.items() if isinstance(error, kind))
    number = error.errno if isinstance(error, OSError) else None
    return next(by_kind, _BY_NUMBER.get(number or 0))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The first cause first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return reversed(seen)
