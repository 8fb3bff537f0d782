"""A night in a test: the sandbox exchange, a warehouse and a settable clock, synced in this process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from etl.config import load
from etl.extract.client import open_client
from etl.extract.retry import Patience
from etl.load.coverage import read_coverage
from etl.load.roster import read_members
from etl.query.density import read_density
from etl.sandbox.server import Sandbox
from etl.sandbox.world import World
from etl.sources import SOURCES
from etl.stream import Account, Rate, Roster
from etl.sync.plan import Asked, PlannedStream, plan_account
from etl.sync.progress import JsonLines
from etl.sync.run import Outcome, Runner
from etl.warehouse.engine import connect, pool

EVENING = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
"""21:00 in Shanghai: yesterday's commission has been paid, and today has trades."""
AT_ONCE = Patience(attempts=5, total_seconds=30, first_wait_seconds=0, longest_wait_seconds=0, jitter_seconds=0)
UNLIMITED = Rate(1000, 0.001)


def small_world(members: int = 30, days: int = 40) -> World:
    """A world of a few people that stands still at EVENING."""
    return World.make(members=members, days=days, end=EVENING)


def exchange(world: World, **options: Any) -> Sandbox:
    """A sandbox without limits whose clock is that of the world."""
    return Sandbox(world, **{"rate_requests": 0, "clock": lambda: world.now, **options})


def configured_accounts(sandbox: Sandbox, start_date: date) -> dict[str, Account]:
    """The accounts of the exchanges, by source, as the configuration that the sandbox announces makes them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "etl.toml"
        path.write_text(sandbox.configuration(start_date, suffix="main"), encoding="utf-8")
        return {account.source.name: account for account in load(path, SOURCES).accounts}


@dataclass
class Night:
    """One account of one exchange, and the warehouse its nights fill. `settings` replace those of the configuration."""

    sandbox: Sandbox
    dsn: str
    source: str = "lbank"
    rate: Rate | None = UNLIMITED
    streams: tuple[str, ...] = ()
    start_date: date | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    patience: Patience = field(default=AT_ONCE)
    timeout_seconds: float = 60.0

    @property
    def clock(self) -> Callable[[], datetime]:
        """The world's clock is the process's clock."""
        return lambda: self.sandbox.world.now

    def account(self) -> Account:
        """The account as a configuration makes it."""
        start_date = self.start_date or self.sandbox.world.horizon.first_day
        account = configured_accounts(self.sandbox, start_date)[self.source]
        return replace(
            account,
            name=self.name or account.name,
            streams=tuple(each for each in account.source.streams if each.name in self.streams) or account.streams,
            settings=account.settings.model_copy(update=self.settings),
            rate_limit=self.rate,
        )

    async def sync(self, asked: Asked | None = None, *others: "Night") -> list[Outcome]:
        """Syncs this account (and those of `others`) and forgets the requests made before."""
        self.sandbox.requests.clear()
        async with (
            pool(self.dsn, size=8) as connections,
            open_client(self.clock, patience=self.patience, timeout_seconds=self.timeout_seconds) as client,
        ):
            runner = Runner(self.dsn, connections, client, JsonLines(), raw_retention_days=90)
            return await runner.run([self.account(), *(other.account() for other in others)], asked or Asked())

    async def planned(self, asked: Asked | None = None) -> list[PlannedStream]:
        """What `etl plan` says before the next command."""
        connection = await connect(self.dsn)
        try:
            account = self.account()
            return plan_account(
                account,
                asked or Asked(),
                roster=Roster(await read_members(connection, account.name)),
                coverage=await read_coverage(connection, account.name),
                density=await read_density(connection, account.name),
                today=account.today(self.clock()),
            )
        finally:
            await connection.close()

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of a query as tuples."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(record) for record in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()
