"""Whatever may come in from outside, spoilt in every way: a harness of its own, run by ``make fuzz``."""
