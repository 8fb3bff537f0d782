"""Orderly Network's multi-level admin summary (orderly-summary.txt; FACTS.md, "Orderly")."""

from etl.sources.orderly.auth import Settings, judge, server_time_ms, sign
from etl.sources.orderly.streams import STREAMS, check
from etl.stream import Source

SOURCE = ORDERLY = Source(
    name="orderly",
    title="Orderly",
    base_url="https://api.orderly.org",
    day_zone="UTC",
    settings=Settings,
    sign=sign,
    judge=judge,
    streams=STREAMS,
    subject=lambda settings: str(settings.account_id),
    check=check,
    server_time_ms=server_time_ms,
)
