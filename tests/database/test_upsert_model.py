"""Any sequence of readings leaves the table as a plain dict would have it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.load.upsert import Counts
from etl.windows import ONE_DAY, Days, Window
from tests.database.readings import DAY, TRADES_OF_MARCH, load, rows_of, trade

Key = tuple[str, date]
DAYS = (DAY, DAY + ONE_DAY)
VOLUMES = (None, "0", "1", "1.0", "2")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the source returns, and the days that are settled by then."""

    volumes: Mapping[Key, str | None]
    final: frozenset[date]


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as the model keeps it."""

    volume: str | None
    final: bool
    run_id: int
    removed: bool = False


@dataclass(slots=True)
class Model:
    """The table and its restatements, by the rules of DESIGN sections 1 and 7 in their plainest form."""

    rows: dict[Key, Kept] = field(default_factory=dict)
    restated: list[tuple[str, str]] = field(default_factory=list)

    def read(self, reading: Reading, run_id: int) -> Counts:
        new = changed = removed = 0
        restated_before = len(self.restated)
        for key, kept in self.rows.items():
            if key not in reading.volumes and not kept.removed:
                self.rows[key] = replace(kept, removed=True, run_id=run_id)
                self.restated += [(key[0], "removed_at")] * kept.final
                removed += 1
        for key, volume in reading.volumes.items():
            final = key[1] in reading.final
            known = self.rows.get(key)
            if known is None:
                self.rows[key] = Kept(volume, final, run_id)
                new += 1
            elif known.volume != volume or known.removed or (final and not known.final):
                self.rows[key] = Kept(volume, final or known.final, run_id)
                self.restated += [(key[0], "volume")] * (known.final and _value(known.volume) != _value(volume))
                self.restated += [(key[0], "removed_at")] * (known.final and known.removed)
                changed += 1
        return Counts(new, changed, removed, len(self.restated) - restated_before)


def _value(volume: str | None) -> Decimal | None:
    return None if volume is None else Decimal(volume)


KEYS = st.tuples(st.sampled_from("ABC"), st.sampled_from(DAYS))
READINGS = st.builds(
    Reading,
    volumes=st.dictionaries(KEYS, st.sampled_from(VOLUMES), max_size=6),
    final=st.frozensets(st.sampled_from(DAYS)),
)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(readings=st.lists(READINGS, min_size=2, max_size=6))
async def test_table_agrees_with_the_model_after_every_reading(
    connection: asyncpg.Connection, readings: list[Reading]
) -> None:
    await connection.execute("TRUNCATE warehouse.trade_day, ops.restatement")
    model = Model()

    for run_id, reading in enumerate(readings, start=1):
        rows: list[dict[str, Any]] = [trade(who, day, volume) for (who, day), volume in reading.volumes.items()]
        final = Days.of(Window(day, day + ONE_DAY) for day in reading.final)

        counts = await load(connection, rows, run_id=run_id, final=final, scope=TRADES_OF_MARCH)

        assert counts == model.read(reading, run_id)
        told = await rows_of(
            connection, "warehouse.trade_day", "subject_id, day, volume::text, is_final, run_id, removed_at IS NOT NULL"
        )
        assert {(row[0], row[1]): Kept(*row[2:]) for row in told} == model.rows
        restated = await rows_of(connection, "ops.restatement", "key ->> 'subject_id', column_name")
        assert sorted(restated) == sorted(model.restated)
