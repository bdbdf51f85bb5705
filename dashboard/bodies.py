"""Parses request bodies strictly: ambiguous JSON gets 400."""

import json
from http import HTTPStatus
from json import JSONDecodeError
from typing import Any

from fastapi import HTTPException, Request


class StrictRequest(Request):
    """A request with strict JSON, for the endpoint and for the host's own code."""

    async def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            JSONDecodeError: the body is not JSON.
            HTTPException: 400: JSON parsers may read the body differently, or it cannot be parsed.
        """
        if not hasattr(self, "_json"):
            self._json = strict(await self.body())
        return self._json


def strict(body: bytes) -> Any:
    """Parse the JSON. It raises the same as ``StrictRequest.json``."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except JSONDecodeError:
        raise
    except UnicodeDecodeError:
        raise _refused("the body is not JSON in UTF-8") from None
    except RecursionError:
        raise _refused("the body is nested too deeply") from None
    except ValueError:  # Python limits the digits of an int
        raise _refused("the body has a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with a duplicate name, because some parsers take its first value, others the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _refused("the body has two values for one name")
    return made


def _no_number(_: str) -> None:
    raise _refused("the body has a number that is not valid JSON")


def _refused(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.BAD_REQUEST, detail)
