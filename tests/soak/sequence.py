"""The course of a sequence: syncs that are disturbed while the world goes on, then one that nothing disturbs."""

import signal
from datetime import timedelta
from random import Random

from etl.sandbox.faults import Fault
from tests.soak import checks
from tests.soak.changes import change, restate
from tests.soak.disturbances import (
    IMPATIENT_SECONDS,
    Act,
    after_moment,
    at_request,
    changing,
    correcting,
    disconnecting,
    doubling,
    heal,
    inject,
    killing,
)
from tests.soak.play import DAY, HOUR, Ended, Play
from tests.soak.processes import Process

_PAUSES = (timedelta(0), timedelta(minutes=7), HOUR, 5 * HOUR, DAY, DAY, 2 * DAY + 3 * HOUR)
_KINDS = ("nothing", "SIGKILL", "SIGKILL", "SIGTERM", "connection", "second", "change", "brink")
_CODES = {"SIGKILL": {-signal.SIGKILL}, "SIGTERM": {130}, "connection": {3}}
_FAST = 3600.0
"""An hour of the world in a second."""
_BRINK = timedelta(minutes=40)
"""How long before a day is settled a reading begins that ends after that."""


async def play_out(play: Play) -> None:
    """Plays a sequence; what does not hold is an AssertionError."""
    play.note(f"{', '.join(play.sources)}; {play.limit[0]} requests per {play.limit[1]} s")
    play.note(f"it is {play.world.now:%Y-%m-%d %H:%M:%S} UTC")
    play.configure()
    for turn in range(play.chance("turns").randint(2, 3)):
        chance = play.chance(f"turn {turn}")
        play.move_clock(chance.choice(_PAUSES))
        for _ in range(chance.randrange(4)):
            change(play, chance)
        await disturbed(play, chance, "sync")
    play.move_clock(play.chance("end").choice((timedelta(0), HOUR, DAY)))
    await whole(play, "sync")
    if not play.is_lying:
        await checks.assert_ends_well(play)
        assert await checks.restated(play) == 0, "what was not final is no restatement"
    if play.is_lying or play.chance("audit").random() < 0.4:
        await audited(play)
    await assert_changes_nothing(play, "sync")
    if play.chance("replay").random() < 0.4:
        await assert_changes_nothing(play, "replay")


# ------------------------------------------------------------------------------------------------ with disturbances


async def disturbed(play: Play, chance: Random, *arguments: str) -> None:
    """A command during which things go wrong, or nothing does."""
    kind = chance.choice(_KINDS)
    is_faulty, is_fast = chance.random() < 0.55, chance.random() < 0.25 or kind == "brink"
    is_holding = is_faulty and inject(play, chance)
    if kind == "brink":
        play.move_clock_to_brink(_BRINK)
        # The first request of an account goes out alone: it is not held, or all others would wait for it.
        play.sandbox.inject(Fault("slow", delay_seconds=_BRINK / HOUR, skip=len(play.sources), times=40))
    play.told.write_text("")
    if is_fast:
        play.run_clock(_FAST)
    process = play.start(*arguments, timeout_seconds=IMPATIENT_SECONDS if is_holding else 60.0)
    when = await _disturb(play, chance, process, kind=kind, is_calm=not is_faulty)
    ended = await play.end(process)
    play.move_clock(timedelta(0))
    heal(play)
    play.note(f"{' '.join(arguments)}{', time flies' if is_fast else ''}: {kind} {when}, exit code {ended.code}")
    play.struck[f"exit code {ended.code}"] += 1
    is_troubled = is_faulty or is_fast or kind == "change"
    assert ended.code in {0} | _CODES.get(kind, set()) | ({1} if is_troubled else set()), ended.said
    await play.released()


async def _disturb(play: Play, chance: Random, process: Process, *, kind: str, is_calm: bool) -> str:
    act: Act
    match kind:
        case "nothing":
            return ""
        case "SIGKILL":
            act = killing(play, signal.SIGKILL)
        case "SIGTERM":
            act = killing(play, signal.SIGTERM)
        case "connection":
            act = disconnecting(play, chance)
        case "brink":
            act = correcting(play, chance)
        case "second":
            act = doubling(play, is_calm=is_calm)
        case _:
            act = changing(play, chance)
    if kind not in {"second", "brink"} and chance.random() < 0.3:
        seconds = chance.uniform(0.0, 0.5)
        await after_moment(seconds, process, act)
        return f"after {seconds:.3f} s"
    number = chance.choice((1, 2, chance.randrange(1, 12), chance.randrange(1, 60)))
    if kind == "brink":
        number = chance.randrange(2, 14)
    await at_request(play, number, process, act)
    return f"at request {number}"


# ------------------------------------------------------------------------------------------------ without


async def whole(play: Play, *arguments: str) -> None:
    """A command that nothing disturbs and that does all there is to do. What needs a person's word gets it: readings
    that lack most of the rows loaded before."""
    ended = await play.command(*arguments)
    play.struck["undisturbed"] += 1
    play.note(f"{' '.join(arguments)}: exit code {ended.code}")
    if ended.code == 1 and "--accept-removals" in ended.said:
        ended = await _again(play, *arguments, "--accept-removals")
    assert ended.code == 0, ended.said


async def _again(play: Play, *arguments: str) -> Ended:
    ended = await play.command(*arguments)
    play.note(f"{' '.join(arguments)}: exit code {ended.code}")
    return ended


async def audited(play: Play) -> None:
    """Final days change; a forced backfill of the whole horizon finds all of it and writes down each change once."""
    chance = play.chance("audit")
    final = {source: await checks.settling_rows(play, source, are_final=True) for source in play.sources}
    known = {source: await checks.settling_rows(play, source, are_final=False) for source in play.sources}
    days = {source: await checks.final_days(play, source) for source in play.sources}
    restate(play, chance)
    expected = {source: checks.changes_of_final(play, source, final[source]) for source in play.sources}
    appearing = {source: checks.appearing_on(play, source, days[source], known[source]) for source in play.sources}
    horizon = play.world.horizon
    today = max(horizon.day_of(play.world.now), play.world.now.date())
    backfill = ("backfill", "--from", str(horizon.first_day), "--to", str(today), "--force")
    is_disturbed = chance.random() < 0.5 and not play.is_lying
    if is_disturbed:
        await disturbed(play, chance, *backfill)
    await whole(play, *backfill)
    play.is_audited = True
    for source in play.sources:
        if not play.is_lying:
            found = await checks.restatements(play, source)
            whole_truth = expected[source] + appearing[source]
            if is_disturbed:  # a day that a row set aside has made due again is not final when that row appears
                whole_truth -= appearing[source] - found
            assert found == whole_truth, f"{source}: restated {found}, the world {whole_truth}"
    await whole(play, "sync")
    await checks.assert_ends_well(play)


async def assert_changes_nothing(play: Play, command: str) -> None:
    """One more sync, or a replay of all that was read, brings nothing."""
    await whole(play, command)
    last = """
        SELECT DISTINCT ON (account) account, rows_new, rows_changed, rows_removed, values_restated FROM ops.run
        WHERE account = ANY($1) ORDER BY account, run_id DESC"""
    for row in await play.rows(last, play.accounts):
        assert tuple(row)[1:] == (0, 0, 0, 0), f"one more {command} changed something: {dict(row)}"
