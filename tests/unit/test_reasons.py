"""The reason of a failed job: one line, from any worker, without customers' data."""

import pytest

from gateway.errors import UnknownCompany
from operations.failed.reason import Reason, cause

_PHONE = "+2250712345678"
_STOCK = """Traceback (most recent call last):
  File "/site/rq/job.py", line 9, in perform
    self._result = self._execute()
                   ^^^^^^^^^^^^^^^
KeyError: 'Awa'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/site/worker/job.py", line 29, in persist
    raise error
gateway.errors.UnknownCompany: company x is in no row of company_mapping
and a second line
"""


@pytest.mark.parametrize(
    ("trace", "error", "words"),
    [
        ("UnknownCompany: company x is in no row\nHTTP 409", "UnknownCompany", "company x is in no row"),
        (_STOCK, "UnknownCompany", "company x is in no row of company_mapping"),
        ('Traceback (most recent call last):\n  File "a", line 1, in f\nrq.timeouts.Late', "Late", ""),
        (
            "Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-11-23",
            "AbandonedJobError",
            "Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-11-23",
        ),
        ("Work-horse terminated unexpectedly; waitpid returned 9 ", None, None),
        ("\n  \n ValueError: x", "ValueError", "x"),
        ("Traceback (most recent call last):\n  cut off", None, ""),
        ("", None, ""),
    ],
)
def test_the_telling_line(trace: str, error: str | None, words: str | None) -> None:
    """The reason is our worker's first line, or the last exception of a traceback, or what there is."""
    assert Reason.of(trace) == (error, trace.strip() if words is None else words)


def test_a_reason_is_one_line_that_no_terminal_obeys() -> None:
    """A reason has no control codes and a limited length."""
    reason = Reason.of("ValueError: a\x1b[31mb\u202ec\x00" + "x" * 5_000)
    assert str(reason).startswith("ValueError: a?[31mb?c?x")
    assert len(str(reason)) < 1_100


def test_a_reason_has_an_end() -> None:
    """An endless text fills no list, whether it looks like a message or like the name of an exception."""
    word = "x" * 9_999
    for endless in (word, f"{word}: y", f"ValueError: {word}", f"ended due to {word}"):
        assert len(str(Reason.of(endless))) <= 1_100


def test_somebody_elses_words_do_not_quote_the_event() -> None:
    """Phone numbers and private texts of the event are masked in a foreign message, as whole words."""
    payload = {
        "company_id": "kiosque",
        "user_id": _PHONE,
        "customer_name": "Awa",
        "items": [{"name": "Pagne bleu", "quantity": 1}],
        "message": " ",
    }
    reason = Reason.of(f"KeyError: kiosque Awa Awaba 'Pagne bleu' {_PHONE}", payload)
    assert reason.words == "kiosque *** Awaba '***' ***"


def test_our_own_words_stay_whole() -> None:
    """Our own messages are not masked: a customer whose name is a common word changes nothing in them."""
    assert Reason.of("EventRefused: the event does not fit", {"customer_name": "event"}).words == (
        "the event does not fit"
    )


def test_a_payload_of_great_depth_is_looked_through() -> None:
    """A deeply nested payload is searched without recursion."""
    payload: object = "Awa"
    for _ in range(5_000):
        payload = {"items": [payload]}
    assert Reason.of("KeyError: Awa", payload).words == "***"


def test_the_cause_of_our_own_reason() -> None:
    """The cause of our own reason is the lines below it, without personal data."""
    assert cause(UnknownCompany("x").report) == [UnknownCompany.cause]
    assert cause(f"EventRefused: no\ncause: HTTP 400\n\nfor {_PHONE}\n") == ["HTTP 400", "for ***"]


def test_the_cause_in_a_traceback() -> None:
    """The cause in a traceback is its frames only: source lines and messages may quote a row."""
    assert cause(_STOCK) == [
        'File "/site/rq/job.py", line 9, in perform',
        'File "/site/worker/job.py", line 29, in persist',
    ]
    assert cause("") == []
