"""Decides what is due and what it costs, before the first call: pure functions over coverage.

due = horizon - final (DESIGN section 1.1). Sync and backfill differ only in the horizon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

from etl.errors import ConfigurationError
from etl.extract.paging import page_size
from etl.load.coverage import Coverage, CoverageOf
from etl.query.density import Density
from etl.reads import Log
from etl.stream import Account, PageNumber, Partition, Roster, Stream
from etl.windows import ONE_DAY, Days, Window


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command asks for. A backfill has `first` and `last` (both included), a replay may have them, a sync has
    neither. `force` reads final days again; `full` asks also for people who never traded. `is_narrowed` says that only
    some streams are read."""

    command: Literal["sync", "backfill", "replay"] = "sync"
    first: date | None = None
    last: date | None = None
    force: bool = False
    full: bool = False
    accept_removals: bool = False
    is_narrowed: bool = False

    def wants(self, stream: Stream) -> bool:
        """Whether the command reads this stream; a backfill leaves out snapshots and logs, they have no past."""
        return self.command != "backfill" or stream.reads.has_past


@dataclass(frozen=True, slots=True)
class Job:
    """One window of one partition to be read; a revisit asks by time of change instead."""

    stream: Stream
    partition: Partition
    window: Window
    revisit: bool = False

    def __str__(self) -> str:
        parts = [self.stream.name, self.partition.key, str(self.window)]
        return " ".join(part for part in parts if part)


def horizon_start(account: Account, partition: Partition) -> date:
    """The first day that a sync wants of a partition: the account's start, or the day the person registered."""
    return max(account.start_date, partition.since or account.start_date)


def horizon(account: Account, partition: Partition, asked: Asked, today: date) -> Days:
    """The days a command wants of a partition: a sync from the account's start to today, a backfill those asked
    for; never before a person registered, never after today."""
    if asked.first is None or asked.last is None:
        return Days.between(horizon_start(account, partition), today + ONE_DAY)
    first = max(asked.first, partition.since or asked.first)
    return Days.between(first, min(asked.last, today) + ONE_DAY)


def jobs(
    account: Account, stream: Stream, partition: Partition, asked: Asked, *, covered: Coverage, today: date
) -> tuple[Job, ...]:
    """What is due of a partition, newest first, by as few requests as the endpoint allows."""
    due = horizon(account, partition, asked, today)
    if not asked.force:
        due -= covered.final
    return tuple(Job(stream, partition, window) for window in stream.reads.windows(due, today))


def revisit_job(
    account: Account, stream: Stream, partition: Partition, asked: Asked, *, covered: Coverage, today: date
) -> Job | None:
    """The reading by time of change that goes before the windows of a sync; needless while nothing is final. It
    covers the stream's last days, or all since changes were last asked for."""
    if stream.revisit is None or asked.command != "sync" or not covered.final:
        return None
    if not horizon(account, partition, asked, today):
        return None
    start = today - stream.revisit.last_days * ONE_DAY
    # After a longer pause, changes are asked for from where they are known.
    window = Window(min(start, covered.updates_read_to or start), today + ONE_DAY)
    return Job(stream, partition, window, revisit=True)


# ------------------------------------------------------------------------------------------------ what it costs


@dataclass(frozen=True, slots=True)
class PlannedStream:
    """A line of `etl plan`: requests and the seconds they take at the endpoint's limit, which it names."""

    account: str
    source: str
    stream: str
    requests: int
    at_least: bool
    seconds: float
    limit: str
    lane: tuple[str, str]

    def as_json(self) -> dict[str, Any]:
        """The line as `plan --json` has it (DESIGN section 4)."""
        return {name: value for name, value in asdict(self).items() if name != "lane"}


Densities = Mapping[tuple[str, str], Density]
"""What the readings of the last runs brought, by (stream, partition key)."""
_UNKNOWN = Density(0.0, 0)


