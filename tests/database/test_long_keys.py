"""What rows may hold as keys fits into the indexes of Postgres, in every table at once."""

from random import Random
from typing import Any

import asyncpg
import pytest

from etl.load.coverage import expect_partitions
from etl.load.upsert import infer_invitees, merge, stage
from etl.normalize.rows import MOST_KEY_BYTES
from etl.sources import SOURCES
from etl.stream import Into
from etl.windows import Days
from tests.database.readings import ACCOUNT, DAY, MOMENT, stamp

EVERY_INTO = [
    pytest.param(into, id=f"{stream.name}-{into.table.name}")
    for source in SOURCES
    for stream in source.streams
    for into in stream.into
]


def incompressible(luck: Random) -> str:
    """A text as long as a key may be: Postgres packs one that repeats itself, and would take more of it."""
    return "".join(luck.choices("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_", k=MOST_KEY_BYTES))


def longest(into: Into, luck: Random) -> dict[str, Any]:
    """A row whose texts in keys are as long as they may be."""
    bounded = {*into.table.primary_key.columns.keys(), into.mentions}
    some = {"date": DAY, "datetime": MOMENT, "UUID": "550e8400-e29b-41d4-a716-446655440000"}
    kinds = {name: into.table.c[name].type.python_type.__name__ for name in [*into.columns, *into.finish_adds]}
    return {
        name: incompressible(luck) if kind == "str" and name in bounded else some.get(kind)
        for name, kind in kinds.items()
    }


@pytest.mark.parametrize("into", EVERY_INTO)
async def test_the_longest_keys_that_are_read_can_be_loaded(connection: asyncpg.Connection, into: Into) -> None:
    row = longest(into, Random(into.table.name))
    async with connection.transaction():
        await stage(connection, into.table, [row], columns=list(row), stamp=stamp(), final=Days(), within=into.within)
        assert (await merge(connection, into.table, list(row), stamp=stamp())).new == 1
        if into.mentions is not None:
            await infer_invitees(connection, into.table, into.mentions)


async def test_the_longest_id_can_be_a_partition(connection: asyncpg.Connection) -> None:
    partition = f"{incompressible(Random('partition'))}/futures"
    await expect_partitions(connection, ACCOUNT, "member_trades", [(partition, DAY)])
