"""Runs many short calls in one event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self


class Loop:
    """An event loop that stays open between calls, like that of a process."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._runner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.__exit__(*error)

    def run(self, call: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
        """Run the call and return its result."""
        return self._runner.run(call(*arguments))
