"""Starts commands by way of a process that forks them, and hears how they end."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment from which on time runs so many times as fast as it does, or stands still; for the test, and for the
    processes that it starts."""

    at: datetime
    speed: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        """The present moment."""
        return self.at + (time.monotonic() - self.since) * self.speed * SECOND


@dataclass(slots=True)
class Process:
    """A command under way. `code` is its exit code, or the signal that ended it as a negative number."""

    told: Path
    pid: asyncio.Future[int]
    code: asyncio.Future[int]

    async def signal(self, number: signal.Signals) -> None:
        """Sends a signal; a process that has ended meanwhile gets none."""
        pid = await self.pid
        if not self.code.done():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


class Forks:
    """The forking process. `start` gives one command after the other; they run side by side."""

    def __init__(self, server: asyncio.subprocess.Process) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._running: dict[int, Process] = {}

    def start(self, arguments: list[str], told: Path, clock: Clock, *, timeout_seconds: float) -> Process:
        """Starts `etl` with these arguments; what it says goes to the end of `told`."""
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        process = self._running[number] = Process(told, loop.create_future(), loop.create_future())
        asked = {
            "number": number,
            "arguments": arguments,
            "told": str(told),
            "clock": [clock.at.timestamp(), clock.since, clock.speed],
            "timeout_seconds": timeout_seconds,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(asked).encode() + b"\n")
        return process

    async def listen(self) -> None:
        """Hears what the forking process says, until it ends."""
        assert self._server.stdout is not None
        async for line in self._server.stdout:
            told = json.loads(line)
            if "pid" in told:
                self._running[told["number"]].pid.set_result(told["pid"])
            else:
                self._running.pop(told["number"]).code.set_result(told["code"])


@asynccontextmanager
async def open_forks() -> AsyncIterator[Forks]:
    """A forking process for the length of a `with`."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.forks"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    forks = Forks(server)
    listening = asyncio.create_task(forks.listen())
    try:
        yield forks
    finally:
        assert server.stdin is not None
        server.stdin.close()
        await server.wait()
        await listening
