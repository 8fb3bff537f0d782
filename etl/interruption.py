"""Ends a command on SIGINT and SIGTERM: in order at first, at once when asked again or when order takes too long.

Used by `commands` alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

LONGEST_SECONDS = 3.5
"""How long an orderly end may take, a roll-back by Postgres included; whoever asked waits 5 s."""
_TELLING_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Result = TypeVar("_Result")


class Interruption:
    """Answers signals while a command runs, for `with`, in the main thread. `tell` is called once if the command is
    interrupted; where no order is possible any more, the process ends with `exit_code` after it.

    Handlers of the event loop would not do: they are not heard while it is blocked, nor while it waits at its end for
    threads, such as one in which the embedded Postgres is being started."""

    def __init__(self, tell: Callable[[], None], *, exit_code: int) -> None:
        self._say, self._exit_code = tell, exit_code
        self._telling, self._is_told = threading.Lock(), False
        self._deadline: threading.Timer | None = None
        self._task: asyncio.Task[Any] | None = None
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._earlier = {number: signal.signal(number, self._asked) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        if self._deadline is not None:
            self._deadline.cancel()

    def run(self, command: Coroutine[Any, Any, _Result]) -> _Result:
        """Runs a command in an event loop of its own; raises CancelledError if it was interrupted."""
        return asyncio.run(self._run(command))

    def tell(self) -> None:
        """Says that the command was interrupted, if nobody has."""
        with self._telling:
            if not self._is_told:
                self._is_told = True
                self._say()

    async def _run(self, command: Coroutine[Any, Any, _Result]) -> _Result:
        self._task = asyncio.current_task()
        if self._deadline is not None and self._task is not None:
            self._task.cancel()
        return await command

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self._deadline is not None:
            # In a thread: this one may have been interrupted in the middle of writing, and must be let go on.
            threading.Thread(target=self._leave, daemon=True).start()
            return
        self._deadline = threading.Timer(LONGEST_SECONDS, self._leave)
        self._deadline.daemon = True
        self._deadline.start()
        if self._task is not None and not self._task.done():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _leave(self) -> None:
        """Ends the process as it stands: the system closes its connections, which rolls back what is in flight."""
        telling = threading.Thread(target=self.tell, daemon=True)
        telling.start()
        telling.join(_TELLING_SECONDS)  # who reads stderr may have stopped to
        os._exit(self._exit_code)
