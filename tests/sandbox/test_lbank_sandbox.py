"""What the simulated LBank tells, held against the truth of its world and the document's field tables."""

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from etl.sandbox import World, activity
from etl.sandbox.lbank.protocol import KIND_LABELS
from etl.sandbox.team import Scope
from tests.sandbox.lbank_client import NOON, SHANGHAI, TODAY, Client, Params, midnight, ms, running


@pytest.mark.parametrize("newest_first", [False, True])
async def test_the_team_list_is_paged_by_offset(world: World, newest_first: bool) -> None:
    async with running(world, newest_first=newest_first) as client:
        rows = await client.all_rows("/invite/user/team/list", pageSize=50)
        expected = [seen.open_id for seen in world.listed_members()]
        assert len(expected) == 120
        assert [row["openId"] for row in rows] == (expected[::-1] if newest_first else expected)


async def test_the_old_list_is_paged_by_the_largest_id(client: Client) -> None:
    found: list[dict[str, Any]] = []
    largest = 0
    for expected_size in (50, 50, 20, 0):
        page = await client.rows("/invite/user/list", start=largest, pageSize=50)
        assert len(page) == expected_size
        found += page
        largest = max((row["id"] for row in page), default=0)
    assert [row["id"] for row in found] == [seen.number for seen in client.sandbox.world.listed_members()]


async def test_members_are_told_as_the_document_says(client: Client) -> None:
    rows = await client.all_rows("/invite/user/team/list")
    assert set(rows[0]) == {
        *("id", "openId", "code", "createTime", "directInvitation", "deposit", "transaction", "kycStatus"),
        *("userLevel", "currencyFeeAmt", "contractFeeAmt", "currencyTotalFeeAmt", "currencyTotalFeeAmtUsdt"),
        *("contractTotalFeeAmt", "reserveAmt"),
    }
    seen = {one.open_id: one for one in client.sandbox.world.listed_members()}
    for row in rows:
        one = seen[row["openId"]]
        assert row["createTime"] == ms(one.registered_at)
        assert (row["transaction"], row["deposit"]) == (one.has_traded, one.has_deposited)
        assert (row["userLevel"], row["reserveAmt"]) == (one.level, one.futures_bonus)
    assert 0.5 < sum(row["transaction"] for row in rows) / len(rows) < 0.75
    assert {0, 99} < {row["userLevel"] for row in rows}
    assert {True, False} == {row["directInvitation"] for row in rows}


async def test_a_person_outside_the_team_has_no_particulars(client: Client) -> None:
    (stranger,) = client.sandbox.world.strangers()
    (unlisted,) = client.sandbox.world.unlisted_members()
    for open_id in (stranger, "LBA0777777"):
        data = (await client.get("/invite/user/info", {"openId": open_id}))["data"]
        assert data["inviteResult"] is False
        assert data["openId"] is data["createTime"] is data["userLevel"] is None
    data = (await client.get("/invite/user/info", {"openId": unlisted.open_id}))["data"]
    assert data["inviteResult"] is True
    assert data["createTime"] == ms(unlisted.registered_at)
    listed = {row["openId"] for row in await client.all_rows("/invite/user/team/list")}
    mentioned = {one.open_id for one in client.sandbox.world.transfers()}
    assert {stranger, unlisted.open_id} <= mentioned - listed


async def test_trade_days_begin_at_midnight_utc_plus_8(client: Client) -> None:
    told = [
        (row["openId"], market, row["statsDate"], row["tradeAmt"], row["feeAmt"])
        for seen in client.sandbox.world.listed_members()
        for trade_type, market in ((0, "spot"), (1, "futures"))
        for row in await client.rows("/trade/user", openId=seen.open_id, tradeType=trade_type)
    ]
    truth = client.sandbox.world.trade_days()
    assert told == [(one.subject_id, one.market, ms(midnight(one.day)), one.volume, one.fee) for one in truth]
    assert max(one.day for one in truth) == TODAY
    volumes = [Decimal(one.volume) for one in truth]
    assert max(len(volume.as_tuple().digits) for volume in volumes) >= 20
    assert {0, 18} <= {-int(volume.as_tuple().exponent) for volume in volumes}


