"""One HTTP request on its way to an answer: its parts read, its answer framed."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from devstack.rest.catalogue import Catalogue
from devstack.rest.connections import Connections
from devstack.rest.errors import ApiError, bad_body
from devstack.rest.negotiation import Wishes, check_content_type
from devstack.rest.query import Query, parse
from devstack.rest.transaction import Answer, Context, Statement, run


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, who makes it, what its answer should look like, and what answers it."""

    request: Request
    context: Context
    wishes: Wishes
    connections: Connections
    catalogue: Catalogue

    @property
    def method(self) -> str:
        """GET, POST and so on."""
        return self.request.method

    def query(self, *, arguments: bool = False) -> Query:
        """The query string, parsed."""
        return parse(self.request.query_params.multi_items(), arguments=arguments)

    async def body(self) -> bytes:
        """The body, which says that it is JSON."""
        check_content_type(self.request.headers)
        return await self.request.body()

    async def run(self, statement: Statement) -> Answer:
        """Run the statement as the caller."""
        return await run(self.connections, statement, self.context)

    def page(self, query: Query, answer: Answer) -> Response:
        """Rows that were read; 206 where the count says that there are more."""
        first, total = query.offset, answer.total
        if total is not None and first > total:
            details = f"An offset of {first} was requested, but there are only {total} rows."
            raise ApiError(416, "PGRST103", "Requested range not satisfiable", details)
        status = 206 if total is not None and answer.rows < total else 200
        return self.response(status, answer, range(first, first + answer.rows))

    def written(self, answer: Answer, rows: range) -> Response:
        """Rows that were changed: with a representation 200, without one 204."""
        body = answer.body if self.wishes.representation else None
        return self.response(204 if body is None else 200, answer._replace(body=body), rows)

    def response(self, status: int, answer: Answer, rows: range) -> Response:
        """The answer's body, and in `Content-Range` its place in the whole."""
        total = answer.total if self.wishes.counted else None
        headers = {"Content-Range": _content_range(rows, total)}
        if answer.body is None:
            return Response(status_code=status, headers=headers)
        body = b"" if self.method == "HEAD" else answer.body.encode()
        return Response(body, status, headers | {"Content-Type": self.wishes.content_type})


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, for its keys: the text itself is what travels on."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise bad_body("Empty or invalid json") from error


def _content_range(rows: range, total: int | None) -> str:
    place = f"{rows.start}-{rows.stop - 1}" if rows and total != 0 else "*"
    return f"{place}/{'*' if total is None else total}"
