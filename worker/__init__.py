"""The worker's hot path: takes events from the queue and persists them, outside the chat process."""

__distribution__ = "botlive-events"
"""Names the distribution of this package; ``gateway.origin`` checks it."""
