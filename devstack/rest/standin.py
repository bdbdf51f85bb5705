"""The stand-in for PostgREST, for local use and tests only.

It exists because PostgREST is in no package registry. It answers what this project and the shops' owners
ask; it answers 501 to all else. A real PostgREST can take its place: see ``devstack.postgrest``.
"""

from starlette.requests import Request
from starlette.responses import Response

from devstack.rest import PREFIX, functions, tables
from devstack.rest.auth import caller
from devstack.rest.call import Call, wishes
from devstack.rest.database import Database
from devstack.rest.errors import ApiError, unsupported


class StandIn:
    """Answers requests from PostgreSQL."""

    def __init__(self, database_url: str, secret: str) -> None:
        self._database = Database(database_url)
        self._routines = functions.Routines(self._database)
        self._secret = secret

    async def ready(self) -> None:
        """Return when PostgreSQL has answered.

        Raises:
            ApiError: it does not answer.
        """
        await self._database.rows("select 1")

    async def answer(self, request: Request, token: str | None) -> Response:
        """Answer a request.

        Raises:
            ApiError: what PostgREST would answer.
        """
        call = Call(request, caller(token, self._secret), wishes(request.headers), self._database)
        match request.scope["path"].removeprefix(f"{PREFIX}/").split("/"):
            case [""]:
                raise unsupported("the OpenAPI description")
            case [table]:
                return await tables.answer(call, table)
            case ["rpc", name]:
                return await functions.answer(call, self._routines, name)
        raise ApiError(404, "PGRST125", "Invalid path specified in request URL")

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()
