"""The words that shop owners read (French)."""

from decimal import Decimal


def fcfa(amount: int | float | Decimal) -> str:
    """An amount as people write it: ``2000 FCFA``, ``2000.5 FCFA``.

    Whole amounts have no decimals, others a dot and no trailing zeros, and never an exponent.
    """
    digits = format(Decimal(str(amount)), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits} FCFA"
