"""The HTTP gateway of the local stack: a small PostgREST, or a proxy in front of a real one."""

PREFIX = "/rest/v1"
"""The path below which Supabase serves PostgREST."""
