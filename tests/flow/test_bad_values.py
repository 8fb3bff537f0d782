"""Rows with a value that cannot be read: set aside as they were sent, the others loaded, the window due, and healed.

Each test spoils the first rows of the first answer that has them, one value a row.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from etl.query.status import StreamStatus, read_status
from etl.sandbox.faults import EXCHANGES, Fault
from etl.sandbox.wire import Token
from etl.sync.run import exit_code
from etl.warehouse.engine import connect
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world, expected, loaded

GONE = object()  # the field is not there
NO_OBJECT_OR_TEXT: tuple[Any, ...] = ({"a": 1}, [], True, "text with \x00 in it")
NO_NUMBERS: tuple[Any, ...] = (
    *("abc", "NaN", "Infinity", "-Infinity", "1e400", "1,5", "0x10", "١٢"),
    *(Token("NaN"), Token("Infinity"), Token("1e400"), "1" * 41, "0." + "1" * 61),
    *NO_OBJECT_OR_TEXT,
)
MISSING: tuple[Any, ...] = ("", None, GONE)
NO_IDS: tuple[Any, ...] = (*NO_OBJECT_OR_TEXT, Token("1.5"))
NO_INSTANTS: tuple[Any, ...] = (
    *("abc", Token("1773100800"), Token("884541340800000"), Token("1e400"), Token("1773100800000.5"), Token("-1")),
    *NO_OBJECT_OR_TEXT,
)
"""Seconds in the place of milliseconds, the year 30000, half a millisecond, before 1970."""
NO_DAYS: tuple[Any, ...] = (
    *("abc", "2026-3-7", "2026-02-30", "30000-01-01", "2026-03-07T00:00:00", "1999-12-31"),
    *(Token("1773100800"), *NO_OBJECT_OR_TEXT),
)
NO_KINDS: tuple[Any, ...] = ("2", Token("2"), Token("-1"), "x", "0.0", {"a": 1}, True)


class Spoiled(NamedTuple):
    """A field of a list and the values that it cannot have; `table` is where its rows go."""

    source: str
    stream: str
    path: str
    field: str
    values: Sequence[Any]
    table: str

    def __str__(self) -> str:
        return f"{self.stream}.{self.field}"


FIELDS = [
    # LBank: every field is in the document without a word that it may be missing, but see OPTIONAL below.
    Spoiled("lbank", "team_members", "/team/list", "openId", (*MISSING, *NO_IDS), "invitee"),
    Spoiled("lbank", "team_members", "/team/list", "createTime", (*MISSING, *NO_INSTANTS), "invitee"),
    Spoiled("lbank", "team_members", "/team/list", "kycStatus", (*MISSING, *NO_KINDS), "invitee"),
    Spoiled("lbank", "team_members", "/team/list", "userLevel", (*MISSING, "22", 98, -1, "x", {}), "invitee"),
    Spoiled("lbank", "team_members", "/team/list", "deposit", (*MISSING, "yes", 1, {}, []), "invitee"),
    Spoiled("lbank", "team_members", "/team/list", "reserveAmt", (*MISSING, *NO_NUMBERS), "invitee_balance_day"),
    Spoiled("lbank", "commissions", "/symbol/list", "amount", (*MISSING, *NO_NUMBERS), "commission_day"),
    Spoiled("lbank", "commissions", "/symbol/list", "coinSymbol", (*MISSING, *NO_IDS), "commission_day"),
    Spoiled("lbank", "commissions", "/symbol/list", "tradeType", (*MISSING, *NO_KINDS), "commission_day"),
    Spoiled("lbank", "commissions", "/symbol/list", "openId", (*MISSING, *NO_IDS, 7, "LBA9"), "commission_day"),
    Spoiled(
        *("lbank", "commissions", "/symbol/list", "statsDate", (*MISSING, *NO_INSTANTS, Token("1773100800000"))),
        "commission_day",
    ),
    Spoiled("lbank", "team_trades", "/user/team", "tradeAmt", (*MISSING, *NO_NUMBERS), "trade_day"),
    Spoiled("lbank", "transfers", "/detail/list", "assetNum", (*MISSING, "abc", "NaN", {}), "transfer"),
    Spoiled("lbank", "transfers", "/detail/list", "updateTime", (*MISSING, Token("1773100800")), "transfer"),
    Spoiled("lbank", "futures_turnover", "/trade/future", "turnover", ("1e400",), "futures_turnover"),
    # CoinW
    Spoiled("coinw", "invitee_volume", "/volume/list", "volume", (*MISSING, *NO_NUMBERS), "trade_day"),
    Spoiled("coinw", "invitee_volume", "/volume/list", "uid", (*MISSING, *NO_IDS), "trade_day"),
    Spoiled("coinw", "invitee_volume", "/volume/list", "time", (*MISSING, *NO_DAYS), "trade_day"),
    Spoiled("coinw", "activity", "/activity/list", "contractProfit", (*MISSING, "abc", "1e400"), "activity_period"),
    # Orderly
    Spoiled("orderly", "summary_by_date", "/summary", "total_volume", (*MISSING, *NO_NUMBERS), "broker_day"),
    Spoiled("orderly", "summary_by_date", "/summary", "total_base_rebate", NO_NUMBERS, "broker_day"),
    Spoiled("orderly", "summary_by_date", "/summary", "date", (*MISSING, *NO_DAYS), "broker_day"),
    # ZTDX
    Spoiled("ztdx", "referral_logs", "/referral/logs", "id", (*MISSING, "550e8400", 7, {}, "\x00"), "referral_event"),
    Spoiled("ztdx", "referral_logs", "/referral/logs", "amount", NO_NUMBERS, "referral_event"),
    Spoiled("ztdx", "referral_logs", "/referral/logs", "action", (*MISSING, *NO_IDS), "referral_event"),
    Spoiled("ztdx", "referral_logs", "/referral/logs", "created_at", (*MISSING, *NO_INSTANTS), "referral_event"),
    Spoiled("ztdx", "referral_logs", "/referral/logs", "old_value", NO_IDS, "referral_event"),
]


def spoiling(one: Spoiled) -> list[Fault]:
    """Faults that give the first rows of an answer the bad values, one a row; each strikes once."""
    told: list[dict[str, Any]] = [{"missing": True} if value is GONE else {"value": value} for value in one.values]
    where: dict[str, Any] = {"exchange": one.source, "path": one.path, "field": one.field, "times": 1}
    return [Fault("bad_value", row=row, **where, **value) for row, value in enumerate(told)]


def as_kept(value: Any) -> Any:
    """A value as the raw form of a reject has it: what no JSON number can be is the text that it was sent as."""
    if not isinstance(value, Token):
        return value
    return value.text if value.text in {"NaN", "Infinity"} else json.loads(value.text, parse_float=Decimal)


async def truth(night: Night, one: Spoiled) -> Counter[tuple[Any, ...]]:
    """What the world holds of what the stream tells by itself: without a list of people, of the affiliate alone."""
    own = night.sandbox.open_id
    is_told: Mapping[str, Callable[[tuple[Any, ...]], bool]] = {
        "team_members": lambda row: one.table != "invitee" or row[-1] == "list",
        "commissions": lambda row: bool(row[0] == own),
        "team_trades": lambda row: row[:2] == ("team", own),
    }
    rows = expected(night)[one.table]
    return Counter({row: count for row, count in rows.items() if is_told.get(one.stream, bool)(row)})


async def status_of(night: Night, stream: str) -> StreamStatus:
    """What `etl status` says of the stream."""
    connection = await connect(night.dsn)
    try:
        status = await read_status(connection, [night.account()], night.sandbox.world.now)
    finally:
        await connection.close()
    return next(each for each in status.streams if each.stream == stream)


# Of the windows whose rows have these fields the first ones hold days that settle as soon as they are read well.
SETTLES = {"amount", "statsDate", "tradeAmt", "volume", "time", "total_volume", "date"}
SETTLED_ALL_THE_SAME = """
    SELECT count(*) FROM ops.reject JOIN ops.coverage USING (account, stream, partition) WHERE final && days
