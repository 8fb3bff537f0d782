"""What holds at the end of every sequence, told by the world and by the documents."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from etl.sandbox import identities
from tests.flow.truth import COLUMNS, expected_at, loaded_query
from tests.soak.play import DAY, HOUR, Play

SHANGHAI, UTC_ZONE = ZoneInfo("Asia/Shanghai"), ZoneInfo("UTC")
ZONES = {"lbank": SHANGHAI, "coinw": SHANGHAI, "orderly": UTC_ZONE, "ztdx": UTC_ZONE}
SETTLES_AFTER = {
    "commissions": 58 * HOUR,
    **dict.fromkeys(("member_trades", "team_trades", "futures_turnover", "transfers"), DAY),
    **dict.fromkeys(("invitee_volume", "summary_by_date", "summary_by_account"), DAY),
}
"""By stream of days, how long after its end a day is final (DESIGN section 3)."""
OF_MONTHS = "activity"
"""The stream of calendar months, which are final a day after their end."""
KEYS = {
    "trade_day": 4,
    "futures_turnover": 4,
    "commission_day": 4,
    "activity_period": 3,
    "activity_day": 3,
    "broker_day": 1,
    "broker_account_day": 2,
}
"""The tables of what settles, and how many of their columns are the key."""
DAY_OF = {table: next(name for name in COLUMNS[table].split(", ") if name in {"day", "period_start"}) for table in KEYS}
STREAM_OF = {"commission_day": "commissions", "activity_period": OF_MONTHS, "activity_day": OF_MONTHS}
_STREAM_OF = {
    **STREAM_OF,
    "trade_day": "invitee_volume",
    "futures_turnover": "futures_turnover",
    "broker_day": "summary_by_date",
    "broker_account_day": "summary_by_account",
}
_PERSON = {"trade_day": 1, "commission_day": 0, "invitee_balance_day": 0, "activity_period": 1, "activity_day": 1}
"""By table, which column names the person."""

Rows = Counter[tuple[Any, ...]]


def is_settled(day: date, stream: str, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a reading that begins now makes the day final."""
    last = (day.replace(day=1) + 31 * DAY).replace(day=1) - DAY if stream == OF_MONTHS else day
    end = datetime.combine(last + DAY, datetime.min.time(), zone)
    return end.astimezone(UTC) + SETTLES_AFTER.get(stream, DAY) < now


def left(play: Play, source: str) -> set[str]:
    """What the people who left are called there. Nobody asks LBank for their facts any more; CoinW takes theirs back,
    which shows on final days only when they are read again."""
    if source == "lbank":
        return play.gone
    if source == "coinw" and not play.is_audited:
        return {str(identities.uid(play.world.seed, play.world.team.people[one].number)) for one in play.gone}
    return set()


def kept(rows: Rows, table: str, gone: set[str]) -> Rows:
    """The rows but for those of people who left."""
    place = _PERSON.get(table)
    return rows if place is None or not gone else Counter({row: n for row, n in rows.items() if row[place] not in gone})


async def loaded(play: Play, source: str, table: str) -> Rows:
    """The rows of a table as they are compared with the world."""
    found = [tuple(row) for row in await play.rows(loaded_query(table), play.account(source))]
    if table == "invitee_balance_day":
        found = [row for row in found if row[1] == play.world.horizon.day_of(play.world.now)]
    return kept(Counter(found), table, left(play, source))


async def assert_ends_well(play: Play) -> None:
    """All that must hold after a sync that nothing disturbed."""
    for source in play.sources:
        await assert_equals_world(play, source)
        await assert_is_covered(play, source)
        await assert_is_final_as_documented(play, source)
    await assert_nothing_is_open(play)
    await assert_was_asked(play)
    await assert_one_run_at_a_time(play)


async def assert_equals_world(play: Play, source: str) -> None:
    """Every table holds what the world says, digit for digit."""
    for table, rows in expected_at(source, play.world).items():
        found = await loaded(play, source, table)
        assert found - rows == Counter(), f"{table} holds what the world does not"
        assert rows - found == Counter(), f"{table} lacks what the world holds"


