"""What goes wrong at the exchange, and what it costs: never more than it concerns."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from aiohttp import web
from asyncpg import Range
from pydantic import SecretStr

from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world, expected, loaded


def envelope(code: int, message: str) -> web.Response:
    """LBank's failure envelope: HTTP 200 with an error code."""
    return web.json_response({"result": "false", "msg": message, "error_code": code, "ts": 1721305093220})


def failing(
    answer: Callable[[], web.Response], *, path: str = "", times: int = 10**9, **params: str
) -> Callable[[web.Request], web.Response | None]:
    """A fault that answers the first `times` requests to a path's end with these parameters."""
    left = [times]

    def fault(request: web.Request) -> web.Response | None:
        wanted = request.path.endswith(path) and all(request.query.get(key) == value for key, value in params.items())
        if not wanted or not left[0]:
            return None
        left[0] -= 1
        return answer()

    return fault


async def test_a_wrong_secret_costs_one_request_and_is_told_in_a_sentence(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, settings={"secret_key": SecretStr("WRONG")})
        [outcome] = await night.sync()
        assert exit_code([outcome]) == 1
        assert len(sandbox.requests) <= 3
        assert "10007" in str(outcome.error)
        assert "secret_key" in str(outcome.error)
        assert "WRONG" not in str(outcome.error)
        assert await night.rows("SELECT outcome, requests FROM ops.run") == [("failed", len(sandbox.requests))]


