"""An event loop whose clock jumps to the next timer, so that minutes of waiting pass at once."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
BEGINS_AT = 1000.0
TICK_SECONDS = 1e-6
"""What each turn of the loop takes, as on a real clock: code that waits for "a little later" must get there."""


class _JumpingSelector(selectors.BaseSelector):
    """Answers a wait for events by moving the clock to its end; refuses a wait that nothing could end."""

    def __init__(self) -> None:
        self.now = BEGINS_AT
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        found: Mapping[Any, selectors.SelectorKey] | None = self._real.get_map()
        return {} if found is None else found

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("every task waits and no timer is set: this would hang for ever")
            self.now += max(timeout, 0.0)
        self.now += TICK_SECONDS
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on the clock of its selector."""

    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def now() -> float:
    """Seconds on the running loop's clock since it began."""
    return asyncio.get_running_loop().time() - BEGINS_AT


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
