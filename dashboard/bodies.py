"""Bodies of requests: JSON that everybody reads alike, or a 400."""

import json
from http import HTTPStatus
from json import JSONDecodeError
from typing import Any

from fastapi import HTTPException, Request


class StrictRequest(Request):
    """A request whose JSON has one meaning only, for the endpoint and for the host's own code."""

    async def json(self) -> Any:
        """The body as JSON.

        Raises:
            JSONDecodeError: it is none.
            HTTPException: 400: it is none that every reader reads alike, or none that can be read.
        """
        if not hasattr(self, "_json"):
            self._json = strict(await self.body())
        return self._json


def strict(body: bytes) -> Any:
    """The JSON value; ``StrictRequest.json`` says what is raised."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except JSONDecodeError:
        raise
    except UnicodeDecodeError:
        raise _refused("the body is no JSON in UTF-8") from None
    except RecursionError:
        raise _refused("the body is nested too deeply") from None
    except ValueError:  # Python's limit on the digits of a whole number
        raise _refused("the body has a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values for one name some readers take the first, others the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _refused("the body has two values for one name")
    return made


def _no_number(_: str) -> None:
    raise _refused("the body has a number that JSON does not know")


def _refused(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.BAD_REQUEST, detail)
