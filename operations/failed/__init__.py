"""The failed events: what stands in RQ's failed registry, and what may be done with it."""
