"""What disturbs a sync: faults of the exchanges, signals, lost connections, a second sync, a world that goes on."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from aiohttp import web

from etl.sandbox.faults import Fault
from tests.soak.changes import change, correct
from tests.soak.play import Play
from tests.soak.processes import Process

IMPATIENT_SECONDS = 2.0
"""The longest that a sync waits for an answer where exchanges hold some back."""
_PASSING = (
    *("http_500", "http_502", "http_503", "rate_code", "too_many_requests"),
    *("reset", "reset_in_body", "truncated", "empty_body"),
)
_OTHERS = ("slow", "timeout", "redirect", "echo", "expired_token", "repeated_page", "shifted_pages", "no_data")
_AMOUNTS = {
    "lbank": ("tradeAmt", "amount", "assetNum", "turnover", "statsDate"),
    "coinw": ("volume", "contractProfit", "time"),
    "orderly": ("total_volume", "broker_fee"),
    "ztdx": ("created_at", "amount"),
}
"""By exchange, fields that hold no text."""


def draw_fault(play: Play, chance: Random) -> Fault:
    """A fault of an exchange of the sequence, from some request on, for some or for all that follow."""
    exchange = chance.choice(play.sources)
    kind = chance.choice((*_PASSING, *_OTHERS, "bad_value", "bad_value"))
    share = chance.choice((0.05, 0.2, 1.0))
    times = chance.choice((1, 2, 3, 8, None)) if share == 1 else None
    options: dict[str, Any] = {}
    match kind:
        case "too_many_requests":
            options = {"retry_after": chance.choice((None, 0))}
        case "slow":
            options = {"delay_seconds": chance.choice((0.03, 0.03, 1.5 * IMPATIENT_SECONDS))}
        case "shifted_pages":
            options = {"rows": chance.choice((-1, 1))}
        case "no_data":
            options = {"null": chance.random() < 0.5}
        case "bad_value":
            options = {"field": chance.choice(_AMOUNTS[exchange]), "value": chance.choice(("abc", "NaN", [1]))}
    if kind in {"slow", "timeout"}:
        times = min(times or 2, 2)
    return Fault(kind, exchange=exchange, skip=chance.randrange(12), times=times, share=share, **options)


def inject(play: Play, chance: Random) -> bool:
    """Injects some faults; tells whether one of them holds answers back. An exchange that says it has nothing cannot be
    told from one that has nothing: LBank tells no totals."""
    faults = [draw_fault(play, chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    for fault in faults:
        play.is_lying |= fault.kind == "no_data" and fault.exchange == "lbank"
        play.sandbox.inject(fault)
        play.note(f"fault: {fault.as_json()}")
    return any(fault.kind in {"slow", "timeout"} for fault in faults)


def heal(play: Play) -> None:
    """Ends the faults, and counts what they struck."""
    for active in play.sandbox._schedule.active:
        play.struck[f"fault {active.fault.kind}"] += active.struck
    play.sandbox.heal()


Act = Callable[[Process], Awaitable[None]]


async def at_request(play: Play, number: int, process: Process, act: Act) -> None:
    """Acts when the exchanges have seen so many requests, and holds the last one meanwhile; or never."""
    sandbox, seen = play.sandbox, 0
    acting: asyncio.Future[None] | None = None

    async def look(_: web.Request) -> None:
        nonlocal seen, acting
        seen += 1
        if seen == number:
            acting = asyncio.ensure_future(act(process))
            await asyncio.wait([acting])

    sandbox.faults.append(look)
    await process.code
    if acting is not None:
        await acting
    sandbox.faults.remove(look)


async def after_moment(seconds: float, process: Process, act: Act) -> None:
    """Acts after so long, unless the process has ended."""
    done, _ = await asyncio.wait([process.code], timeout=seconds)
    if not done:
        await act(process)


def killing(play: Play, number: signal.Signals) -> Act:
    """Sends a signal."""

    async def act(process: Process) -> None:
        play.struck[number.name] += 1
        await process.signal(number)

    return act


def disconnecting(play: Play, chance: Random) -> Act:
    """Ends one of the process's connections to the warehouse, be it the one that holds an account."""

    async def act(_: Process) -> None:
        found = await play.rows(
            "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND application_name = 'affiliate-etl' ORDER BY pid",
            play.role,
        )
        if found:
            play.struck["disconnected"] += 1
            await play.rows("SELECT pg_terminate_backend($1)", chance.choice(found)["pid"])

    return act


def changing(play: Play, chance: Random) -> Act:
    """Changes the world while it is read."""

    async def act(_: Process) -> None:
        play.struck["changed meanwhile"] += 1
        change(play, chance)

    return act


def correcting(play: Play, chance: Random) -> Act:
    """Changes what is about to be settled, while answers that tell it as it was are under way."""

    async def act(_: Process) -> None:
        play.struck["changed at the brink"] += 1
        correct(play, chance)

    return act


def doubling(play: Play, *, is_calm: bool) -> Act:
    """Starts a second sync and waits for its end: it is told that the first holds an account, unless a fault has ended
    that one's run meanwhile."""

    async def act(_: Process) -> None:
        second = play.start("sync")
        code = await second.code
        play.struck["second sync"] += 1
        assert code == 4 or (code in {0, 1} and not is_calm), f"the second sync ended with {code}"

    return act
