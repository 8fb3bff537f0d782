"""A forced backfill reads final days again, and says what has changed since they were."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

from aiohttp import web

from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, run
from tests.flow.truth import assert_equals_world

DAY = date(2026, 2, 20)
NOTHING = partial(web.json_response, {"success": True, "data": {"rows": [], "meta": {"total": 0}}})
RANGE = ("--from", "2026-02-01", "--to", "2026-02-28")


async def test_an_audit_tells_each_value_that_changed_since_it_was_final(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night, world = Night(sandbox, warehouse_dsn), sandbox.world
        config = configured(tmp_path, night)
        assert (await run(config, "sync")).code == 0
        [traded, *_] = [one for one in world.trade_days() if one.market == "spot" and one.day == DAY]
        quiet = next(
            one.open_id
            for one in world.listed_members()
            if one.has_traded and world.trade_totals(one.open_id, "spot", DAY, now=world.now) is None
        )
        world.restate_trade(traded.subject_id, "spot", DAY, Decimal("7.50"), fee=Decimal("0.1"))
        world.restate_trade(quiet, "spot", DAY, Decimal("3.25"), fee=Decimal("0.02"))
        audit = await run(config, "backfill", *RANGE, "--force", "--stream", "member_trades")
        assert audit.code == 0, audit.err
        told = [line.split() for line in audit.out.splitlines() if line.startswith("lbank-main")]
        key = ["lbank-main", "trade_day", str(DAY), "spot", "member"]
        assert sorted(told) == sorted(
            [
                [*key, traded.subject_id, "volume", traded.volume, "7.50"],
                [*key, traded.subject_id, "fee", traded.fee, "0.1"],
                [*key, quiet, "volume", "–", "3.25"],
                [*key, quiet, "fee", "–", "0.02"],
            ]
        )
        assert "4 values in all" in audit.out
        [finished] = [json.loads(line) for line in audit.err.splitlines() if '"finished"' in line]
        assert (finished["restated"], finished["new"], finished["changed"]) == (4, 1, 1)
        assert await night.rows("SELECT values_restated FROM ops.run ORDER BY run_id DESC LIMIT 1") == [(4,)]
        assert (await run(config, "backfill", *RANGE, "--force")).code == 0
        await assert_equals_world(night)


async def test_an_audit_that_finds_nothing_says_so_and_writes_nothing(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night)
        await run(config, "sync")
        written = "SELECT xmin::text, ctid::text FROM warehouse.trade_day"
        before = await night.rows(written)
        audit = await run(config, "backfill", *RANGE, "--force")
        assert audit.code == 0
        assert audit.out.startswith("nothing that was final has changed")
        assert await night.rows(written) == before


async def test_a_row_that_is_taken_back_and_returns_is_told_both_times(warehouse_dsn: str, tmp_path: Path) -> None:
    """One of fewer than ten rows: the guard has nothing to say."""
    async with exchange(small_world(members=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, sources=("orderly",))
        await run(config, "sync")
        day = sandbox.world.orderly.broker_days()[0].day
        span = ("--from", str(day), "--to", str(day))
        sandbox.faults.append(lambda _: NOTHING())
        gone = await run(config, "backfill", *span, "--force", "--stream", "summary_by_date")
        sandbox.faults.clear()
        back = await run(config, "backfill", *span, "--force", "--stream", "summary_by_date")
        told = [
            [line.split()[:4] for line in each.out.splitlines() if line.startswith("orderly")] for each in (gone, back)
        ]
        assert told == [[["orderly-main", "broker_day", str(day), "removed_at"]]] * 2
        await assert_equals_world(replace(night, source="orderly"))
