"""`etl check`: one cheap call per account, and what to fix where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from etl.errors import AccountHeld, EtlError, StopRun
from etl.extract.client import Client, Paid, Try
from etl.extract.pace import Pace
from etl.extract.request import decoded
from etl.load.lease import Totals, hold_account
from etl.stream import Account
from etl.windows import epoch_ms

MOST_SKEW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found of one thing: `subject` is an account or the warehouse."""

    subject: str
    is_good: bool
    message: str


async def check_account(account: Account, client: Client, lease_connection: asyncpg.Connection | None) -> Finding:
    """Whether the account's credentials, clock, allow-list and permission work, told by one request.

    The request is made under the account's lease, so that it never adds to those of a run that is under way."""
    tries: list[Try] = []
    if lease_connection is None:
        return await _ask(account, client, tries, held_seconds=0.0)
    totals = Totals(outcome="done")
    longest = max(account.rate(stream).period_seconds for stream in account.streams)
    try:
        async with hold_account(
            lease_connection,
            account.name,
            source=account.source.name,
            command="check",
            longest_period_seconds=longest,
            totals=totals,
            on_lost=lambda: None,
        ) as lease:
            finding = await _ask(account, client, tries, held_seconds=lease.held_seconds)
            totals.requests, totals.outcome = len(tries), "done" if finding.is_good else "failed"
            return finding
    except AccountHeld as fault:
        return Finding(account.name, True, f"not asked: {fault}")


async def _ask(account: Account, client: Client, tries: list[Try], *, held_seconds: float) -> Finding:
    pace = Pace(account.rate(account.streams[0]), held_seconds=held_seconds)
    draft = account.source.check(account.settings, account.today(client.clock()))
    try:
        paid = await client.fetch(account, draft, pace, tries.append)
    except StopRun:
        raise
    except EtlError as fault:
        return Finding(account.name, False, str(fault))
    skew = clock_skew_seconds(account, paid)
    if skew is not None and abs(skew) > MOST_SKEW_SECONDS:
        ahead = "ahead of" if skew > 0 else "behind"
        return Finding(
            account.name,
            False,
            f"this machine's clock is {abs(skew):.0f} s {ahead} that of {account.source.title}; set it by NTP, "
            "since signatures carry the time",
        )
    return Finding(account.name, True, f"{account.source.title} accepts the key, this address and this clock")


def clock_skew_seconds(account: Account, paid: Paid) -> float | None:
    """How far this machine's clock is ahead of the provider's, told by its answer or else by the answer's Date header;
    None where neither tells a time."""
    server_ms = account.source.server_time_ms(decoded(paid.answer.body))
    if server_ms is None and paid.answer.date is not None:
        server_ms = epoch_ms(paid.answer.date) + 500  # it tells whole seconds: the middle is the best guess
    if server_ms is None:
        return None
    middle: datetime = paid.sent_at + (paid.received_at - paid.sent_at) / 2
    return (epoch_ms(middle) - server_ms) / 1000


async def check_accounts(
    accounts: Sequence[Account], client: Client, lease_connections: Sequence[asyncpg.Connection | None]
) -> list[Finding]:
    """All accounts side by side."""
    pairs = zip(accounts, lease_connections, strict=True)
    return await asyncio.gather(*(check_account(account, client, connection) for account, connection in pairs))
