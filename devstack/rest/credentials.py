"""Finds the JWT of a request, as the gateway of hosted Supabase does in front of PostgREST."""

from collections.abc import Mapping

from devstack.rest.errors import ApiError

_OPAQUE = "sb_"  # the prefix of API keys that are no JWT


class Credentials:
    """Knows the project's opaque API keys (``sb_…``)."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """``keys`` maps each opaque key to the JWT of its role."""
        self._keys = keys

    def token(self, headers: Mapping[str, str]) -> str | None:
        """Return the JWT that decides who calls, or None where the request has no credential.

        ``Authorization`` wins over ``apikey``, unless it holds an opaque key.
        """
        bearer, apikey = _bearer(headers.get("authorization", "")), headers.get("apikey")
        found = bearer if bearer is not None and not bearer.startswith(_OPAQUE) else apikey or bearer
        if found is None or not found.startswith(_OPAQUE):
            return found
        if found not in self._keys:
            hint = "Double check your Supabase `anon` or `service_role` API key."
            raise ApiError(401, "", "Invalid API key", hint=hint)
        return self._keys[found]


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
