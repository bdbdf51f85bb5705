"""The failed events: reads, replays, edits and discards the jobs in RQ's failed registry."""
