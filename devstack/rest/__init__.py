"""A stand-in for PostgREST, for local use and tests."""