async def test_teams_add_up_to_the_sums_of_everyone_below(client: Client) -> None:
    world = client.sandbox.world
    everyone: Counter[tuple[str, int]] = Counter()
    for one in world.trade_days():
        everyone[one.market, ms(midnight(one.day))] += Decimal(one.volume)  # type: ignore[assignment]
    for trade_type, market in ((0, "spot"), (1, "futures")):
        rows = await client.rows("/trade/user/team", openId="LBA0000001", tradeType=trade_type)
        assert {(market, row["statsDate"]): Decimal(row["tradeAmt"]) for row in rows} == {
            key: volume for key, volume in everyone.items() if key[0] == market
        }
    both = await client.rows("/trade/user/team", openId="LBA0000001", tradeType=10)
    assert sum(Decimal(row["tradeAmt"]) for row in both) == sum(Decimal(v) for v in everyone.values())
    smaller = await client.rows("/trade/user/team", openId=world.agents()[1], tradeType=10)
    assert 0 < sum(Decimal(row["tradeAmt"]) for row in smaller) < sum(Decimal(v) for v in everyone.values())


async def test_a_trade_at_midnight_belongs_to_the_day_that_begins(client: Client) -> None:
    world = client.sandbox.world
    open_id = world.add_member(registered_at=NOON - timedelta(days=3)).open_id
    yesterday = TODAY - timedelta(days=1)
    world.restate_trade(open_id, "futures", yesterday, Decimal("120.500"), fee=Decimal("0.10"))
    (row,) = await client.rows("/trade/user", openId=open_id, tradeType=1)
    assert row == {
        "openId": open_id,
        "statsDate": ms(midnight(yesterday)),
        "tradeAmt": "120.500",
        "feeAmt": "0.10",
    }
    start = ms(midnight(yesterday))

    async def turnover(start: int, end: int) -> str:
        params: Params = {"openId": open_id, "userType": "SELF", "startTime": start, "endTime": end}
        turnover: str = (await client.get("/trade/future", params))["data"]["turnover"]
        return turnover

    assert await turnover(start, start) == "120.500"
    assert await turnover(start + 1, start + 86_400_000) == "0"
    client.sandbox.lbank.end_inclusive = False
    assert await turnover(start - 86_400_000, start) == "0"


async def test_generated_history_has_events_exactly_at_midnight(client: Client) -> None:
    world = client.sandbox.world

    def at_midnight(moment: datetime) -> bool:
        return moment == midnight(moment.astimezone(SHANGHAI).date())

    assert any(at_midnight(one.created_at) for one in world.transfers())
    assert any(at_midnight(one.registered_at) for one in world.listed_members())
    assert any(
        at_midnight(known.trades[0].at)
        for market in activity.MARKETS
        for day in world.trades.days(date.min, date.max)
        for known in world.trades.on(market, day).values()
    )


@pytest.mark.parametrize("scope", ["SELF", "SUB", "SELF_SUB", "ALL"])
async def test_turnover_sums_a_scope_over_a_span(client: Client, scope: Scope) -> None:
    world = client.sandbox.world
    head = world.agents()[1]
    start, end = midnight(TODAY - timedelta(days=20)), midnight(TODAY - timedelta(days=3))
    params: Params = {"openId": head, "userType": scope, "startTime": ms(start), "endTime": ms(end) - 1}
    data = (await client.get("/trade/future", params))["data"]
    truth = world.futures_turnover(head, scope, start, end)
    assert data == truth._asdict()
    if scope != "SELF":
        assert Decimal(truth.turnover) > 0
    if scope == "ALL":
        days = [one for one in world.trade_days("team") if (one.subject_id, one.market) == (head, "futures")]
        inside = (one for one in days if start.date() <= one.day < end.date())
        assert Decimal(truth.turnover) == sum(Decimal(one.volume) for one in inside)


async def test_commissions_show_from_ten_o_clock_on_the_day_after(world: World) -> None:
    async with running(world) as client:

        async def days_told(moment: datetime) -> set[int]:
            world.now = moment
            path = "/commission/stats/symbol/list"
            return {row["statsDate"] for row in await client.all_rows(path, openId="LBA0000001", tradeType=10)}

        for back in range(10):
            ten = midnight(TODAY - timedelta(days=back)).replace(hour=10)
            yesterday = ms(ten.replace(hour=0) - timedelta(days=1))
            assert yesterday not in await days_told(ten - timedelta(milliseconds=1))
            if yesterday in await days_told(ten):
                return
    pytest.fail("no commission was paid at ten")


