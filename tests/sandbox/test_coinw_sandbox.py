"""What the simulated CoinW tells, held against the truth of its world and the documents' field tables."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from etl.sandbox import World
from etl.sandbox.activity import Trade
from etl.sandbox.credentials import COINW_ACTIVITIES
from tests.sandbox.coinw_client import ACTIVITY, VOLUME, CoinwClient
from tests.sandbox.lbank_client import TODAY, midnight

ACT = COINW_ACTIVITIES[0]
FIRST = TODAY - timedelta(days=60)
EVER = {"startTime": "2024-01-01", "endTime": "2026-01-01"}
MARCH = {"startTime": "2025-03-01 00:00:00", "endTime": "2025-03-31 23:59:59"}
FEBRUARY = {"startTime": "2025-02-01 00:00:00", "endTime": "2025-02-28 23:59:59"}


async def test_the_volume_is_told_as_in_the_sample(coinw: CoinwClient) -> None:
    answer = await coinw.post(VOLUME, {**EVER, "pageNo": 1, "pageSize": 1})
    assert answer.keys() == {"code", "msg", "data"}
    assert (answer["code"], answer["msg"]) == ("200", "success")
    assert answer["data"].keys() == {"list", "total"}
    newest = coinw.sandbox.world.coinw.volume_rows()[0]
    assert answer["data"]["list"] == [{"uid": int(newest.uid), "volume": newest.volume, "time": newest.day.isoformat()}]
    assert answer["data"]["total"] == len(coinw.sandbox.world.coinw.volume_rows())


async def test_volumes_are_paged_newest_day_first(coinw: CoinwClient) -> None:
    truth = [(int(one.uid), one.volume, one.day.isoformat()) for one in coinw.sandbox.world.coinw.volume_rows()]
    rows = await coinw.all_rows(VOLUME, size=90, **EVER)
    assert [(row["uid"], row["volume"], row["time"]) for row in rows] == truth
    assert len(rows) > 180
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
    ids = [(one.day, one.row_id) for one in coinw.sandbox.world.coinw.volume_rows()]
    assert ids == sorted(set(ids), reverse=True)


def test_days_add_up_to_the_trades_of_the_direct_members(world: World) -> None:
    direct = {one.open_id for one in world.listed_members() if one.is_direct}
    traded: dict[date, list[Decimal]] = defaultdict(list)
    for one in world.trade_days():
        if one.subject_id in direct:
            traded[one.day].append(Decimal(one.volume))
    told: dict[date, list[Decimal]] = defaultdict(list)
    for row in world.coinw.volume_days():
        told[row.day].append(Decimal(row.volume))
    assert {day: sum(parts) for day, parts in told.items()} == {day: sum(parts) for day, parts in traded.items()}
    assert max(told) == TODAY
    assert all(len(row.uid) == 9 for row in world.coinw.volume_days())


def test_some_days_have_several_rows_and_some_volumes_many_digits(world: World) -> None:
    rows = world.coinw.volume_rows()
    sizes = Counter(Counter((row.uid, row.day) for row in rows).values())
    assert sizes[1] > sizes[2] + sizes[3] > 20
    assert min(sizes[2], sizes[3]) > 5
    assert sum(sizes.values()) == len(world.coinw.volume_days())
    decimals = {row.volume: len(row.volume.partition(".")[2]) for row in rows}
    assert {0, 8, 18} <= set(decimals.values())
    assert any(count == 18 and volume.endswith("00") for volume, count in decimals.items())
    for day in world.coinw.volume_days():
        parts = [row.volume for row in rows if (row.uid, row.day) == day[:2]]
        assert sum(map(Decimal, parts)) == Decimal(day.volume)
        assert len(day.volume.partition(".")[2]) == max(len(part.partition(".")[2]) for part in parts)


async def test_the_dates_of_volumes_are_inclusive_days(coinw: CoinwClient) -> None:
    first, last = TODAY - timedelta(days=9), TODAY - timedelta(days=4)
    rows = await coinw.all_rows(VOLUME, startTime=first.isoformat(), endTime=last.isoformat())
    assert [date.fromisoformat(row["time"]) for row in rows] == [
        one.day for one in coinw.sandbox.world.coinw.volume_rows() if first <= one.day <= last
    ]
    assert {rows[0]["time"], rows[-1]["time"]} == {first.isoformat(), last.isoformat()}


@pytest.mark.parametrize(("now_days", "first"), [(0, TODAY - timedelta(days=29)), (5, TODAY - timedelta(days=24))])
async def test_volumes_without_dates_are_those_of_the_past_30_days(
    coinw: CoinwClient, now_days: int, first: date
) -> None:
    world = coinw.sandbox.world
    world.now += timedelta(days=now_days)
    data = await coinw.data(VOLUME)
    assert data["total"] == sum(one.day >= first for one in world.coinw.volume_rows())
    assert len(data["list"]) == 100
    assert any(one.day == first for one in world.coinw.volume_rows())


async def test_pages_of_volumes_are_chosen_by_page_no_alone(coinw: CoinwClient) -> None:
    pages = [await coinw.data(VOLUME, **EVER, pageSize=5, **asked) for asked in ({}, {"page": 2}, {"pageNo": 2})]
    assert pages[0] == pages[1] != pages[2]
    assert len((await coinw.data(VOLUME, **EVER))["list"]) == 100


async def test_one_uid_can_be_asked_for(coinw: CoinwClient) -> None:
    world = coinw.sandbox.world
    uid = world.coinw.volume_rows()[0].uid
    for asked in (int(uid), uid):
        data = await coinw.data(VOLUME, **EVER, pageSize=1000, uid=asked)
        assert {row["uid"] for row in data["list"]} == {int(uid)}
        assert data["total"] == sum(row.uid == uid for row in world.coinw.volume_rows())
    participant = world.coinw.activity_periods()[0].uid
    data = await coinw.data(ACTIVITY, activityId=ACT, uid=int(participant))
    assert [row["uid"] for row in data["list"]] == [participant]
    assert data["total"] == "1"
    assert (await coinw.data(ACTIVITY, activityId=ACT, uid=99))["total"] == "0"


async def test_rows_that_arrive_while_pages_are_read_move_the_pages(coinw: CoinwClient) -> None:
    world = coinw.sandbox.world
    uid = world.coinw.volume_rows()[0].uid
    first = await coinw.data(VOLUME, **EVER, pageSize=10)
    world.coinw.add_volume(uid, TODAY, Decimal("1.50"))
    world.coinw.add_volume(uid, TODAY, Decimal("2.50"))
    second = await coinw.data(VOLUME, **EVER, pageSize=10, pageNo=2)
    assert second["list"][:2] == first["list"][-2:]
    assert second["total"] == first["total"] + 2
    top = (await coinw.data(VOLUME, **EVER, pageSize=2))["list"]
    assert [row["volume"] for row in top] == ["2.50", "1.50"]
    world.coinw.restate_volume(uid, TODAY, Decimal("7.000"))
    assert [one.volume for one in world.coinw.volume_days() if one[:2] == (uid, TODAY)] == ["7.000"]
    world.coinw.restate_volume(uid, TODAY, None)
    assert not [one for one in world.coinw.volume_days() if one[:2] == (uid, TODAY)]
    with pytest.raises(ValueError, match="no direct invitee"):
        world.coinw.add_volume(1, TODAY, Decimal(1))


def test_the_volumes_of_today_grow_and_those_of_the_past_do_not(world: World) -> None:
    def sums() -> tuple[Decimal, Decimal]:
        rows = world.coinw.volume_days()
        return (
            sum((Decimal(row.volume) for row in rows if row.day < TODAY), Decimal()),
            sum((Decimal(row.volume) for row in rows if row.day == TODAY), Decimal()),
        )

    noon = sums()
    world.now += timedelta(hours=11)
    night = sums()
    world.now -= timedelta(hours=11)
    assert sums() == noon
    assert (noon[0], noon[1] < night[1]) == (night[0], True)


def test_a_restated_trade_shows_in_the_volume_of_its_day(world: World) -> None:
    member = next(one for one in world.listed_members() if one.is_direct and one.has_traded)
    row = next(one for one in world.trade_days() if one.subject_id == member.open_id)
    before = world.coinw.volume_days()
    world.restate_trade(member.open_id, row.market, row.day, Decimal("123456789.5"))
    changed = set(world.coinw.volume_days()) - set(before)
    assert [one.day for one in changed] == [row.day]


def test_members_below_agents_and_those_who_left_are_not_told_of(world: World) -> None:
    people = world.coinw.people(world.now)
    assert {one.open_id for one in people.values()} == {one.open_id for one in world.listed_members() if one.is_direct}
    assert list(people) == sorted(people)
    uid = int(world.coinw.volume_rows()[0].uid)
    world.remove_member(people[uid].open_id)
    assert str(uid) not in {row.uid for row in world.coinw.volume_rows()}


async def test_activities_are_told_as_in_the_sample(coinw: CoinwClient) -> None:
    answer = await coinw.post(ACTIVITY, {"activityId": ACT, **MARCH, "showDetail": "yes", "page": 1, "pageSize": 1000})
    assert {name: value for name, value in answer.items() if name != "data"} == {
        "success": True,
        "code": 200,
        "message": "success",
        "retry": False,
    }
    data = answer["data"]
    assert data.keys() == {"list", "total", "context"}
    assert (data["context"], data["total"]) == (None, str(len(data["list"])))
    fields = {
        *("uid", "contractTransIn", "contractTransOut", "contractNetTransIn"),
        *("contractVolume", "contractProfit", "contractRoi", "initialNetValue"),
    }
    for row in data["list"]:
        assert row.keys() in (fields, fields | {"detail"})
        assert all(isinstance(row[name], str) for name in fields)
        for day in row.get("detail", ()):
            assert day.keys() == {"date", "contractTransIn", "contractTransOut", "contractVolume"}
    uids = [int(row["uid"]) for row in data["list"]]
    assert uids == sorted(uids)


def as_period(row: dict[str, Any]) -> tuple[str, ...]:
    names = ("uid", "contractTransIn", "contractTransOut", "contractNetTransIn", "contractVolume", "contractProfit")
    return tuple(row[name] for name in (*names, "contractRoi", "initialNetValue"))


@pytest.mark.parametrize("activity_id", COINW_ACTIVITIES)
async def test_every_month_is_the_truth(coinw: CoinwClient, activity_id: str) -> None:
    world = coinw.sandbox.world
    for first, span in ((date(2025, 2, 1), FEBRUARY), (date(2025, 3, 1), MARCH)):
        rows = await coinw.all_rows(
            ACTIVITY, size=7, page_name="page", activityId=activity_id, showDetail="yes", **span
        )
        truth = [one for one in world.coinw.activity_periods() if one[0] == activity_id and one.period_start == first]
        assert [as_period(row) for row in rows] == [one[1:2] + one[4:] for one in truth]
        assert {one.period_end for one in truth} == {date.fromisoformat(span["endTime"][:10])}
        days = [
            (row["uid"], day["date"], day["contractTransIn"], day["contractTransOut"], day["contractVolume"])
            for row in rows
            for day in row.get("detail", ())
            if first.isoformat() <= day["date"] <= span["endTime"][:10]
        ]
        assert days == [
            (one.uid, one.day.isoformat(), *one[3:])
            for one in world.coinw.activity_days()
            if one.activity_id == activity_id and one.day.replace(day=1) == first
        ]
        assert len(days) > 20


def test_the_months_reach_from_the_first_day_to_the_present(world: World) -> None:
    periods = world.coinw.activity_periods()
    assert {one.period_start for one in periods} == {date(2025, month, 1) for month in (1, 2, 3)}
    assert {one.activity_id for one in periods} == set(COINW_ACTIVITIES)
    assert any(one.profit.startswith("-") for one in periods)
    assert any(one.volume == "0" != one.profit for one in periods)
    assert {Decimal(one.roi_pct) > 0 for one in periods} == {True, False}
    for one in periods:
        assert Decimal(one.net_transfer_in) == Decimal(one.transfer_in) - Decimal(one.transfer_out)
        if Decimal(one.initial_net_value):
            exact = Decimal(one.profit) * 100 / Decimal(one.initial_net_value)
            assert abs(exact - Decimal(one.roi_pct)) <= Decimal("5.0000001e-9")
            assert len(one.roi_pct.partition(".")[2]) == 8
        else:
            assert one.roi_pct == "0"


def test_the_volume_of_a_month_is_that_of_the_futures_trades(world: World) -> None:
    futures: Counter[tuple[str, date]] = Counter()
    for one in world.trade_days():
        if one.market == "futures":
            futures[one.subject_id, one.day.replace(day=1)] += Decimal(one.volume)  # type: ignore[assignment]
    people = world.coinw.people(world.now)
    for period in world.coinw.activity_periods():
        open_id = people[int(period.uid)].open_id
        assert Decimal(period.volume) == futures[open_id, period.period_start]


async def test_details_can_be_missing_empty_or_have_a_day_outside_the_range(coinw: CoinwClient) -> None:
    rows = (await coinw.data(ACTIVITY, activityId=ACT, **FEBRUARY, showDetail="yes", pageSize=1000))["list"]
    assert any("detail" not in row for row in rows)
    assert any(row.get("detail") == [] for row in rows)
    outside = {day["date"] for row in rows for day in row.get("detail", ())} - {
        f"2025-02-{day:02d}" for day in range(1, 29)
    }
    assert outside == {"2025-03-01"}
    for detail in ({}, {"showDetail": "no"}):
        plain = (await coinw.data(ACTIVITY, activityId=ACT, **FEBRUARY, pageSize=1000, **detail))["list"]
        assert plain == [{name: value for name, value in row.items() if name != "detail"} for row in rows]


async def test_activities_without_dates_are_those_of_the_present_month(coinw: CoinwClient) -> None:
    asked = {"activityId": ACT, "pageSize": 1000, "showDetail": "yes"}
    assert await coinw.data(ACTIVITY, **asked) == await coinw.data(ACTIVITY, **asked, **MARCH)
    started = {"startTime": MARCH["startTime"]}
    assert await coinw.data(ACTIVITY, **asked, **started) == await coinw.data(ACTIVITY, **asked, **MARCH)


async def test_pages_of_activities_are_chosen_by_page_or_page_no(coinw: CoinwClient) -> None:
    pages = [
        await coinw.data(ACTIVITY, activityId=ACT, pageSize=5, **asked)
        for asked in ({}, {"page": 1}, {"page": 2}, {"pageNo": 2})
    ]
    assert pages[0] == pages[1] != pages[2] == pages[3]
    assert len((await coinw.data(ACTIVITY, activityId=ACT))["list"]) == 10


async def test_spans_of_activities_are_exact_to_the_second(coinw: CoinwClient) -> None:
    world = coinw.sandbox.world
    one = next(row for row in world.coinw.activity_days() if Decimal(row.volume) and row.day < TODAY)
    whole = {"startTime": f"{one.day} 00:00:00", "endTime": f"{one.day} 23:59:59"}
    halves = [{**whole, "endTime": f"{one.day} 11:59:59"}, {**whole, "startTime": f"{one.day} 12:00:00"}]
    asked = {"activityId": one.activity_id, "uid": int(one.uid)}
    day, *parts = [(await coinw.data(ACTIVITY, **asked, **span))["list"][0] for span in (whole, *halves)]
    assert day["contractVolume"] == one.volume
    for name in ("contractVolume", "contractTransIn", "contractProfit"):
        assert Decimal(day[name]) == sum(Decimal(part[name]) for part in parts)


async def test_the_second_that_an_end_names_is_within(coinw: CoinwClient) -> None:
    world = coinw.sandbox.world
    one = next(row for row in world.coinw.activity_days() if row.day == TODAY - timedelta(days=3))
    person = world.coinw.people(world.now)[int(one.uid)]
    last_instant = midnight(TODAY - timedelta(days=2)) - timedelta(milliseconds=1)
    trade = Trade(last_instant, "BTCUSDT", Decimal("77.7"), Decimal(0))
    world.trades.put(person.open_id, "futures", one.day, (trade,))
    asked = {"activityId": one.activity_id, "uid": int(one.uid), "startTime": f"{one.day} 23:00:00"}
    for second, volume in (("58", "0"), ("59", "77.7")):
        data = await coinw.data(ACTIVITY, **asked, endTime=f"{one.day} 23:59:{second}")
        assert data["list"][0]["contractVolume"] == volume


async def test_restated_activities_show_in_the_month_and_in_the_day(coinw: CoinwClient) -> None:
    world = coinw.sandbox.world
    before = next(row for row in world.coinw.activity_days() if row.day < TODAY)
    world.coinw.restate_activity(before.activity_id, before.uid, before.day, transfer_in=Decimal("5.50"))
    after = before._replace(transfer_in="5.50", transfer_out="0", volume="0")
    assert after in world.coinw.activity_days()
    span = {"startTime": f"{before.day} 00:00:00", "endTime": f"{before.day} 23:59:59"}
    data = await coinw.data(ACTIVITY, activityId=before.activity_id, uid=int(before.uid), **span)
    assert data["list"][0]["contractNetTransIn"] == "5.50"


@pytest.mark.parametrize("code", [0, 200, "200"])
async def test_the_code_of_a_success_can_be_chosen(coinw: CoinwClient, code: int | str) -> None:
    coinw.sandbox.coinw.success_code = code
    for path in (VOLUME, ACTIVITY):
        assert (await coinw.post(path, {"activityId": ACT}))["code"] == code
    assert [entry.error_code for entry in coinw.sandbox.requests] == [0, 0]


async def test_the_return_can_be_told_as_the_quotient(coinw: CoinwClient) -> None:
    # The document's sample: -29.893815 on 32.46001375 is told as -0.92094277.
    percent = (await coinw.data(ACTIVITY, activityId=ACT, pageSize=1000))["list"]
    coinw.sandbox.coinw.roi_as_fraction = True
    quotient = (await coinw.data(ACTIVITY, activityId=ACT, pageSize=1000))["list"]
    told = [
        (Decimal(one["contractRoi"]), Decimal(other["contractRoi"]))
        for one, other in zip(percent, quotient, strict=True)
    ]
    assert all(one == 100 * other for one, other in told)
    assert any(one for one, _ in told)
