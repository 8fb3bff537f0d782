"""What the simulated ZTDX tells, held against the truth of its world and the document's sample."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from etl.sandbox import World
from etl.sandbox.referral_log import ACTIONS
from tests.sandbox.lbank_client import NOON
from tests.sandbox.ztdx_client import ZtdxClient, as_row


@pytest.mark.parametrize("newest_first", [False, True])
async def test_the_log_is_told_in_either_order(ztdx: ZtdxClient, newest_first: bool) -> None:
    ztdx.sandbox.ztdx.newest_first = newest_first
    truth = [as_row(one) for one in ztdx.sandbox.world.ztdx.events()]
    assert await ztdx.all_logs(size=50) == (truth[::-1] if newest_first else truth)
    assert len(truth) > 150
    assert [row["created_at"] for row in truth] == sorted(
        one.occurred_at.timestamp() * 1000 for one in ztdx.sandbox.world.ztdx.events()
    )


async def test_the_answer_has_the_shape_of_the_sample(ztdx: ZtdxClient) -> None:
    total = len(ztdx.sandbox.world.ztdx.events())
    answer = await ztdx.get({})
    assert tuple(answer) == ("logs", "total", "page", "page_size")
    assert (len(answer["logs"]), answer["total"], answer["page"], answer["page_size"]) == (20, total, 1, 20)
    assert tuple(answer["logs"][0]) == (
        *("id", "action", "target_address", "referral_code", "amount", "old_value", "new_value", "created_at"),
    )


@pytest.mark.parametrize(("asked", "echoed"), [(0, 1), (-5, 1), (1, 1), (100, 100), (101, 100), (5000, 100)])
async def test_the_page_size_is_cut_silently_and_echoed(ztdx: ZtdxClient, asked: int, echoed: int) -> None:
    answer = await ztdx.get({"page_size": asked})
    assert (answer["page_size"], len(answer["logs"])) == (echoed, echoed)


async def test_a_page_after_the_last_is_empty(ztdx: ZtdxClient) -> None:
    answer = await ztdx.get({"page": 99})
    assert (answer["logs"], answer["page"]) == ([], 99)
    assert answer["total"] > 0


async def test_the_total_counts_after_the_filter(ztdx: ZtdxClient) -> None:
    counts = Counter(one.action for one in ztdx.sandbox.world.ztdx.events())
    assert set(counts) == set(ACTIONS)
    for action in ACTIONS:
        answer = await ztdx.get({"action": action, "page_size": 100})
        assert answer["total"] == counts[action]
        assert {row["action"] for row in answer["logs"]} == {action}
    assert (await ztdx.get({"action": "other"}))["total"] == 0


def test_every_action_has_its_own_values(world: World) -> None:
    for one in world.ztdx.events():
        filled = {
            name
            for name in ("target_address", "referral_code", "amount", "old_value", "new_value")
            if getattr(one, name) is not None
        }
        assert (
            filled
            == {
                "create_code": {"referral_code"},
                "bind": {"target_address", "referral_code"},
                "rebind": {"target_address", "referral_code", "old_value", "new_value"},
                "unbind": {"target_address", "referral_code"},
                "claim": {"amount"},
            }[one.action]
        )
        assert UUID(one.event_id).version == 4
    assert len({one.event_id for one in world.ztdx.events()}) == len(world.ztdx.events())
    claimed = [one.amount for one in world.ztdx.events() if one.amount]
    assert {0, 2, 18} <= {len(amount.partition(".")[2]) for amount in claimed}
    assert all(Decimal(amount) > 0 for amount in claimed)


def test_binds_are_registrations_by_the_inviters_code(world: World) -> None:
    binds = {one.target_address: one for one in world.ztdx.events() if one.action == "bind"}
    wallets = {one.wallet_address for one in world.orderly.account_days()}
    assert wallets - {None} <= binds.keys(), "the same people have the same wallets"
    assert sorted(one.occurred_at for one in binds.values()) == [one.registered_at for one in world.listed_members()]


async def test_entries_of_one_millisecond_can_change_places(ztdx: ZtdxClient) -> None:
    events = ztdx.sandbox.world.ztdx.events()
    shared = Counter(one.occurred_at for one in events)
    assert sum(count > 2 for count in shared.values()) >= 3
    ztdx.sandbox.ztdx.shuffle_ties = True
    one, other = [await ztdx.all_logs() for _ in range(2)]
    assert one != other
    assert {row["id"] for row in one} == {row["id"] for row in other} == {one.event_id for one in events}
    assert [row["created_at"] for row in one] == [row["created_at"] for row in other]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_entries_that_arrive_while_pages_are_read(ztdx: ZtdxClient, newest_first: bool) -> None:
    ztdx.sandbox.ztdx.newest_first = newest_first
    log = ztdx.sandbox.world.ztdx
    first = await ztdx.get({"page_size": 10})
    added = log.add_events(3)
    second = await ztdx.get({"page_size": 10, "page": 2})
    assert second["total"] == first["total"] + 3
    overlap = [row["id"] for row in second["logs"] if row in first["logs"]]
    assert overlap == ([row["id"] for row in first["logs"][-3:]] if newest_first else [])
    ends = [one.event_id for one in added]
    told = [row["id"] for row in await ztdx.all_logs()]
    assert (told[:3] if newest_first else told[-3:]) == (ends[::-1] if newest_first else ends)


def test_added_entries_are_of_the_present_millisecond(world: World) -> None:
    world.now = NOON + timedelta(microseconds=1500)
    before = world.ztdx.events()
    added = world.ztdx.add_events(7)
    last = world.ztdx.add_event("claim", amount="45.00")
    assert world.ztdx.events() == [*before, *added, last]
    assert {one.occurred_at for one in (*added, last)} == {NOON + timedelta(milliseconds=1)}
    assert {one.action for one in added} == set(ACTIONS)
    assert (last.action, last.amount, last.target_address) == ("claim", "45.00", None)


def test_the_log_only_grows(world: World) -> None:
    noon = world.ztdx.events()
    assert max(one.occurred_at for one in noon) <= NOON
    world.remove_member(world.listed_members()[5].open_id)
    person = world.add_member()
    with_person = world.ztdx.events()
    assert with_person[: len(noon)] == noon
    assert [one.action for one in with_person[len(noon) :]] == ["bind"]
    assert with_person[-1].occurred_at == person.registered_at
    world.now += timedelta(days=8)
    assert world.ztdx.events()[: len(with_person)] == with_person
    assert len(world.ztdx.events()) > len(with_person)
