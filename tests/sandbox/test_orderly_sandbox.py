"""What the simulated Orderly tells, held against the truth of its world and the document's field table."""

import re
from datetime import UTC, date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from etl.sandbox import World
from etl.sandbox.orderly.protocol import FIELDS, Rebates
from tests.sandbox.lbank_client import NOON, running
from tests.sandbox.orderly_client import OrderlyClient

TODAY = NOON.astimezone(UTC).date()
MONTH = TODAY - timedelta(days=29)

# The fields of the document's sample, in its order.
SAMPLE = (
    *("account_id", "user_address", "total_direct_invites", "total_indirect_invites", "total_invites"),
    *("total_direct_traded", "total_indirect_traded", "total_direct_volume", "total_indirect_volume", "total_volume"),
    *("broker_fee", "total_direct_rebate", "total_indirect_rebate", "total_direct_bonus_rebate", "date"),
)


def numbers(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in FIELDS)


async def test_days_are_told_digit_for_digit(orderly: OrderlyClient) -> None:
    truth = [one for one in orderly.sandbox.world.orderly.broker_days() if one.day >= MONTH]
    rows = await orderly.rows("date", MONTH, TODAY)
    assert [(row["date"], *numbers(row)) for row in rows] == [(one.day.isoformat(), *one[1:]) for one in truth]
    assert len(rows) == 30
    digits = [len(text.replace(".", "").lstrip("0")) for one in truth for text in one[1:]]
    assert max(digits) >= 25
    assert max(len(one.volume.partition(".")[2]) for one in truth) == 18


async def test_accounts_of_a_day_are_told_digit_for_digit(orderly: OrderlyClient) -> None:
    truth = orderly.sandbox.world.orderly.account_days()
    for day in (TODAY, TODAY - timedelta(days=1), TODAY - timedelta(days=17)):
        rows = await orderly.rows("account_id", day, day)
        told = [(row["account_id"], day, row["user_address"], *numbers(row)) for row in rows]
        assert told == [tuple(one) for one in truth if one.day == day]
        assert len(rows) > (5 if day < TODAY else 0)


def test_the_accounts_of_a_day_add_up_to_the_day(world: World) -> None:
    accounts = world.orderly.account_days()
    for day in world.orderly.broker_days():
        columns = list(zip(*(one[3:] for one in accounts if one.day == day.day), strict=True))
        sums = [sum(map(Fraction, column)) for column in columns]
        assert sums == [Fraction(text) for text in day[1:]] or (not columns and set(day[1:]) == {"0"})


def test_direct_and_indirect_make_the_whole(world: World) -> None:
    for one in world.orderly.broker_days():
        assert int(one.direct_invites) + int(one.indirect_invites) == int(one.invites)
        assert Fraction(one.direct_volume) + Fraction(one.indirect_volume) == Fraction(one.volume)
    columns = list(zip(*(one[1:] for one in world.orderly.broker_days()), strict=True))
    assert all(any(text != "0" for text in column) for column in columns)
    assert len({tuple(column) for column in columns}) == 13
    for account in world.orderly.account_days():
        shares = [text for text in account[11:] if text != "0"]
        assert len(set(shares)) == len(shares), "no two of fee and rebates can be taken for one another"


def test_a_day_is_a_utc_day_of_futures_trades(world: World) -> None:
    horizon = world.horizon
    for day in world.orderly.broker_days():
        trades = [
            Fraction(trade.volume)
            for own_day in (day.day, day.day + timedelta(days=1))
            for known in world.trades.on("futures", own_day).values()
            for trade in known.trades
            if trade.at.astimezone(UTC).date() == day.day and trade.at <= NOON
        ]
        assert sum(trades) == Fraction(day.volume)
    assert [one.day for one in world.orderly.broker_days()] == list(horizon.days(horizon.first_day, TODAY))


