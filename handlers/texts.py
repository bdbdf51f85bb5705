"""Texts for shop owners (in French)."""

from decimal import Decimal


def fcfa(amount: int | float | Decimal) -> str:
    """Format an amount: ``2000 FCFA``, ``2000.5 FCFA``.

    A whole amount has no decimals. Others have a decimal point, no trailing zeros and no exponent.
    """
    if isinstance(amount, int):
        return f"{amount} FCFA"
    digits = format(Decimal(str(amount)), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits} FCFA"