async def test_commission_rows_match_the_truth(client: Client) -> None:
    told = [
        (
            row["openId"],
            row["tradeType"],
            row["coinSymbol"],
            row["statsDate"],
            row["amount"],
            row["usdtAmount"],
        )
        for open_id in client.sandbox.world.agents()
        for row in await client.all_rows("/commission/stats/symbol/list", openId=open_id, tradeType="10")
    ]
    truth = client.sandbox.world.commission_days()
    assert told == [
        (
            one.recipient_id,
            ("spot", "futures").index(one.market),
            one.coin,
            ms(midnight(one.day)),
            one.amount,
            one.amount_usdt,
        )
        for one in truth
    ]
    assert {one.coin for one in truth} == {"usdt", "btc", "lbk"}
    assert {one.amount_usdt == "0" for one in truth if one.coin == "usdt"} == {True, False}
    only_btc = await client.rows("/commission/stats/symbol/list", openId="LBA0000001", tradeType=1, coin="btc")
    assert {(row["coinSymbol"], row["tradeType"]) for row in only_btc} == {("btc", 1)}


@pytest.mark.parametrize("newest_first", [False, True])
async def test_transfers_of_everybody_match_the_truth_twins_and_all(world: World, newest_first: bool) -> None:
    truth = world.transfers()
    async with running(world, newest_first=newest_first) as client:
        for kind, label in KIND_LABELS.items():
            rows = await client.all_rows(
                "/money/detail/list", openId="LBA0000001", userType="ALL", subInOutType=kind, pageSize=30
            )
            expected = [one for one in truth if one.kind == kind]
            assert [tuple(row.values()) for row in rows] == [
                (
                    one.open_id,
                    one.level,
                    label,
                    one.asset,
                    one.amount,
                    one.status,
                    one.sub_status,
                    ms(one.created_at),
                    ms(one.updated_at),
                    one.order_id,
                )
                for one in (reversed(expected) if newest_first else expected)
            ]
            assert all((row["withdrawOrderId"] is not None) == (kind == "OUT_WITHDRAW") for row in rows)
    assert max(Counter(truth).values()) == 2


async def test_transfers_are_found_by_scope_asset_and_time_of_update(client: Client) -> None:
    world = client.sandbox.world
    head = world.agents()[1]
    all_of_it: dict[str, str | int] = {"openId": head, "userType": "ALL", "subInOutType": "IN_DEPOSIT"}
    everybody = {row["openId"] for row in await client.all_rows("/money/detail/list", **all_of_it)}
    self_only = all_of_it | {"userType": "SELF"}
    own = {row["openId"] for row in await client.all_rows("/money/detail/list", **self_only)}
    assert own == {head}
    assert own < everybody < {one.open_id for one in world.transfers()}
    usdt = await client.all_rows("/money/detail/list", **all_of_it, assetCode="USDT")
    assert {row["assetCode"] for row in usdt} == {"USDT"}
    world.now = NOON + timedelta(days=4)
    since = ms(NOON)
    updated = await client.all_rows(
        "/money/detail/list",
        openId="LBA0000001",
        userType="ALL",
        subInOutType="OUT_WITHDRAW",
        updateStartTime=since,
        updateEndTime=since + 10 * 86_400_000,
    )
    assert updated
    assert min(row["updateTime"] for row in updated) >= since
    assert max(row["updateTime"] - row["createTime"] for row in updated) > 3 * 86_400_000


@pytest.mark.parametrize("end_inclusive", [True, False])
async def test_whether_end_time_itself_is_asked_for_can_be_set(world: World, end_inclusive: bool) -> None:
    moment = midnight(TODAY - timedelta(days=1))
    person = world.add_member(registered_at=moment)
    made = activity.make_transfer(person.open_id, "IN_OTC_BUY", asset="USDT", amount=Decimal("1.50"), created_at=moment)
    world.add_transfer(made)
    world.restate_trade(person.open_id, "spot", moment.date(), Decimal("3.0"))
    async with running(world, end_inclusive=end_inclusive) as client:

        async def told(start: int, end: int) -> list[bool]:
            span = {"startTime": start, "endTime": end}
            money: dict[str, str | int] = {"userType": "SELF", "subInOutType": "IN_OTC_BUY"}
            return [
                any(row["openId"] == person.open_id for row in rows)
                for rows in (
                    await client.rows("/invite/user/team/list", **span),
                    await client.rows("/trade/user", openId=person.open_id, tradeType=0, **span),
                    await client.rows("/money/detail/list", openId=person.open_id, **money, **span),
                )
            ]

        at = ms(moment)
        assert await told(at - 1000, at) == [end_inclusive] * 3
        assert await told(at, at + 1) == [True] * 3
        assert await told(at + 1, at + 1000) == [False] * 3