async def test_an_address_off_the_allow_list_says_what_to_do(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        sandbox.faults.append(failing(lambda: envelope(10022, "IP forbidden")))
        [outcome] = await Night(sandbox, warehouse_dsn).sync()
        assert len(sandbox.requests) == 1
        assert "allow-list" in str(outcome.error)


async def test_an_account_whose_every_request_is_refused_is_given_up_after_three(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        sandbox.faults.append(failing(lambda: envelope(10001, "Parameter can not be null")))
        [outcome] = await Night(sandbox, warehouse_dsn).sync()
        assert outcome.totals.outcome == "failed"
        assert len(sandbox.requests) == 3


async def test_an_exchange_that_answers_nothing_is_given_up_soon(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        sandbox.faults.append(failing(lambda: web.Response(status=503)))
        [outcome] = await Night(sandbox, warehouse_dsn).sync()
        assert exit_code([outcome]) == 1
        assert "taken to be down" in str(outcome.error)
        assert len(sandbox.requests) == 15, "three windows, five tries each"


async def test_a_refused_partition_stops_no_other_and_heals_by_itself(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        unlucky = next(one.open_id for one in sandbox.world.listed_members() if one.has_traded)
        fault = failing(lambda: envelope(10003, "Invalid parameter"), path="/trade/user", openId=unlucky)
        sandbox.faults.append(fault)
        outcomes = await night.sync()
        assert exit_code(outcomes) == 1
        rows = expected(night)["trade_day"]
        lucky = Counter({row: n for row, n in rows.items() if (row[0], row[1]) != ("member", unlucky)})
        assert await loaded(night, "trade_day") == lucky
        failed = await night.rows("SELECT DISTINCT partition FROM ops.issue WHERE kind = 'window_failed'")
        assert set(failed) == {(f"{unlucky}/spot",), (f"{unlucky}/futures",)}
        sandbox.faults.clear()
        assert exit_code(await night.sync()) == 0
        await assert_equals_world(night)
        assert await night.rows("SELECT count(*) FROM ops.issue WHERE resolved_at IS NULL AND kind <> 'note'") == [(0,)]


async def test_passing_failures_are_tried_again_until_all_is_there(warehouse_dsn: str) -> None:
    passing: list[Callable[[], web.Response]] = [
        lambda: envelope(10000, "Internal error"),
        lambda: envelope(10017, "System busy"),
        lambda: envelope(10116, "System busy"),
        lambda: envelope(10004, "Too frequent"),
        lambda: envelope(10600, "Replay"),
        lambda: web.Response(status=429, headers={"Retry-After": "0"}),
        lambda: web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html"),
        lambda: web.Response(body=b'{"result": "true", "error_code": 0, "da', content_type="application/json"),
    ]
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        for n, answer in enumerate(passing):
            path = ("/trade/user", "/money/detail/list", "/commission/stats/symbol/list", "/trade/user/team")[n % 4]
            sandbox.faults.append(failing(answer, path=path, times=1))
        outcomes = await night.sync()
        assert exit_code(outcomes) == 0
        await assert_equals_world(night)
        wrong = await night.rows("SELECT count(*) FROM ops.request WHERE outcome <> 'ok'")
        assert wrong == [(len(passing),)]
        assert await night.rows("SELECT count(*) FROM ops.request") == [(len(sandbox.requests),)]


async def test_a_request_is_tried_at_most_five_times(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("futures_turnover",))
        day = sandbox.world.horizon.midnight(sandbox.world.horizon.first_day)
        first = str(round(day.timestamp() * 1000))
        sandbox.faults.append(failing(lambda: web.Response(status=503), startTime=first))
        assert exit_code(await night.sync()) == 1
        tries = [request for request in sandbox.requests if request.params["startTime"] == first]
        assert len(tries) == 5


async def test_an_endpoint_that_is_down_is_left_alone_while_the_others_go_on(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        sandbox.faults.append(failing(lambda: web.Response(status=503), path="/trade/future"))
        assert exit_code(await night.sync()) == 1
        asked: Any = Counter(request.path.rpartition("/")[2] for request in sandbox.requests)
        windows_tried = asked["future"] / 5
        assert 5 <= windows_tried <= 20, "of 41 windows the lane gives up after five in a row"
        assert await loaded(night, "transfer") == expected(night)["transfer"]
        sandbox.faults.clear()
        assert exit_code(await night.sync()) == 0
        await assert_equals_world(night)


async def test_an_endpoint_that_is_closed_ends_neither_the_account_nor_costs_more_than_it_must(
    warehouse_dsn: str,
) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        sandbox.faults.append(failing(lambda: envelope(10601, "Interface closed"), path="/trade/future"))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "incomplete"
        asked = Counter(request.path.rpartition("/")[2] for request in sandbox.requests)
        assert asked["future"] <= 16, "those under way when it was told, of 41 windows"
        assert await loaded(night, "transfer") == expected(night)["transfer"]
        assert await loaded(night, "trade_day") == expected(night)["trade_day"]


async def test_one_account_that_is_refused_stops_no_other(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as good, exchange(small_world()) as bad:
        night = Night(good, warehouse_dsn)
        refused = Night(bad, warehouse_dsn, name="lbank-other", settings={"secret_key": SecretStr("WRONG")})
        outcomes = await night.sync(None, refused)
        assert exit_code(outcomes) == 1
        assert [outcome.totals.outcome for outcome in outcomes] == ["done", "failed"]
        await assert_equals_world(night)


async def test_a_row_that_cannot_be_read_is_set_aside_and_its_window_stays_due(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("commissions",))
        row = {
            "openId": sandbox.open_id,
            "coinSymbol": "usdt",
            "amount": "abc",
            "tradeType": 1,
            "statsDate": 1772812800000,
            "usdtAmount": "0",
        }  # 2026-03-06 16:00 UTC: the day 2026-03-07
        answer = {"result": "true", "error_code": 0, "data": [row], "ts": 1773147600000}
        sandbox.faults.append(failing(lambda: web.json_response(answer), path="/symbol/list", openId=sandbox.open_id))
        assert exit_code(await night.sync()) == 1
        rejects = await night.rows("SELECT DISTINCT table_name, column_name, reason FROM ops.reject")
        assert rejects == [("commission_day", "amount", "'abc' is not a decimal number")]
        [(final,)] = await night.rows("SELECT final FROM ops.coverage WHERE partition = $1", sandbox.open_id)
        assert "2026-03-07" not in str(final)
        sandbox.faults.clear()
        assert exit_code(await night.sync()) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]


async def test_a_final_day_with_a_row_that_cannot_be_read_any_more_is_due_again(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_trades",))
        await night.sync()
        day = date(2026, 3, 2)
        row = {"openId": sandbox.open_id, "statsDate": 1772380800000, "tradeAmt": "NaN", "feeAmt": "0"}
        answer = {"result": "true", "error_code": 0, "data": [row], "ts": 1773147600000}
        sandbox.faults.append(failing(lambda: web.json_response(answer), tradeType="0", openId=sandbox.open_id))
        audit = Asked(command="backfill", first=day, last=day, force=True)
        assert exit_code(await night.sync(audit)) == 1
        final = "SELECT final @> $1::date FROM ops.coverage WHERE partition = $2"
        assert await night.rows(final, day, f"{sandbox.open_id}/spot") == [(False,)]
        assert await night.rows("SELECT days FROM ops.reject") == [(Range(day, date(2026, 3, 3)),)]
        sandbox.faults.clear()
        assert exit_code(await night.sync()) == 0
        assert await night.rows(final, day, f"{sandbox.open_id}/spot") == [(True,)]


async def test_a_message_that_postgres_cannot_hold_stops_nothing(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        bodies = [
            rb'{"result": "false", "error_code": 10003, "msg": "bad \u0000 \ud800"}',
            b'{"result": "false", "error_code": "' + b"9" * 5000 + b'"}',
        ]
        for body in bodies:
            sandbox.faults.append(failing(partial(web.Response, body=body), path="/trade/user", times=1))
        assert exit_code(await night.sync()) == 1
        sandbox.faults.clear()
        assert exit_code(await night.sync()) == 0
        await assert_equals_world(night)


async def test_answers_of_a_window_that_failed_are_kept_and_marked_as_not_loaded(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        for one in sandbox.world.listed_members()[:20]:
            sandbox.world.remove_member(one.open_id)
        assert exit_code(await night.sync()) == 1
        assert await night.rows("SELECT run_id, reading FROM raw.page ORDER BY page_id") == [(1, 1), (2, 0)]
        assert await night.rows("SELECT count(*) FROM ops.request") == [(2,)]
