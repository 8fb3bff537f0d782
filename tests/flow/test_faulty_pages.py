"""Lists that move under the reader or come back as they were: never half believed, and whole with the next reading."""

from collections import Counter
from typing import Any

import pytest

from etl.sandbox.faults import EXCHANGES, Fault
from etl.sandbox.server import Sandbox
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.test_coinw import fill_pages
from tests.flow.truth import expected, loaded

# One list of each exchange that takes several pages, and the table that it fills.
LISTS = {
    "lbank": ("team_members", "invitee"),
    "coinw": ("invitee_volume", "trade_day"),
    "orderly": ("summary_by_date", "broker_day"),
    "ztdx": ("referral_logs", "referral_event"),
}
EVERY = pytest.mark.parametrize("source", EXCHANGES)
WITH_TOTALS = pytest.mark.parametrize("source", EXCHANGES[1:])


def long_lists(source: str) -> Sandbox:
    """A sandbox in which the list of that exchange takes pages enough."""
    sandbox = exchange(small_world(members=150 if source == "lbank" else 20, days=10))
    sandbox.orderly.max_size = 4
    if source == "coinw":
        fill_pages(sandbox, rows_a_day=60)
    if source == "ztdx":
        sandbox.world.ztdx.add_events(250)
    return sandbox


def night_of(sandbox: Sandbox, dsn: str, source: str) -> Night:
    return Night(sandbox, dsn, source=source, streams=(LISTS[source][0],))


async def assert_whole(night: Night) -> None:
    """The table holds what the world has for the list, row by row."""
    table = LISTS[night.source][1]
    rows = expected(night)[table]
    if night.source == "lbank":
        rows = Counter({row: count for row, count in rows.items() if row[-1] == "list"})
    assert await loaded(night, table) == rows


async def assert_heals(night: Night) -> None:
    night.sandbox.heal()
    outcomes = await night.sync()
    assert exit_code(outcomes) == 0
    assert await night.rows("SELECT count(*) FROM ops.issue WHERE resolved_at IS NULL AND kind <> 'note'") == [(0,)]
    await assert_whole(night)


@EVERY
@pytest.mark.parametrize(
    "fault", [Fault("repeated_page", times=1), Fault("shifted_pages", times=1)], ids=lambda fault: fault.kind
)
async def test_a_list_that_moves_once_is_read_until_it_holds_together(
    warehouse_dsn: str, fault: Fault, source: str
) -> None:
    async with long_lists(source) as sandbox:
        night = night_of(sandbox, warehouse_dsn, source)
        sandbox.inject(fault)
        outcomes = await night.sync()
        assert exit_code(outcomes) == 0
        await assert_whole(night)


@EVERY
async def test_a_list_that_comes_back_as_it_was_for_ever_fails_and_heals(warehouse_dsn: str, source: str) -> None:
    async with long_lists(source) as sandbox:
        night = night_of(sandbox, warehouse_dsn, source)
        sandbox.inject(Fault("repeated_page"))
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        [message] = await messages(night)
        assert "the pages moved" in message or "the log tells" in message
        await assert_heals(night)


@WITH_TOTALS
async def test_a_row_that_slips_between_pages_is_missed_by_no_list_that_tells_its_total(
    warehouse_dsn: str, source: str
) -> None:
    async with long_lists(source) as sandbox:
        night = night_of(sandbox, warehouse_dsn, source)
        sandbox.inject(Fault("shifted_pages", rows=-1, times=1))
        outcomes = await night.sync()
        assert exit_code(outcomes) == 0
        await assert_whole(night)


@WITH_TOTALS
async def test_a_row_that_slips_between_pages_at_every_reading_is_told(warehouse_dsn: str, source: str) -> None:
    async with long_lists(source) as sandbox:
        night = night_of(sandbox, warehouse_dsn, source)
        sandbox.inject(Fault("shifted_pages", rows=-1))
        outcomes = await night.sync()
        assert exit_code(outcomes) == 1
        await assert_heals(night)


async def test_a_row_that_slips_between_pages_of_lbank_comes_with_the_next_reading(warehouse_dsn: str) -> None:
    """ "No total anywhere" (FACTS.md): nothing in such answers shows that a row is missing."""
    async with long_lists("lbank") as sandbox:
        night = night_of(sandbox, warehouse_dsn, "lbank")
        sandbox.inject(Fault("shifted_pages", rows=-1, times=1))
        assert exit_code(await night.sync()) == 0
        assert (await loaded(night, "invitee")).total() == 149
        await assert_heals(night)


# ------------------------------------------------------------------------------------------------ rows that go


EMPTY: dict[str, dict[str, Any]] = {
    "lbank": {"data": []},
    "coinw": {"data.list": [], "data.total": 0},
    "orderly": {"data.rows": [], "data.meta.total": 0},
    "ztdx": {"logs": [], "total": 0},
}
STREAM = {**{source: stream for source, (stream, _) in LISTS.items()}, "orderly": "summary_by_account"}
TABLE = {**{source: table for source, (_, table) in LISTS.items()}, "orderly": "broker_account_day"}


@EVERY
async def test_an_answer_that_lacks_everything_is_not_believed_until_told_and_rows_that_come_back_are_revived(
    warehouse_dsn: str, source: str
) -> None:
    async with exchange(small_world(members=200, days=4)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source, streams=(STREAM[source],))
        await night.sync()
        there = await loaded(night, TABLE[source])
        assert there.total() > 20
        empty = [Fault("bad_value", field=field, value=value, envelope=True) for field, value in EMPTY[source].items()]
        sandbox.inject(*empty)
        assert exit_code(await night.sync()) == 1
        assert await loaded(night, TABLE[source]) == there, "nothing was taken away"
        [message] = await messages(night)
        assert "--accept-removals" in message
        assert exit_code(await night.sync(Asked(accept_removals=True))) == 0
        assert await messages(night) == []
        gone = there.total() - (await loaded(night, TABLE[source])).total()
        assert gone >= 10
        removed = f"SELECT count(*) FROM warehouse.{TABLE[source]} WHERE removed_at IS NOT NULL"
        assert await night.rows(removed) == [(gone,)]
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert await loaded(night, TABLE[source]) == there
        assert await night.rows(removed) == [(0,)]


async def messages(night: Night) -> list[str]:
    """What the open issues say."""
    found = await night.rows("SELECT DISTINCT message FROM ops.issue WHERE resolved_at IS NULL AND kind <> 'note'")
    return [message for (message,) in found]