"""


@pytest.mark.parametrize("one", FIELDS, ids=str)
async def test_a_row_with_a_bad_value_is_set_aside_and_the_others_are_loaded(warehouse_dsn: str, one: Spoiled) -> None:
    async with exchange(small_world(members=60, days=40)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=one.source, streams=(one.stream,))
        sandbox.inject(*spoiling(one))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.outcome, outcome.totals.failures) == (1, "incomplete", 0)
        rejects = await night.rows(
            "SELECT raw, reason FROM ops.reject WHERE table_name = $1 AND column_name = $2", one.table, one.field
        )
        kept = [json.loads(raw, parse_float=Decimal).get(one.field, GONE) for raw, _ in rejects]
        assert sorted(kept, key=repr) == sorted(map(as_kept, one.values), key=repr)
        assert all(reason for _, reason in rejects)
        rows, found = await truth(night, one), await loaded(night, one.table)
        assert found - rows == Counter(), "what is loaded is right"
        missing = (rows - found).total()
        assert missing == len(one.values) or (one.source == "coinw" and missing > 0)
        assert await night.rows(SETTLED_ALL_THE_SAME) == [(0,)]
        status = await status_of(night, one.stream)
        assert status.rejects == outcome.totals.rejects >= len(one.values)
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
        assert await loaded(night, one.table) == rows
        healed = await status_of(night, one.stream)
        assert healed.rejects == 0
        if one.field in SETTLES and one.source != "ztdx":
            assert healed.due_days < status.due_days


# ------------------------------------------------------------------------------------------------ what is missing


class MayBeMissing(NamedTuple):
    """A field that may be missing, and the column that is NULL then."""

    source: str
    stream: str
    path: str
    field: str
    column: str


OPTIONAL = [
    # "Spot Commission Rate (if agent)"; the sample of user/info has null for both.
    MayBeMissing("lbank", "team_members", "/team/list", "currencyFeeAmt", "invitee.spot_commission_pct"),
    MayBeMissing("lbank", "team_members", "/team/list", "code", "invitee.referral_code"),
    # "store it, do not trust it" (FACTS.md): a commission without it counts as unpriced.
    MayBeMissing("lbank", "commissions", "/symbol/list", "usdtAmount", "commission_day.amount_usdt"),
    # Added in V1.7 only; "status and subStatus change later" (FACTS.md).
    MayBeMissing("lbank", "transfers", "/detail/list", "withdrawOrderId", "transfer.order_id"),
    MayBeMissing("lbank", "transfers", "/detail/list", "subStatus", "transfer.sub_status"),
    # "accept either, both or neither" (FACTS.md).
    MayBeMissing("orderly", "summary_by_date", "/summary", "total_base_rebate", "broker_day.base_rebate"),
    # "Decimal | null" and "string | null".
    MayBeMissing("ztdx", "referral_logs", "/referral/logs", "amount", "referral_event.amount"),
    MayBeMissing("ztdx", "referral_logs", "/referral/logs", "old_value", "referral_event.old_value"),
]


@pytest.mark.parametrize("one", OPTIONAL, ids=lambda one: f"{one.stream}.{one.field}")
async def test_what_may_be_missing_is_missing_as_an_empty_text_as_null_and_as_no_field(
    warehouse_dsn: str, one: MayBeMissing
) -> None:
    async with exchange(small_world(members=20, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=one.source, streams=(one.stream,))
        where = Spoiled(one.source, one.stream, one.path, one.field, MISSING, "")
        sandbox.inject(*spoiling(where))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        table, _, column = one.column.partition(".")
        [(nulls,)] = await night.rows(f"SELECT count(*) FROM warehouse.{table} WHERE {column} IS NULL")
        assert nulls >= len(MISSING)


# ------------------------------------------------------------------------------------------------ what is not wrong


@pytest.mark.parametrize("source", EXCHANGES)
async def test_a_new_field_breaks_nothing(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world(members=12, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        sandbox.inject(Fault("bad_value", field="colour", value={"red": [1, Token("NaN")]}))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


DIGITS = (Token("12345678901234567890.123456789012345678900"), "0.10", Token("7E-3"))


@pytest.mark.parametrize(
    ("one", "column"),
    [
        (Spoiled("lbank", "team_trades", "/user/team", "tradeAmt", DIGITS, "trade_day"), "volume"),
        (Spoiled("coinw", "invitee_volume", "/volume/list", "volume", DIGITS, "trade_day"), "volume"),
        (Spoiled("orderly", "summary_by_date", "/summary", "total_volume", DIGITS, "broker_day"), "volume"),
        (Spoiled("ztdx", "referral_logs", "/referral/logs", "amount", DIGITS, "referral_event"), "amount"),
    ],
    ids=str,
)
async def test_an_amount_is_read_with_its_digits_be_it_a_number_or_a_text(
    warehouse_dsn: str, one: Spoiled, column: str
) -> None:
    async with exchange(small_world(members=20, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=one.source, streams=(one.stream,))
        sandbox.inject(*spoiling(one))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        found = {text for (text,) in await night.rows(f"SELECT {column}::text FROM warehouse.{one.table}")}
        assert {"12345678901234567890.123456789012345678900", "0.10", "0.007"} <= found


# ------------------------------------------------------------------------------------------------ around the rows


@pytest.mark.parametrize(
    ("source", "stream", "field", "value"),
    [
        ("lbank", "commissions", "data", {"a": 1}),
        ("lbank", "commissions", "data", "abc"),
        ("lbank", "futures_turnover", "data", [1, 2]),
        ("coinw", "invitee_volume", "data.list", {"a": 1}),
        ("coinw", "invitee_volume", "data.total", "nine"),
        ("coinw", "invitee_volume", "data.total", None),
        ("coinw", "activity", "data", []),
        ("orderly", "summary_by_date", "data.rows", {"a": 1}),
        ("orderly", "summary_by_date", "data", []),
        ("ztdx", "referral_logs", "logs", {"a": 1}),
        ("ztdx", "referral_logs", "total", "abc"),
        ("ztdx", "referral_logs", "total", -1),
    ],
)
async def test_an_answer_of_another_shape_fails_its_window_and_heals(
    warehouse_dsn: str, source: str, stream: str, field: str, value: object
) -> None:
    async with exchange(small_world(members=12, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source, streams=(stream,))
        sandbox.inject(Fault("bad_value", field=field, value=value, envelope=True, times=1))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.failures, outcome.totals.rejects) == (1, 1, 0)
        assert await night.rows("SELECT count(*) FROM ops.issue WHERE kind = 'window_failed'") == [(1,)]
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert await night.rows("SELECT count(*) FROM ops.issue WHERE resolved_at IS NULL") == [(0,)]


@pytest.mark.parametrize(
    ("field", "value", "table"),
    [
        ("detail.0.date", "2026-02-30", "activity_day"),
        ("detail.0.contractVolume", "1e400", "activity_day"),
        ("detail.0", "abc", "activity_day"),
        ("detail", {"a": 1}, "activity_day"),
        ("uid", [], "activity_period"),
    ],
)
async def test_a_bad_detail_of_an_activity_costs_the_detail_only(
    warehouse_dsn: str, field: str, value: object, table: str
) -> None:
    async with exchange(small_world(members=40, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw", streams=("activity",))
        sandbox.inject(*(Fault("bad_value", field=field, value=value, row=row, times=1) for row in range(9)))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.failures) == (1, 0)
        assert await night.rows("SELECT count(*) FROM ops.reject WHERE table_name = $1", table) > [(0,)]
        for each in ("activity_period", "activity_day"):
            assert await loaded(night, each) - expected(night)[each] == Counter()
        if table == "activity_day":
            assert await loaded(night, "activity_period") == expected(night)["activity_period"]
        assert await night.rows(SETTLED_ALL_THE_SAME) == [(0,)]
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
        for each in ("activity_period", "activity_day"):
            assert await loaded(night, each) == expected(night)[each]


@pytest.mark.parametrize(("source", "field"), [("lbank", "data"), ("coinw", "data.list"), ("orderly", "data.rows")])
async def test_what_is_no_row_at_all_is_set_aside(warehouse_dsn: str, source: str, field: str) -> None:
    streams = {"lbank": "commissions", "coinw": "activity", "orderly": "summary_by_date"}
    async with exchange(small_world(members=12, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source, streams=(streams[source],))
        sandbox.inject(Fault("bad_value", field=f"{field}.0", value="abc", envelope=True, times=1))
        [outcome] = await night.sync()
        assert (exit_code([outcome]), outcome.totals.failures) == (1, 0)
        assert {raw for (raw,) in await night.rows("SELECT raw FROM ops.reject")} == {'"abc"'}
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
