"""The examples at the end of a command's help."""

_UNWRAPPED = "\b"  # a paragraph after this mark keeps its lines (click)


def examples(*lines: str, then: str = "") -> str:
    """Return the end of a help text: each example on its own line, and a text after them."""
    shown = "\n".join((_UNWRAPPED, "Examples:", *(f"  {line}" for line in lines)))
    return f"{shown}\n\n{then.strip()}"
