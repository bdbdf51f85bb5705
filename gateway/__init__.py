"""Access to Supabase for the worker and the dashboard: client, fault classification, errors, settings."""

__distribution__ = "botlive-events"
