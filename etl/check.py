"""`etl check`: one cheap call per account, and what to fix where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from etl.errors import AccessRefused, AccountHeld, EtlError, StopRun
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
    totals = Totals(outcome="interrupted")
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
        skewed = _skewed(account, _skew_by_header(tries))
        return skewed if skewed and isinstance(fault, AccessRefused) else Finding(account.name, False, str(fault))
    skew = clock_skew_seconds(account, paid)
    good = Finding(account.name, True, f"{account.source.title} accepts the key, this address and this clock")
    return _skewed(account, _skew_by_header(tries) if skew is None else skew) or good


def _skewed(account: Account, skew: float | None) -> Finding | None:
    """What to say of a clock that is off; it is said first, since signatures carry the time."""
    if skew is None or abs(skew) <= MOST_SKEW_SECONDS:
        return None
    ahead = "ahead of" if skew > 0 else "behind"
    return Finding(
        account.name,
        False,
        f"this machine's clock is {abs(skew):.0f} s {ahead} that of {account.source.title}; set it by NTP, "
        "since signatures carry the time",
    )


def clock_skew_seconds(account: Account, paid: Paid) -> float | None:
    """How far this machine's clock is ahead of the provider's; None where its answer tells no time."""
    server_ms = account.source.server_time_ms(decoded(paid.answer.body))
    return None if server_ms is None else _ahead(paid.sent_at, paid.received_at, server_ms)


def _skew_by_header(tries: Sequence[Try]) -> float | None:
    """The same by the Date header of the last answer, which tells whole seconds: their middle is the best guess."""
    told = [(each.sent_at, each.answered_at, each.server_date) for each in tries]
    for sent_at, answered_at, server_date in reversed(told):
        if answered_at is not None and server_date is not None:
            return _ahead(sent_at, answered_at, epoch_ms(server_date) + 500)
    return None


def _ahead(sent_at: datetime, answered_at: datetime, server_ms: int) -> float:
    return (epoch_ms(sent_at + (answered_at - sent_at) / 2) - server_ms) / 1000


async def check_accounts(
    accounts: Sequence[Account], client: Client, lease_connections: Sequence[asyncpg.Connection | None]
) -> list[Finding]:
    """All accounts side by side. Raises what ends one of them, once all have ended."""
    pairs = zip(accounts, lease_connections, strict=True)
    asked = (check_account(account, client, connection) for account, connection in pairs)
    findings: list[Finding] = []
    for found in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
        findings.append(found)
    return findings
