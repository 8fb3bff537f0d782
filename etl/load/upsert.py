"""Compares a reading with a table and writes only what differs.

The rows of a reading are copied into a temporary table; one statement then inserts what is new, updates what
differs and writes down what was final before (DESIGN section 7). Rows that have not changed are neither rewritten
nor locked. The statements are made from the table's metadata once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import Numeric, Table

from etl.errors import SuspiciousRemoval
from etl.stream import Row
from etl.windows import Days

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
ACCOMPANYING = frozenset({"source", "run_id", "loaded_at", "last_seen_at"})
"""Columns that are written along with a change and are never a reason for one."""
KEPT = frozenset({"first_seen_at"})
"""Columns that keep the value of the row's first insert."""
FEWEST_GUARDED_ROWS = 10


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where and when the rows of a reading come from. What it shows to have changed since it was final is told as of
    `restated_at`, which is the reading's moment but for a replay."""

    account: str
    source: str
    run_id: int
    loaded_at: datetime
    restated_at: datetime | None = None

    @property
    def told_at(self) -> datetime:
        """The moment of restatements."""
        return self.restated_at or self.loaded_at


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a table that a complete reading speaks for: column values (`account` among them), a half-open span
    [start, end) of the column `within`, and of these the rows that were loaded until `loaded_by`."""

    values: Mapping[str, Any]
    within: str | None = None
    start: Any = None
    end: Any = None
    loaded_by: datetime | None = None

    @property
    def arguments(self) -> list[Any]:
        """The scope as the arguments of the removal statements."""
        span = [] if self.within is None else [self.start, self.end]
        return [*self.values.values(), *span, *([] if self.loaded_by is None else [self.loaded_by])]

    @property
    def shape(self) -> tuple[tuple[str, ...], str | None, bool]:
        """What the removal statements depend on."""
        return tuple(self.values), self.within, self.loaded_by is not None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows written: inserted, updated or revived, and marked removed; and values among them that had been final."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    restated: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.new + other.new,
            self.changed + other.changed,
            self.removed + other.removed,
            self.restated + other.restated,
        )


def keys_of(table: Table) -> list[str]:
    """The primary key's columns, `account` first."""
    return [column.name for column in table.primary_key]


def stage_name(table: Table) -> str:
    """The temporary table that readings for `table` are copied into."""
    return f"stage_{table.name}"


async def stage(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    columns: Sequence[str],
    stamp: Stamp,
    final: Days,
    within: str | None = "day",
) -> None:
    """Copies `rows` into the table's temporary twin, which is emptied at the end of the transaction. In tables of what
    settles, a row is final when the day in its column `within` is one of `final`."""
    await connection.execute(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage_name(table)} (LIKE {table.fullname}) ON COMMIT DELETE ROWS"
    )
    settles = within is not None and "is_final" in table.c
    fixed = (stamp.account, stamp.source, stamp.run_id, stamp.loaded_at)
    records = [
        (*(row[name] for name in columns), *fixed, *([row[within] in final] if within and settles else []))
        for row in rows
    ]
    names = [*columns, "account", "source", "run_id", "loaded_at", *(["is_final"] if settles else [])]
    await connection.copy_records_to_table(stage_name(table), records=records, columns=names)


async def leave_what_is_newer(connection: Connection, table: Table) -> None:
    """Unstages rows that a later reading wrote or took back. People whom no list has told of were not read at all."""
    were_read = "AND t.origin NOT IN ('inferred', 'self')" if "origin" in table.c else ""
    await connection.execute(
        f"""
        DELETE FROM {stage_name(table)} s USING {table.fullname} t
        WHERE {_same_key(table, "t", "s")} AND greatest(t.loaded_at, t.removed_at) > s.loaded_at {were_read}
        """
    )


async def merge(
    connection: Connection,
    table: Table,
    columns: Iterable[str],
    *,
    stamp: Stamp,
    within: str | None = None,
    were_final: Days = Days(),
) -> Counts:
    """Writes the staged rows into `table` where they differ from it. A row that is new, or back, on one of the days (of
    its column `within`) that `were_final` is a restatement like a row that changed."""
    appearing = within if were_final and "is_final" in table.c else None
    arguments: list[Any] = [stamp.told_at] if "is_final" in table.c else []
    if appearing is not None:
        arguments.append([asyncpg.Range(window.start, window.end) for window in were_final.windows])
    [counts] = await connection.fetch(_merge_statement(table, tuple(columns), appearing), *arguments)
    return Counts(**counts)


