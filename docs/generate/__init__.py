"""Writes what the contracts and the rows say for other programs and for people: ``make contracts``."""
