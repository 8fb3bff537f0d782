"""ZTDX's referral log (ztdx-referral-logs.txt; FACTS.md, "ZTDX")."""

from etl.sources.ztdx.auth import Settings, expires_at, judge, sign
from etl.sources.ztdx.streams import STREAMS, check
from etl.stream import Source

SOURCE = ZTDX = Source(
    name="ztdx",
    title="ZTDX",
    base_url="https://api.ztdx.io",
    day_zone="UTC",
    settings=Settings,
    sign=sign,
    judge=judge,
    streams=STREAMS,
    expires_at=expires_at,
    check=check,
)
