"""The way to Supabase, for the worker and the dashboard: the client, its faults, errors and settings."""

__distribution__ = "botlive-events"
