"""The one line that says why a job failed, whoever wrote it down, and nothing of the customer."""

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
    """Our worker's first line; of a traceback the last exception; else what there is."""
    assert Reason.of(trace) == (error, trace.strip() if words is None else words)


def test_a_reason_is_one_line_that_no_terminal_obeys() -> None:
    """Control characters are shown as such, and it has an end."""
    reason = Reason.of("ValueError: a\x1b[31mb\u202ec\x00" + "x" * 5_000)
    assert str(reason).startswith("ValueError: a?[31mb?c?x")
    assert len(str(reason)) < 1_100


def test_somebody_elses_words_do_not_quote_the_event() -> None:
    """Neither a phone number nor what the event holds under a private name; whole words are taken out."""
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
    """They never quote the event: a customer of the name of a word takes nothing out of them."""
    assert Reason.of("EventRefused: the event does not fit", {"customer_name": "event"}).words == (
        "the event does not fit"
    )


def test_a_payload_of_great_depth_is_looked_through() -> None:
    """Without recursion."""
    payload: object = "Awa"
    for _ in range(5_000):
        payload = {"items": [payload]}
    assert Reason.of("KeyError: Awa", payload).words == "***"


def test_the_cause_of_our_own_reason() -> None:
    """The lines below it, without personal data, and one of ours whole."""
    assert cause(UnknownCompany("x").report) == [UnknownCompany.cause]
    assert cause(f"EventRefused: no\ncause: HTTP 400\n\nfor {_PHONE}\n") == ["HTTP 400", "for ***"]


def test_the_cause_in_a_traceback() -> None:
    """Its frames alone: code and messages may quote a row."""
    assert cause(_STOCK) == [
        'File "/site/rq/job.py", line 9, in perform',
        'File "/site/worker/job.py", line 29, in persist',
    ]
    assert cause("") == []
