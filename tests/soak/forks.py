"""A process that has imported the program once and forks one for each command: what is started is up in milliseconds.

Run as `python -m tests.soak.forks`; `tests.soak.processes` talks to it by lines of JSON. A fork is the `etl` command,
with two things from outside: its clock, and a patience that waits for nothing.
"""

import gc
import json
import os
import selectors
import signal
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from etl import cli, commands
from etl.clock import Clock
from etl.extract.client import open_client
from tests.flow.night import AT_ONCE


def clock(at: float, since: float, speed: float) -> Clock:
    """The moment `at` (seconds of the epoch), from the monotonic second `since` on running so many times as fast as
    time. Processes of one machine share the monotonic clock."""
    begin = datetime.fromtimestamp(at, UTC)
    return lambda: begin + timedelta(seconds=(time.monotonic() - since) * speed)


def interrupted(*_: object) -> None:
    """What `etl.__main__` does about a signal until a command takes over."""
    os._exit(130)


def command(asked: dict[str, Any]) -> None:
    """Becomes the command that was asked for; never returns."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told = os.open(asked["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(told, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    commands.process_clock = partial(clock, *asked["clock"])  # type: ignore[attr-defined]
    commands.POOL_SIZE = 2  # most of the time goes into opening connections
    commands.open_client = partial(  # type: ignore[attr-defined]
        open_client, patience=AT_ONCE, timeout_seconds=asked["timeout_seconds"]
    )
    sys.argv = ["etl", *asked["arguments"]]
    code: Any = 1
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  # as Python ends a program
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def say(**told: Any) -> None:
    """Tells the test one thing."""
    os.write(1, json.dumps(told).encode() + b"\n")


def main() -> None:
    """Forks until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    gc.freeze()
    running: dict[int, int] = {}
    lines = b""
    with selectors.DefaultSelector() as ready:
        ready.register(0, selectors.EVENT_READ)
        ready.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    continue
                arrived = os.read(0, 1 << 16)
                if not arrived:
                    return
                *whole, lines = (lines + arrived).split(b"\n")
                for line in whole:
                    fork(json.loads(line), running)
            reap(running)


def fork(asked: dict[str, Any], running: dict[int, int]) -> None:
    """Starts a command."""
    pid = os.fork()
    if pid == 0:
        command(asked)
    running[pid] = asked["number"]
    say(number=asked["number"], pid=pid)


def reap(running: dict[int, int]) -> None:
    """Tells of the commands that have ended."""
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            say(number=running.pop(pid), code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
