"""The chaos harness: ``make chaos``."""
