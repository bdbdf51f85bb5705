"""Batches of jobs and the answers of Supabase to them: checks where each job is at the end."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx

from gateway.client import Gateway
from gateway.errors import EventRefused, WaitsApart
from gateway.settings import Settings
from operations import logs
from tests.fuzz.canaries import SECRET
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.replies import Answer, answer, good
from tests.fuzz.target import Target, no_canary
from tests.fuzz.targets.decode import call
from worker.apart import Group, Kind
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.persister import Persister


class Sent(NamedTuple):
    """Jobs, and the answers to the calls."""

    jobs: Sequence[bytes]
    answers: Sequence[Answer]


class _Ledger:
    """Records where each job goes, and the reasons that are shown."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str]] = []
        self.reasons: list[str] = []

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Record that the jobs are persisted."""
        self.places += [(job_id, "persisted") for job_id in job_ids]

    def fail(self, job_id: str, error: EventRefused) -> None:
        """Record that the job is refused."""
        self.places.append((job_id, "refused"))
        self.reasons.append(error.report)

    def give_back(self, job_ids: Sequence[str]) -> None:
        """Record that the jobs are waiting."""
        self.places += [(job_id, "waiting") for job_id in job_ids]

    def group(self, kind: Kind) -> Group | None:
        """Return None: no group waits apart."""
        return None

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """Record that the jobs wait apart."""
        self.places += [(job_id, "apart") for job_id in job_ids]
        self.reasons.append(group.reason)

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """Return None: the event is the cause."""
        return None

    def slow(self, plains: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None: no shop is the cause."""
        return None


class Judged(Target):
    """Each job is in exactly one place: persisted, refused, waiting or waiting apart."""

    name, share = "batches", 25
    outcomes = frozenset({"persisted", "refused", "waiting", "apart"})

    def open(self, stack: ExitStack) -> None:
        """Create a gateway that gets the answers of the case."""
        settings = Settings(supabase_url="http://supabase", supabase_key=f"{SECRET}-key")  # type: ignore[arg-type] # pydantic converts it
        self._gateway = Gateway.connect(settings, transport=httpx.MockTransport(lambda _: self._next()))
        stack.callback(self._gateway.close)

    def make(self, dice: Dice) -> Sent:
        """Create jobs and answers."""
        jobs = [call(dice, "shop", mutated=0.2)[0] for _ in dice.some(3)]
        return Sent(
            jobs, [(good if dice.chance(0.4) else answer)(dice, "persist", len(jobs)) for _ in dice.some(2)]
        )

    def check(self, case: Sent) -> Iterable[str]:
        """Send the jobs once for each answer."""
        ledger, breaker = _Ledger(), Breaker(3, sleep=lambda _: None)
        with capture() as captured:
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
        no_canary(captured.all, "the log")
        assert "own fault" not in captured.all, "a bug of the worker"
        for reason in ledger.reasons:
            no_canary(reason, "a reason", values="BL00" not in str(case.answers))
        return [place for _, place in ledger.places]

    def _next(self) -> httpx.Response:
        now = self._now
        if now.error:
            raise now.error("no")
        return httpx.Response(now.status, headers=now.headers, stream=httpx.ByteStream(now.body))
