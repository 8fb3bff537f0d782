"""One sequence: a small world, exchanges that serve it, accounts of its own in the shared warehouse, and what was done.

Everything is drawn from the sequence's seed, each matter from a source of its own, so that a sequence is the same when
it is played alone.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from etl.sandbox import Sandbox, World, credentials
from tests.soak.processes import Clock, Forks, Process

EXCHANGES = ("lbank", "coinw", "orderly", "ztdx")
LIMITS = ((20, 0.2), (20, 0.2), (20, 0.2), (5, 0.5))
"""Requests and seconds of every endpoint, of which a sequence draws one. The last makes runs wait, and shows at once
where two of them count together."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOO_FREQUENT = {10004, "10004", 29001, "29001", -1003, "-1003", 429, "429"}
"""What the exchanges' limits answer, as the sandbox's log tells it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all sequences share: a warehouse, a connection pool to look into it, and the forking process."""

    dsn: str
    pool: asyncpg.Pool
    forks: Forks
    folder: Path

    def dsn_of(self, role: str) -> str:
        """The warehouse's DSN for a role."""
        parts = urlsplit(self.dsn)
        return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    said: str


@dataclass
class Play:
    """A sequence under way. `role` is the database user of its processes, by which their connections are told from
    those of other sequences. `gone` are the people who left; `is_lying` says that an exchange told of nothing where
    there was something, `is_audited` that all final days were read again after that; `log` is what was done, and
    `struck` counts what of it came to pass."""

    stage: Stage
    seed: int
    role: str
    sources: tuple[str, ...]
    sandbox: Sandbox
    limit: tuple[int, float]
    gone: set[str] = field(default_factory=set)
    is_lying: bool = False
    is_audited: bool = False
    log: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)

    @property
    def world(self) -> World:
        """The world."""
        return self.sandbox.world

    @property
    def config(self) -> Path:
        """The configuration of the accounts."""
        return self.stage.folder / f"{self.seed}.toml"

    @property
    def told(self) -> Path:
        """Where the commands' stderr goes."""
        return self.stage.folder / f"{self.seed}.log"

    @property
    def accounts(self) -> list[str]:
        """The names of the accounts, in the order of the sources."""
        return [self.account(source) for source in self.sources]

    def account(self, source: str) -> str:
        """The name of the account at an exchange."""
        return f"{source}-s{self.seed}"

    def chance(self, topic: str) -> Random:
        """A source of random numbers for one matter."""
        return Random(f"{self.seed}/{topic}")

    def note(self, what: str) -> None:
        """Writes down what was done."""
        self.log.append(what)

    def configure(self) -> None:
        """Writes the configuration: one limit for every endpoint, and a token that outlives the sequence."""
        limits = dict.fromkeys(EXCHANGES, self.limit)
        first_day = self.world.horizon.first_day
        text = self.sandbox.configuration(first_day, suffix=f"s{self.seed}", rate_limits=limits)
        text = text.replace(self.sandbox.ztdx_token(), credentials.ztdx_token(self.world.now + 365 * DAY))
        tables = [each for each in text.split("\n\n") if any(f"[accounts.{one}-" in each for one in self.sources)]
        warehouse = f"[warehouse]\ndsn = {json.dumps(self.stage.dsn_of(self.role))}\n\n"
        self.config.write_text(warehouse + "\n\n".join(tables), encoding="utf-8")

    # Time

    def run_clock(self, speed: float) -> None:
        """Lets the world's time run from now on, so many times as fast as it does; 0 holds it."""
        self.world.clock = Clock(self.world.now, speed)

    def move_clock(self, after: timedelta) -> None:
        """Holds time at a moment at least so much later: half a minute past a minute, where nothing falls due."""
        later = self.world.now + after
        held = later.replace(second=30, microsecond=0)
        self.world.clock = Clock(held if held >= later else held + timedelta(minutes=1))
        self.note(f"it is {self.world.now:%Y-%m-%d %H:%M:%S} UTC")

    def move_clock_to_brink(self, before: timedelta) -> None:
        """Holds time so long before the midnight at which the day before this one is settled."""
        zone = UTC if "orderly" in self.sources else self.world.horizon.zone
        tomorrow = (self.world.now + before).astimezone(zone).date() + DAY
        self.world.clock = Clock(datetime.combine(tomorrow, time(), zone).astimezone(UTC) - before)
        self.note(f"it is {self.world.now:%Y-%m-%d %H:%M:%S} UTC")

    # Commands

    def start(self, *arguments: str, timeout_seconds: float = 60.0) -> Process:
        """Starts a command with the world's clock."""
        assert isinstance(self.world.clock, Clock)
        asked = [*arguments, "--config", str(self.config)]
        return self.stage.forks.start(asked, self.told, self.world.clock, timeout_seconds=timeout_seconds)

    async def end(self, process: Process) -> Ended:
        """Waits for a command's end. No command may end with a traceback."""
        code = await process.code
        said = self.told.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in said, said
        return Ended(code, said)

    async def command(self, *arguments: str) -> Ended:
        """Runs a command to its end; what was said before is forgotten."""
        self.told.write_text("")
        return await self.end(self.start(*arguments))

    async def released(self) -> None:
        """Waits until no process holds an account any more: the locks of one that was killed go with its connection."""
        async with self.stage.pool.acquire() as connection:
            for account in self.accounts:
                for verb in ("pg_advisory_lock", "pg_advisory_unlock"):
                    await connection.fetchval(f"SELECT {verb}(hashtextextended('affiliate-etl/' || $1, 0))", account)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a query."""
        async with self.stage.pool.acquire() as connection:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found

    def refused(self) -> list[str]:
        """The requests that came too soon for an exchange's limit, in seconds after the first of all."""
        begin = self.sandbox.requests[0].arrived if self.sandbox.requests else 0.0
        return [
            f"{entry.path} at {entry.arrived - begin:.3f} s"
            for entry in self.sandbox.requests
            if entry.error_code in TOO_FREQUENT
        ]


def prepared(stage: Stage, seed: int, role: str) -> Play:
    """A sequence as its seed draws it: some of the exchanges, a world of a few people and days, and their habits."""
    chance = Random(f"{seed}/world")
    sources = tuple(chance.sample(EXCHANGES, chance.choice((1, 1, 2, 3, 4))))
    end = datetime(2026, 2, 20, tzinfo=UTC) + timedelta(days=chance.randrange(45), minutes=chance.randrange(1440))
    world = World.make(
        seed=seed,
        members=chance.randint(3, 6),
        days=chance.randint(5, 12),
        days_after=10,
        end=end.replace(second=30),
    )
    world.clock = Clock(world.now)
    limit = chance.choice(LIMITS)
    sandbox = Sandbox(
        world,
        clock=None,  # time runs fast at times: how fresh a timestamp is cannot be told
        rate_requests=limit[0],
        rate_period_seconds=limit[1],
        latency_ms=chance.choice(((0, 0), (0, 0), (0, 20))),
        seed=seed,
        end_inclusive=chance.random() < 0.5,
        newest_first=chance.random() < 0.5,
    )
    sandbox.ztdx.newest_first = chance.random() < 0.5
    sandbox.coinw.limit_status = chance.choice((200, 429))
    sandbox.orderly.max_size = chance.choice((2, 3, 100))
    sandbox.orderly.unstable_order = sandbox.orderly.max_size == 100
    return Play(stage, seed, role, sources, sandbox, limit)
