"""What passing failures cost: where one request in twenty fails, hardly more than one in twenty is asked again."""

import logging
from dataclasses import dataclass

import pytest

from etl.sandbox import Sandbox
from etl.sandbox.faults import Fault
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import expected, loaded

logger = logging.getLogger(__name__)
FAILING_PCT, MOST_MORE_PCT = 5, 8
DAYS = 999
PASSING = (
    *("too_many_requests", "rate_code", "http_500", "http_502", "http_503"),
    *("reset", "reset_in_body", "truncated", "empty_body"),
)


def failures() -> list[Fault]:
    """A mix of passing failures that together strike one request in twenty."""
    share = FAILING_PCT / 100 / len(PASSING)
    return [Fault("too_many_requests", share=share, retry_after=0), *(Fault(kind, share=share) for kind in PASSING[1:])]


@dataclass(frozen=True)
class Run:
    """A stream whose windows are many, the tables it fills, and how many windows and requests it takes at least."""

    source: str
    stream: str
    tables: tuple[str, ...]
    windows: int
    requests: int


RUNS = (
    Run("lbank", "futures_turnover", ("futures_turnover",), windows=1000, requests=1000),
    Run("orderly", "summary_by_account", ("broker_account_day",), windows=1000, requests=1500),
    Run("coinw", "activity", ("activity_period", "activity_day"), windows=1000, requests=1000),
    Run("ztdx", "referral_logs", ("referral_event",), windows=1, requests=200),
)


def long_history(run: Run) -> Sandbox:
    """An exchange with a history of a thousand days: at Orderly in pages of two rows, at CoinW of so many activities
    that their months are a thousand, at ZTDX a log of two hundred pages."""
    sandbox = exchange(small_world(members=50 if run.source == "orderly" else 4, days=DAYS), seed=4)
    sandbox.orderly.max_size = 2
    if run.source == "coinw":
        sandbox.world.coinw.activities = tuple(f"ACT2026{number:04d}" for number in range(1, 31))
    if run.source == "ztdx":
        sandbox.world.ztdx.add_events(20_000)
    return sandbox


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.source)
async def test_a_failure_costs_one_request_and_nothing_else(warehouse_dsn: str, run: Run) -> None:
    async with long_history(run) as sandbox:
        calm, failing = (
            Night(sandbox, warehouse_dsn, source=run.source, streams=(run.stream,), name=name)
            for name in ("calm", "failing")
        )
        [undisturbed] = await calm.sync()
        requests = len(sandbox.requests)
        assert undisturbed.totals.windows >= run.windows
        assert requests >= run.requests
        sandbox.inject(*failures())
        [disturbed] = await failing.sync()
        asked = len(sandbox.requests)
        struck = sum(request.error_code is None for request in sandbox.requests)
        logger.info("%s: %d requests, %d with %d failures", run.source, requests, asked, struck)
        assert abs(100 * struck / asked - FAILING_PCT) < 1
        assert asked == requests + struck
        assert 100 * asked <= (100 + MOST_MORE_PCT) * requests
        assert disturbed.totals.outcome == "done"
        assert disturbed.totals.windows == undisturbed.totals.windows
        for table in run.tables:
            rows = expected(failing)[table]
            assert rows
            assert await loaded(failing, table) == rows
