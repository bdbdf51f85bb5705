"""Explains why a connection to Supabase failed, from the chain of exceptions, or cannot be prepared."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from events.publishing.tls import STRICT
from gateway.errors import InvalidSetting

_BY_NUMBER = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "the connection was closed",
    errno.EPIPE: "the connection was closed",
    errno.ENETUNREACH: "this machine has no route to that network, which may be an IPv6 network",
    errno.EHOSTUNREACH: "this machine has no route to that host",
    errno.EADDRNOTAVAIL: "this machine has no address for that network, which may be an IPv6 network",
    errno.EMFILE: "this process has too many files and connections open",
    errno.EACCES: "this machine does not allow the connection",
    errno.EPERM: "this machine does not allow the connection",
}

_NOT_STRICT = (
    "its certificate or that of its authority lacks an extension that Python requires since 3.13; "
    "make both anew with these extensions (see docs/deploy.md), or use Python 3.12"
)

_PROXIES = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"

_BY_KIND = {  # a subclass before its base class
    ssl.SSLCertVerificationError: (
        "its certificate is not trusted, has expired, or is for another host; if a company's proxy made it, "
        "name the file of that authority in SSL_CERT_FILE"
    ),
    ssl.SSLError: "it does not use TLS as expected, check https and the port",
    TimeoutError: "no answer in time",
    httpx.TimeoutException: "no answer in time",
    httpx.ProxyError: "the proxy in HTTPS_PROXY or HTTP_PROXY refuses the connection",
    httpx.RemoteProtocolError: "the connection was closed, or the server does not use HTTP",
    httpx.DecodingError: "its answer was damaged on the way",
}


@contextmanager
def preparing() -> Iterator[None]:
    """Name the variable, if httpx cannot use the proxy or the certificates of the environment.

    Raises:
        InvalidSetting: a client of httpx cannot be created.
    """
    try:
        yield
    except ImportError:
        raise InvalidSetting(
            _PROXIES,
            "is a SOCKS proxy, which is not supported: set an http:// proxy, or add the host to NO_PROXY",
        ) from None
    except OSError as error:
        variable = "SSLKEYLOGFILE" if error.filename else "SSL_CERT_FILE"
        problem = (
            "names a file that cannot be used: check its path, its permissions and that it is a PEM file"
        )
        raise InvalidSetting(variable, problem) from None
    except (ValueError, httpx.InvalidURL):
        raise InvalidSetting(
            f"{_PROXIES}, or NO_PROXY",
            "cannot be read: a proxy is http://HOST:PORT, NO_PROXY a list of host names",
        ) from None


def cause(error: BaseException) -> str:
    """Return what happened, or the name of the exception if that is not known."""
    links = list(_chain(error))
    return next((text for link in links if (text := _text(link))), type(error).__name__)


def _text(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        is_temporary = error.errno == socket.EAI_AGAIN
        return (
            "its host name cannot be looked up at the moment" if is_temporary else "its host name is unknown"
        )
    if getattr(error, "verify_code", None) in STRICT:
        return _NOT_STRICT
    by_kind = (text for kind, text in _BY_KIND.items() if isinstance(error, kind))
    number = error.errno if isinstance(error, OSError) else None
    return next(by_kind, _BY_NUMBER.get(number or 0))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return the chain of exceptions, the root cause first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return reversed(seen)
