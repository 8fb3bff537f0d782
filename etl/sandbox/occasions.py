"""The transfers that every simulated world has, whatever its seed: the cases that a reader must get right."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from etl.sandbox.activity import Transfer, make_transfer, order_id
from etl.sandbox.horizon import Horizon
from etl.sandbox.people import Person


def certain_transfers(
    rng: Random, people: Sequence[Person], unlisted: Sequence[Person], *, horizon: Horizon
) -> Iterator[Transfer]:
    """Twins alike in every field, slow settlements, midnights, and money of persons whom no list names."""

    def ago(days: int, *, hour: int) -> datetime:
        within = min(days, (horizon.anchor_day - horizon.first_day).days)
        return horizon.midnight(horizon.anchor_day - timedelta(days=within)) + timedelta(hours=hour)

    owner = people[0].open_id if people else unlisted[0].open_id
    twin = make_transfer(owner, "IN_DEPOSIT", asset="USDT", amount=Decimal("250.00"), created_at=ago(7, hour=9))
    yield twin
    yield replace(twin)
    yield make_transfer(owner, "IN_DEPOSIT", asset="USDT", amount=Decimal("120.500"), created_at=ago(5, hour=0))
    # Settled four and a half days after creation: one before the anchor day, one after it.
    for days, amount in ((10, "1000"), (2, "75.25")):
        created_at = ago(days, hour=15)
        yield make_transfer(
            owner,
            "OUT_WITHDRAW",
            asset="USDT",
            amount=Decimal(amount),
            created_at=created_at,
            settled_after=timedelta(days=4, hours=12),
            order_id=order_id(rng, created_at),
        )
    for index, person in enumerate(unlisted):
        yield make_transfer(
            person.open_id,
            "IN_INNER_TRANSFER_IN",
            asset="USDT",
            amount=Decimal(40 + index),
            created_at=ago(6 + index, hour=12),
        )
        yield make_transfer(
            person.open_id,
            "IN_DEPOSIT",
            asset="BTC",
            amount=Decimal("0.012500000000000000"),
            created_at=ago(3 + index, hour=12),
            settled_after=timedelta(minutes=20),
        )
