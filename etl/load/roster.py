"""The people an account knows of, as fan-outs need them; and the account itself."""

from __future__ import annotations

from etl.load.upsert import Connection, Stamp
from etl.stream import Account, Member


async def read_members(connection: Connection, account: str) -> dict[str, Member]:
    """Everyone who has not been removed, by invitee id."""
    records = await connection.fetch(
        """
        SELECT invitee_id, origin, level, has_traded, registered_at FROM warehouse.invitee
        WHERE account = $1 AND removed_at IS NULL
        """,
        account,
    )
    return {record["invitee_id"]: Member(**record) for record in records}


async def introduce(connection: Connection, account: Account, stamp: Stamp) -> None:
    """Writes down how the account is configured, and gives the affiliate itself a row among the invitees."""
    await connection.execute(
        """
        INSERT INTO ops.account AS a (account, source, subject_id, day_zone, start_date, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account) DO UPDATE SET source = excluded.source, subject_id = excluded.subject_id,
            day_zone = excluded.day_zone, start_date = excluded.start_date, updated_at = excluded.updated_at
        WHERE (a.source, a.subject_id, a.day_zone, a.start_date)
            IS DISTINCT FROM (excluded.source, excluded.subject_id, excluded.day_zone, excluded.start_date)
        """,
        *(account.name, account.source.name, account.subject_id, account.zone.key, account.start_date),
        stamp.loaded_at,
    )
    if account.subject_id is not None:
        await connection.execute(
            """
            INSERT INTO warehouse.invitee
                (account, invitee_id, source, run_id, loaded_at, first_seen_at, last_seen_at, origin)
            VALUES ($1, $2, $3, $4, $5, $5, $5, 'self') ON CONFLICT DO NOTHING
            """,
            *(account.name, account.subject_id, stamp.source, stamp.run_id, stamp.loaded_at),
        )
