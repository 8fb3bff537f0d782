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
WINDOWS = 1000
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
    """A stream whose windows are many, the table it fills, and how many requests it takes at least."""

    source: str
    stream: str
    table: str
    requests: int


RUNS = (
    Run("lbank", "futures_turnover", "futures_turnover", requests=WINDOWS),
    Run("orderly", "summary_by_account", "broker_account_day", requests=WINDOWS * 3 // 2),
)


def long_history(run: Run) -> Sandbox:
    """An exchange with a history of a thousand days, at Orderly in pages of two rows."""
    sandbox = exchange(small_world(members=50 if run.source == "orderly" else 4, days=WINDOWS - 1), seed=4)
    sandbox.orderly.max_size = 2
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
        assert undisturbed.totals.windows == WINDOWS
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
        assert disturbed.totals.windows == WINDOWS
        rows = expected(failing)[run.table]
        assert rows
        assert await loaded(failing, run.table) == rows
