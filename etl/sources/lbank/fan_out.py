"""Which partitions LBank's endpoints are asked for: people, their markets, and the kinds of transfers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from etl.stream import Account, Member, Partition, Roster

TRADE_TYPE = {"spot": "0", "futures": "1"}
"""The request's `tradeType` of each market."""
TRANSFER_KINDS = (
    "IN_DEPOSIT",
    "OUT_WITHDRAW",
    "IN_OTC_BUY",
    "OUT_OTC_SELL",
    "IN_INNER_TRANSFER_IN",
    "OUT_INNER_TRANSFER_OUT",
)
"""The request's `subInOutType`."""


def _known_to_lbank(roster: Roster) -> Iterator[Member]:
    return (member for member in roster.members.values() if member.origin in ("list", "info"))


def _since(member: Member, account: Account) -> date | None:
    return None if member.registered_at is None else account.today(member.registered_at)


def traders(account: Account, roster: Roster) -> Iterator[Partition]:
    """Member × market; members who never traded only in a full run."""
    for member in _known_to_lbank(roster):
        if member.has_traded or roster.full:
            for market in TRADE_TYPE:
                yield Partition.of(open_id=member.invitee_id, market=market, since=_since(member, account))


def recipients(account: Account, roster: Roster) -> Iterator[Partition]:
    """The affiliate and the agents (levels 1-21): those who earn commission."""
    yield Partition.of(open_id=account.settings.open_id)
    for member in _known_to_lbank(roster):
        if member.level is not None and 1 <= member.level <= 21 and member.invitee_id != account.subject_id:
            yield Partition.of(open_id=member.invitee_id, since=_since(member, account))


def teams(account: Account, roster: Roster) -> Iterator[Partition]:
    """(The affiliate and the agents) × market."""
    for leader in recipients(account, roster):
        for market in TRADE_TYPE:
            yield Partition.of(open_id=leader["open_id"], market=market, since=leader.since)


def unlisted(account: Account, roster: Roster) -> Iterator[Partition]:
    """The people that facts mention and the member list lacks."""
    for member in roster.members.values():
        if member.origin in ("inferred", "info"):
            yield Partition.of(open_id=member.invitee_id)


def turnover_scopes(account: Account, roster: Roster) -> Iterator[Partition]:
    """The affiliate's own id × configured scopes × configured symbols."""
    for scope in account.settings.turnover_scopes:
        for symbol in account.settings.turnover_symbols or ("",):
            yield Partition.of(open_id=account.settings.open_id, scope=scope, symbol=symbol)


def transfer_kinds(account: Account, roster: Roster) -> Iterator[Partition]:
    """The six kinds, each over everyone below the affiliate."""
    return (Partition.of(open_id=account.settings.open_id, kind=kind) for kind in TRANSFER_KINDS)
