"""Every table of DESIGN section 6, in the schemas raw, warehouse and ops."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for schema in ("raw", "warehouse"):
        op.execute(f"CREATE SCHEMA {schema}")
    op.create_table(
        "account",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("day_zone", sa.Text(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("account_pkey")),
        schema="ops",
        comment="The accounts as configured at their last run",
    )
    op.create_table(
        "coverage",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("horizon_from", sa.Date(), nullable=True),
        sa.Column("loaded", postgresql.DATEMULTIRANGE(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("final", postgresql.DATEMULTIRANGE(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "stream", "partition", name=op.f("coverage_pkey")),
        schema="ops",
        comment="The only state: which days of a partition are loaded and which of them are final",
    )
    op.create_table(
        "issue",
        sa.Column("issue_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("days", postgresql.DATEMULTIRANGE(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("issue_pkey")),
        schema="ops",
        comment="What a person should know, one row per place and kind; days are those that still fail",
    )
    op.create_index(
        "issue_key",
        "issue",
        ["account", "stream", "partition", "kind"],
        unique=True,
        schema="ops",
    )
    op.create_table(
        "reject",
        sa.Column("reject_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("days", postgresql.DATERANGE(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reject_id", name=op.f("reject_pkey")),
        schema="ops",
        comment="Raw rows that could not be read exactly, as of the last reading of their window",
    )
    op.create_index(
        op.f("reject_account_stream_partition_idx"),
        "reject",
        ["account", "stream", "partition"],
        unique=False,
        schema="ops",
    )
    op.create_table(
        "request",
        sa.Column("request_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("days", postgresql.DATERANGE(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("request_pkey")),
        schema="ops",
        comment="Every request tried, retries included; outcome is ok or what went wrong",
    )
    op.create_index(
        op.f("request_account_stream_partition_request_id_idx"),
        "request",
        ["account", "stream", "partition", "request_id"],
        unique=False,
        schema="ops",
    )
    op.create_table(
        "restatement",
        sa.Column("restatement_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("key", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("was_final", sa.Boolean(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("restated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("restatement_id", name=op.f("restatement_pkey")),
        schema="ops",
        comment="What changed after it was final",
    )
    op.create_index(
        op.f("restatement_account_table_name_restated_at_idx"),
        "restatement",
        ["account", "table_name", "restated_at"],
        unique=False,
        schema="ops",
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("command", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("windows", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_new", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_changed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_removed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejects", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("run_pkey")),
        schema="ops",
        comment="One row per account and command; outcome is running, done, incomplete, failed, interrupted or lost",
    )
    op.create_index(op.f("run_account_run_id_idx"), "run", ["account", "run_id"], unique=False, schema="ops")
    op.create_table(
        "page",
        sa.Column("page_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("days", postgresql.DATERANGE(), nullable=False),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.Column("page_number", sa.Integer(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("page_id", name=op.f("page_pkey")),
        schema="raw",
        comment="Answers byte for byte, with the request that brought them (without credentials)",
    )
    op.create_index(
        op.f("page_account_stream_received_at_idx"),
        "page",
        ["account", "stream", "received_at"],
        unique=False,
        schema="raw",
    )
    op.create_table(
        "activity_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("transfer_in", sa.Numeric(), nullable=True),
        sa.Column("transfer_out", sa.Numeric(), nullable=True),
        sa.Column("volume", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "activity_id", "invitee_id", "day", name=op.f("activity_day_pkey")),
        schema="warehouse",
        comment="A person's futures activity in an activity per day",
    )
    op.create_table(
        "activity_period",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=True),
        sa.Column("transfer_in", sa.Numeric(), nullable=True),
        sa.Column("transfer_out", sa.Numeric(), nullable=True),
        sa.Column("net_transfer_in", sa.Numeric(), nullable=True),
        sa.Column("volume", sa.Numeric(), nullable=True),
        sa.Column("profit", sa.Numeric(), nullable=True),
        sa.Column("roi_pct", sa.Numeric(), nullable=True),
        sa.Column("initial_net_value", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account", "activity_id", "invitee_id", "period_start", name=op.f("activity_period_pkey")
        ),
        schema="warehouse",
        comment="A person's futures activity in an activity's period; period_end is the last day",
    )
    op.create_table(
        "broker_account_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("wallet_address", sa.Text(), nullable=True),
        sa.Column("direct_invites", sa.Numeric(), nullable=True),
        sa.Column("indirect_invites", sa.Numeric(), nullable=True),
        sa.Column("invites", sa.Numeric(), nullable=True),
        sa.Column("direct_traded", sa.Numeric(), nullable=True),
        sa.Column("indirect_traded", sa.Numeric(), nullable=True),
        sa.Column("direct_volume", sa.Numeric(), nullable=True),
        sa.Column("indirect_volume", sa.Numeric(), nullable=True),
        sa.Column("volume", sa.Numeric(), nullable=True),
        sa.Column("broker_fee", sa.Numeric(), nullable=True),
        sa.Column("direct_rebate", sa.Numeric(), nullable=True),
        sa.Column("indirect_rebate", sa.Numeric(), nullable=True),
        sa.Column("direct_bonus_rebate", sa.Numeric(), nullable=True),
        sa.Column("base_rebate", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "invitee_id", "day", name=op.f("broker_account_day_pkey")),
        schema="warehouse",
        comment="A broker's activity per trading account and UTC day",
    )
    op.create_table(
        "broker_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("direct_invites", sa.Numeric(), nullable=True),
        sa.Column("indirect_invites", sa.Numeric(), nullable=True),
        sa.Column("invites", sa.Numeric(), nullable=True),
        sa.Column("direct_traded", sa.Numeric(), nullable=True),
        sa.Column("indirect_traded", sa.Numeric(), nullable=True),
        sa.Column("direct_volume", sa.Numeric(), nullable=True),
        sa.Column("indirect_volume", sa.Numeric(), nullable=True),
        sa.Column("volume", sa.Numeric(), nullable=True),
        sa.Column("broker_fee", sa.Numeric(), nullable=True),
        sa.Column("direct_rebate", sa.Numeric(), nullable=True),
        sa.Column("indirect_rebate", sa.Numeric(), nullable=True),
        sa.Column("direct_bonus_rebate", sa.Numeric(), nullable=True),
        sa.Column("base_rebate", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", name=op.f("broker_day_pkey")),
        schema="warehouse",
        comment="A broker's totals per UTC day; tells the same activity as broker_account_day, never add the two",
    )
    op.create_table(
        "commission_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.Text(), nullable=False),
        sa.Column("market", sa.Text(), nullable=False),
        sa.Column("coin", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("amount_usdt", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "recipient_id", "market", "coin", "day", name=op.f("commission_day_pkey")),
        schema="warehouse",
        comment="Commission a recipient earned per market, coin and trade day",
    )
    op.create_index(
        op.f("commission_day_account_day_idx"),
        "commission_day",
        ["account", "day"],
        unique=False,
        schema="warehouse",
    )
    op.create_table(
        "futures_turnover",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("turnover", sa.Numeric(), nullable=True),
        sa.Column("fee", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "subject_id", "scope", "symbol", "day", name=op.f("futures_turnover_pkey")),
        schema="warehouse",
        comment="Futures turnover of a scope of people per day; symbol '' is all symbols",
    )
    op.create_table(
        "invitee",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=False),
        sa.Column("referral_code", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_direct", sa.Boolean(), nullable=True),
        sa.Column("has_deposited", sa.Boolean(), nullable=True),
        sa.Column("has_traded", sa.Boolean(), nullable=True),
        sa.Column("kyc_verified", sa.Boolean(), nullable=True),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("spot_commission_pct", sa.Numeric(), nullable=True),
        sa.Column("futures_commission_pct", sa.Numeric(), nullable=True),
        sa.Column("wallet_address", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "invitee_id", name=op.f("invitee_pkey")),
        schema="warehouse",
        comment="One row per person an account knows of; origin tells how: list, info, inferred or self",
    )
    op.create_table(
        "invitee_balance_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("spot_assets", sa.Numeric(), nullable=True),
        sa.Column("spot_assets_usdt", sa.Numeric(), nullable=True),
        sa.Column("futures_assets", sa.Numeric(), nullable=True),
        sa.Column("futures_bonus", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "invitee_id", "day", name=op.f("invitee_balance_day_pkey")),
        schema="warehouse",
        comment="Balances as the member list told them on a day",
    )
    op.create_table(
        "referral_event",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("target_address", sa.Text(), nullable=True),
        sa.Column("referral_code", sa.Text(), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "event_id", name=op.f("referral_event_pkey")),
        schema="warehouse",
        comment="The log of referral operations: codes made, bound, rebound, unbound, earnings claimed",
    )
    op.create_table(
        "trade_day",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("market", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("volume", sa.Numeric(), nullable=True),
        sa.Column("fee", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "scope", "subject_id", "market", "day", name=op.f("trade_day_pkey")),
        schema="warehouse",
        comment="Traded volume and fee per day; scope member is one person, scope team a person and everyone below",
    )
    op.create_index(
        op.f("trade_day_account_day_idx"), "trade_day", ["account", "day"], unique=False, schema="warehouse"
    )
    op.create_table(
        "transfer",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.Text(), nullable=False),
        sa.Column("invitee_id", sa.Text(), nullable=True),
        sa.Column("invitee_level", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("kind_label", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("sub_status", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "transfer_id", name=op.f("transfer_pkey")),
        schema="warehouse",
        comment="Deposits and withdrawals; transfer_id is made of the fields that never change",
    )
    op.create_index(
        op.f("transfer_account_created_at_idx"),
        "transfer",
        ["account", "created_at"],
        unique=False,
        schema="warehouse",
    )


def downgrade() -> None:
    op.drop_index(op.f("transfer_account_created_at_idx"), table_name="transfer", schema="warehouse")
    op.drop_table("transfer", schema="warehouse")
    op.drop_index(op.f("trade_day_account_day_idx"), table_name="trade_day", schema="warehouse")
    op.drop_table("trade_day", schema="warehouse")
    op.drop_table("referral_event", schema="warehouse")
    op.drop_table("invitee_balance_day", schema="warehouse")
    op.drop_table("invitee", schema="warehouse")
    op.drop_table("futures_turnover", schema="warehouse")
    op.drop_index(op.f("commission_day_account_day_idx"), table_name="commission_day", schema="warehouse")
    op.drop_table("commission_day", schema="warehouse")
    op.drop_table("broker_day", schema="warehouse")
    op.drop_table("broker_account_day", schema="warehouse")
    op.drop_table("activity_period", schema="warehouse")
    op.drop_table("activity_day", schema="warehouse")
    op.drop_index(op.f("page_account_stream_received_at_idx"), table_name="page", schema="raw")
    op.drop_table("page", schema="raw")
    op.drop_index(op.f("run_account_run_id_idx"), table_name="run", schema="ops")
    op.drop_table("run", schema="ops")
    op.drop_index(op.f("restatement_account_table_name_restated_at_idx"), table_name="restatement", schema="ops")
    op.drop_table("restatement", schema="ops")
    op.drop_index(op.f("request_account_stream_partition_request_id_idx"), table_name="request", schema="ops")
    op.drop_table("request", schema="ops")
    op.drop_index(op.f("reject_account_stream_partition_idx"), table_name="reject", schema="ops")
    op.drop_table("reject", schema="ops")
    op.drop_index("issue_key", table_name="issue", schema="ops")
    op.drop_table("issue", schema="ops")
    op.drop_table("coverage", schema="ops")
    op.drop_table("account", schema="ops")
    for schema in ("warehouse", "raw"):
        op.execute(f"DROP SCHEMA {schema}")