async def test_a_range_of_accounts_is_the_sum_of_its_days(orderly: OrderlyClient) -> None:
    first = TODAY - timedelta(days=6)
    days = [one for one in orderly.sandbox.world.orderly.account_days() if one.day >= first]
    rows = await orderly.rows("account_id", first, TODAY)
    assert [row["account_id"] for row in rows] == sorted({one.account_id for one in days})
    assert len(rows) < len(days)
    for row in rows:
        own = [one for one in days if one.account_id == row["account_id"]]
        assert Fraction(row["total_volume"]) == sum(Fraction(one.volume) for one in own)
        assert Fraction(row["broker_fee"]) == sum(Fraction(one.broker_fee) for one in own)
        assert int(row["total_direct_traded"]) == max(int(one.direct_traded) for one in own), "who traded counts once"


async def test_rows_have_the_fields_of_the_document(orderly: OrderlyClient) -> None:
    whole = (*SAMPLE[:-1], "total_base_rebate", "date")
    by_date, by_account = [(await orderly.rows(grain, TODAY, TODAY))[0] for grain in ("date", "account_id")]
    assert tuple(by_date) == whole[2:]
    assert tuple(by_account) == whole[:-1]
    assert re.fullmatch("0x[0-9a-f]{64}", by_account["account_id"])
    assert re.fullmatch("0x[0-9a-f]{40}", by_account["user_address"])
    orderly.sandbox.orderly.empty_fields = True
    by_date, by_account = [(await orderly.rows(grain, TODAY, TODAY))[0] for grain in ("date", "account_id")]
    assert tuple(by_date) == tuple(by_account) == whole
    assert (by_date["account_id"], by_date["user_address"], by_account["date"]) == ("", "", "")


@pytest.mark.parametrize(
    ("rebates", "sent"),
    [
        ("both", {"total_direct_bonus_rebate", "total_base_rebate"}),
        ("direct_bonus", {"total_direct_bonus_rebate"}),
        ("base", {"total_base_rebate"}),
        ("neither", set()),
    ],
)
async def test_which_rebate_is_sent_can_be_chosen(orderly: OrderlyClient, rebates: Rebates, sent: set[str]) -> None:
    orderly.sandbox.orderly.rebates = rebates
    (row,) = await orderly.rows("date", TODAY, TODAY)
    assert row.keys() & {"total_direct_bonus_rebate", "total_base_rebate"} == sent
    assert len(row) == 12 + len(sent)


async def test_pages_are_cut_silently_and_tell_their_size(orderly: OrderlyClient) -> None:
    data = await orderly.data("date", MONTH, TODAY, size="20")
    assert data["meta"] == {"total": "30", "records_per_page": "20", "current_page": "1"}
    query = {"start_date": MONTH, "end_date": TODAY, "aggregate_by": "date"}
    assert (await orderly.get(query, status=200))["data"] == data
    orderly.sandbox.orderly.max_size = 12
    pages = [await orderly.data("date", MONTH, TODAY, size=500, page=page) for page in (1, 2, 3, 4)]
    assert [len(page["rows"]) for page in pages] == [12, 12, 6, 0]
    assert pages[1]["meta"] == {"total": "30", "records_per_page": "12", "current_page": "2"}
    assert [row["date"] for page in pages for row in page["rows"]] == [
        (MONTH + timedelta(days=offset)).isoformat() for offset in range(30)
    ]
    orderly.sandbox.orderly.with_meta = False
    assert (await orderly.data("date", MONTH, TODAY)).keys() == {"rows"}


async def test_more_accounts_than_a_page_holds() -> None:
    world = World.make(seed=2, members=400, days=40, end=NOON)
    async with running(world) as client:
        orderly = OrderlyClient(client.session, client.sandbox)
        pages = [await orderly.data("account_id", MONTH, TODAY, page=page) for page in (1, 2, 3)]
        total = int(pages[0]["meta"]["total"])
        assert sum(len(page["rows"]) for page in pages) == total > 200


