"""The simulated world by itself: the same seed gives the same people, and time only adds."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from etl.sandbox import World, activity
from etl.sandbox.amounts import Totals
from etl.sandbox.team import Scope
from etl.sandbox.trades import TradeDay
from tests.sandbox.lbank_client import NOON, TODAY, midnight


def everything(world: World) -> list[object]:
    return [
        world.listed_members(),
        world.unlisted_members(),
        world.trade_days(),
        world.trade_days("team"),
        world.commission_days(),
        world.transfers(),
    ]


def small(seed: int = 3, hours: int = 0) -> World:
    return World.make(seed=seed, members=40, days=30, end=NOON + timedelta(hours=hours))


def test_the_seed_decides() -> None:
    assert everything(small()) == everything(small())
    other = everything(small(seed=4))
    assert all(mine != others for mine, others in zip(everything(small()), other, strict=True))


def test_the_time_of_day_at_creation_does_not_matter() -> None:
    early, late = small(hours=-12), small(hours=11)
    early.now = late.now
    assert everything(early) == everything(late)


@pytest.mark.parametrize(("members", "days"), [(1, 1), (5, 2), (40, 30), (200, 90)])
def test_sizes_are_kept(members: int, days: int) -> None:
    world = World.make(members=members, days=days, end=NOON)
    assert len(world.listed_members()) == members
    assert min((one.day for one in world.trade_days()), default=TODAY) >= TODAY - timedelta(days=days)
    assert len(world.unlisted_members()) == len(world.strangers()) == 1


def test_nothing_after_now_is_seen(world: World) -> None:
    assert max(one.registered_at for one in world.listed_members()) <= NOON
    assert max(one.created_at for one in world.transfers()) <= NOON
    assert max(one.updated_at for one in world.transfers()) <= NOON
    assert max(one.day for one in world.trade_days()) <= TODAY
    assert max(one.day for one in world.commission_days()) < TODAY


def test_time_adds_registrations_trades_commissions_and_changes_transfers(world: World) -> None:
    def sizes() -> list[int]:
        return [len(world.listed_members()), len(world.trade_days()), len(world.commission_days())]

    before = sizes()
    transfers = {one[:5] + one[7:8]: one.status for one in world.transfers()}
    world.now = NOON + timedelta(days=6)
    assert all(new > old for old, new in zip(before, sizes(), strict=True))
    later = {one[:5] + one[7:8]: one.status for one in world.transfers()}
    assert transfers.keys() < later.keys()
    assert {(old, later[key]) for key, old in transfers.items() if later[key] != old} >= {("Processing", "Completed")}


def test_the_sums_of_today_grow_and_those_of_past_days_stand_still(world: World) -> None:
    def volumes() -> tuple[Decimal, Decimal]:
        rows = [one for one in world.trade_days("team") if one.subject_id == world.affiliate.open_id]
        past = sum((Decimal(one.volume) for one in rows if one.day < TODAY), Decimal())
        return past, sum((Decimal(one.volume) for one in rows if one.day == TODAY), Decimal())

    seen = []
    for hour in (0, 6, 12, 18, 23):
        world.now = midnight(TODAY) + timedelta(hours=hour, minutes=30)
        seen.append(volumes())
    assert len({past for past, _ in seen}) == 1
    assert [today for _, today in seen] == sorted({today for _, today in seen})


def test_balances_stay_the_same_for_a_day(world: World) -> None:
    def balances() -> list[tuple[str, ...]]:
        return [one[-4:] for one in world.listed_members()]

    world.now = midnight(TODAY)
    morning = balances()
    world.now = midnight(TODAY) + timedelta(hours=23, minutes=59)
    assert balances() == morning
    world.now = midnight(TODAY) + timedelta(days=1)
    assert balances()[: len(morning)] != morning


def test_changes_show_in_the_truth(world: World) -> None:
    row = world.trade_days()[0]
    team = world.trade_days("team")
    world.restate_trade(row.subject_id, row.market, row.day, Decimal("1.2300"))
    assert world.trade_days()[0] == row._replace(volume="1.2300")
    assert world.trade_days("team") != team

    world.remove_member(row.subject_id)
    assert row.subject_id not in {one.open_id for one in world.listed_members()}
    assert row.subject_id in world.strangers()

    person = world.add_member()
    assert world.listed_members()[-1].open_id == person.open_id
    assert not world.listed_members()[-1].has_deposited
    made = activity.make_transfer(
        person.open_id, "IN_DEPOSIT", asset="USDT", amount=Decimal("5.0"), created_at=world.now
    )
    world.add_transfer(made)
    assert world.listed_members()[-1].has_deposited
    assert [one.amount for one in world.transfers() if one.open_id == person.open_id] == ["5.0"]


def test_moments_without_a_zone_are_refused(world: World) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        world.now = naive
    with pytest.raises(ValueError, match="time zone"):
        World.make(end=naive)


@pytest.mark.parametrize(("members", "days"), [(0, 1), (1, 0)])
def test_a_world_needs_people_and_days(members: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        World.make(end=NOON, members=members, days=days)


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_seed_has_the_cases_that_readers_must_get_right(seed: int) -> None:
    world = World.make(seed=seed, end=NOON)
    transfers = world.transfers()
    assert max(Counter(transfers).values()) == 2
    assert any(one.updated_at - one.created_at > timedelta(days=3) for one in transfers)
    assert any(one.status == "Processing" for one in transfers)
    assert {one.kind for one in transfers} == set(activity.TRANSFER_KINDS)
    assert all(one.created_at == one.created_at.replace(microsecond=0) for one in transfers)
    members = world.listed_members()
    assert 0.55 <= sum(one.has_traded for one in members) / len(members) <= 0.7
    assert sum(1 <= one.level <= 20 for one in members) == 10
    assert any(one.level == 99 for one in members)
    volumes = [Decimal(one.volume).as_tuple() for one in world.trade_days()]
    assert max(len(volume.digits) for volume in volumes) > 20
    assert {0, 18} <= {-int(volume.exponent) for volume in volumes}
    assert any(one.volume.endswith("00") and "." in one.volume for one in world.trade_days())
    assert any(
        known.trades[0].at == midnight(day)
        for market in activity.MARKETS
        for day in world.trades.days(world.horizon.first_day, TODAY)
        for known in world.trades.on(market, day).values()
    )


def test_scopes_are_self_those_right_below_and_every_level(world: World) -> None:
    head = world.add_member(level=9).open_id
    child = world.add_member(parent_id=head, level=3).open_id
    grandchild = world.add_member(parent_id=child).open_id
    for units, open_id in enumerate((head, child, grandchild)):
        world.restate_trade(open_id, "futures", TODAY, Decimal(10**units))
    start, end = midnight(TODAY), midnight(TODAY) + timedelta(milliseconds=1)
    scopes: tuple[Scope, ...] = ("SELF", "SUB", "SELF_SUB", "ALL")
    told = [world.futures_turnover(head, scope, start, end).turnover for scope in scopes]
    assert told == ["1", "10", "11", "111"]


def test_a_trade_is_seen_from_its_very_instant(world: World) -> None:
    trades = next(
        known.trades
        for market in activity.MARKETS
        for known in world.trades.on(market, TODAY).values()
        if len({trade.at for trade in known.trades}) == len(known.trades) > 1
    )
    first = Totals(trades[0].volume, trades[0].fee)
    known = TradeDay(trades, first)
    assert known.seen(trades[0].at) == first
    assert known.seen(trades[0].at - timedelta(milliseconds=1)) is None


def test_sums_keep_every_digit(world: World) -> None:
    head = world.add_member(level=9).open_id
    child = world.add_member(parent_id=head).open_id
    world.restate_trade(head, "spot", TODAY, Decimal(123456789012345678901234567890))
    world.restate_trade(child, "spot", TODAY, Decimal("0.000000000000000010"))
    (row,) = [one for one in world.trade_days("team") if one.subject_id == head]
    assert row.volume == "123456789012345678901234567890.000000000000000010"
