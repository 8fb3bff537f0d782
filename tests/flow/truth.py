"""What the warehouse must hold, told by the sandbox's world; every amount as the text that was sent."""

from collections import Counter
from datetime import timedelta
from typing import Any

from etl.sandbox import amounts
from etl.sandbox.activity import MARKETS
from etl.sandbox.world import World
from tests.flow.night import Night

QUERIES = {
    "invitee": """
        SELECT invitee_id, referral_code, registered_at, is_direct, has_deposited, has_traded, kyc_verified, level,
            spot_commission_pct::text, futures_commission_pct::text, origin
        FROM warehouse.invitee WHERE removed_at IS NULL AND origin IN ('list', 'info')""",
    "invitee_balance_day": """
        SELECT invitee_id, spot_assets::text, spot_assets_usdt::text, futures_assets::text, futures_bonus::text
        FROM warehouse.invitee_balance_day WHERE removed_at IS NULL AND day = $1""",
    "trade_day": """
        SELECT scope, subject_id, market, day, volume::text, fee::text
        FROM warehouse.trade_day WHERE removed_at IS NULL""",
    "commission_day": """
        SELECT recipient_id, market, coin, day, amount::text, amount_usdt::text
        FROM warehouse.commission_day WHERE removed_at IS NULL""",
    "futures_turnover": """
        SELECT subject_id, scope, symbol, day, turnover::text, fee::text
        FROM warehouse.futures_turnover WHERE removed_at IS NULL""",
    "transfer": """
        SELECT invitee_id, invitee_level, kind, direction, asset, amount::text, status, sub_status, created_at,
            updated_at, order_id
        FROM warehouse.transfer WHERE removed_at IS NULL""",
}
"""By table, what is compared with the world."""


async def loaded(night: Night, table: str) -> Counter[tuple[Any, ...]]:
    """The rows of a table as the warehouse holds them."""
    world = night.sandbox.world
    arguments = [world.horizon.day_of(world.now)] if "$1" in QUERIES[table] else []
    return Counter(await night.rows(QUERIES[table], *arguments))


async def assert_equals_world(night: Night) -> None:
    """Every table holds what the world says: each row once, each amount digit for digit."""
    for table, rows in expected(night.sandbox.world).items():
        found = await loaded(night, table)
        assert found - rows == Counter(), f"{table} holds what the world does not"
        assert rows - found == Counter(), f"{table} lacks what the world holds"
        assert rows, f"the world has nothing to compare {table} with"


def expected(world: World) -> dict[str, Counter[tuple[Any, ...]]]:
    """The rows of each table as a complete and exact reading of the whole history gives them."""
    return {
        "invitee": Counter(_invitees(world)),
        "invitee_balance_day": Counter(
            (one.open_id, one.spot_assets, one.spot_assets_usdt, one.futures_assets, one.futures_bonus)
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
