"""The way to a real PostgREST, which serves at ``/`` what Supabase serves at ``/rest/v1/``."""

import httpx
from starlette.requests import Request
from starlette.responses import Response

from devstack.rest import PREFIX
from devstack.rest.errors import ApiError

_TIMEOUT = 30.0  # seconds; a statement may take 8
# Each connection, and each server, has its own (RFC 9110, 7.6.1).
_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "authorization"}
_NOT_RETURNED = {"connection", "content-length", "transfer-encoding", "content-encoding", "date", "server"}


class Proxy:
    """Forwards requests as they came, with the JWT that the gateway found."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    async def ready(self) -> None:
        """Return at once: the stack asks PostgREST itself (``devstack.postgrest``)."""

    async def answer(self, request: Request, token: str | None) -> Response:
        """Forward a request and return PostgREST's answer.

        Raises:
            ApiError: PostgREST gave no answer.
        """
        path, query = request.scope["raw_path"].removeprefix(PREFIX.encode()), request.scope["query_string"]
        headers = [(name, value) for name, value in request.headers.items() if name not in _NOT_FORWARDED]
        if token is not None:
            headers.append(("authorization", f"Bearer {token}".strip()))
        url = self._url.copy_with(raw_path=path + b"?" + query if query else path)
        content = await request.body()
        try:
            found = await self._http.request(request.method, url, headers=headers, content=content)
        except httpx.RequestError as error:
            message = "PostgREST gave no answer: see postgrest.log in the stack's directory"
            raise ApiError(503, "", message) from error
        kept = {name: value for name, value in found.headers.items() if name not in _NOT_RETURNED}
        return Response(found.content, found.status_code, kept)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
