"""What the warehouse must hold, told by the sandbox's world; every amount as the text that was sent."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from etl.sandbox import amounts
from etl.sandbox.activity import MARKETS
from etl.sandbox.world import World
from tests.flow.night import Night

Tables = dict[str, Counter[tuple[Any, ...]]]

_SUMMARY = (
    *("direct_invites", "indirect_invites", "invites", "direct_traded", "indirect_traded"),
    *("direct_volume", "indirect_volume", "volume", "broker_fee"),
    *("direct_rebate", "indirect_rebate", "direct_bonus_rebate", "base_rebate"),
)
_SUMMARY_TEXT = ", ".join(f"{name}::text" for name in _SUMMARY)

COLUMNS = {
    "invitee": "invitee_id, referral_code, registered_at, is_direct, has_deposited, has_traded, kyc_verified, level, "
    "spot_commission_pct::text, futures_commission_pct::text, origin",
    "invitee_balance_day": "invitee_id, day, spot_assets::text, spot_assets_usdt::text, futures_assets::text, "
    "futures_bonus::text",
    "trade_day": "scope, subject_id, market, day, volume::text, fee::text",
    "commission_day": "recipient_id, market, coin, day, amount::text, amount_usdt::text",
    "futures_turnover": "subject_id, scope, symbol, day, turnover::text, fee::text",
    "transfer": "invitee_id, invitee_level, kind, direction, asset, amount::text, status, sub_status, created_at, "
    "updated_at, order_id",
    "activity_period": "activity_id, invitee_id, period_start, period_end, transfer_in::text, transfer_out::text, "
    "net_transfer_in::text, volume::text, profit::text, roi_pct::text, initial_net_value::text",
    "activity_day": "activity_id, invitee_id, day, transfer_in::text, transfer_out::text, volume::text",
    "broker_day": f"day, {_SUMMARY_TEXT}",
    "broker_account_day": f"invitee_id, day, wallet_address, {_SUMMARY_TEXT}",
    "referral_event": "event_id::text, action, target_address, referral_code, amount::text, old_value, new_value, "
    "occurred_at",
}
"""By table, what is compared with the world."""
_KNOWN_BY_LISTS = {"invitee": "AND origin IN ('list', 'info')"}


def loaded_query(table: str) -> str:
    """Selects what is compared of a table's rows of the account $1."""
    return f"""
        SELECT {COLUMNS[table]} FROM warehouse.{table}
        WHERE account = $1 AND removed_at IS NULL {_KNOWN_BY_LISTS.get(table, "")}"""


async def loaded(night: Night, table: str) -> Counter[tuple[Any, ...]]:
    """The rows of a table as the warehouse holds them for the night's account; of balances, those of today."""
    world = night.sandbox.world
    rows = await night.rows(loaded_query(table), night.account().name)
    if table == "invitee_balance_day":
        rows = [row for row in rows if row[1] == world.horizon.day_of(world.now)]
    return Counter(rows)


def expected(night: Night) -> Tables:
    """The rows of each table as a complete and exact reading of the whole history gives them."""
    return expected_at(night.source, night.sandbox.world)


def expected_at(source: str, world: World) -> Tables:
    """The same for any world and exchange."""
    return _EXPECTED[source](world)


async def assert_equals_world(night: Night) -> None:
    """Every table holds what the world says: each row once, each amount digit for digit."""
    for table, rows in expected(night).items():
        found = await loaded(night, table)
        assert found - rows == Counter(), f"{table} holds what the world does not"
        assert rows - found == Counter(), f"{table} lacks what the world holds"
        assert rows, f"the world has nothing to compare {table} with"


def _lbank(world: World) -> Tables:
    today = world.horizon.day_of(world.now)
    return {
        "invitee": Counter(_invitees(world)),
        "invitee_balance_day": Counter(
            (one.open_id, today, one.spot_assets, one.spot_assets_usdt, one.futures_assets, one.futures_bonus)
            for one in world.listed_members()
        ),
        "trade_day": Counter(_trades(world)),
        "commission_day": Counter(
            (one.recipient_id, one.market, one.coin.upper(), one.day, one.amount, one.amount_usdt)
            for one in world.commission_days()
        ),
        "futures_turnover": Counter(_turnover(world)),
        "transfer": Counter(
            (
                *(one.open_id, one.level, one.kind, "in" if one.kind.startswith("IN_") else "out", one.asset.upper()),
                *(one.amount, one.status, one.sub_status, one.created_at, one.updated_at, one.order_id),
            )
            for one in world.transfers()
        ),
    }


def _coinw(world: World) -> Tables:
    return {
        "trade_day": Counter(
            ("member", one.uid, "all", one.day, one.volume, None) for one in world.coinw.volume_days()
        ),
        "activity_period": Counter(tuple(one) for one in world.coinw.activity_periods()),
        "activity_day": Counter(tuple(one) for one in world.coinw.activity_days()),
    }


def _orderly(world: World) -> Tables:
    return {
        "broker_day": Counter(tuple(one) for one in world.orderly.broker_days()),
        "broker_account_day": Counter(tuple(one) for one in world.orderly.account_days()),
    }


def _ztdx(world: World) -> Tables:
    return {"referral_event": Counter(tuple(one) for one in world.ztdx.events())}


def _invitees(world: World) -> list[tuple[Any, ...]]:
    told = [(one, "list") for one in world.listed_members()] + [(one, "info") for one in world.unlisted_members()]
    return [
        (
            *(one.open_id, one.referral_code, one.registered_at, one.is_direct, one.has_deposited, one.has_traded),
            *(one.kyc_verified, one.level, one.spot_rate_pct, one.futures_rate_pct, origin),
        )
        for one, origin in told
    ]


def _trades(world: World) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [("team", *one) for one in world.trade_days("team")]
    rows += [("member", *one) for one in world.trade_days("member")]
    last = world.horizon.day_of(world.now)
    days = [world.horizon.first_day + timedelta(days=n) for n in range((last - world.horizon.first_day).days + 1)]
    for one in world.unlisted_members():
        for market in MARKETS:
            for day in days:
                found = world.trade_totals(one.open_id, market, day, now=world.now)
                if found is not None:
                    rows.append(
                        ("member", one.open_id, market, day, amounts.text(found.volume), amounts.text(found.fee))
                    )
    return rows


def _turnover(world: World) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    day, last = world.horizon.first_day, world.horizon.day_of(world.now)
    while day <= last:
        start, end = world.horizon.midnight(day), world.horizon.midnight(day + timedelta(days=1))
        found = world.futures_turnover(world.affiliate.open_id, "ALL", start, end)
        rows.append((world.affiliate.open_id, "ALL", "", day, found.turnover, found.fee))
        day += timedelta(days=1)
    return rows


_EXPECTED: Mapping[str, Callable[[World], Tables]] = {
    "lbank": _lbank,
    "coinw": _coinw,
    "orderly": _orderly,
    "ztdx": _ztdx,
}
