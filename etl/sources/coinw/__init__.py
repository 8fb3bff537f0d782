"""CoinW's affiliate endpoints (coinw-activity.txt, coinw-volume.txt; FACTS.md, "CoinW")."""

from etl.sources.coinw.auth import Settings, judge, sign
from etl.sources.coinw.streams import STREAMS, check
from etl.stream import Source

SOURCE = COINW = Source(
    name="coinw",
    title="CoinW",
    base_url="https://api.coinw.com",
    # Unpublished; UTC+8 is likely (FACTS.md): an account's `day_zone` says otherwise.
    day_zone="Asia/Shanghai",
    settings=Settings,
    sign=sign,
    judge=judge,
    streams=STREAMS,
    check=check,
)
