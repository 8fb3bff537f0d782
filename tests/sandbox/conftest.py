"""A world of 120 members that stands at noon of one day, and clients that ask its exchanges."""

from collections.abc import AsyncIterator

import pytest

from etl.sandbox import World
from tests.sandbox.coinw_client import CoinwClient
from tests.sandbox.lbank_client import NOON, Client, running
from tests.sandbox.orderly_client import OrderlyClient
from tests.sandbox.ztdx_client import ZtdxClient


@pytest.fixture
def world() -> World:
    return World.make(seed=7, members=120, days=60, end=NOON)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with running(world) as ready:
        yield ready


@pytest.fixture
def coinw(client: Client) -> CoinwClient:
    return CoinwClient(client.session, client.sandbox)


@pytest.fixture
def orderly(client: Client) -> OrderlyClient:
    return OrderlyClient(client.session, client.sandbox)


@pytest.fixture
def ztdx(client: Client) -> ZtdxClient:
    return ZtdxClient(client.session, client.sandbox)
