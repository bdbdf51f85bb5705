"""The gateway: whatever comes back, or does not, is a fault of ours that says what to do."""

import httpx
import pytest

from worker.errors import TransientFault, UnclassifiedFault, WorkerError
from worker.gateway import Gateway
from worker.settings import Settings


def gateway(answer: httpx.Response) -> Gateway:
    """One that is always answered so."""
    settings = Settings(supabase_url="http://supabase", supabase_key="key")  # type: ignore[arg-type] # as read
    return Gateway.connect(settings, transport=httpx.MockTransport(lambda _: answer))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
            TransientFault,
        ),
        (httpx.Response(200, text="[" * 100_000), WorkerError),
        (httpx.Response(200, text='[{"outcome": "pers'), WorkerError),
        (httpx.Response(200, json={"outcome": "persisted"}), UnclassifiedFault),
        (httpx.Response(200, text="<html>"), WorkerError),
    ],
    ids=["encoding", "depth", "half", "object", "html"],
)
def test_a_spoilt_answer_holds_the_events(answer: httpx.Response, fault: type[WorkerError]) -> None:
    """It is no exception that would end the worker, and blames no event."""
    with pytest.raises(fault):
        gateway(answer).persist([])
