"""The processes of the publishers: they get commands, are killed, and are started again with their outbox."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from threading import Condition, Thread
from typing import TextIO

from tests.chaos.stream import Plan

_PATIENCE = 90.0  # seconds for one portion
_AHEAD = 2  # portions that a publisher may have before it while the run goes on


class PublisherStuck(AssertionError):
    """A publisher did not get its portions done in time."""


class PublisherProcess:
    """A publisher that outlives its processes. A new process gets what the last one has not finished."""

    def __init__(self, plan: Plan, number: int, environment: Mapping[str, str], folder: Path) -> None:
        self.outbox = folder / f"outbox-{number}.sqlite"
        self._environment = {**environment, "BOTLIVE_OUTBOX": str(self.outbox)}
        own = (*astuple(plan), number)
        self._command = [sys.executable, "-m", "tests.chaos.publish", *map(str, own)]
        self._log = folder / f"publisher-{number}.log"
        self._news = Condition()
        self._owed: list[int] = []
        self._halves: set[int] = set()
        self._looked: set[int] = set()
        self.acknowledged: set[int] = set()
        """The portions of which it says that every publication was taken."""
        self._start()

    def send(self, portion: int) -> None:
        """Let it publish this portion, once it is not too far behind.

        Raises:
            PublisherStuck: it stays behind.
        """
        self._wait(lambda: len(self._owed) <= _AHEAD)
        with self._news:
            self._owed.append(portion)
        self._tell(str(portion))

    def finish(self) -> None:
        """Wait until it has published all.

        Raises:
            PublisherStuck: it did not in time.
        """
        self._wait(lambda: not self._owed)

    def has_done(self, portion: int) -> bool:
        """Whether every publication of it was taken."""
        return portion in self.acknowledged

    def look(self, portion: int) -> None:
        """Wait until it has published again what Redis forgot in this portion.

        Raises:
            PublisherStuck: it did not in time.
        """
        self._tell(f"look {portion}")
        self._wait(lambda: portion in self._looked)

    def missed(self) -> int:
        """How often it logged that Redis had forgotten events."""
        return self._log.read_text(encoding="utf-8").count("Redis forgot ")

    def kill(self, portion: int) -> None:
        """Kill it half through this portion; its next process begins the portion again."""
        self._wait(lambda: portion in self._halves)
        self._process.kill()
        self._process.wait()
        self._hang_up()
        self._listener.join()
        self._start()
        for owed in self._owed:
            self._tell(str(owed))

    def stop(self) -> None:
        """Let it end; what waits in its outbox stays there."""
        self._hang_up()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()

    def _hang_up(self) -> None:
        with suppress(BrokenPipeError):  # what it was told last may not have got through
            if self._process.stdin:
                self._process.stdin.close()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._listener = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _listen(self, said: TextIO) -> None:
        with said:
            for line in said:
                word, _, portion = line.partition(" ")
                self._note(word, int(portion))

    def _note(self, word: str, portion: int) -> None:
        with self._news:
            if word == "half":
                self._halves.add(portion)
            elif word == "looked":
                self._looked.add(portion)
            else:
                self._owed.remove(portion)
                self.acknowledged.add(portion)
            self._news.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._news:
            if not self._news.wait_for(condition, _PATIENCE):
                raise PublisherStuck(f"see {self._log}")
