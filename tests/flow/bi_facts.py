"""What four exchanges tell, as rows of facts, and how they add up: the sandbox's world alone, read by hand.

Amounts are text, with the scale that was sent; sums are exact and have the largest scale among their parts.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from etl.sandbox import amounts
from tests.flow.night import Night
from tests.flow.truth import COLUMNS, expected

Row = dict[str, Any]
Groups = defaultdict[tuple[Any, ...], list[Row]]

DAY = timedelta(days=1)
DOLLARS = {"USDT", "USDC", "USD"}
ZONES = {"lbank": "Asia/Shanghai", "coinw": "Asia/Shanghai", "orderly": "UTC", "ztdx": "UTC"}
SETTLES_AFTER = {"commission_day": timedelta(hours=58)}
"""The others settle a day after their end."""
FACTS = {
    "trade_day": "fct_trade_days",
    "commission_day": "fct_commission_days",
    "futures_turnover": "fct_futures_turnover",
    "transfer": "fct_transfers",
    "invitee_balance_day": "fct_balance_days",
    "activity_period": "fct_activity_periods",
    "activity_day": "fct_activity_days",
    "broker_day": "fct_broker_days",
    "broker_account_day": "fct_broker_account_days",
    "referral_event": "fct_referral_events",
}
"""The view of each table of facts."""
PERSON = {
    "trade_day": "subject_id",
    "commission_day": "recipient_id",
    "futures_turnover": "subject_id",
} | dict.fromkeys(
    ("transfer", "invitee_balance_day", "activity_period", "activity_day", "broker_account_day"), "invitee_id"
)
"""The column of the person that a fact is about."""
KEYS = {
    "trade_day": ("scope", "subject_id", "market", "day"),
    "futures_turnover": ("subject_id", "scope", "symbol", "day"),
    "commission_day": ("recipient_id", "market", "coin", "day"),
    "activity_period": ("activity_id", "invitee_id", "period_start"),
    "activity_day": ("activity_id", "invitee_id", "day"),
    "broker_day": ("day",),
    "broker_account_day": ("invitee_id", "day"),
}
"""The keys of the tables that settle."""


def facts_of(nights: Sequence[Night]) -> dict[str, list[Row]]:
    """The rows of every table as complete readings of all accounts at this moment give them, each with its account."""
    facts: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    for night in nights:
        for table, rows in expected(night).items():
            names = [name.partition("::")[0] for name in COLUMNS[table].split(", ")]
            place = {"account": f"{night.source}-main", "source": night.source}
            facts[table] += [place | dict(zip(names, row, strict=True)) for row in rows.elements()]
    return facts


def added(rows: Iterable[Row], column: str) -> str:
    """The exact sum of a column, with the largest scale among its parts; "0" for none."""
    return amounts.text(amounts.sum_of(Decimal(row[column]) for row in rows if row[column] is not None))


def less(left: str, right: str) -> str:
    """The exact difference."""
    return amounts.text(amounts.subtract(Decimal(left), Decimal(right)))


def restated(before: dict[str, list[Row]], after: dict[str, list[Row]], *, by: datetime) -> list[Row]:
    """What a reading at `by` of all days writes down, when the same moment said `before` at first and now `after`."""
    found: list[Row] = []
    for table, names in KEYS.items():
        now = {(row["account"], *(row[name] for name in names)): row for row in after[table]}
        for old in before[table]:
            if settled_at(table, old) >= by:
                continue
            key = (old["account"], *(old[name] for name in names))
            told = {
                "restated_at": by,
                "account": old["account"],
                "source": old["source"],
                "table_name": table,
                "day": old.get("day", old.get("period_start")),
                "invitee_id": old[PERSON[table]] if table in PERSON else None,
                "key": tuple(sorted((name, str(old[name])) for name in names)),
            }
            if key not in now:
                gone = {"column_name": "removed_at", "old_value": None, "new_value": f"{by:%Y-%m-%d %H:%M:%S}+00"}
                found.append(told | gone | {"change": None})
                continue
            for column, value in old.items():
                new = now[key][column]
                if value != new and not (column in _amounts_of(table) and Decimal(value) == Decimal(new)):
                    values = {"column_name": column, "old_value": value, "new_value": new}
                    found.append(told | values | {"change": less(new, value)})
    return found


# ---------------------------------------------------------------------------------------------- days


def place_of(row: Row) -> Row:
    """The account and the source of a row."""
    return {name: row[name] for name in ("account", "source")}


def day_in(instant: datetime, zone: str) -> date:
    """The day that it is in a zone."""
    return instant.astimezone(ZoneInfo(zone)).date()


def midnight_in(day: date, zone: str) -> datetime:
    """When a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def span_of(row: Row) -> tuple[date, date]:
    """The first and the last day that a fact is about."""
    if "period_start" in row:
        return row["period_start"], row["period_end"]
    if "day" in row:
        return row["day"], row["day"]
    day = day_in(row["created_at"] if "created_at" in row else row["occurred_at"], ZONES[row["source"]])
    return day, day


def settled_at(table: str, row: Row) -> datetime:
    """The moment at which the source has settled the day of a row; of an activity, its whole month."""
    _, day = span_of(row)
    if table in {"activity_day", "activity_period"}:
        day = day.replace(day=monthrange(day.year, day.month)[1])
    return midnight_in(day + DAY, ZONES[row["source"]]) + SETTLES_AFTER.get(table, DAY)


def registered_on(row: Row) -> Any:
    """The day of registration in the day zone of the account; None where nobody tells it."""
    instant = row.get("registered_at")
    return instant and day_in(instant, ZONES[row["source"]])


def _amounts_of(table: str) -> set[str]:
    columns = [name for name in COLUMNS[table].split(", ") if name.endswith("::text")]
    return {name.partition("::")[0] for name in columns}


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> Groups:
    """The rows by account and key."""
    groups: Groups = defaultdict(list)
    for row in rows:
        groups[row["account"], key(row)].append(row)
    return groups


# ---------------------------------------------------------------------------------------------- sums


def positive(rows: Iterable[Row]) -> list[Row]:
    """The rows with a volume above zero."""
    return [row for row in rows if Decimal(row["volume"]) > 0]


def in_dollars(rows: Iterable[Row]) -> list[Row]:
    """The transfers of dollars."""
    return [row for row in rows if row["asset"] in DOLLARS]


def going(rows: Iterable[Row], way: str) -> list[Row]:
    """The transfers that go "in" or "out"."""
    return [row for row in rows if row["direction"] == way]


def fees_of(rows: Sequence[Row]) -> str | None:
    """None where there is volume and no fee is told."""
    return None if rows and all(row["fee"] is None for row in rows) else added(rows, "fee")


def _worth(row: Row) -> str | None:
    if Decimal(row["amount_usdt"]) > 0:
        return str(row["amount_usdt"])
    return str(row["amount"]) if row["coin"] in DOLLARS else None


def priced(rows: Iterable[Row]) -> str:
    """The commissions' worth in USDT, where they have one."""
    return added(({"worth": _worth(row)} for row in rows), "worth")


def unpriced(rows: Iterable[Row]) -> int:
    """How many commissions have none."""
    return sum(_worth(row) is None for row in rows)


def plus(left: str, right: str) -> str:
    """The exact sum of two."""
    return amounts.text(amounts.add(Decimal(left), Decimal(right)))
