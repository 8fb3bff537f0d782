"""Postgres servers that a test may stop, kill and restart, and a network between the program and a server."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from etl.warehouse import embedded
from tests.conftest import MEMORY

# ------------------------------------------------------------------------------------------------ servers


@dataclass(frozen=True)
class Server:
    """A server of the test's own, in `data_dir`."""

    data_dir: Path
    dsn: str

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the postmaster: SIGKILL, SIGQUIT (immediate shutdown) or SIGINT (fast shutdown)."""
        pid = (self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
        os.kill(int(pid), number)

    async def start(self) -> None:
        """Brings it up again, through recovery if need be."""
        await asyncio.to_thread(embedded.start, self.data_dir)

    async def stop(self) -> None:
        """Ends it in order, as a restart begins."""
        await asyncio.to_thread(embedded.stop, self.data_dir)


@contextmanager
def own_server() -> Iterator[Server]:
    """A server with an empty database, on the fastest file system there is."""
    with tempfile.TemporaryDirectory(
        prefix="etl-own-", dir=MEMORY if MEMORY.is_dir() else None, ignore_cleanup_errors=True
    ) as folder:
        data_dir = Path(folder) / "data"
        try:
            yield Server(data_dir, embedded.start(data_dir))
        finally:
            embedded.stop(data_dir)
            shutil.rmtree(data_dir, ignore_errors=True)


async def execute(dsn: str, *statements: str) -> None:
    """Runs statements on a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def locked(dsn: str, statement: str) -> AsyncIterator[None]:
    """Another session's transaction that has run the statement, and holds what it locked."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"BEGIN; {statement}")
        yield
    finally:
        await connection.close()


async def until_one_waits_for_a_lock(dsn: str, process: asyncio.subprocess.Process) -> None:
    """Returns once a session of this database waits for a lock; fails if the process ends before."""
    connection = await asyncpg.connect(dsn)
    try:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await connection.fetchval(waiting):
            assert process.returncode is None, "it ended without waiting"
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


# ------------------------------------------------------------------------------------------------ the network


@dataclass
class Network:
    """Forwards connections to a server. `is_stalled`: nothing passes any more, and nobody is told. `cut` breaks all
    connections and takes no new ones."""

    to: str
    dsn: str = ""
    is_stalled: bool = False
    is_cut: bool = False
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    talks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        if self.is_cut:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self.to)
        self.writers |= {writer, server_writer}
        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(self._pass(reader, server_writer), self._pass(server_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self.is_stalled:
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Breaks all connections; from now on none is made."""
        self.is_cut = True
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def network(dsn: str) -> AsyncIterator[Network]:
    """A network before the server of `dsn`; its own DSN leads through it."""
    parts = urlsplit(dsn)
    [folder] = parse_qs(parts.query)["host"]
    between = Network(f"{folder}/.s.PGSQL.5432")
    async with await asyncio.start_server(between.talk, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        between.dsn = f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
        yield between
        between.cut()
        for talk in between.talks:
            talk.cancel()
        await asyncio.gather(*between.talks, return_exceptions=True)
