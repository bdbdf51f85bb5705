"""A Supabase of one's own on the loopback: PostgreSQL, Valkey and a small REST gateway.

For local use and tests only. Start it with `devstack.stack.Stack` or `botlive stack`.
"""

__distribution__ = "botlive-events"
