"""What people read of an account's days: rows written by hand, numbers reckoned by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from etl.stream import Row
from tests.database.readings import insert, stamp

D = Decimal
FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (1, 2, 3))
LOADED = {"source": "lbank", "run_id": 1, "loaded_at": stamp().loaded_at}
GONE = {"removed_at": datetime(2026, 3, 9, tzinfo=UTC)}
COUNTED = ("active_traders", "unpriced_commissions", "new_invitees")
ADDED = ("volume", "fees", "commission_usdt", "deposits_usd", "withdrawals_usd")
NOTHING: Row = dict.fromkeys((*COUNTED, *ADDED), 0) | {"is_final": False}


def trade(subject: str, volume: str | None, fee: str | None, day: date = FIRST, **changes: Any) -> Row:
    row = {"account": "main", "scope": "member", "subject_id": subject, "market": "spot", "day": day}
    amounts = {"volume": volume and D(volume), "fee": fee and D(fee), "is_final": True}
    return row | amounts | LOADED | changes


def commission(coin: str, amount: str, amount_usdt: str | None, **changes: Any) -> Row:
    row = {"account": "main", "recipient_id": "OWN", "market": "spot", "coin": coin, "day": FIRST}
    return (
        row | {"amount": D(amount), "amount_usdt": amount_usdt and D(amount_usdt), "is_final": True} | LOADED | changes
    )


def transfer(name: str, direction: str, amount: str, **changes: Any) -> Row:
    row = {"account": "main", "transfer_id": name, "direction": direction, "asset": "USDT", "status": "Completed"}
    return row | {"amount": D(amount), "created_at": datetime(2026, 3, 1, 3, tzinfo=UTC)} | LOADED | changes


def person(name: str, registered_at: datetime | None, **changes: Any) -> Row:
    row = {"account": "main", "invitee_id": name, "registered_at": registered_at, "origin": "list"}
    return row | LOADED | changes


async def configure(connection: asyncpg.Connection, account: str = "main", zone: str = "Asia/Shanghai") -> None:
    row = {
        "account": account,
        "source": "lbank",
        "day_zone": zone,
        "start_date": FIRST,
        "updated_at": datetime.now(UTC),
    }
    await insert(connection, "ops.account", row)


async def cover(
    connection: asyncpg.Connection, partition: str, horizon: date | None, final: str, *, stream: str = "member_trades"
) -> None:
    """Coverage of a partition, all of whose loaded days are final."""
    await connection.execute(
        "INSERT INTO ops.coverage (account, stream, partition, horizon_from, loaded, final) "
        "VALUES ('main', $1, $2, $3, $4::text::datemultirange, $4::text::datemultirange)",
        *(stream, partition, horizon, final),
    )


async def days(connection: asyncpg.Connection, account: str = "main") -> dict[date, Row]:
    """The account's days, each with what differs from a day without any fact."""
    records = await connection.fetch("SELECT * FROM bi.daily_performance WHERE account = $1 ORDER BY day", account)
    told = [dict(record) for record in records]
    return {
        row["day"]: {name: row[name] for name, empty in NOTHING.items() if row[name] is None or row[name] != empty}
        for row in told
    }


# ---------------------------------------------------------------------------------------------- trades


async def test_trades_of_a_day_are_added_over_people_and_markets(connection: asyncpg.Connection) -> None:
    await insert(
        connection,
        "warehouse.trade_day",
        trade("A", "100.10", "0.01"),
        trade("A", "50", "0.005", market="futures"),
        trade("B", "0.000000000000000001", "0"),
        trade("C", "0", "0"),
        trade("D", "7", "1", **GONE),
        trade("OWN", "1000", "9", scope="team"),
        trade("B", "3", "0.5", SECOND),
    )

    assert await days(connection) == {
        FIRST: {"active_traders": 2, "volume": D("150.100000000000000001"), "fees": D("0.015")},
        SECOND: {"active_traders": 1, "volume": 3, "fees": D("0.5")},
    }


async def test_sums_are_exact_beyond_the_reach_of_floats(connection: asyncpg.Connection) -> None:
    large, small = "9" * 39, "0." + "0" * 59 + "1"

    await insert(connection, "warehouse.trade_day", trade("A", large, "0"), trade("B", small, "0"))

    volume = await connection.fetchval("SELECT volume::text FROM bi.daily_performance")
    assert volume == large + small[1:]