@pytest.mark.parametrize("sort_by", ["broker_fee", "total_volume", "total_invites"])
async def test_rows_can_be_sorted(orderly: OrderlyClient, sort_by: str) -> None:
    rows = await orderly.rows("account_id", MONTH, TODAY, sort_by=sort_by)
    values = [Decimal(row[sort_by]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


async def test_one_account_can_be_asked_for_by_id_or_wallet(orderly: OrderlyClient) -> None:
    one = orderly.sandbox.world.orderly.account_days()[-1]
    for asked in ({"account_id": one.account_id}, {"user_address": one.wallet_address}):
        (row,) = await orderly.rows("account_id", one.day, one.day, **asked)
        assert (row["account_id"], *numbers(row)) == (one.account_id, *one[3:])
        (day,) = await orderly.rows("date", one.day, one.day, **asked)
        assert (day["date"], *numbers(day)) == (one.day.isoformat(), *one[3:])
    for asked in ({"account_id": "0x" + "0" * 64}, {"user_address": "0x" + "0" * 40}):
        assert await orderly.rows("account_id", MONTH, TODAY, **asked) == []
        assert await orderly.rows("date", MONTH, TODAY, **asked) == []


async def test_an_unstable_order_has_the_same_rows(orderly: OrderlyClient) -> None:
    stable = await orderly.rows("date", MONTH, TODAY)
    orderly.sandbox.orderly.unstable_order = True
    one, other = [await orderly.rows("date", MONTH, TODAY) for _ in range(2)]
    assert one != other
    assert sorted(one, key=lambda row: row["date"]) == sorted(other, key=lambda row: row["date"]) == stable


async def test_only_days_from_the_first_to_the_present_one_are_told_of(orderly: OrderlyClient) -> None:
    first = orderly.sandbox.world.horizon.first_day
    rows = await orderly.rows("date", first - timedelta(days=5), first + timedelta(days=2))
    assert [row["date"] for row in rows] == [(first + timedelta(days=offset)).isoformat() for offset in range(3)]
    rows = await orderly.rows("date", TODAY, TODAY + timedelta(days=5))
    assert [row["date"] for row in rows] == [TODAY.isoformat()]
    later = TODAY + timedelta(days=1)
    assert await orderly.rows("account_id", later, later) == []


async def test_today_grows_and_the_past_stands_still(orderly: OrderlyClient) -> None:
    world = orderly.sandbox.world
    before = world.orderly.broker_days()
    world.now = NOON + timedelta(hours=10)
    after = world.orderly.broker_days()
    assert after[:-1] == before[:-1]
    assert Decimal(after[-1].volume) > Decimal(before[-1].volume)
    (row,) = await orderly.rows("date", TODAY, TODAY)
    assert row["total_volume"] == after[-1].volume
    world.now = NOON
    assert world.orderly.broker_days() == before


async def test_a_restated_volume_shows_in_both_grains(orderly: OrderlyClient) -> None:
    world = orderly.sandbox.world
    before = world.orderly.broker_days()
    one = next(row for row in world.orderly.account_days() if row.day == date(2025, 3, 1) and Decimal(row.volume))
    volume = Decimal("123456789012.000000000000000010")
    world.orderly.restate(one.day, one.account_id, volume)
    (row,) = await orderly.rows("account_id", one.day, one.day, account_id=one.account_id)
    assert row["total_volume"] == "123456789012.000000000000000010"
    (day,) = await orderly.rows("date", one.day, one.day)
    old = next(row for row in before if row.day == one.day)
    assert Fraction(day["total_volume"]) == Fraction(old.volume) - Fraction(one.volume) + Fraction(volume)
    with pytest.raises(ValueError, match="nobody has the account"):
        world.orderly.restate(one.day, "0x1", volume)


def test_a_restated_trade_shows_too(world: World) -> None:
    row = next(one for one in world.trade_days() if one.market == "futures" and one.day == date(2025, 3, 1))
    before = world.orderly.account_days()
    world.restate_trade(row.subject_id, "futures", row.day, Decimal("5.5"))
    changed = set(world.orderly.account_days()) - set(before)
    assert len({one.account_id for one in changed}) == 1
    assert len(changed) <= 2, "a day of the world lies within two UTC days"


async def test_the_answer_tells_the_servers_time(orderly: OrderlyClient) -> None:
    answer = await orderly.get({"start_date": TODAY, "end_date": TODAY, "aggregate_by": "date"}, status=200)
    assert answer.keys() == {"success", "timestamp", "data"}
    assert answer["timestamp"] == str(int(NOON.timestamp() * 1000))
    assert set(SAMPLE) - {"account_id", "user_address"} <= answer["data"]["rows"][0].keys()
