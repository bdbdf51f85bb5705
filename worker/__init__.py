"""Takes events off the queue and persists them; everything that runs outside the chat process."""

__distribution__ = "botlive-events"
"""Whose module this is: ``gateway.origin`` looks for it."""
