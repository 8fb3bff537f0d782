"""What people read of persons: performance, the funnel, net deposits and restatements, reckoned by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from etl import schema
from etl.stream import Row
from etl.windows import Days
from tests.database.readings import ACCOUNT, TRADES_OF_MARCH, insert, load, rows_of
from tests.database.readings import trade as traded
from tests.database.test_views import (
    FIRST,
    GONE,
    LOADED,
    SECOND,
    THIRD,
    D,
    commission,
    configure,
    person,
    trade,
    transfer,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINAL = Days.between(FIRST, date(2026, 4, 1))
IDLE: Row = {
    "first_trade_day": None,
    "last_trade_day": None,
    "active_days": 0,
    "volume": 0,
    "fees": 0,
    "broker_fee": None,
    "commission_usdt": 0,
    "unpriced_commissions": 0,
    "deposits_usd": 0,
    "withdrawals_usd": 0,
    "net_deposits_usd": 0,
    "balance_day": None,
    "spot_assets": None,
    "futures_assets": None,
}


def broker(name: str, volume: str, fee: str, day: date = FIRST, **changes: Any) -> Row:
    amounts = {"volume": D(volume), "direct_volume": D(volume), "broker_fee": D(fee), "is_final": True}
    return {"account": "main", "invitee_id": name, "day": day} | amounts | LOADED | changes


def balance(name: str, day: date, spot: str, futures: str, **changes: Any) -> Row:
    amounts = {"spot_assets": D(spot), "futures_assets": D(futures), "is_final": False}
    return {"account": "main", "invitee_id": name, "day": day} | amounts | LOADED | changes


async def performance(connection: asyncpg.Connection, account: str = "main") -> dict[str, Row]:
    """What each person did, without what a person who did nothing has, too."""
    records = await connection.fetch("SELECT * FROM bi.invitee_performance WHERE account = $1", account)
    return {
        record["invitee_id"]: {name: record[name] for name, idle in IDLE.items() if record[name] != idle}
        for record in records
    }


# ---------------------------------------------------------------------------------------------- performance


async def test_people_who_did_nothing_and_people_who_left_have_a_row(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.invitee", person("A", NOON), person("GONE", NOON, **GONE))
    await insert(connection, "warehouse.invitee", person("SAME", NOON, account="second"))

    assert await performance(connection) == {"A": {}, "GONE": {}}


async def test_no_kind_of_fact_multiplies_another(connection: asyncpg.Connection) -> None:
    """Two markets, two days, two coins, two transfers, two balances and a team: each is added once."""
    await insert(connection, "warehouse.invitee", person("A", NOON, level=3), person("B", NOON))
    await insert(
        connection,
        "warehouse.trade_day",
        trade("A", "100.10", "0.01"),
        trade("A", "50", "0.005", market="futures"),
        trade("A", "7", "0.1", THIRD, market="futures"),
        trade("A", "0", "0", date(2026, 3, 4)),
        trade("A", "900", "9", date(2026, 3, 5), **GONE),
        trade("A", "5000", "5", scope="team"),
        trade("A", "5000", "5", SECOND, scope="team"),
        trade("B", "3", "0.5", SECOND),
    )
    await insert(
        connection,
        "warehouse.commission_day",
        commission("USDT", "10", "0", recipient_id="A"),
        commission("USDT", "1", "0.5", recipient_id="A", market="futures"),
        commission("BTC", "0.1", "6000", recipient_id="A"),
        commission("ETH", "3", None, recipient_id="A"),
        commission("USDT", "1000", "0", recipient_id="A", day=SECOND, **GONE),
    )
    await insert(
        connection,
        "warehouse.transfer",
        transfer("1", "in", "20", invitee_id="A"),
        transfer("2", "in", "30", invitee_id="A", asset="USDC"),
        transfer("3", "out", "80.5", invitee_id="A"),
        transfer("4", "in", "1000", invitee_id="A", status="Pending"),
        transfer("5", "in", "1000", invitee_id="A", asset="BTC"),
        transfer("6", "in", "1000", invitee_id="A", **GONE),
        transfer("7", "out", "4", invitee_id="B"),
    )
    await insert(
        connection,
        "warehouse.invitee_balance_day",
        balance("A", FIRST, "1", "2"),
        balance("A", SECOND, "3.50", "4"),
        balance("A", THIRD, "5", "6", **GONE),
    )

    assert await performance(connection) == {
        "A": {
            "first_trade_day": FIRST,
            "last_trade_day": THIRD,
            "active_days": 2,
            "volume": D("157.10"),
            "fees": D("0.115"),
            "commission_usdt": D("6010.5"),  # 10 + 0.5 + 6000
            "unpriced_commissions": 1,
            "deposits_usd": 50,
            "withdrawals_usd": D("80.5"),
            "net_deposits_usd": D("-30.5"),
            "balance_day": SECOND,
            "spot_assets": D("3.50"),
            "futures_assets": 4,
        },
        "B": {
            "first_trade_day": SECOND,
            "last_trade_day": SECOND,
            "active_days": 1,
            "volume": 3,
            "fees": D("0.5"),
            "withdrawals_usd": 4,
            "net_deposits_usd": -4,
        },
    }


async def test_sources_without_fees_have_unknown_fees(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.invitee", person("A", None, origin="inferred"))
    await insert(connection, "warehouse.trade_day", trade("A", "5", None, market="all", source="coinw"))
    one = {"account": "main", "activity_id": "ACT", "invitee_id": "A", "volume": D(5), "is_final": True} | LOADED
    await insert(connection, "warehouse.activity_day", one | {"day": FIRST})
    await insert(connection, "warehouse.activity_period", one | {"period_start": FIRST, "period_end": THIRD})

    told = (await performance(connection))["A"]
    assert told == {
        "first_trade_day": FIRST,
        "last_trade_day": FIRST,
        "active_days": 1,
        "volume": 5,
        "fees": None,
    }


async def test_orderlys_people_are_told_by_account_and_not_by_day(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.invitee", *(person(name, None, origin="inferred") for name in ("0xa", "0xb")))
    await insert(
        connection,
        "warehouse.broker_account_day",
        broker("0xa", "300", "0.15"),
        broker("0xa", "0.5", "0.01", SECOND),
        broker("0xa", "0", "0", THIRD),
        broker("0xb", "600", "0.30", **GONE),
    )
    total = {name: value for name, value in broker("", "900.5", "0.46").items() if name != "invitee_id"}
    await insert(connection, "warehouse.broker_day", total)

    assert await performance(connection) == {
        "0xa": {
            "first_trade_day": FIRST,
            "last_trade_day": SECOND,
            "active_days": 2,
            "volume": D("300.5"),
            "fees": None,
            "broker_fee": D("0.16"),
        },
        "0xb": {},
    }


async def test_sums_keep_every_digit(connection: asyncpg.Connection) -> None:
    one = commission("ETH", "1", "1234567.123456789012345670")
    await insert(connection, "warehouse.invitee", person("OWN", None, origin="self"))
    await insert(connection, "warehouse.commission_day", one, one | {"market": "futures"})

    told = await connection.fetchval("SELECT commission_usdt::text FROM bi.invitee_performance")
    assert told == "2469134.246913578024691340"


async def test_persons_of_one_name_in_two_accounts_are_two(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.invitee", person("A", None), person("A", None, account="second"))
    await insert(connection, "warehouse.trade_day", trade("A", "5", "1"), trade("A", "6", "1", account="second"))
    await insert(connection, "warehouse.transfer", transfer("1", "in", "7", invitee_id="A", account="second"))

    assert (await performance(connection))["A"]["volume"] == 5
    assert "deposits_usd" not in (await performance(connection))["A"]
    assert (await performance(connection, "second"))["A"]["deposits_usd"] == 7


# ---------------------------------------------------------------------------------------------- the funnel


async def funnel(connection: asyncpg.Connection) -> dict[tuple[str, date], tuple[int, ...]]:
    columns = "registered, verified, deposited, traded, active_last_30_days"
    rows = await rows_of(connection, "bi.referral_funnel", f"account, registration_month, {columns}")
    return {(row[0], row[1]): row[2:] for row in rows}


async def test_funnel_counts_people_once_by_the_month_of_their_registration(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await insert(
        connection,
        "warehouse.invitee",
        person("A", NOON, kyc_verified=True, has_deposited=True, has_traded=True),
        person("B", NOON, origin="info", kyc_verified=False, has_deposited=False, has_traded=False),
        person("C", NOON),
        person("LATE", datetime(2026, 3, 31, 16, tzinfo=UTC), kyc_verified=True),  # April in Shanghai
        person("SELF", NOON, origin="self", kyc_verified=True),
        person("INFERRED", None, origin="inferred", has_traded=True),
        person("UNDATED", None, has_traded=True),
        person("GONE", NOON, has_traded=True, **GONE),
        person("A", NOON, account="second"),
    )
    await insert(
        connection,
        "warehouse.transfer",
        transfer("1", "in", "1", invitee_id="B", asset="BTC"),
        transfer("2", "in", "1", invitee_id="B"),
        transfer("3", "out", "1", invitee_id="C"),
        transfer("4", "in", "1", invitee_id="C", status="Failed"),
        transfer("5", "in", "1", invitee_id="C", **GONE),
    )
    await insert(
        connection,
        "warehouse.trade_day",
        trade("B", "1", "1"),
        trade("B", "1", "1", SECOND),
        trade("C", "0", "0"),
        trade("C", "1", "1", SECOND, **GONE),
        trade("C", "1", "1", scope="team"),
    )

    assert await funnel(connection) == {
        ("main", date(2026, 3, 1)): (3, 1, 2, 2, 0),
        ("main", date(2026, 4, 1)): (1, 1, 0, 0, 0),
        ("second", date(2026, 3, 1)): (1, 0, 0, 0, 0),
    }
    # The same people as those whom daily_performance calls new.
    assert await connection.fetchval("SELECT sum(new_invitees) FROM bi.daily_performance") == 5


async def test_active_are_those_with_volume_on_the_last_thirty_days(connection: asyncpg.Connection) -> None:
    await configure(connection)
    today = await connection.fetchval("SELECT today FROM bi.dim_accounts")
    await insert(connection, "warehouse.invitee", *(person(name, NOON) for name in "ABCD"))
    await insert(
        connection,
        "warehouse.trade_day",
        trade("A", "1", "1", today),
        trade("A", "1", "1", today, market="futures"),
        trade("B", "1", "1", today - timedelta(days=29)),
        trade("C", "1", "1", today - timedelta(days=30)),
        trade("D", "0", "0", today),
    )

    assert await funnel(connection) == {("main", date(2026, 3, 1)): (4, 0, 0, 3, 2)}


# ---------------------------------------------------------------------------------------------- net deposits


async def test_net_deposits_are_completed_transfers_by_day_and_coin(connection: asyncpg.Connection) -> None:
    await configure(connection)
    late = datetime(2026, 3, 1, 16, tzinfo=UTC)  # the second in Shanghai
    await insert(
        connection,
        "warehouse.transfer",
        transfer("1", "in", "20", invitee_id="A"),
        transfer("2", "in", "0.000000000000000001", invitee_id="A", status="completed"),
        transfer("3", "out", "30.5", invitee_id="A"),
        transfer("4", "out", "2", invitee_id="A", asset="BTC"),
        transfer("5", "in", "5", invitee_id="A", created_at=late),
        transfer("6", "in", "7", invitee_id="B"),
        transfer("7", "in", "1000", invitee_id="A", status="Pending"),
        transfer("8", "in", "1000", invitee_id="A", status=None),
        transfer("9", "in", "1000", invitee_id="A", **GONE),
    )

    told = await rows_of(
        connection,
        "bi.net_deposits",
        "invitee_id, day, asset, is_usd, deposits, withdrawals, net, transfers",
        order="invitee_id, day, asset",
    )

    assert told == [
        ("A", FIRST, "BTC", False, 0, 2, -2, 1),
        ("A", FIRST, "USDT", True, D("20.000000000000000001"), D("30.5"), D("-10.499999999999999999"), 3),
        ("A", SECOND, "USDT", True, 5, 0, 5, 1),
        ("B", FIRST, "USDT", True, 7, 0, 7, 1),
    ]


@pytest.mark.parametrize(("asset", "is_usd"), [("USDT", True), ("USDC", True), ("USD", True), ("USDE", False)])
async def test_dollars_are_marked(connection: asyncpg.Connection, asset: str, is_usd: bool) -> None:
    await insert(connection, "warehouse.transfer", transfer("1", "in", "1", asset=asset))

    assert await rows_of(connection, "bi.net_deposits", "is_usd") == [(is_usd,)]


# ---------------------------------------------------------------------------------------------- restatements


async def test_restatement_tells_who_when_and_by_how_much(connection: asyncpg.Connection) -> None:
    await load(connection, [traded("A", volume="10", fee=None), traded("B")])
    await load(connection, [traded("A", volume="8.75", fee="0.02")], run_id=2, scope=TRADES_OF_MARCH, accept=True)

    told = await rows_of(
        connection,
        "bi.restatements",
        "table_name, day, invitee_id, column_name, old_value, new_value, change, run_id",
        order="invitee_id, column_name",
    )

    removed_at = "2026-04-01 02:00:00+00"
    assert told == [
        ("trade_day", FIRST, "A", "fee", None, "0.02", None, 2),
        ("trade_day", FIRST, "A", "volume", "10", "8.75", D("-1.25"), 2),
        ("trade_day", FIRST, "B", "removed_at", None, removed_at, None, 2),
    ]


async def test_restatements_of_periods_and_totals_have_their_day_too(connection: asyncpg.Connection) -> None:
    period = {"activity_id": "ACT", "invitee_id": "A", "period_start": FIRST, "period_end": date(2026, 3, 31)}
    total = {"day": SECOND}
    for number, volume in ((1, "10"), (2, "10.5")):
        for table, row in ((schema.activity_period, period), (schema.broker_day, total)):
            amount = {"volume": Decimal(volume)}
            columns = [*row, "volume"]
            await load(connection, [row | amount], table=table, columns=columns, run_id=number, final=FINAL)

    told = await rows_of(connection, "bi.restatements", "account, table_name, day, invitee_id, change", order="2")

    assert told == [
        (ACCOUNT, "activity_period", FIRST, "A", D("0.5")),
        (ACCOUNT, "broker_day", SECOND, None, D("0.5")),
    ]
