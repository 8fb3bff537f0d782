"""Connections to a warehouse without rows, and a database without tables."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager

import asyncpg
import pytest

from etl.warehouse.engine import connect


@pytest.fixture
def empty_dsn(make_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """The DSN of a database without any table, for one test."""
    with make_database("template1") as dsn:
        yield dsn


@pytest.fixture
async def connection(warehouse_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's warehouse."""
    opened = await connect(warehouse_dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def other(warehouse_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the test's warehouse, as another process would have."""
    opened = await connect(warehouse_dsn)
    yield opened
    await opened.close()
