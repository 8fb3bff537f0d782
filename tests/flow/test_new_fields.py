"""A field that an exchange adds is told once, kept, and breaks nothing."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from etl.query.status import read_status
from etl.sandbox.faults import Fault
from etl.stream import Account
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from etl.warehouse.engine import connect
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, run
from tests.flow.truth import assert_equals_world

DAY = timedelta(days=1)
NOTED = "SELECT stream, subject, resolved_at IS NULL FROM ops.issue WHERE kind = 'new_field' ORDER BY 1, 2"
KEPT = "SELECT DISTINCT stream FROM raw.page WHERE convert_from(body, 'UTF8') LIKE '%vipTier%' ORDER BY 1"
STREAMS = {
    "lbank": [
        *("commissions", "futures_turnover", "member_info", "member_trades", "team_members", "team_trades"),
        "transfers",
    ],
    "coinw": ["activity", "invitee_volume"],
    "orderly": ["summary_by_account", "summary_by_date"],
    "ztdx": ["referral_logs"],
}


@pytest.mark.parametrize("source", STREAMS)
async def test_a_new_field_is_noted_once_per_stream_and_kept(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("bad_value", field="vipTier", value="gold"))
        for _ in range(2):
            assert exit_code(await night.sync()) == 0
            await assert_equals_world(night)
            assert await night.rows(NOTED) == [(stream, "vipTier", True) for stream in STREAMS[source]]
            assert await night.rows(KEPT) == [(stream,) for stream in STREAMS[source]]
            sandbox.world.now += DAY
        connection = await connect(warehouse_dsn)
        status = await read_status(connection, [night.account()], sandbox.world.now)
        await connection.close()
        assert {each.last_error for each in status.streams} == {None}
        told = [issue for issue in status.issues if issue["kind"] == "new_field"]
        assert all("'vipTier'" in issue["message"] and "raw.page" in issue["message"] for issue in told)
        assert sorted(issue["stream"] for issue in told) == STREAMS[source]


@pytest.mark.parametrize("source", STREAMS)
async def test_documented_fields_are_not_new(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        await night.sync()
        assert await night.rows(NOTED) == []


async def test_a_field_that_a_later_version_knows_is_resolved(
    warehouse_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.inject(Fault("bad_value", field="vipTier", value="gold"))
        await night.sync()

        def account() -> Account:
            found = Night.account(night)
            return replace(found, streams=tuple(replace(each, unread=("vipTier",)) for each in found.streams))

        with monkeypatch.context() as later:
            later.setattr(night, "account", account)
            await night.sync()
        assert await night.rows(NOTED) == [("referral_logs", "vipTier", False)]
        await night.sync()
        assert await night.rows(NOTED) == [("referral_logs", "vipTier", True)]


async def test_names_that_are_data_fill_no_table(warehouse_dsn: str) -> None:
    """An object where a row was, whose names are ids: some are noted, cut and readable, whatever they hold."""
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly", streams=("summary_by_date",))
        names = ["\x00", "\ud800", "n" * 5000, *(f"id-{number}" for number in range(50))]
        sandbox.inject(*(Fault("bad_value", field=name, value=1) for name in names))
        assert exit_code(await night.sync()) == 0
        noted = [name for _, name, _ in await night.rows(NOTED)]
        assert len(noted) == 20
        assert max(map(len, noted)) <= 100
        await assert_equals_world_of_dates(night)


async def assert_equals_world_of_dates(night: Night) -> None:
    days = await night.rows("SELECT count(*) FROM warehouse.broker_day")
    assert days == [(len(night.sandbox.world.orderly.broker_days()),)]


async def test_a_replay_notes_what_this_version_does_not_know(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw")
        sandbox.inject(Fault("bad_value", field="vipTier", value="gold"))
        await night.sync()
        await night.rows("TRUNCATE ops.issue")
        await night.sync(Asked(command="replay"))
        assert [stream for stream, _, _ in await night.rows(NOTED)] == STREAMS["coinw"]


async def test_a_name_in_brackets_is_shown_as_it_is(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        config = configured(tmp_path, night, sources=("ztdx",))
        sandbox.inject(Fault("bad_value", field="[/x] [bold]y", value="gold"))
        assert (await run(config, "sync")).code == 0
        status = await run(config, "status")
        assert (status.code, "[/x] [bold]y" in status.out) == (0, True), status.err


async def test_what_was_noted_of_a_stream_that_is_not_read_any_more_is_resolved(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly")
        sandbox.inject(Fault("bad_value", field="vipTier", value="gold"))
        await night.sync()
        night.streams = ("summary_by_date",)
        await night.sync()
        assert await night.rows(NOTED) == [
            ("summary_by_account", "vipTier", False),
            ("summary_by_date", "vipTier", True),
        ]
