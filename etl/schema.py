"""Every table of the warehouse, as one SQLAlchemy metadata (DESIGN section 6).

`raw` holds answers as received, `warehouse` the typed tables, `ops` what the pipeline knows about itself.
The metadata is the source for migrations (which must find nothing to change) and for the loader's statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, DATERANGE, JSONB
from sqlalchemy.types import TypeEngine

SCHEMAS = ("raw", "warehouse", "ops", "bi")

metadata = MetaData(naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s_idx"})


def _columns(kind: type[TypeEngine[Any]], *names: str) -> Iterator[Column[Any]]:
    return (Column(name, kind) for name in names)


def _instant(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _warehouse_table(name: str, *columns: Column[Any], key: tuple[str, ...], settles: bool, comment: str) -> Table:
    """A table of the `warehouse` schema: `account`, the key, the facts, then where each row comes from."""
    for column in columns:
        column.nullable = column.name not in key
    provenance: list[Column[Any]] = [
        Column("source", Text, nullable=False),
        Column("run_id", BigInteger, nullable=False),
        _instant("loaded_at", nullable=False),
        _instant("removed_at"),
    ]
    if settles:
        provenance.append(Column("is_final", Boolean, nullable=False))
    return Table(
        name,
        metadata,
        Column("account", Text, nullable=False),
        *columns,
        *provenance,
        PrimaryKeyConstraint("account", *key),
        schema="warehouse",
        comment=comment,
    )


invitee = _warehouse_table(
    "invitee",
    *_columns(Text, "invitee_id", "referral_code"),
    _instant("registered_at"),
    *_columns(Boolean, "is_direct", "has_deposited", "has_traded", "kyc_verified"),
    Column("level", Integer),
    *_columns(Numeric, "spot_commission_pct", "futures_commission_pct"),
    Column("wallet_address", Text),
    _instant("first_seen_at"),
    _instant("last_seen_at"),
    Column("origin", Text),
    key=("invitee_id",),
    settles=False,
    comment="One row per person an account knows of; origin tells how: list, info, inferred or self",
)

invitee_balance_day = _warehouse_table(
    "invitee_balance_day",
    Column("invitee_id", Text),
    Column("day", Date),
    *_columns(Numeric, "spot_assets", "spot_assets_usdt", "futures_assets", "futures_bonus"),
    key=("invitee_id", "day"),
    settles=True,
    comment="Balances as the member list told them on a day",
)

trade_day = _warehouse_table(
    "trade_day",
    *_columns(Text, "scope", "subject_id", "market"),
    Column("day", Date),
    *_columns(Numeric, "volume", "fee"),
    key=("scope", "subject_id", "market", "day"),
    settles=True,
    comment="Traded volume and fee per day; scope member is one person, scope team a person and everyone below",
)

futures_turnover = _warehouse_table(
    "futures_turnover",
    *_columns(Text, "subject_id", "scope", "symbol"),
    Column("day", Date),
    *_columns(Numeric, "turnover", "fee"),
    key=("subject_id", "scope", "symbol", "day"),
    settles=True,
    comment="Futures turnover of a scope of people per day; symbol '' is all symbols",
)

commission_day = _warehouse_table(
    "commission_day",
    *_columns(Text, "recipient_id", "market", "coin"),
    Column("day", Date),
    *_columns(Numeric, "amount", "amount_usdt"),
    key=("recipient_id", "market", "coin", "day"),
    settles=True,
    comment="Commission a recipient earned per market, coin and trade day",
)

transfer = _warehouse_table(
    "transfer",
    *_columns(Text, "transfer_id", "invitee_id"),
    Column("invitee_level", Integer),
    *_columns(Text, "kind", "direction", "kind_label", "asset"),
    Column("amount", Numeric),
    *_columns(Text, "status", "sub_status"),
    _instant("created_at"),
    _instant("updated_at"),
    Column("order_id", Text),
    key=("transfer_id",),
    settles=False,
    comment="Deposits and withdrawals; transfer_id is made of the fields that never change",
)

activity_period = _warehouse_table(
    "activity_period",
    *_columns(Text, "activity_id", "invitee_id"),
    *_columns(Date, "period_start", "period_end"),
    *_columns(Numeric, "transfer_in", "transfer_out", "net_transfer_in", "volume", "profit", "roi_pct"),
    Column("initial_net_value", Numeric),
    key=("activity_id", "invitee_id", "period_start"),
    settles=True,
    comment="A person's futures activity in an activity's period; period_end is the last day",
)

activity_day = _warehouse_table(
    "activity_day",
    *_columns(Text, "activity_id", "invitee_id"),
    Column("day", Date),
    *_columns(Numeric, "transfer_in", "transfer_out", "volume"),
    key=("activity_id", "invitee_id", "day"),
    settles=True,
    comment="A person's futures activity in an activity per day",
)

_BROKER_COUNTS = (
    *("direct_invites", "indirect_invites", "invites", "direct_traded", "indirect_traded"),
    *("direct_volume", "indirect_volume", "volume", "broker_fee"),
    *("direct_rebate", "indirect_rebate", "direct_bonus_rebate", "base_rebate"),
)

broker_day = _warehouse_table(
    "broker_day",
    Column("day", Date),
    *_columns(Numeric, *_BROKER_COUNTS),
    key=("day",),
    settles=True,
    comment="A broker's totals per UTC day; tells the same activity as broker_account_day, never add the two",
)

broker_account_day = _warehouse_table(
    "broker_account_day",
    Column("invitee_id", Text),
    Column("day", Date),
    Column("wallet_address", Text),
    *_columns(Numeric, *_BROKER_COUNTS),
    key=("invitee_id", "day"),
    settles=True,
    comment="A broker's activity per trading account and UTC day",
)

referral_event = _warehouse_table(
    "referral_event",
    Column("event_id", Uuid),
    *_columns(Text, "action", "target_address", "referral_code"),
    Column("amount", Numeric),
    *_columns(Text, "old_value", "new_value"),
    _instant("occurred_at"),
    key=("event_id",),
    settles=False,
    comment="The log of referral operations: codes made, bound, rebound, unbound, earnings claimed",
)

Index(None, trade_day.c.account, trade_day.c.day)
Index(None, commission_day.c.account, commission_day.c.day)
Index(None, transfer.c.account, transfer.c.created_at)

# ---------------------------------------------------------------------------------------------------- raw, ops

_REQUIRED_TEXT = ("account", "source", "stream", "partition")


def _place(*, source: bool = True) -> Iterator[Column[Any]]:
    names = _REQUIRED_TEXT if source else ("account", "stream", "partition")
    return (Column(name, Text, nullable=False) for name in names)


page = Table(
    "page",
    metadata,
    Column("page_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    *_place(),
    Column("days", DATERANGE, nullable=False),
    Column("reading", Integer, nullable=False),
    Column("page_number", Integer, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("http_status", Integer, nullable=False),
    _instant("began_at", nullable=False),
    _instant("received_at", nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "account", "stream", "began_at"),
    schema="raw",
    comment="Answers byte for byte, with the request that brought them (without credentials)",
)

account = Table(
    "account",
    metadata,
    Column("account", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("subject_id", Text),
    Column("day_zone", Text, nullable=False),
    Column("start_date", Date, nullable=False),
    _instant("updated_at", nullable=False),
    schema="ops",
    comment="The accounts as configured at their last run",
)

run = Table(
    "run",
    metadata,
    Column("run_id", BigInteger, Identity(always=True), primary_key=True),
    *_columns(Text, "account", "source", "command"),
    _instant("started_at", nullable=False),
    _instant("finished_at"),
    Column("outcome", Text, nullable=False),
    Column("message", Text),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in (
            *("requests", "windows", "rows_new", "rows_changed", "rows_removed", "rejects", "failures"),
            "values_restated",
        )
    ),
    Index(None, "account", "run_id"),
    schema="ops",
    comment="One row per account and command; outcome is running, done, incomplete, failed, interrupted or lost",
)

coverage = Table(
    "coverage",
    metadata,
    *_place(source=False),
    Column("horizon_from", Date),
    Column("loaded", DATEMULTIRANGE, nullable=False, server_default=text("'{}'")),
    Column("final", DATEMULTIRANGE, nullable=False, server_default=text("'{}'")),
    Column("cursor", JSONB),
    _instant("updated_at"),
    PrimaryKeyConstraint("account", "stream", "partition"),
    schema="ops",
    comment="The only state: which days of a partition are loaded and which of them are final",
)

request = Table(
    "request",
    metadata,
    Column("request_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    *_place(source=False),
    Column("days", DATERANGE),
    Column("attempt", Integer, nullable=False),
    _instant("sent_at", nullable=False),
    _instant("answered_at"),
    Column("http_status", Integer),
    Column("outcome", Text, nullable=False),
    Column("rows", Integer),
    Index(None, "account", "stream", "partition", "request_id"),
    schema="ops",
    comment="Every request tried, retries included; outcome is ok or what went wrong",
)

reject = Table(
    "reject",
    metadata,
    Column("reject_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    *_place(),
    Column("days", DATERANGE, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("table_name", "column_name", "reason", "raw")),
    _instant("rejected_at", nullable=False),
    Index(None, "account", "stream", "partition"),
    schema="ops",
    comment="Raw rows that could not be read exactly, as of the last reading of their window",
)

issue = Table(
    "issue",
    metadata,
    Column("issue_id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    *_place(source=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False),
    Column("days", DATEMULTIRANGE),
    _instant("first_seen_at", nullable=False),
    _instant("last_seen_at", nullable=False),
    _instant("resolved_at"),
    Index("issue_key", "account", "stream", "partition", "kind", "subject", unique=True),
    schema="ops",
    comment="What a person should know, one row per place, kind and subject; days are those that still fail",
)

restatement = Table(
    "restatement",
    metadata,
    Column("restatement_id", BigInteger, Identity(always=True), primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("account", "source", "table_name")),
    Column("key", JSONB, nullable=False),
    Column("column_name", Text, nullable=False),
    *_columns(Text, "old_value", "new_value"),
    Column("was_final", Boolean, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    _instant("restated_at", nullable=False),
    Index(None, "account", "table_name", "restated_at"),
    schema="ops",
    comment="What changed after it was final",
)
