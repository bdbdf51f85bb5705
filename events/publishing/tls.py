"""The causes for which a TLS connection to Redis fails, by the errors of OpenSSL."""

from events.publishing.causes import Cause

_TLS_OPTIONS = (
    "name the file of its authority with ?ssl_ca_certs=FILE in REDIS_URL, or use ?ssl_cert_reqs=none "
    "(see docs/deploy.md)"
)
CERTIFICATE = Cause("the certificate of Redis is not accepted", _TLS_OPTIONS, lasts=True)
_SELF_SIGNED = Cause("the certificate of Redis is self-signed", _TLS_OPTIONS, lasts=True)
_NO_AUTHORITY = Cause("the certificate of Redis is signed by an unknown authority", _TLS_OPTIONS, lasts=True)
_OTHER_HOST = Cause(
    "the certificate of Redis is for another host",
    "use the host name of the certificate in REDIS_URL",
    lasts=True,
)
_NOT_STRICT = Cause(
    "the certificate of Redis or of its authority lacks an extension that Python requires since 3.13",
    "make both anew with these extensions, or add ssl_exclude_verify_flags=VERIFY_X509_STRICT to the options "
    "in REDIS_URL (see docs/deploy.md)",
    lasts=True,
)
STRICT = frozenset(range(80, 94))
"""The errors of OpenSSL that only ``ssl.VERIFY_X509_STRICT`` causes. Python sets it since 3.13."""
CERTIFICATES = {  # X509_V_ERR_… of OpenSSL
    2: _NO_AUTHORITY,
    9: Cause("the certificate of Redis is not valid yet", "check the clocks of both machines", lasts=True),
    10: Cause("the certificate of Redis has expired", "renew it", lasts=True),
    18: _SELF_SIGNED,
    19: _SELF_SIGNED,
    20: _NO_AUTHORITY,
    21: _NO_AUTHORITY,
    62: _OTHER_HOST,
    64: _OTHER_HOST,
    **dict.fromkeys(STRICT, _NOT_STRICT),
}
_NO_TLS = Cause(
    "the server at REDIS_URL does not use TLS", "use redis://, or the port that uses TLS", lasts=True
)
_CLIENT_CERTIFICATE = Cause(
    "Redis requires a client certificate",
    "add ?ssl_certfile=FILE&ssl_keyfile=FILE to REDIS_URL",
    lasts=True,
)
HANDSHAKES = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "CERTIFICATE_REQUIRED": _CLIENT_CERTIFICATE,
    "BAD_CERTIFICATE": _CLIENT_CERTIFICATE,
}
