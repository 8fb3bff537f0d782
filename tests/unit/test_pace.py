"""The limit holds as the server counts it: over arrivals, under any network delay, in every span of the period."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiolimiter import AsyncLimiter

from etl.extract.pace import SLOWED_SECONDS, Pace
from etl.stream import Rate
from tests.unit.virtual_time import now, run

FIVE_IN_TEN = Rate(5, 10.0)
Slot = Callable[[], AbstractAsyncContextManager[None]]


def most_in_any_span(arrivals: list[float], seconds: float) -> int:
    """The largest number of arrivals in a closed span of `seconds`; a span may begin at an arrival at the latest."""
    return max(sum(begin <= other <= begin + seconds for other in arrivals) for begin in arrivals)


async def arrivals_of(slot: Slot, requests: int, *, seed: int, longest_seconds: float, workers: int = 8) -> list[float]:
    """When each of `requests` reaches the server: every trip takes up to `longest_seconds`, split at random into the
    way there and the way back."""
    chance = random.Random(seed)
    arrivals: list[float] = []
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            async with slot():
                trip = chance.uniform(0, longest_seconds)
                there = trip * chance.random()
                await asyncio.sleep(there)
                arrivals.append(now())
                await asyncio.sleep(trip - there)

    await asyncio.gather(*(work() for _ in range(workers)))
    return sorted(arrivals)


@pytest.mark.parametrize("longest_seconds", [0.0, 0.3, 4.0, 25.0])
@pytest.mark.parametrize("seed", range(5))
def test_no_span_of_ten_seconds_holds_more_than_five_arrivals(seed: int, longest_seconds: float) -> None:
    async def main() -> list[float]:
        return await arrivals_of(Pace(FIVE_IN_TEN).slot, 120, seed=seed, longest_seconds=longest_seconds)

    arrivals = run(main())
    assert len(arrivals) == 120
    assert most_in_any_span(arrivals, 10.0) == 5


def test_the_checker_finds_that_a_leaky_bucket_breaks_the_limit() -> None:
    async def main() -> list[float]:
        limiter = AsyncLimiter(5, 10)
        return await arrivals_of(lambda: limiter, 60, seed=1, longest_seconds=0.3)

    assert most_in_any_span(run(main()), 10.0) > 5


def test_the_checker_finds_that_slots_armed_at_departure_break_the_limit() -> None:
    """A slot that is armed when its request leaves lets the next one overtake: this is what arming at the answer
    is for."""

    async def main() -> list[float]:
        slots = [AsyncLimiter(1, 10) for _ in range(5)]
        turn = iter(range(10_000))
        return await arrivals_of(lambda: slots[next(turn) % 5], 120, seed=1, longest_seconds=4.0)

    assert most_in_any_span(run(main()), 10.0) > 5


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_is_used_to_at_least_95_hundredths(seed: int) -> None:
    async def main() -> float:
        await arrivals_of(Pace(FIVE_IN_TEN).slot, 300, seed=seed, longest_seconds=0.3)
        return now()

    # 300 requests in bursts of 5: the last burst may leave after 59 periods.
    assert 59 * 10.0 <= run(main()) <= 59 * 10.0 / 0.95


def test_a_burst_leaves_at_once() -> None:
    async def main() -> list[float]:
        return await arrivals_of(Pace(FIVE_IN_TEN).slot, 5, seed=1, longest_seconds=0.0)

    assert run(main()) == pytest.approx([0.0] * 5, abs=0.01)


def test_a_held_pace_sends_nothing_before_its_time_and_a_burst_after() -> None:
    async def main() -> list[float]:
        pace = Pace(FIVE_IN_TEN, held_seconds=7.0)
        await asyncio.sleep(2)
        return await arrivals_of(pace.slot, 10, seed=1, longest_seconds=0.0)

    arrivals = run(main())
    assert arrivals[:5] == pytest.approx([7.0] * 5, abs=0.01)
    assert arrivals[5:] == pytest.approx([17.0] * 5, abs=0.05)
    assert most_in_any_span(arrivals, 10.0) == 5


def test_a_hold_that_has_passed_costs_nothing() -> None:
    async def main() -> list[float]:
        pace = Pace(FIVE_IN_TEN, held_seconds=7.0)
        await asyncio.sleep(20)
        return await arrivals_of(pace.slot, 5, seed=1, longest_seconds=0.0)

    assert run(main()) == pytest.approx([20.0] * 5, abs=0.01)


def test_a_lane_that_was_too_fast_runs_at_half_its_pace_for_five_minutes() -> None:
    async def main() -> list[float]:
        pace = Pace(FIVE_IN_TEN)
        pace.slow_down()
        return await arrivals_of(pace.slot, 120, seed=1, longest_seconds=0.0)

    arrivals = run(main())
    slowed = [moment for moment in arrivals if moment < SLOWED_SECONDS]
    assert SLOWED_SECONDS == 300.0
    assert most_in_any_span(slowed, 20.0) == 5
    assert len(slowed) == 5 * 15  # a burst of 5 every 20 s
    later = [moment for moment in arrivals if moment > SLOWED_SECONDS + 20]
    assert most_in_any_span(later, 10.0) == 5
    assert later[-1] - later[0] == pytest.approx((len(later) - 5) / 5 * 10.0, rel=0.01)


def test_a_waiter_that_is_cancelled_gives_its_slot_back() -> None:
    async def main() -> list[float]:
        pace = Pace(FIVE_IN_TEN)
        first = await arrivals_of(pace.slot, 5, seed=1, longest_seconds=0.0)

        async def wait() -> None:
            async with pace.slot():
                raise AssertionError("cancelled before its turn")

        waiters = [asyncio.create_task(wait()) for _ in range(9)]  # five hold a slot and wait, four wait for a slot
        await asyncio.sleep(3)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        return first + await arrivals_of(pace.slot, 20, seed=1, longest_seconds=0.0)

    arrivals = run(main())
    assert most_in_any_span(arrivals, 10.0) == 5
    assert arrivals[-1] == pytest.approx(40.0, abs=0.1), "all five slots must still be there"


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_request_that_fails_or_is_cancelled_under_way_keeps_its_slot_for_the_period(cancelled: bool) -> None:
    async def main() -> list[float]:
        pace = Pace(FIVE_IN_TEN)
        arrivals: list[float] = []

        async def break_off() -> None:
            async with pace.slot():
                arrivals.append(now())
                await asyncio.sleep(1)
                raise ConnectionResetError

        tasks = [asyncio.create_task(break_off()) for _ in range(5)]
        await asyncio.sleep(0.5)
        for task in tasks if cancelled else []:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return arrivals + await arrivals_of(pace.slot, 10, seed=1, longest_seconds=0.0)

    arrivals = run(main())
    assert len(arrivals) == 15
    assert most_in_any_span(arrivals, 10.0) == 5


def test_a_single_request_per_second_is_spaced_by_a_second() -> None:
    async def main() -> list[float]:
        return await arrivals_of(Pace(Rate(1, 1.0)).slot, 30, seed=1, longest_seconds=0.1)

    assert most_in_any_span(run(main()), 1.0) == 1
