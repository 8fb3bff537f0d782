"""A real Postgres for tests that need one: the embedded server, one per session, and a migrated database per test.

The fixtures are plain functions, so that tests may use them with or without an event loop of their own.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import settings

from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from tests import examples

settings.load_profile(examples.PROFILE)

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: a disk at work makes a database three times slower."""
MakeDatabase = Callable[[str], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """The DSN of an empty database of the session's own server.

    Its data is not under pytest's own directory: each new session shuts that one to other users, and where the tests
    run as root, the server of a session at work is another user."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30
    with tempfile.TemporaryDirectory(
        prefix="etl-tests-", dir=MEMORY if has_room else None, ignore_cleanup_errors=True
    ) as folder:
        data_dir = Path(folder) / "data"
        try:
            yield embedded.start(data_dir)
        finally:
            embedded.stop(data_dir)


@pytest.fixture(scope="session")
def make_database(server_dsn: str) -> Iterator[MakeDatabase]:
    """Makes a database from a template, for the length of a `with`; gives its DSN."""
    numbers = itertools.count(1)
    # Its own loop, which stands still between statements and is never made the current one of the tests.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        connection = runner.run(asyncpg.connect(server_dsn))

        def execute(sql: str) -> None:
            runner.run(connection.execute(sql))

        @contextmanager
        def make(template: str) -> Iterator[str]:
            name = f"test_{next(numbers)}"
            execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield urlunsplit(urlsplit(server_dsn)._replace(path=f"/{name}"))
            finally:
                execute(f"DROP DATABASE {name} WITH (FORCE)")

        execute("ALTER SYSTEM SET fsync = off")  # no test's data need survive a power cut
        execute("SELECT pg_reload_conf()")
        yield make
        runner.run(connection.close())


@pytest.fixture(scope="session")
def migrated_template(make_database: MakeDatabase) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to."""
    with make_database("template1") as dsn:
        asyncio.run(migrate(dsn))
        yield urlsplit(dsn).path.removeprefix("/")


@pytest.fixture
def warehouse_dsn(make_database: MakeDatabase, migrated_template: str) -> Iterator[str]:
    """The DSN of a migrated warehouse without rows, for one test."""
    with make_database(migrated_template) as dsn:
        yield dsn
