"""One publisher, as a process of its own: what it has not finished when it is killed, it begins again.

It reads the numbers of portions from stdin and says ``half N`` and ``done N`` on stdout. To ``look N`` it
answers ``looked N`` once it has published again what Redis has forgotten.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from events import AnyEvent, Publisher
from events.errors import PublishError
from tests.chaos.stream import Plan

_PATIENCE = 60.0  # seconds for one publication that neither Redis nor the outbox takes
_PAUSE = 0.05  # seconds between two tries


def main(plan: Plan, number: int) -> None:
    """Publish the portions that stdin names, until it ends."""
    with Publisher.from_env() as publisher:
        for line in sys.stdin:
            if line.startswith("look"):
                _until_confirmed(lambda: _look(publisher))
                _say(line.strip().replace("look", "looked"))
                continue
            portion = int(line)
            stream = [*plan.portion(number, portion), *plan.rivals_of(number, portion)]
            half = len(stream) // 2
            _publish(publisher, stream[:half], together=portion % 3 == 0)
            _say(f"half {portion}")
            _publish(publisher, stream[half:], together=False)
            _say(f"done {portion}")


def _publish(publisher: Publisher, events: Sequence[AnyEvent], *, together: bool) -> None:
    for chunk in [events] if together else [[event] for event in events]:
        _until_confirmed(partial(publisher.publish_many, chunk))


def _look(publisher: Publisher) -> None:
    publisher._queue.check_counter()
    publisher._watch.check()


def _until_confirmed(step: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            step()
        except PublishError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    seed, events, publishers, portions, own = map(int, sys.argv[1:])
    main(Plan(seed, events, publishers, portions), own)
