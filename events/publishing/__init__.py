"""The publisher and its parts: they turn events into jobs in Redis."""