async def count_missing(connection: Connection, table: Table, scope: Scope, *, accept: bool) -> int:
    """How many loaded rows of `scope` are not staged; nothing is written.

    Raises SuspiciousRemoval where that is more than half of at least ten rows and `accept` is not given."""
    count, _ = _removal_statements(table, *scope.shape)
    [(loaded, missing)] = await connection.fetch(count, *scope.arguments)
    if not accept and loaded >= FEWEST_GUARDED_ROWS and missing * 2 > loaded:
        raise SuspiciousRemoval(
            f"the source no longer returns {missing} of {loaded} loaded rows of {table.name}; nothing was changed. "
            "If that is right, run the same command with --accept-removals"
        )
    return int(missing)


async def mark_missing(connection: Connection, table: Table, scope: Scope, stamp: Stamp) -> Counts:
    """Marks as removed the loaded rows of `scope` that are not staged."""
    _, mark = _removal_statements(table, *scope.shape)
    told = [stamp.told_at] if "is_final" in table.c else []
    [counts] = await connection.fetch(mark, *scope.arguments, stamp.run_id, stamp.loaded_at, *told)
    return Counts(**counts)


async def infer_invitees(connection: Connection, table: Table, column: str) -> None:
    """Gives people whom staged facts mention and nobody has listed an `invitee` row, so that joins lose no money."""
    await connection.execute(
        f"""
        INSERT INTO warehouse.invitee
            (account, invitee_id, source, run_id, loaded_at, first_seen_at, last_seen_at, origin)
        SELECT DISTINCT s.account, s.{column}, s.source, s.run_id, s.loaded_at, s.loaded_at, s.loaded_at, 'inferred'
        FROM {stage_name(table)} s
        WHERE NOT EXISTS (
            SELECT FROM warehouse.invitee i WHERE i.account = s.account AND i.invitee_id = s.{column}
        )
        ORDER BY s.account, s.{column}
        ON CONFLICT DO NOTHING
        """
    )


async def unlike_loaded(connection: Connection, table: Table, columns: Sequence[str], tells: str) -> list[Any]:
    """The values of column `tells` in staged rows that the table has not, or has otherwise."""
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM s.{name}" for name in columns if name != tells)
    records = await connection.fetch(
        f"""
        SELECT DISTINCT s.{tells} FROM {stage_name(table)} s
        WHERE NOT EXISTS (
            SELECT FROM {table.fullname} t
            WHERE t.account = s.account AND t.{tells} = s.{tells} AND t.removed_at IS NULL AND {same}
        )
        """
    )
    return [record[0] for record in records]


# ------------------------------------------------------------------------------------------------ statements


def _same_key(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in keys_of(table))


def _differs(table: Table, name: str, old: str, new: str) -> str:
    """Numbers differ when their scale does too: the warehouse keeps the digits that were sent last."""
    differs = f"{old}.{name} IS DISTINCT FROM {new}.{name}"
    if isinstance(table.c[name].type, Numeric):
        differs += f" OR scale({old}.{name}) IS DISTINCT FROM scale({new}.{name})"
    return differs


@cache
def _merge_statement(table: Table, columns: tuple[str, ...], appearing: str | None) -> str:
    keys = keys_of(table)
    facts = [name for name in columns if name not in keys and name not in KEPT | ACCOMPANYING]
    settles = "is_final" in table.c
    reasons = [_differs(table, name, "t", "s") for name in facts] + ["t.removed_at IS NOT NULL"]
    if settles:
        reasons.append("(s.is_final AND NOT t.is_final)")
    written = [name for name in (*columns, "source", "run_id", "loaded_at") if name not in keys and name not in KEPT]
    updates = [f"{name} = p.{name}" for name in written] + ["removed_at = NULL"]
    inserted = ["account", *columns, "source", "run_id", "loaded_at", *(["is_final"] if settles else [])]
    if settles:
        updates.append("is_final = t.is_final OR p.is_final")
    names, old = ", ".join(inserted), ", ".join(f"t.{name} AS old_{name}" for name in (*facts, "removed_at"))
    overwrite = ", ".join([*(f"{name} = excluded.{name}" for name in written), "removed_at = NULL"])
    return f"""
        WITH pair AS (
            SELECT s.*, {old}{", t.is_final AS was_final" if settles else ""}
            FROM {stage_name(table)} s JOIN {table.fullname} t ON {_same_key(table, "t", "s")}
            WHERE {" OR ".join(reasons)}
        ), fresh AS (
            INSERT INTO {table.fullname} AS t ({names})
            SELECT {", ".join(f"s.{name}" for name in inserted)} FROM {stage_name(table)} s
            WHERE NOT EXISTS (SELECT FROM {table.fullname} t WHERE {_same_key(table, "t", "s")})
            ORDER BY {", ".join(f"s.{name}" for name in keys)}
            ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {overwrite}
            RETURNING {"t.*" if appearing else "1"}
        ), changed AS (
            UPDATE {table.fullname} t SET {", ".join(updates)} FROM pair p WHERE {_same_key(table, "t", "p")}
            RETURNING 1
        ){_restated(table, facts, appearing) if settles else ""}
        SELECT (SELECT count(*) FROM fresh) AS new, (SELECT count(*) FROM changed) AS changed,
            {"(SELECT count(*) FROM restated)" if settles else "0"} AS restated
    """


