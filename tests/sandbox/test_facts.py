"""What the world holds for CoinW, Orderly and ZTDX: the seed decides, and every seed has the cases that matter."""

from collections import Counter
from datetime import timedelta

import pytest

from etl.sandbox import World
from etl.sandbox.credentials import COINW_ACTIVITIES
from etl.sandbox.referral_log import ACTIONS
from etl.sandbox.stakes import DETAIL_STYLES
from tests.sandbox.lbank_client import NOON


def everything(world: World) -> list[object]:
    return [
        world.coinw.volume_rows(),
        world.coinw.volume_days(),
        world.coinw.activity_periods(),
        world.coinw.activity_days(),
        world.orderly.broker_days(),
        world.orderly.account_days(),
        world.ztdx.events(),
    ]


def small(seed: int = 3, hours: int = 0) -> World:
    return World.make(seed=seed, members=40, days=30, end=NOON + timedelta(hours=hours))


def test_the_seed_decides() -> None:
    assert everything(small()) == everything(small())
    other = everything(small(seed=4))
    assert all(mine != others for mine, others in zip(everything(small()), other, strict=True))


def test_neither_the_time_of_day_at_creation_nor_an_earlier_look_matters() -> None:
    early, late = small(hours=-12), small(hours=11)
    everything(early)
    early.now = late.now
    assert everything(early) == everything(late)


@pytest.mark.parametrize(("members", "days"), [(1, 1), (5, 2), (40, 30)])
def test_small_worlds_can_be_asked_everything(members: int, days: int) -> None:
    world = World.make(members=members, days=days, end=NOON)
    assert len(world.orderly.broker_days()) == days + 1
    assert {one.uid for one in world.coinw.volume_rows()} <= {str(uid) for uid in world.coinw.people(NOON)}


def test_people_have_names_of_their_own(world: World) -> None:
    uids = world.coinw.people(world.now)
    assert len(uids) == sum(one.is_direct for one in world.listed_members())
    accounts = {(one.account_id, one.wallet_address) for one in world.orderly.account_days()}
    assert len(accounts) == len({account for account, _ in accounts}) == len({wallet for _, wallet in accounts})


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_seed_has_the_cases_that_readers_must_get_right(seed: int) -> None:
    world = World.make(seed=seed, end=NOON)
    rows = world.coinw.volume_rows()
    assert set(Counter(Counter((row.uid, row.day) for row in rows).values())) >= {1, 2, 3}
    assert {0, 8, 18} <= {len(row.volume.partition(".")[2]) for row in rows}
    for activity_id in COINW_ACTIVITIES:
        taking_part = world.coinw.participations(activity_id, NOON - timedelta(days=20), NOON, now=NOON)
        assert {one.entry.detail for one in taking_part} == set(DETAIL_STYLES)
        assert 0 < len(taking_part) < len(world.coinw.people(NOON))
    periods = world.coinw.activity_periods()
    assert any(one.roi_pct.startswith("-") for one in periods)
    assert any(one.initial_net_value == "0" != one.profit for one in periods)
    days = world.orderly.broker_days()
    assert max(len(text.replace(".", "").lstrip("0")) for one in days for text in one[1:]) >= 25
    assert any(one.direct_volume != "0" != one.indirect_volume for one in days)
    events = world.ztdx.events()
    assert {one.action for one in events} == set(ACTIONS)
    assert max(Counter(one.occurred_at for one in events).values()) > 2
    assert any(one.amount and len(one.amount.partition(".")[2]) == 18 for one in events)
