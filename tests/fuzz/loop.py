"""An event loop for many short calls."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self


class Loop:
    """One that goes on from call to call, as a process's does."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._runner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.__exit__(*error)

    def run(self, call: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
        """What the call answers."""
        return self._runner.run(call(*arguments))