_RESTATE = """
            INSERT INTO ops.restatement
                (account, source, table_name, key, column_name, old_value, new_value, was_final, run_id, restated_at)"""


def _restated(table: Table, facts: Sequence[str], appearing: str | None) -> str:
    """Writes down what differs in rows that were final, and all of rows that appear on a day that was: `$1` is when,
    `$2` those days."""
    values = [
        f"('{name}', p.old_{name}::text, p.{name}::text, p.old_{name} IS DISTINCT FROM p.{name})" for name in facts
    ]
    values.append("('removed_at', p.old_removed_at::text, NULL, p.old_removed_at IS NOT NULL)")
    statement = f""", restated AS ({_RESTATE}
            SELECT p.account, p.source, '{table.name}', {_key_object(table, "p")}, v.name, v.old, v.new, true,
                p.run_id, $1::timestamptz
            FROM pair p CROSS JOIN LATERAL (VALUES {", ".join(values)}) v (name, old, new, differs)
            WHERE p.was_final AND v.differs"""
    back = "SELECT * FROM pair WHERE old_removed_at IS NOT NULL AND NOT was_final"
    for these in () if appearing is None else ("SELECT * FROM fresh", back):
        appeared = ", ".join(f"('{name}', f.{name}::text)" for name in facts)
        statement += f"""
            UNION ALL
            SELECT f.account, f.source, '{table.name}', {_key_object(table, "f")}, v.name, NULL, v.new, true,
                f.run_id, $1::timestamptz
            FROM ({these}) f CROSS JOIN LATERAL (VALUES {appeared}) v (name, new)
            WHERE f.{appearing} <@ $2::datemultirange AND v.new IS NOT NULL"""
    return f"{statement}\n            RETURNING 1\n        )"


def _key_object(table: Table, alias: str) -> str:
    pairs = ", ".join(f"'{name}', {alias}.{name}" for name in keys_of(table) if name != "account")
    return f"jsonb_build_object({pairs})"


@cache
def _removal_statements(table: Table, scope: tuple[str, ...], within: str | None, aged: bool) -> tuple[str, str]:
    conditions = ["t.removed_at IS NULL", *(f"t.{name} = ${n}" for n, name in enumerate(scope, start=1))]
    after = len(scope) + 1
    if within is not None:
        conditions.append(f"t.{within} >= ${after} AND t.{within} < ${after + 1}")
        after += 2
    if aged:
        conditions.append(f"t.loaded_at <= ${after}")
        after += 1
    loaded = " AND ".join(conditions)
    missing = f"NOT EXISTS (SELECT FROM {stage_name(table)} s WHERE {_same_key(table, 's', 't')})"
    count = f"SELECT count(*), count(*) FILTER (WHERE {missing}) FROM {table.fullname} t WHERE {loaded}"
    mark = f"""
        WITH gone AS (
            UPDATE {table.fullname} t SET run_id = ${after}, removed_at = ${after + 1} WHERE {loaded} AND {missing}
            RETURNING t.*
        )"""
    if "is_final" not in table.c:
        return count, f"{mark} SELECT count(*) AS removed FROM gone"
    mark += f""", restated AS ({_RESTATE}
            SELECT g.account, g.source, '{table.name}', {_key_object(table, "g")}, 'removed_at', NULL,
                g.removed_at::text, true, g.run_id, ${after + 2}::timestamptz
            FROM gone g WHERE g.is_final
            RETURNING 1
        )"""
    return count, f"{mark} SELECT (SELECT count(*) FROM gone) AS removed, (SELECT count(*) FROM restated) AS restated"
