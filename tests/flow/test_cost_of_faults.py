"""What each fault of an exchange costs: how the run ends, and that the next one leaves the tables as the world is."""

from datetime import timedelta

import pytest

from etl.extract.retry import Patience
from etl.sandbox.faults import EXCHANGES, Fault
from etl.sandbox.server import Sandbox
from etl.sync.run import Outcome, exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world

PASSING: dict[str, tuple[str, str]] = {
    "too_many_requests": ("RateLimited", "HTTP 429, too many requests"),
    "rate_code": ("RateLimited", "too"),
    "http_500": ("ProviderBusy", "HTTP 500"),
    "http_502": ("ProviderBusy", "HTTP 502"),
    "http_503": ("ProviderBusy", "HTTP 503"),
    "timeout": ("ConnectionBroken", "timed out"),
    "reset": ("ConnectionBroken", "no whole answer"),
    "reset_in_body": ("ConnectionBroken", "no whole answer"),
    "truncated": ("ConnectionBroken", "no JSON"),
    "empty_body": ("ConnectionBroken", "no JSON"),
}
"""The faults that another try may end: what is kept of the request, and what a person is told."""
EVERY = pytest.mark.parametrize("source", EXCHANGES)
NOT_ONE_ROW = """
    SELECT 1 FROM warehouse.trade_day UNION ALL SELECT 1 FROM warehouse.commission_day
    UNION ALL SELECT 1 FROM warehouse.transfer UNION ALL SELECT 1 FROM warehouse.broker_day
    UNION ALL SELECT 1 FROM warehouse.activity_period UNION ALL SELECT 1 FROM warehouse.referral_event
"""


def little() -> Sandbox:
    """A sandbox of a world that a few dozen requests read."""
    return exchange(small_world(members=12, days=10))


def all_four(sandbox: Sandbox, dsn: str, *, timeout_seconds: float) -> list[Night]:
    """A night of each exchange."""
    return [Night(sandbox, dsn, source=source, timeout_seconds=timeout_seconds) for source in EXCHANGES]


async def told(night: Night, outcome: Outcome) -> str:
    """What a person is told of a run that went wrong: the account's error, and the open issues."""
    issues = await night.rows(
        "SELECT message FROM ops.issue WHERE account = $1 AND resolved_at IS NULL AND kind <> 'note'",
        night.account().name,
    )
    return "\n".join([str(outcome.error or ""), *(message for (message,) in issues)])


async def assert_nothing_is_settled(night: Night) -> None:
    """No day is loaded, let alone final, and no row is there."""
    assert await night.rows("SELECT 1 FROM ops.coverage WHERE NOT isempty(loaded) OR NOT isempty(final)") == []
    assert await night.rows(NOT_ONE_ROW) == []


async def assert_heals(night: Night) -> None:
    """Without the fault the next run ends well, leaves nothing to tell, and the tables are as the world is."""
    night.sandbox.heal()
    [outcome] = await night.sync()
    assert (exit_code([outcome]), outcome.totals.outcome) == (0, "done")
    assert await told(night, outcome) == ""
    assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
    await assert_equals_world(night)


# ------------------------------------------------------------------------------------------------ what passes


@pytest.mark.parametrize("kind", PASSING)
async def test_a_fault_that_passes_costs_one_more_try(warehouse_dsn: str, kind: str) -> None:
    async with little() as sandbox:
        nights = all_four(sandbox, warehouse_dsn, timeout_seconds=2.0 if kind == "timeout" else 60.0)
        sandbox.inject(*(Fault(kind, exchange=source, times=1) for source in EXCHANGES))
        outcomes = await nights[0].sync(None, *nights[1:])
        assert exit_code(outcomes) == 0
        wrong = await nights[0].rows(
            "SELECT account, outcome, attempt FROM ops.request WHERE outcome <> 'ok' ORDER BY 1"
        )
        assert [(account, attempt) for account, _, attempt in wrong] == [
            (f"{source}-main", 1) for source in sorted(EXCHANGES)
        ]
        assert {outcome.partition(":")[0] for _, outcome, _ in wrong} == {PASSING[kind][0]}
        assert await nights[0].rows("SELECT count(*) FROM ops.request") == [(len(sandbox.requests),)]
        for night in nights:
            await assert_equals_world(night)


@pytest.mark.parametrize("kind", PASSING)
async def test_an_exchange_that_brings_nothing_is_given_up_and_heals(warehouse_dsn: str, kind: str) -> None:
    """Three windows of five tries each; ZTDX's log is a single one."""
    async with little() as sandbox:
        nights = all_four(sandbox, warehouse_dsn, timeout_seconds=0.2 if kind == "timeout" else 60.0)
        sandbox.inject(Fault(kind))
        outcomes = await nights[0].sync(None, *nights[1:])
        assert exit_code(outcomes) == 1
        assert [outcome.totals.requests for outcome in outcomes] == [15, 15, 15, 5]
        for night, outcome in zip(nights, outcomes, strict=True):
            message = await told(night, outcome)
            assert PASSING[kind][1] in message
            assert ("taken to be down" in message) is (night.source != "ztdx")
        await assert_nothing_is_settled(nights[0])
        for night in nights:
            night.timeout_seconds = 60.0
            await assert_heals(night)