async def test_fees_of_a_source_without_fees_are_unknown_not_zero(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", trade("A", "5", None, market="all", source="coinw"))

    assert await days(connection) == {FIRST: {"active_traders": 1, "volume": 5, "fees": None}}


async def test_accounts_are_kept_apart(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", trade("A", "5", "1"), trade("A", "6", "1", account="second"))

    assert (await days(connection))[FIRST]["volume"] == 5
    assert (await days(connection, "second"))[FIRST]["volume"] == 6


async def test_orderly_takes_volume_and_commission_from_the_broker_day(connection: asyncpg.Connection) -> None:
    broker = {"account": "main", "day": FIRST, "volume": D("900.5"), "broker_fee": D("0.45"), "is_final": True} | LOADED
    per_account = broker | {"volume": D(300), "broker_fee": D("0.15")}
    await insert(connection, "warehouse.broker_day", broker, broker | GONE | {"day": SECOND})
    await insert(
        connection,
        "warehouse.broker_account_day",
        per_account | {"invitee_id": "0xa"},
        per_account | {"invitee_id": "0xb"},
        per_account | {"invitee_id": "0xc", "volume": D(0)},
        per_account | {"invitee_id": "0xd"} | GONE,
    )

    assert await days(connection) == {
        FIRST: {"active_traders": 2, "volume": D("900.5"), "fees": None, "commission_usdt": D("0.45")}
    }


async def test_activities_tell_the_same_trades_again_and_are_not_added(connection: asyncpg.Connection) -> None:
    place = {"account": "main", "activity_id": "ACT", "invitee_id": "A", "volume": D(5), "is_final": True} | LOADED
    await insert(connection, "warehouse.activity_day", place | {"day": FIRST})
    await insert(connection, "warehouse.activity_period", place | {"period_start": FIRST, "period_end": SECOND})

    assert await days(connection) == {}


# ---------------------------------------------------------------------------------------------- money


async def test_commission_is_the_value_in_usdt_else_the_amount_of_dollars(connection: asyncpg.Connection) -> None:
    await insert(
        connection,
        "warehouse.commission_day",
        commission("BTC", "0.001", "61.25"),
        commission("USDT", "71.489088", "0"),
        commission("USDC", "2", None),
        commission("USD", "3", "-1"),
        commission("USDT", "4", "3.99", recipient_id="AGENT"),
        commission("ETH", "5", "0"),
        commission("SOL", "6", None),
        commission("USDT", "1000", "1000", market="futures", **GONE),
    )

    # 61.25 + 71.489088 + 2 + 3 + 3.99
    assert await days(connection) == {FIRST: {"commission_usdt": D("141.729088"), "unpriced_commissions": 2}}


async def test_day_of_unpriced_commission_alone_is_shown(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.commission_day", commission("ETH", "5", "0"))

    assert await days(connection) == {FIRST: {"unpriced_commissions": 1}}


async def test_completed_transfers_of_dollars_are_deposits_and_withdrawals(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await insert(
        connection,
        "warehouse.transfer",
        transfer("1", "in", "100.50"),
        transfer("2", "in", "0.25", asset="USDC", status="COMPLETED"),
        transfer("3", "out", "40", asset="USD", status="completed"),
        transfer("4", "in", "1", status="Pending"),
        transfer("5", "in", "1", status=None),
        transfer("6", "in", "1", asset="BTC"),
        transfer("7", "out", "1", **GONE),
        transfer("8", "out", "1", status="Failed", created_at=datetime(2026, 3, 20, tzinfo=UTC)),
    )

    assert await days(connection) == {FIRST: {"deposits_usd": D("100.75"), "withdrawals_usd": 40}}


# ---------------------------------------------------------------------------------------------- day zones


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("Asia/Shanghai", datetime(2026, 3, 1, 16, 0, tzinfo=UTC), SECOND),
        ("Asia/Shanghai", datetime(2026, 3, 1, 15, 59, 59, 999999, tzinfo=UTC), FIRST),
        ("UTC", datetime(2026, 3, 1, 16, 0, tzinfo=UTC), FIRST),
        ("UTC", datetime(2026, 3, 2, 0, 0, tzinfo=UTC), SECOND),
    ],
)
async def test_instants_fall_on_the_day_of_the_accounts_zone(
    connection: asyncpg.Connection, zone: str, instant: datetime, day: date
) -> None:
    await configure(connection, zone=zone)
    await configure(connection, "second", zone="America/New_York")
    await insert(connection, "warehouse.transfer", transfer("1", "in", "5", created_at=instant))
    await insert(connection, "warehouse.invitee", person("A", instant))
    await connection.execute("SET TIME ZONE 'Pacific/Kiritimati'")

    assert await days(connection) == {day: {"deposits_usd": 5, "new_invitees": 1}}


async def test_new_invitees_are_those_that_the_source_tells_of(connection: asyncpg.Connection) -> None:
    await configure(connection)
    noon = datetime(2026, 3, 1, 4, tzinfo=UTC)
    await insert(
        connection,
        "warehouse.invitee",
        person("A", noon),
        person("B", noon, origin="info"),
        person("C", noon, origin="self"),
        person("D", None, origin="inferred"),
        person("E", noon, **GONE),
        person("F", None),
    )

    assert await days(connection) == {FIRST: {"new_invitees": 2}}


async def test_facts_of_one_day_share_a_row_and_do_not_multiply(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await insert(connection, "warehouse.trade_day", trade("A", "10", "1"), trade("B", "20", "2"))
    await insert(connection, "warehouse.commission_day", commission("USDT", "1", "0"), commission("BTC", "1", "2"))
    await insert(connection, "warehouse.transfer", transfer("1", "in", "5"), transfer("2", "out", "6"))
    await insert(connection, "warehouse.invitee", *(person(name, datetime(2026, 3, 1, tzinfo=UTC)) for name in "XYZ"))

    assert await days(connection) == {
        FIRST: {
            "active_traders": 2,
            "volume": 30,
            "fees": 3,
            "commission_usdt": 3,
            "deposits_usd": 5,
            "withdrawals_usd": 6,
            "new_invitees": 3,
        }
    }


# ---------------------------------------------------------------------------------------------- final


async def finality(connection: asyncpg.Connection) -> list[bool]:
    return [bool(row.get("is_final")) for row in (await days(connection)).values()]


async def test_day_is_final_when_it_is_in_every_partition_whose_horizon_it_is_in(
    connection: asyncpg.Connection,
) -> None:
    await insert(connection, "warehouse.trade_day", *(trade("A", "1", "1", day) for day in (FIRST, SECOND, THIRD)))
    assert await finality(connection) == [False, False, False]

    await cover(connection, "", None, "{}", stream="team_members")
    assert await finality(connection) == [False, False, False]

    await cover(connection, "A/spot", FIRST, "{[2026-03-01,2026-03-04)}")
    assert await finality(connection) == [True, True, True]

    await cover(connection, "B/spot", THIRD, "{}")
    assert await finality(connection) == [True, True, False]

    await cover(connection, "", FIRST, "{[2026-03-02,2026-03-10)}", stream="commissions")
    assert await finality(connection) == [False, True, False]


async def test_day_before_every_horizon_is_not_vouched_for(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", trade("A", "1", "1", FIRST), trade("A", "1", "1", SECOND))

    await cover(connection, "A/spot", SECOND, "{[2026-03-01,2026-03-04)}")

    assert await finality(connection) == [False, True]


async def test_no_day_waits_for_activities_which_settle_after_their_month(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", *(trade("A", "1", "1", day) for day in (FIRST, SECOND)))
    await cover(connection, "ACT20260307", date(2026, 2, 1), "{[2026-03-02,2026-03-03)}", stream="activity")
    assert await finality(connection) == [False, False], "activities vouch for no day, either"

    await cover(connection, "", FIRST, "{[2026-03-01,2026-03-02)}", stream="invitee_volume")
    assert await finality(connection) == [True, False]


async def test_coverage_of_another_account_settles_nothing(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", trade("A", "1", "1", account="second"))

    await cover(connection, "A/spot", FIRST, "{[2026-03-01,2026-03-04)}")

    assert "is_final" not in (await days(connection, "second"))[FIRST]
