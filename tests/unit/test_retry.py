"""Retries are bounded by number and by time, obey the provider, and never repeat what cannot help."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest

from etl.errors import (
    AccessRefused,
    AnswerUnreadable,
    ConnectionBroken,
    ProviderBusy,
    RateLimited,
    Replayed,
    RequestRefused,
    TryAgain,
)
from etl.extract.retry import Patience, retrying
from tests.unit.virtual_time import now, run

PATIENCE = Patience(jitter_seconds=0.0)


@pytest.fixture(autouse=True)
def _retries_on_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr("tenacity.time", clock)


def tried(
    *failures: Exception, patience: Patience = PATIENCE, seconds_each: float = 0.0
) -> tuple[list[float], str | Exception, float]:
    """When each try began, what came of it in the end, and when; the last failure goes on for ever."""

    async def main() -> tuple[list[float], str | Exception, float]:
        began: list[float] = []

        async def once() -> str:
            began.append(round(now(), 3))
            await asyncio.sleep(seconds_each)
            if len(began) <= len(failures):
                raise failures[len(began) - 1]
            return "answer"

        try:
            outcome: str | Exception = await retrying(patience)(once)
        except Exception as fault:  # noqa: BLE001
            outcome = fault
        return began, outcome, now()

    return run(main())


@pytest.mark.parametrize("failure", [ConnectionBroken("x"), ProviderBusy("x"), RateLimited("x")])
def test_at_most_five_tries_are_made_with_growing_waits_and_the_last_error_is_told(failure: TryAgain) -> None:
    began, outcome, _ = tried(*[failure] * 9)
    assert began == pytest.approx([0, 1, 3, 7, 15], abs=0.01)
    assert outcome is failure


def test_a_try_that_succeeds_ends_the_retries() -> None:
    began, outcome, _ = tried(ProviderBusy("x"), ConnectionBroken("y"))
    assert len(began) == 3
    assert outcome == "answer"


def test_waits_are_jittered_and_never_longer_than_the_longest() -> None:
    patience = Patience(attempts=12, total_seconds=10_000, longest_wait_seconds=60.0, jitter_seconds=1.0)
    starts = [tried(*[ProviderBusy("x")] * 12, patience=patience)[0] for _ in range(3)]
    for began in starts:
        waits = [later - earlier for earlier, later in pairwise(began)]
        for n, wait in enumerate(waits):
            assert min(2**n, 60) - 0.01 <= wait <= min(2**n + 1, 60) + 0.01
    assert len({tuple(began) for began in starts}) > 1


def test_no_try_begins_after_the_total_time_when_tries_are_slow() -> None:
    began, outcome, _ = tried(*[ConnectionBroken("timed out")] * 9, seconds_each=200.0)
    assert began == pytest.approx([0, 201], abs=0.01)
    assert isinstance(outcome, ConnectionBroken)


@pytest.mark.parametrize("failure", [RateLimited("x", delay_seconds=250.0), ProviderBusy("x", delay_seconds=299.0)])
def test_no_try_begins_after_the_total_time_when_waits_are_long(failure: TryAgain) -> None:
    began, outcome, ended = tried(*[failure] * 9)
    assert max(began) <= 300.0
    assert ended <= 300.01
    assert outcome is failure


def test_the_delay_that_the_provider_asks_for_is_obeyed() -> None:
    began, outcome, _ = tried(RateLimited("x", delay_seconds=17.0), ProviderBusy("x", delay_seconds=2.5))
    assert began == pytest.approx([0, 17, 19.5], abs=0.01)
    assert outcome == "answer"


def test_a_delay_of_nothing_is_no_wait() -> None:
    began, outcome, _ = tried(RateLimited("x", delay_seconds=0.0))
    assert began == pytest.approx([0, 0], abs=0.01)
    assert outcome == "answer"


def test_a_delay_longer_than_the_patience_gives_up_at_once() -> None:
    failure = RateLimited("x", delay_seconds=301.0)
    began, outcome, ended = tried(*[failure] * 9)
    assert (len(began), outcome) == (1, failure)
    assert ended == pytest.approx(0, abs=0.01)


def test_the_replay_filter_is_answered_by_one_fresh_request() -> None:
    began, outcome, _ = tried(Replayed("a"))
    assert (len(began), outcome) == (2, "answer")


def test_a_second_replay_gives_up() -> None:
    second = Replayed("b")
    began, outcome, _ = tried(Replayed("a"), second, Replayed("c"))
    assert (len(began), outcome) == (2, second)


def test_replays_are_counted_per_request_and_not_per_client() -> None:
    for _ in range(2):
        assert tried(Replayed("a"))[1] == "answer"


@pytest.mark.parametrize(
    "failure",
    [
        AccessRefused("x"),
        RequestRefused("x"),
        AnswerUnreadable("x"),
        ValueError("x"),
        KeyError("x"),
    ],
)
def test_any_other_error_leaves_at_once(failure: Exception) -> None:
    began, outcome, ended = tried(failure)
    assert (len(began), outcome) == (1, failure)
    assert ended == pytest.approx(0, abs=0.01)


def test_patience_of_one_attempt_switches_retries_off() -> None:
    failure = ProviderBusy("x")
    began, outcome, _ = tried(failure, patience=Patience(attempts=1))
    assert (len(began), outcome) == (1, failure)
