"""${message}

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
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
