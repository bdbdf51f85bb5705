"""The classification of failed calls: each line of the table in the documentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeploymentFault, EventRefused, TransientFault, UnclassifiedFault, WorkerError
from gateway.faults import FailedCall, classify

_ROW = "Failing row contains (Awa, +2250700000000)"


def _failure(
    status: int | None = None, code: str | None = None, retry_after: float | None = None
) -> FailedCall:
    return FailedCall(status, code, _ROW, retry_after, transport=False)


_TRANSIENT = [
    *[
        (None, code)
        for code in ("08000", "08006", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03")
    ],
    *[
        (405, "25006"),
        (500, "57014"),
        (500, "58030"),
        (503, "PGRST000"),
        (503, "PGRST001"),
        (503, "PGRST002"),
    ],
    *[(540, None), (521, "521"), (522, None), (525, "525"), (526, None), (530, None)],
    *[(504, "PGRST003"), (408, None), (413, None), (425, None), (429, None), (500, None), (502, "502")],
    *[(None, "502"), (503, None), (504, ""), (599, None), (500, "XX000"), (500, "PGRSTX00")],
]
_DEPLOYMENT = [
    *[(401, None), (403, None), (401, "401"), (401, "PGRST301"), (401, "PGRST302"), (401, "PGRST303")],
    *[(500, "PGRST300"), (403, "42501"), (401, "42501"), (404, "42P01"), (400, "42703"), (404, "42883")],
    *[(406, "PGRST106"), (404, "PGRST202"), (300, "PGRST203"), (400, "PGRST204"), (404, "PGRST205")],
    *[(402, None), (402, "402"), (403, "403"), (407, None), (451, "451"), (404, "PGRST125")],
    *[(400, "23514"), (400, "23502"), (409, "23503"), (403, "28P01"), (403, "28000"), (403, "P0001")],
]
_REFUSED = [
    *[(400, "22003"), (400, "22P02"), (400, "22P05"), (409, "23505"), (400, "PGRST100"), (405, "PGRST101")],
    *[(400, "PGRST102"), (400, "PGRST116"), (400, "PGRST128"), (400, None), (406, None), (422, None)],
    *[(400, "400"), (None, "422"), (500, "22003"), (400, "free text of a gateway")],
]
_UNCLASSIFIED = [
    *[(400, "P0001"), (None, "P0001"), (400, "42804"), (None, None), (404, None), (301, None), (200, "200")],
    *[(418, None), (409, None), (400, "PGRST200"), (None, "whatever"), (400, "PGRST129"), (None, "57P04")],
]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        *[(*case, TransientFault) for case in _TRANSIENT],
        *[(*case, DeploymentFault) for case in _DEPLOYMENT],
        *[(*case, EventRefused) for case in _REFUSED],
        *[(*case, UnclassifiedFault) for case in _UNCLASSIFIED],
    ],
)
def test_each_answer_has_its_class(status: int | None, code: str | None, expected: type[WorkerError]) -> None:
    """The SQLSTATE or PostgREST code has priority over the HTTP status."""
    assert type(classify(_failure(status, code))) is expected


def test_no_answer_is_transient() -> None:
    """A call without an answer is transient."""
    error = classify(FailedCall(None, None, "Connection refused", None, transport=True))
    assert type(error) is TransientFault


def test_retry_after_reaches_the_worker() -> None:
    """The error contains the pause that the server asked for."""
    error = classify(_failure(429, retry_after=7.5))
    assert isinstance(error, TransientFault)
    assert error.retry_after == 7.5


_MIGRATE = "botlive migrate"


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (401, "PGRST301", "check that SUPABASE_KEY"),
        (401, None, "check that SUPABASE_KEY"),
        (401, "42501", "check that SUPABASE_KEY"),
        (403, "42501", _MIGRATE),
        (403, "403", "a proxy or firewall"),
        (403, None, "a proxy or firewall"),
        (407, "407", "a proxy or firewall"),
        (402, None, "its quota is used up"),
        (404, None, "check that it is https://<project>.supabase.co"),
        (404, "404", "check that it is https://<project>.supabase.co"),
        (405, "405", "check that it is https://<project>.supabase.co"),
        (404, "PGRST125", "check that it is https://<project>.supabase.co"),
        (301, "301", "set the address that it redirects to"),
        (308, None, "set the address that it redirects to"),
        (406, "PGRST106", "exposed schemas"),
        (540, None, "the project is paused"),
        (521, "521", "Cloudflare"),
        (522, "522", "Cloudflare"),
        (525, None, "Cloudflare"),
        (526, None, "Cloudflare"),
        (503, None, "away or overloaded"),
        (404, "PGRST202", _MIGRATE),
        (404, "42P01", _MIGRATE),
        (400, "23514", "own log names it"),
    ],
)
def test_a_fault_says_the_cause_and_what_to_do(status: int, code: str | None, cure: str) -> None:
    """The message says what to check or run. It asks for a migration only if a migration helps."""
    said = str(classify(_failure(status, code)))
    assert cure in said
    assert (_MIGRATE in said) == (cure == _MIGRATE)


def test_the_cause_is_code_and_status() -> None:
    """The message contains the code and the status."""
    assert "(22003, HTTP 400)" in str(classify(_failure(400, "22003")))


_STATUSES = st.none() | st.integers(-1, 700)
_CODES = st.none() | st.sampled_from(["22003", "23514", "57014", "502", "PGRST202"]) | st.text()


@given(_STATUSES, _CODES, st.text(min_size=12))
def test_the_servers_words_are_never_repeated(status: int | None, code: str | None, words: str) -> None:
    """For any answer, the message is one line with our own text, one code and one status."""
    plain = str(classify(FailedCall(status, code, "", None, transport=False)))
    assert str(classify(FailedCall(status, code, words, None, transport=False))) == plain
    assert plain.isprintable()
    assert words not in repr(FailedCall(status, code, words, None, transport=False)) or words in repr(code)


@pytest.mark.parametrize("code", ["+2250700000000", "Awa", "2250700000000", "12345678", "22003\n"])
def test_only_a_codes_form_is_repeated(code: str) -> None:
    """A text in ``code`` that is not a valid code is not in the message."""
    assert code.strip() not in str(classify(_failure(418, code)))
