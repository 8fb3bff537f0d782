"""What issues are about, restated values per run, and pages by the reading they belong to.

Before this lands:
- it was run up, down and up again on a copy with rows in it (tests/database does so on an empty one);
- it takes no lock that a running sync would wait for longer than lock_timeout;
- a `bi` view that reads a column which it drops or retypes is dropped first (`etl migrate` makes it anew);
- a column that becomes NOT NULL was filled before, in an own revision;
- `etl migrate` of the version before this one still finds what it needs while both run.
It is never edited once landed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BEFORE = "What a person should know, one row per place and kind; days are those that still fail"
_AFTER = "What a person should know, one row per place, kind and subject; days are those that still fail"
_PLACE_AND_KIND = ["account", "stream", "partition", "kind"]


def upgrade() -> None:
    op.add_column("issue", sa.Column("subject", sa.Text(), server_default="", nullable=False), schema="ops")
    op.drop_index("issue_key", table_name="issue", schema="ops")
    op.create_index("issue_key", "issue", [*_PLACE_AND_KIND, "subject"], unique=True, schema="ops")
    op.create_table_comment("issue", _AFTER, existing_comment=_BEFORE, schema="ops")
    op.add_column(
        "run", sa.Column("values_restated", sa.BigInteger(), server_default=sa.text("0"), nullable=False), schema="ops"
    )
    # A reading is pruned as a whole and replayed in the order of its beginning.
    op.drop_index(op.f("page_account_stream_received_at_idx"), table_name="page", schema="raw")
    op.create_index(op.f("page_account_stream_began_at_idx"), "page", ["account", "stream", "began_at"], schema="raw")


def downgrade() -> None:
    op.drop_index(op.f("page_account_stream_began_at_idx"), table_name="page", schema="raw")
    op.create_index(
        op.f("page_account_stream_received_at_idx"), "page", ["account", "stream", "received_at"], schema="raw"
    )
    op.drop_column("run", "values_restated", schema="ops")
    op.execute("DELETE FROM ops.issue WHERE subject <> ''")
    op.drop_index("issue_key", table_name="issue", schema="ops")
    op.create_index("issue_key", "issue", _PLACE_AND_KIND, unique=True, schema="ops")
    op.create_table_comment("issue", _BEFORE, existing_comment=_AFTER, schema="ops")
    op.drop_column("issue", "subject", schema="ops")
