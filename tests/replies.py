"""What Redis answers, with the type that it has on a connection that decodes nothing."""


def octets(value: object) -> bytes:
    """The answer's bytes. redis-py's types say more: text, for a connection that decodes; scores; None."""
    assert isinstance(value, bytes)
    return value


def text(value: object) -> str:
    """The answer as text."""
    return octets(value).decode()