async def assert_is_covered(play: Play, source: str) -> None:
    """Of every partition that is asked for, all days are loaded, and exactly those that are settled are final."""
    zone, now = ZONES[source], play.world.now
    today = now.astimezone(zone).date()
    query = "SELECT stream, partition, horizon_from, loaded, final FROM ops.coverage WHERE account = $1"
    for row in await play.rows(query, play.account(source)):
        covered, final = _days(row["loaded"]), _days(row["final"])
        place = f"{source} {row['stream']} {row['partition']}"
        assert final <= covered, f"{place}: {sorted(final - covered)} are final and not loaded"
        is_dated = row["stream"] in SETTLES_AFTER or row["stream"] == OF_MONTHS
        if not is_dated:
            assert not final, f"{place}: what has no days is final"
        if row["horizon_from"] is None:
            continue
        wanted = {row["horizon_from"] + n * DAY for n in range((today - row["horizon_from"]).days + 1)}
        assert wanted <= covered, f"{place}: {sorted(wanted - covered)} are not loaded"
        settled = {day for day in wanted if is_settled(day, row["stream"], zone, now)}
        assert final & wanted == settled, f"{place}: final are {sorted(final)}, settled {sorted(settled)}"


def _days(ranges: Any) -> set[date]:
    return {part.lower + n * DAY for part in ranges for n in range((part.upper - part.lower).days)}


async def assert_is_final_as_documented(play: Play, source: str) -> None:
    """Rows are final where their day is settled."""
    for table in KEYS:
        place, day = _PERSON.get(table), DAY_OF[table]
        person = "NULL" if place is None else COLUMNS[table].split(", ")[place]
        rows = await play.rows(
            f"SELECT DISTINCT {person} AS person, {day} AS day, is_final FROM warehouse.{table} "
            "WHERE account = $1 AND removed_at IS NULL",
            play.account(source),
        )
        gone, stream = left(play, source), STREAM_OF.get(table, "")
        for row in rows:
            settled = is_settled(row["day"], stream, ZONES[source], play.world.now)
            assert row["person"] in gone or row["is_final"] == settled, f"{table}: {dict(row)}"


async def assert_nothing_is_open(play: Play) -> None:
    """No issue but notes, no reject but of what nobody asks for any more, nobody holding an account."""
    open_issues = (
        "SELECT * FROM ops.issue WHERE account = ANY($1) AND resolved_at IS NULL AND kind NOT IN ('note', 'new_field')"
    )
    for query in (
        open_issues,
        """
        SELECT * FROM ops.reject WHERE account = ANY($1) AND (stream, partition) NOT IN (
            SELECT stream, partition FROM ops.coverage
            WHERE account = ANY($1) AND horizon_from IS NULL AND stream LIKE '%trades')""",
        "SELECT * FROM ops.run WHERE account = ANY($1) AND outcome = 'running'",
    ):
        assert [dict(row) for row in await play.rows(query, play.accounts)] == [], query


async def assert_was_asked(play: Play) -> None:
    """No answer is kept that was not asked for, no request told that was not made; no limit was broken."""
    kept_pages = Counter(
        (row["path"], frozenset((name, str(value)) for name, value in row["params"]))
        for row in map(_asked, await play.rows("SELECT request FROM raw.page WHERE account = ANY($1)", play.accounts))
    )
    made = Counter((one.path, frozenset(one.params.items())) for one in play.sandbox.requests)
    assert not kept_pages - made, "raw.page holds answers that nobody gave"
    [(told,)] = await play.rows(
        "SELECT count(*) FROM ops.request WHERE account = ANY($1) AND http_status IS NOT NULL", play.accounts
    )
    assert told <= len(play.sandbox.requests), "ops.request tells of answers that nobody gave"
    refused = play.refused()
    assert not refused, f"an exchange's limit was broken: {refused}"


def _asked(row: asyncpg.Record) -> Mapping[str, Any]:
    request = json.loads(row["request"])
    return {"path": request["path"], "params": request["params"].items()}


async def assert_one_run_at_a_time(play: Play) -> None:
    """No run of an account began before the one before had ended."""
    overlaps = """
        SELECT account, run_id FROM (
            SELECT account, run_id, started_at, lag(finished_at) OVER (PARTITION BY account ORDER BY run_id) AS before
            FROM ops.run WHERE account = ANY($1)
        ) r WHERE started_at < before"""
    assert await play.rows(overlaps, play.accounts) == []


# ------------------------------------------------------------------------------------------------ restatements