def expected_requests(job: Job, density: Densities) -> int:
    """How many pages the job's window will take, judged by what the partition returned before."""
    size = page_size(job.stream.paging)
    measured = density.get((job.stream.name, job.partition.key), _UNKNOWN)
    if size is None or job.revisit or isinstance(job.stream.reads, Log):
        return 1
    rows = round(measured.rows_per_day * len(job.window))
    if isinstance(job.stream.paging, PageNumber):
        # A total tells that a full page is the last; where none is told, another page is asked for.
        return max(-(-rows // size), 1) + round(measured.empty_pages)
    return rows // size + 1


def plan_account(
    account: Account, asked: Asked, *, roster: Roster, coverage: CoverageOf, density: Densities, today: date
) -> list[PlannedStream]:
    """The plan of an account, one line per stream."""
    lines = []
    roster_read = any(member.origin == "list" for member in roster.members.values())
    for stream in account.streams:
        if not asked.wants(stream):
            continue
        requests, known = 0, roster_read or not stream.needs_roster
        for partition in stream.fan_out(account, roster):
            covered = coverage.get((stream.name, partition.key), Coverage())
            due = list(jobs(account, stream, partition, asked, covered=covered, today=today))
            revisit = revisit_job(account, stream, partition, asked, covered=covered, today=today)
            requests += sum(expected_requests(job, density) for job in [*due, *([revisit] if revisit else [])])
            known = known and all(_can_tell_pages(job, density) for job in due)
        rate = account.rate(stream)
        lines.append(
            PlannedStream(
                account=account.name,
                source=account.source.name,
                stream=stream.name,
                requests=requests,
                at_least=not known,
                seconds=rate.seconds_for(requests),
                limit=f"{rate} on {stream.path}",
                lane=lane_key(account, stream),
            )
        )
    return lines


def _can_tell_pages(job: Job, density: Densities) -> bool:
    """Whether the number of pages is known: how much is new in a log nothing tells, and several pages are not
    concluded from fewer days than they hold."""
    if isinstance(job.stream.reads, Log):
        return False
    if page_size(job.stream.paging) is None:
        return True
    measured = density.get((job.stream.name, job.partition.key))
    return measured is not None and (measured.days >= len(job.window) or expected_requests(job, density) == 1)


def lane_key(account: Account, stream: Stream) -> tuple[str, str]:
    """What shares one limit: an account's endpoint, or a source's endpoint where limits are counted by address."""
    owner = account.name if account.rate_scope == "account" else f"{account.source.name} (this address)"
    return owner, stream.path


def total_seconds(lines: Iterable[PlannedStream]) -> float:
    """How long a plan takes at the limits: lanes run side by side, streams of one lane after each other."""
    lanes: defaultdict[tuple[str, str], float] = defaultdict(float)
    for line in lines:
        lanes[line.lane] += line.seconds
    return max(lanes.values(), default=0.0)


def chosen(accounts: Sequence[Account], names: Sequence[str], streams: Sequence[str]) -> list[Account]:
    """The accounts and streams that a command names; all when it names none.

    A stream is named with or without its source, and may be one that is off by default. Raises ConfigurationError
    with every name that is not known."""
    known = {account.name: account for account in accounts}
    faults = [
        f"--account {name}: no such account (known are {', '.join(known)})" for name in names if name not in known
    ]
    picked = [known[name] for name in dict.fromkeys(names) if name in known] or list(accounts)
    offered = {name for account in picked for stream in account.source.streams for name in _names(account, stream)}
    short = sorted(name for name in offered if "." not in name)
    faults += [
        f"--stream {name}: no such stream (known are {', '.join(short)})" for name in streams if name not in offered
    ]
    if faults:
        raise ConfigurationError(*faults)
    if not streams:
        return picked
    narrowed = (_narrowed(account, streams) for account in picked)
    return [account for account in narrowed if account.streams]


def _names(account: Account, stream: Stream) -> tuple[str, str]:
    return stream.name, f"{account.source.name}.{stream.name}"


def _narrowed(account: Account, names: Sequence[str]) -> Account:
    wanted = (stream for stream in account.source.streams if set(_names(account, stream)) & set(names))
    return replace(account, streams=tuple(wanted))
