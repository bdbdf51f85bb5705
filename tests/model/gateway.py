"""A model of the database behind the gateway: its inbox, its refusals, its outages and its lost answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gateway.client import Outcome
from gateway.errors import EventRefused, TransientFault, UnclassifiedFault

Loss = Literal["before", "after"]
"""When the answer of a call is lost: before the write, or after it."""


class Database:
    """One database for all workers. Rules change its attributes."""

    def __init__(self) -> None:
        self.inbox: dict[str, str] = {}
        """The digests of the persisted events, by id."""
        self.is_away = False
        self.is_narrow = False
        """Whether it refuses each call with more than one event."""
        self.closed: set[str] = set()
        """The companies whose tables take no event."""
        self.hanging: set[str] = set()
        """The companies whose tables do not answer: each call with one of their events fails."""
        self.refused: set[str] = set()
        """The events that it refuses."""
        self.poisonous: set[str] = set()
        """The events that make their whole call fail."""
        self.loss: Loss | None = None
        """What happens to the next call."""

    def heal(self) -> None:
        """End all faults."""
        self.is_away = self.is_narrow = False
        self.loss = None
        for faults in (self.closed, self.hanging, self.refused, self.poisonous):
            faults.clear()

    def answer(self, elements: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Persist the events in one transaction."""
        loss, self.loss = self.loss, None
        ids = {element["event_id"] for element in elements}
        if self.is_away or loss == "before" or self.hangs(elements):
            raise TransientFault
        if ids & self.poisonous:
            raise UnclassifiedFault
        if self.is_narrow and len(ids) > 1:
            raise EventRefused
        outcomes = [self._outcome(element) for element in elements]
        if loss == "after":
            raise TransientFault
        return outcomes

    def hangs(self, elements: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether a call about these companies gets no answer in time."""
        return any(element["company_id"] in self.hanging for element in elements)

    def _outcome(self, element: Mapping[str, Any]) -> Outcome:
        event_id, digest = element["event_id"], element["digest"]
        if event_id in self.inbox:
            return Outcome("duplicate" if self.inbox[event_id] == digest else "refused", "id already used")
        if element["company_id"] in self.closed:
            return Outcome("apart", "closed", plain=_plain(element))
        if event_id in self.refused:
            return Outcome("refused", "bad content")
        self.inbox[event_id] = digest
        return Outcome("persisted")


class Line:
    """The gateway of one worker (``gateway.client.Gateway``)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.failed_alone: Counter[str] = Counter()
        """How often a call with only this event failed since the last failed probe."""

    def persist(self, elements: Sequence[Mapping[str, Any]], *, apart: bool = False) -> list[Outcome]:
        """Persist the events."""
        assert apart, "without it, one shop's fault would fail the whole call"
        return self._database.answer(elements)

    def probe(self) -> None:
        """Check that the database can be reached."""
        if self._database.is_away:
            self.failed_alone.clear()
            raise TransientFault

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Return why the shops' tables take no event, or None."""
        if self._database.is_away or self._database.hangs(plain_events):
            raise TransientFault
        closed = self._database.closed
        return ["closed" if plain["company_id"] in closed else None for plain in plain_events]


def _plain(element: Mapping[str, Any]) -> dict[str, Any]:
    return {"event_type": element["event_type"], "company_id": element["company_id"]}