@EVERY
async def test_one_request_in_twenty_that_fails_loses_nothing(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(*(Fault(kind, share=0.05) for kind in ("http_503", "reset_in_body", "truncated", "rate_code")))
        outcomes = await night.sync()
        assert exit_code(outcomes) == 0
        await assert_equals_world(night)


@pytest.mark.parametrize(
    ("source", "path"),
    [("lbank", "/trade/user"), ("coinw", "/activity/list"), ("orderly", "/summary"), ("ztdx", "/referral/logs")],
)
async def test_an_endpoint_that_is_down_for_minutes_heals_by_itself(warehouse_dsn: str, source: str, path: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("http_503", exchange=source, path=path, skip=1, seconds=600))
        [outcome] = await night.sync()
        if source == "ztdx":  # the one request of its short log is let through
            assert (exit_code([outcome]), len(sandbox.requests)) == (0, 1)
        else:
            assert (exit_code([outcome]), outcome.totals.outcome) == (1, "incomplete")
        assert "taken to be down" not in str(outcome.error)
        sandbox.world.now += timedelta(minutes=10)
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 0
        await assert_equals_world(night)


async def test_a_slow_exchange_costs_time_only(warehouse_dsn: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly")
        sandbox.inject(Fault("slow", delay_seconds=0.01))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 0
        assert await night.rows("SELECT count(*) FROM ops.request WHERE outcome <> 'ok' OR attempt > 1") == [(0,)]
        await assert_equals_world(night)


async def test_an_exchange_that_asks_for_longer_than_there_is_patience_is_left_alone(warehouse_dsn: str) -> None:
    async with little() as sandbox:
        patience = Patience(5, total_seconds=30, first_wait_seconds=0, longest_wait_seconds=0, jitter_seconds=0)
        night = Night(sandbox, warehouse_dsn, source="coinw", patience=patience)
        sandbox.inject(Fault("too_many_requests", retry_after=3600))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        assert len(sandbox.requests) == 3, "one try for each of the first three windows"
        await assert_heals(night)


# ------------------------------------------------------------------------------------------------ what does not


@EVERY
@pytest.mark.parametrize("kind", ["expired_token", "clock_skew"])
async def test_credentials_that_are_refused_cost_one_request(warehouse_dsn: str, kind: str, source: str) -> None:
    """ZTDX's token has no timestamp: a clock that is a few minutes off changes nothing there."""
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault(kind))
        [outcome] = await night.sync()
        if (kind, source) == ("clock_skew", "ztdx"):
            assert exit_code([outcome]) == 0
        else:
            assert (exit_code([outcome]), outcome.totals.outcome) == (1, "failed")
            assert "this machine's clock" in await told(night, outcome)
            await assert_nothing_is_settled(night)
        assert len(sandbox.requests) == 1
        await assert_heals(night)


async def test_credentials_that_are_refused_in_the_middle_keep_what_was_committed(warehouse_dsn: str) -> None:
    """Thirteen windows are under way at once: of thirty that were answered all but twelve have been committed."""
    async with exchange(small_world(members=12, days=40)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly")
        sandbox.inject(Fault("expired_token", skip=30))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.outcome) == (1, "failed")
        kept = outcome.totals.windows
        assert kept >= 18
        await assert_heals(night)
        assert len(sandbox.requests) <= 43 + 4 - kept, "what is final is not asked for again"


@EVERY
async def test_answers_that_cannot_be_read_are_given_up_after_three(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("no_data"))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        assert len(sandbox.requests) == (1 if source == "ztdx" else 3)
        assert "answer" in await told(night, outcome)
        await assert_nothing_is_settled(night)
        await assert_heals(night)


@EVERY
async def test_a_redirect_costs_one_request_of_each_endpoint(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("redirect"))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        asked = [request.path for request in sandbox.requests]
        assert len(asked) == len(set(asked)) > 0
        assert "302" in await told(night, outcome)
        await assert_nothing_is_settled(night)
        await assert_heals(night)


@EVERY
async def test_one_answer_without_data_costs_its_window_only(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("no_data", times=1))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.failures) == (1, 1)
        assert outcome.totals.windows > 0 or source == "ztdx"
        await assert_heals(night)


@EVERY
async def test_null_in_the_place_of_data_is_no_rows_where_the_document_says_so_and_else_unreadable(
    warehouse_dsn: str, source: str
) -> None:
    """LBank: "`data` can be `[]`, an object or null"; the others have a list there."""
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("no_data", null=True, times=1))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == (0 if source == "lbank" else 1)
        if source != "lbank":
            await assert_heals(night)


async def test_a_redirect_is_not_followed(warehouse_dsn: str) -> None:
    async with little() as sandbox, little() as elsewhere:
        sandbox.inject(Fault("redirect", to=f"{elsewhere.url}/referral/logs?page=1&page_size=100"))
        [outcome] = await Night(sandbox, warehouse_dsn, source="ztdx").sync()
        assert exit_code([outcome]) == 1
        assert elsewhere.requests == []


@EVERY
async def test_an_error_that_quotes_the_request_tells_no_secret(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("echo"))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        assert len(sandbox.requests) == (1 if source == "ztdx" else 3)
        message = await told(night, outcome)
        assert "Host: " in message, "the words of the exchange are told"
        for secret in (sandbox.api_key, sandbox.secret_key, sandbox.coinw.access.api_key, sandbox.ztdx_token()):
            assert secret not in message
        await assert_heals(night)


# ------------------------------------------------------------------------------------------------ what is more


@EVERY
async def test_a_success_that_says_more_than_is_documented_is_loaded(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("echo", ok=True))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


@EVERY
async def test_an_answer_of_ten_megabytes_is_loaded(warehouse_dsn: str, source: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("huge", megabytes=10, times=1))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


async def test_an_answer_beyond_all_measure_costs_its_window(warehouse_dsn: str) -> None:
    async with little() as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.inject(Fault("huge", megabytes=64))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), len(sandbox.requests)) == (1, 1)
        assert "larger than" in await told(night, outcome)
        await assert_heals(night)
