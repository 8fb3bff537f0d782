"""Bounded, jittered retries of one request, obeying the delay that the provider asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import stamina

from etl.errors import Replayed, TryAgain


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried: at most `attempts` times and `total_seconds`, the waits growing from
    `first_wait_seconds` to `longest_wait_seconds`, each with up to `jitter_seconds` more."""

    attempts: int = 5
    total_seconds: float = 300.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    jitter_seconds: float = 1.0


def retrying(patience: Patience) -> stamina.BoundAsyncRetryingCaller:
    """Calls a function until it succeeds, fails for good, or patience ends; the last error is raised as it was."""
    caller = stamina.AsyncRetryingCaller(
        attempts=patience.attempts,
        timeout=patience.total_seconds,
        wait_initial=patience.first_wait_seconds,
        wait_max=patience.longest_wait_seconds,
        wait_jitter=patience.jitter_seconds,
    )
    return caller.on(_worth_another_try(patience))


def _worth_another_try(patience: Patience) -> Callable[[Exception], bool | float]:
    clock = asyncio.get_running_loop().time
    last_start, replays = clock() + patience.total_seconds, 0

    def judge(error: Exception) -> bool | float:
        nonlocal replays
        if not isinstance(error, TryAgain):
            return False
        replays += isinstance(error, Replayed)
        longest_wait = patience.longest_wait_seconds if error.delay_seconds is None else error.delay_seconds
        if replays > 1 or clock() + longest_wait > last_start:
            return False
        return True if error.delay_seconds is None else float(error.delay_seconds)

    return judge
