"""What a request wants of its answer, by its `Accept` and `Prefer` headers."""

from dataclasses import dataclass

from starlette.datastructures import Headers

from devstack.rest.errors import ApiError, bad_body, unsupported

_JSON = "application/json"
_OBJECT = "application/vnd.pgrst.object+json"
_ARRAYS = {_JSON, "application/*", "*/*"}
_OBJECTS = {_OBJECT, "application/vnd.pgrst.object"}
_UNSPOKEN_TYPES = ("text/csv", "application/vnd.pgrst", "application/geo+json")
_UNSPOKEN_BODIES = {
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "text/csv",
    "text/plain",
    "text/xml",
}
_UNSPOKEN_PREFERENCES = (
    "count=planned",
    "count=estimated",
    "handling=strict",
    "max-affected=",
    "missing=default",
    "resolution=",
    "return=headers-only",
    "timezone=",
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """One object instead of an array, the count of all rows, the rows that a write touched."""

    singular: bool = False
    counted: bool = False
    representation: bool = False

    @property
    def content_type(self) -> str:
        """The answer's type."""
        return f"{_OBJECT if self.singular else _JSON}; charset=utf-8"


def wishes(headers: Headers) -> Wishes:
    """Read both headers; what is asked for and not spoken is refused, never ignored."""
    if "range" in headers:
        raise unsupported("the Range header (limit= and offset= do the same)")
    if (schema := _profile(headers)) != "public":
        hint = "Only the following schemas are exposed: public"
        raise ApiError(406, "PGRST106", f"Invalid schema: {schema}", hint=hint)
    preferences = _words(headers.getlist("prefer"))
    for preference in preferences:
        if preference.startswith(_UNSPOKEN_PREFERENCES):
            raise unsupported(f"Prefer: {preference}")
    return Wishes(
        singular=_singular(headers),
        counted="count=exact" in preferences,
        representation="return=representation" in preferences,
    )


def check_content_type(headers: Headers) -> None:
    """A body is JSON, or not for us."""
    content_type = headers.get("content-type", _JSON).partition(";")[0].strip()
    if content_type in _UNSPOKEN_BODIES:
        raise unsupported(f"bodies of type {content_type}")
    if content_type != _JSON:
        raise bad_body(f"Content-Type not acceptable: {content_type}")


def _profile(headers: Headers) -> str:
    return headers.get("accept-profile") or headers.get("content-profile") or "public"


def _singular(headers: Headers) -> bool:
    accepted = _words(headers.getlist("accept")) or ["*/*"]
    for word in accepted:
        kind, _, parameters = word.partition(";")
        if "nulls=stripped" in parameters:
            raise unsupported("nulls=stripped")
        if kind.strip() in _ARRAYS | _OBJECTS:
            return kind.strip() in _OBJECTS
    raise _not_acceptable(accepted)


def _not_acceptable(accepted: list[str]) -> ApiError:
    named = ", ".join(accepted)
    if any(word.startswith(_UNSPOKEN_TYPES) for word in accepted):
        return unsupported(f"answers of type {named}")
    return ApiError(406, "PGRST107", f"None of these media types are available: {named}")


def _words(lines: list[str]) -> list[str]:
    return [word.strip() for line in lines for word in line.split(",") if word.strip()]
