"""LBank's affiliate API V1.7 (lbank-affiliate.md; FACTS.md, "LBank affiliate")."""

from etl.sources.lbank.auth import Settings, judge, server_time_ms, sign
from etl.sources.lbank.streams import STREAMS, check
from etl.stream import Source

SOURCE = LBANK = Source(
    name="lbank",
    title="LBank",
    base_url="https://affiliate.lbankverify.com",
    day_zone="Asia/Shanghai",
    settings=Settings,
    sign=sign,
    judge=judge,
    streams=STREAMS,
    subject=lambda settings: str(settings.open_id),
    check=check,
    server_time_ms=server_time_ms,
)
