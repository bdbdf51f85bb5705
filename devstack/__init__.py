"""A local Supabase and Redis on the loopback: PostgreSQL, Valkey and a REST gateway.

For local use and tests only. Start it with `devstack.stack.Stack` or `botlive stack`.
"""

__distribution__ = "botlive-events"
