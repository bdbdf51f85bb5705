"""Generates the documentation of events and rows for programs and people: ``make contracts``."""
