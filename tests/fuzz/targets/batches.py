"""Batches of jobs and whatever Supabase answers to them: where each job is in the end."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx

from gateway.client import Gateway
from gateway.errors import EventRefused, WaitsApart
from gateway.settings import Settings
from operations import logs
from tests.fuzz.canaries import SECRET
from tests.fuzz.dice import Dice
from tests.fuzz.hearing import hearing
from tests.fuzz.replies import Answer, answer, good
from tests.fuzz.target import Target, no_canary
from tests.fuzz.targets.decode import call
from worker.apart import Group, Kind
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.persister import Persister


class Sent(NamedTuple):
    """Jobs, and the answers that come, one for each call."""

    jobs: Sequence[bytes]
    answers: Sequence[Answer]


class _Ledger:
    """Where each job went, and everything that is told of what waits apart."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str]] = []
        self.said: list[str] = []

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """These are done."""
        self.places += [(job_id, "persisted") for job_id in job_ids]

    def fail(self, job_id: str, error: EventRefused) -> None:
        """This one is set aside."""
        self.places.append((job_id, "refused"))
        self.said.append(error.report)

    def give_back(self, job_ids: Sequence[str]) -> None:
        """These wait again."""
        self.places += [(job_id, "waiting") for job_id in job_ids]

    def group(self, kind: Kind) -> Group | None:
        """None waits apart."""
        return None

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """These wait apart."""
        self.places += [(job_id, "apart") for job_id in job_ids]
        self.said.append(group.reason)

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """It is the event's doing."""
        return None


class Judged(Target):
    """Each job is in one place: persisted, refused, waiting, or apart."""

    name, share = "batches", 25
    outcomes = frozenset({"persisted", "refused", "waiting", "apart"})

    def open(self, stack: ExitStack) -> None:
        """With a gateway that is answered by the case."""
        settings = Settings(supabase_url="http://supabase", supabase_key=f"{SECRET}-key")  # type: ignore[arg-type] # as read
        self._gateway = Gateway.connect(settings, transport=httpx.MockTransport(lambda _: self._next()))
        stack.callback(self._gateway.close)

    def make(self, dice: Dice) -> Sent:
        """Some jobs."""
        jobs = [call(dice, "shop", spoilt=0.2)[0] for _ in dice.some(3)]
        return Sent(
            jobs, [(good if dice.chance(0.4) else answer)(dice, "persist", len(jobs)) for _ in dice.some(2)]
        )

    def check(self, case: Sent) -> Iterable[str]:
        """Send them, as often as there are answers."""
        ledger, breaker = _Ledger(), Breaker(3, sleep=lambda _: None)
        with hearing() as heard:
            logs.configure()
            batches = Batches(Persister(self._gateway, apart=True), ledger, ledger, breaker, patience=30)
            for turn, self._now in enumerate(case.answers):
                ledger.places.clear()
                claims = [Claim(f"{turn}-{number}", data) for number, data in enumerate(case.jobs)]
                batches.send(Batch(claims))
                while batches:
                    batches.conclude()
                assert sorted(job_id for job_id, _ in ledger.places) == [claim.job_id for claim in claims]
                breaker.probe_passed()
        no_canary(heard.all, "the log")
        assert "own fault" not in heard.all, "a fault of the worker's own"
        for said in ledger.said:
            no_canary(said, "a reason", values="BL00" not in str(case.answers))
        return [place for _, place in ledger.places]

    def _next(self) -> httpx.Response:
        now = self._now
        if now.error:
            raise now.error("no")
        return httpx.Response(now.status, headers=now.headers, stream=httpx.ByteStream(now.body))
