"""Keeps an endpoint's limit as the server counts it (DESIGN section 8).

"5 per 10 s" is five slots. A slot is taken before a request leaves and is armed again when its answer arrives, so
the request that next uses it reaches the server a whole period after the one before reached it, whatever the
network did to either. Each slot is an AsyncLimiter(1, period): together an exact sliding window that keeps the burst.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from etl.stream import Rate

_MARGIN = 1.001
"""Clocks drift and timers fire a tick early: a thousandth of the period more keeps both out of the count."""
SLOWED_SECONDS = 300.0
"""How long a lane runs at half its pace after the provider called it too fast."""


class Pace:
    """The slots of one lane. `held_seconds` keeps all of them closed at first: what is left of the period in which
    an earlier process may have sent requests."""

    def __init__(self, rate: Rate, *, held_seconds: float = 0.0) -> None:
        self.rate = rate
        self._slow_until = 0.0
        self._held_until = 0.0
        self.hold(held_seconds)
        self._slots: asyncio.Queue[AsyncLimiter] | None = None

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for a slot and holds it while the request is under way."""
        if self._slots is None:
            self._slots = asyncio.Queue()
            for _ in range(self.rate.requests):
                self._slots.put_nowait(AsyncLimiter(1, self.rate.period_seconds))
        limiter = await self._slots.get()
        try:
            await limiter.acquire()
            await asyncio.sleep(self._held_until - asyncio.get_running_loop().time())
        except BaseException:
            self._slots.put_nowait(limiter)
            raise
        try:
            yield
        finally:
            self._slots.put_nowait(await _closed_for(self._period_seconds()))

    def _period_seconds(self) -> float:
        slow = asyncio.get_running_loop().time() < self._slow_until
        return self.rate.period_seconds * _MARGIN * (2 if slow else 1)

    def hold(self, seconds: float) -> None:
        """Lets no request leave for so long, counted from now."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    def slow_down(self) -> None:
        """Halves the pace for five minutes."""
        self._slow_until = asyncio.get_running_loop().time() + SLOWED_SECONDS


async def _closed_for(seconds: float) -> AsyncLimiter:
    limiter = AsyncLimiter(1, max(seconds, 1e-6))
    await limiter.acquire()  # never waits: the limiter is new
    return limiter