async def settling_rows(play: Play, source: str, *, are_final: bool) -> dict[str, Rows]:
    """The rows of an account in the tables of what settles, or those of them that are final."""
    only = "AND is_final" if are_final else ""
    return {
        table: Counter(tuple(row) for row in await play.rows(f"{loaded_query(table)} {only}", play.account(source)))
        for table in KEYS
    }


def changes_of_final(play: Play, source: str, final: Mapping[str, Rows]) -> Rows:
    """What `ops.restatement` must tell once the final rows are as the world now has them: (table, key, column, old,
    new), amounts as numbers; a row that is gone has only its removal, whose moment is left out."""
    found: Rows = Counter()
    world = expected_at(source, play.world)
    gone = play.gone if source == "lbank" else set()
    for table, rows in final.items():
        names, keys = [name.removesuffix("::text") for name in COLUMNS[table].split(", ")], KEYS[table]
        now = {row[:keys]: row for row in world.get(table, Counter())}
        for row in kept(rows, table, gone):
            key = tuple(map(str, row[:keys]))
            if row[:keys] not in now:
                found[table, key, "removed_at", None, None] += 1
                continue
            for name, old, new in zip(names[keys:], row[keys:], now[row[:keys]][keys:], strict=True):
                if number(old) != number(new):
                    found[table, key, name, number(old), number(new)] += 1
    return found


async def final_days(play: Play, source: str) -> set[tuple[str, str, date]]:
    """The days of an account that are final: (stream, partition, day)."""
    query = """
        SELECT stream, partition, generate_series(lower(part), upper(part) - 1, interval '1 day')::date AS day
        FROM ops.coverage CROSS JOIN LATERAL unnest(final) part WHERE account = $1"""
    return {tuple(row) for row in await play.rows(query, play.account(source))}


def appearing_on(play: Play, source: str, days: set[tuple[str, str, date]], known: Mapping[str, Rows]) -> Rows:
    """What `ops.restatement` must tell of rows that the world has on final `days` and the warehouse (`known`, all of
    its rows) has not."""
    found: Rows = Counter()
    for table, rows in expected_at(source, play.world).items():
        if table not in KEYS:
            continue
        names, keys = [name.removesuffix("::text") for name in COLUMNS[table].split(", ")], KEYS[table]
        there = {row[:keys] for row in known[table]}
        for row in rows:
            if row[:keys] in there or (*_place_of(source, table, row), row[names.index(DAY_OF[table])]) not in days:
                continue
            for name, new in zip(names[keys:], row[keys:], strict=True):
                if new is not None:
                    found[table, tuple(map(str, row[:keys])), name, None, number(new)] += 1
    return found


def _place_of(source: str, table: str, row: tuple[Any, ...]) -> tuple[str, str]:
    """Stream and partition that a row comes by."""
    if table == "trade_day" and source == "lbank":
        return f"{row[0]}_trades", f"{row[1]}/{row[2]}"
    keys = {"commission_day": 1, "futures_turnover": 3, "activity_period": 1, "activity_day": 1}
    return _STREAM_OF[table], "/".join(row[: keys.get(table, 0)])


def number(value: Any) -> Any:
    """An amount as a number, so that its scale makes no difference; everything else as it is."""
    try:
        return Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        return value


async def restatements(play: Play, source: str) -> Rows:
    """What `ops.restatement` tells, as `changes_of_final` has it."""
    found: Rows = Counter()
    query = """
        SELECT table_name, key, column_name, old_value, new_value FROM ops.restatement
        WHERE account = $1 AND was_final"""
    for row in await play.rows(query, play.account(source)):
        names = [name.removesuffix("::text") for name in COLUMNS[row["table_name"]].split(", ")]
        told = json.loads(row["key"])
        key = tuple(str(told[name]) for name in names[: KEYS[row["table_name"]]])
        is_removal = row["column_name"] == "removed_at"
        values = (None, None) if is_removal else (number(row["old_value"]), number(row["new_value"]))
        found[(row["table_name"], key, row["column_name"], *values)] += 1
    return found


async def restated(play: Play) -> int:
    """How many changes of final rows are written down."""
    [(count,)] = await play.rows("SELECT count(*) FROM ops.restatement WHERE account = ANY($1)", play.accounts)
    return int(count)
