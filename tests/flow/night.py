"""A night in a test: the sandbox exchange, a warehouse and a settable clock, synced in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from pydantic import SecretStr

from etl.extract.client import open_client
from etl.extract.retry import Patience
from etl.sandbox.server import Sandbox
from etl.sandbox.world import World
from etl.sources.lbank import LBANK
from etl.sources.lbank.auth import Settings
from etl.stream import Account, Rate
from etl.sync.plan import Asked
from etl.sync.progress import JsonLines
from etl.sync.run import Outcome, Runner
from etl.warehouse.engine import pool

SHANGHAI = ZoneInfo("Asia/Shanghai")
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


@dataclass
class Night:
    """One account of one exchange, and the warehouse its nights fill."""

    sandbox: Sandbox
    dsn: str
    rate: Rate = UNLIMITED
    streams: tuple[str, ...] = ()
    start_date: date | None = None
    secret_key: str | None = None
    name: str = "lbank-main"
    patience: Patience = field(default=AT_ONCE)

    @property
    def clock(self) -> Callable[[], datetime]:
        """The world's clock is the process's clock."""
        return lambda: self.sandbox.world.now

    def account(self) -> Account:
        """The account as a configuration would make it."""
        by_default = tuple(stream.name for stream in LBANK.streams if stream.on_by_default)
        return Account(
            name=self.name,
            source=LBANK,
            base_url=self.sandbox.url,
            zone=SHANGHAI,
            start_date=self.start_date or self.sandbox.world.horizon.first_day,
            streams=tuple(stream for stream in LBANK.streams if stream.name in (self.streams or by_default)),
            settings=Settings(
                api_key=SecretStr(self.sandbox.api_key),
                secret_key=SecretStr(self.secret_key or self.sandbox.secret_key),
                open_id=self.sandbox.open_id,
            ),
            rate_limit=self.rate,
        )

    async def sync(self, asked: Asked | None = None, *others: "Night") -> list[Outcome]:
        """Syncs this account (and those of `others`) and forgets the requests made before."""
        self.sandbox.requests.clear()
        async with pool(self.dsn, size=8) as connections, open_client(self.clock, patience=self.patience) as client:
            runner = Runner(self.dsn, connections, client, JsonLines(), raw_retention_days=90)
            return await runner.run([self.account(), *(other.account() for other in others)], asked or Asked())

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of a query as tuples."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(record) for record in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()
