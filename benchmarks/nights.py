"""An account of a sandbox and a sync of it, as the measures share them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from etl.clock import process_clock
from etl.extract.client import open_client
from etl.sandbox.server import Sandbox
from etl.sources.lbank import LBANK
from etl.sources.lbank.auth import Settings
from etl.stream import Account, Rate
from etl.sync.plan import Asked
from etl.sync.progress import JsonLines
from etl.sync.run import Runner
from etl.warehouse.engine import pool


def account_at(sandbox: Sandbox, rate: Rate, start: date, *, streams: Sequence[str] = ()) -> Account:
    """The sandbox's account with its own limit."""
    return Account(
        name="bench",
        source=LBANK,
        base_url=sandbox.url,
        zone=ZoneInfo("Asia/Shanghai"),
        start_date=start,
        streams=tuple(
            stream for stream in LBANK.streams if (stream.name in streams if streams else stream.on_by_default)
        ),
        settings=Settings(
            api_key=SecretStr(sandbox.api_key),
            secret_key=SecretStr(sandbox.secret_key),
            open_id=sandbox.open_id,
        ),
        rate_limit=rate,
    )


async def synced(dsn: str, account: Account) -> float:
    """Syncs the account; the seconds from the first connection to the last."""
    began = time.monotonic()
    async with pool(dsn, size=8) as connections, open_client(process_clock()) as client:
        [outcome] = await Runner(dsn, connections, client, JsonLines(), raw_retention_days=90).run([account], Asked())
    if outcome.totals.outcome != "done":
        raise RuntimeError(f"the sync ended as {outcome.totals.outcome}: {outcome.totals.message}")
    return time.monotonic() - began
