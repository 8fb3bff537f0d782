"""A second warehouse, for comparing one with the other."""

from collections.abc import Iterator

import pytest

from tests.conftest import MakeDatabase


@pytest.fixture
def second_warehouse_dsn(make_database: MakeDatabase, migrated_template: str) -> Iterator[str]:
    """The DSN of another migrated warehouse without rows."""
    with make_database(migrated_template) as dsn:
        yield dsn
