"""A world of 120 members that stands at noon of one day, and a client that asks its exchange."""

from collections.abc import AsyncIterator

import pytest

from etl.sandbox import World
from tests.sandbox.lbank_client import NOON, Client, running


@pytest.fixture
def world() -> World:
    return World.make(seed=7, members=120, days=60, end=NOON)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with running(world) as ready:
        yield ready
