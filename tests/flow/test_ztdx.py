"""ZTDX: a log read once and then only where it is new, a token that runs out, and answers that are no JSON."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from etl.errors import AccessRefused
from etl.sandbox.credentials import ZTDX_API_KEY, ZTDX_SECRET_KEY, ztdx_token
from etl.sandbox.server import Sandbox
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world

DAY = timedelta(days=1)
both_orders = pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])


def ten_thousand(sandbox: Sandbox, *, newest_first: bool) -> None:
    """Three events share each millisecond, and nothing tells them apart in the order."""
    log = sandbox.world.ztdx
    while (missing := 10_000 - len(log.events())) > 0:
        sandbox.world.now += timedelta(milliseconds=1)
        log.add_events(min(300, missing))
    sandbox.ztdx.newest_first = newest_first


@both_orders
async def test_ten_thousand_logs_take_a_hundred_requests_then_one_then_few(
    warehouse_dsn: str, *, newest_first: bool
) -> None:
    async with exchange(small_world()) as sandbox:
        ten_thousand(sandbox, newest_first=newest_first)
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        requests = []
        for news in (0, 0, 7):
            sandbox.world.now += timedelta(minutes=1)
            sandbox.world.ztdx.add_events(news)
            [outcome] = await night.sync()
            assert outcome.totals.outcome == "done"
            requests.append(len(sandbox.requests))
            await assert_equals_world(night)
        first, without_news, with_seven = requests
        assert first <= 102
        assert without_news == 1
        assert with_seven <= 3


@both_orders
async def test_rows_that_arrive_while_it_pages_are_not_lost(warehouse_dsn: str, *, newest_first: bool) -> None:
    async with exchange(small_world()) as sandbox:
        ten_thousand(sandbox, newest_first=newest_first)

        def arrive(request: web.Request) -> None:
            if len(sandbox.requests) in (30, 31, 60):
                sandbox.world.now += timedelta(seconds=1)
                sandbox.world.ztdx.add_events(3)

        sandbox.faults.append(arrive)
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)
        assert len(sandbox.requests) <= 102


@both_orders
async def test_pages_that_were_paid_for_are_kept_when_a_reading_breaks_off(
    warehouse_dsn: str, *, newest_first: bool
) -> None:
    async with exchange(small_world()) as sandbox:
        ten_thousand(sandbox, newest_first=newest_first)
        sandbox.faults.append(
            lambda request: web.Response(status=400, text="no") if len(sandbox.requests) > 60 else None
        )
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        [outcome] = await night.sync()
        assert (outcome.totals.outcome, outcome.totals.rows.new) == ("incomplete", 6000)
        sandbox.faults.clear()
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        assert len(sandbox.requests) <= 42
        await assert_equals_world(night)


async def test_a_token_that_has_expired_costs_no_request_and_is_told(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        expired = ztdx_token(sandbox.world.now - timedelta(hours=1))
        night = Night(sandbox, warehouse_dsn, source="ztdx", settings={"token": SecretStr(expired)})
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        assert isinstance(outcome.error, AccessRefused)
        assert "the token of account ztdx-main expired at 2026-03-10 12:00:00 UTC" in str(outcome.error)
        assert sandbox.requests == []
        for (message,) in await night.rows("SELECT message FROM ops.issue"):
            assert "expired at" in message
            assert expired not in message


async def test_a_token_that_the_server_no_longer_takes_ends_the_account(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        good = ztdx_token(sandbox.world.now + DAY)
        forged = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB")
        night = Night(sandbox, warehouse_dsn, source="ztdx", settings={"token": SecretStr(forged)})
        [outcome] = await night.sync()
        assert isinstance(outcome.error, AccessRefused)
        assert len(sandbox.requests) == 1


async def test_a_key_pair_serves_instead_of_a_token_also_under_a_prefix(warehouse_dsn: str) -> None:
    keys = {"token": None, "api_key": SecretStr(ZTDX_API_KEY), "secret_key": SecretStr(ZTDX_SECRET_KEY)}
    async with exchange(small_world(members=5, days=5)) as sandbox:
        sandbox.ztdx.path_prefix = "/api/v1"
        night = Night(sandbox, warehouse_dsn, source="ztdx", settings=keys)
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        assert {request.path for request in sandbox.requests} == {"/api/v1/referral/logs"}
        await assert_equals_world(night)


BODIES: dict[str, tuple[Callable[[], web.Response], str]] = {
    "400 text": (lambda: web.Response(status=400, text="bad page"), "incomplete"),
    "404 HTML": (lambda: web.Response(status=404, text="<html>no</html>", content_type="text/html"), "incomplete"),
    "404 empty": (lambda: web.Response(status=404), "incomplete"),
    "401 object": (lambda: web.json_response({"error": {"message": "no", "code": 7}}, status=401), "failed"),
    "401 empty": (lambda: web.Response(status=401), "failed"),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_refusals_of_any_body_end_in_one_clear_sentence_and_the_next_night_heals(
    warehouse_dsn: str, kind: str
) -> None:
    answer, ends = BODIES[kind]
    async with exchange(small_world(members=5, days=5)) as sandbox:
        sandbox.faults.append(lambda request: answer())
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        [outcome] = await night.sync()
        assert (outcome.totals.outcome, exit_code([outcome])) == (ends, 1)
        assert len(sandbox.requests) == 1
        for (message,) in await night.rows("SELECT message FROM ops.issue"):
            assert f"HTTP {kind[:3]}" in message
            assert "\n" not in message
        sandbox.faults.clear()
        await night.sync()
        await assert_equals_world(night)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=429, text="Too many requests", headers={"Retry-After": "0"}),
        lambda: web.Response(status=503, text="<html>busy</html>"),
        lambda: web.Response(status=200, text="<html>maintenance</html>"),
        lambda: web.Response(status=200, text=""),
    ],
    ids=["429", "503", "200 HTML", "200 empty"],
)
async def test_passing_failures_are_waited_out(warehouse_dsn: str, answer: Callable[[], web.Response]) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        sandbox.faults.append(lambda request: answer() if len(sandbox.requests) == 1 else None)
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


async def test_a_backfill_leaves_the_log_out(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        day = sandbox.world.now.date()
        [outcome] = await Night(sandbox, warehouse_dsn, source="ztdx").sync(
            Asked(command="backfill", first=day, last=day)
        )
        assert outcome.totals.outcome == "done"
        assert sandbox.requests == []


async def test_an_entry_that_cannot_be_read_is_set_aside_and_read_again_until_it_can(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=20)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.world.ztdx.add_events(250)
        broken = sandbox.world.ztdx.events()[7].event_id
        spoiled: list[Any] = []

        async def spoil(request: web.Request) -> web.StreamResponse | None:
            body = await sandbox_answer(sandbox, request)
            for row in body["logs"]:
                if row["id"] == broken:
                    spoiled.append(row)
                    row["created_at"] = row["created_at"] // 1000
            return web.json_response(body)

        sandbox.faults.append(spoil)
        for _ in range(2):
            [outcome] = await night.sync()
            assert (outcome.totals.outcome, outcome.totals.rejects) == ("incomplete", 1)
            [(column, reason)] = await night.rows("SELECT column_name, reason FROM ops.reject")
            assert (column, "milliseconds" in reason) == ("created_at", True)
        sandbox.faults.clear()
        [outcome] = await night.sync()
        assert (outcome.totals.outcome, outcome.totals.rows.new) == ("done", 1)
        assert await night.rows("SELECT * FROM ops.reject") == []
        await assert_equals_world(night)


@both_orders
async def test_the_log_of_somebody_else_is_not_taken_for_more_of_the_same(
    warehouse_dsn: str, *, newest_first: bool
) -> None:
    """Another token under the same name: the numbers would add up, but no known row is met."""
    async with exchange(small_world(members=5, days=5)) as one, exchange(small_world(members=5, days=5)) as another:
        one.world.ztdx.add_events(100 - len(one.world.ztdx.events()))
        await Night(one, warehouse_dsn, source="ztdx").sync()
        another.world.ztdx._seed = 2  # another history under the same clock
        another.world.ztdx.add_events(200 - len(another.world.ztdx.events()))
        another.ztdx.newest_first = newest_first
        night = Night(another, warehouse_dsn, source="ztdx")
        [outcome] = await night.sync()
        assert (outcome.totals.outcome, exit_code([outcome])) == ("incomplete", 1)
        assert await night.rows("SELECT count(*) FROM warehouse.referral_event WHERE removed_at IS NOT NULL") == [(0,)]
        [(message,)] = await night.rows("SELECT message FROM ops.issue WHERE resolved_at IS NULL")
        assert "--accept-removals" in message
        await night.sync(Asked(accept_removals=True))
        await assert_equals_world(night)


async def sandbox_answer(sandbox: Sandbox, request: web.Request) -> Any:
    """What the log would answer, as a value that can be changed."""
    number, size = int(request.query["page"]), int(request.query["page_size"])
    rows = [
        {
            "id": one.event_id,
            "action": one.action,
            "target_address": one.target_address,
            "referral_code": one.referral_code,
            "amount": one.amount,
            "old_value": one.old_value,
            "new_value": one.new_value,
            "created_at": round(one.occurred_at.timestamp() * 1000),
        }
        for one in sandbox.world.ztdx.events()
    ]
    return {"logs": rows[(number - 1) * size : number * size], "total": len(rows), "page": number, "page_size": size}


@both_orders
async def test_ties_that_change_places_at_every_request_heal_in_the_end(
    warehouse_dsn: str, *, newest_first: bool
) -> None:
    async with exchange(small_world()) as sandbox:
        for _ in range(100):
            sandbox.world.now += timedelta(milliseconds=1)
            sandbox.world.ztdx.add_events(3)
        sandbox.ztdx.newest_first = newest_first
        sandbox.ztdx.shuffle_ties = True
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        for _ in range(3):
            [outcome] = await night.sync()
            if outcome.totals.outcome == "done":
                break
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)
