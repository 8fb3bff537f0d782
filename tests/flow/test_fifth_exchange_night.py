"""The exchange that the guide invents, night after night: one file, one table of configuration, and all else works.

Its server is written from the guide's page of it (docs/adding-an-exchange.md), not from the declaration.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from etl.config import load
from etl.errors import AccessRefused
from etl.extract.client import open_client
from etl.load.coverage import read_coverage
from etl.query.density import read_density
from etl.sandbox import amounts
from etl.stream import Account, Roster, Source
from etl.sync.plan import Asked, PlannedStream, plan_account
from etl.sync.progress import JsonLines
from etl.sync.run import Outcome, Runner
from etl.warehouse.engine import connect, pool
from tests.flow.night import AT_ONCE
from tests.sources.additions import added
from tests.sources.test_fifth_exchange import block

DAY = timedelta(days=1)
START = date(2026, 1, 1)  # as the guide configures it
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
TODAY = NOON.date()
KEYS = {"KESTREL_API_KEY": "canary-key", "KESTREL_SECRET_KEY": "canary-secret"}
VOLUMES = "/v1/partner/daily-volumes"
LARGEST = "98765432109876543210.12345"


@dataclass(frozen=True, slots=True)
class Volume:
    """What a member traded on a day: the text of both amounts, and whether they are sent as text or as numbers."""

    volume: str
    fee: str | None
    as_text: bool = True

    def spelled(self, amount: str | None) -> str:
        """An amount as JSON."""
        return "null" if amount is None else f'"{amount}"' if self.as_text else amount


@dataclass
class Kestrel:
    """The exchange: eight members trade on every day since the start, whatever the day."""

    now: datetime = NOON
    secret: str = "canary-secret"
    volumes: dict[tuple[str, date], Volume] = field(default_factory=dict)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    url: str = ""

    def trade_until(self, last: date) -> None:
        """Fills the days that have nothing yet."""
        for number in range((last - START).days + 1):
            for member in range(1001, 1009):
                scale = (number + member) % 19
                volume = f"{(number * 7919 + member) * 10**scale}"
                told = amounts.text(Decimal(volume).scaleb(-scale))
                fee = None if member == 1003 else "0.62537500"
                self.volumes.setdefault((f"K-{member}", START + number * DAY), Volume(told, fee, bool(member % 2)))

    async def answer(self, request: web.Request) -> web.Response:
        """A page of the documented answer, or one of the documented errors."""
        query = request.rel_url.raw_query_string
        expected = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        asked, told = request.query, request.headers
        self.asked.append((asked["from"], asked["to"], int(asked["page"])))
        stamp = int(told["X-Time"])
        if (told["X-Signature"], told["X-Key"]) != (expected, "canary-key") or asked["ts"] != told["X-Time"]:
            return self._refused(10, "signature")
        if abs(stamp - self.now.timestamp() * 1000) > 60_000:
            return self._refused(10, "timestamp")
        first, last = date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])
        page, limit = int(asked["page"]), int(asked["limit"])
        if not 1 <= (last - first).days + 1 <= 31 or page < 1 or not 1 <= limit <= 200:
            return self._refused(20, "parameters")
        found = sorted((day, member) for member, day in self.volumes if first <= day <= last)
        rows = ", ".join(self._row(member, day) for day, member in found[(page - 1) * limit : page * limit])
        text = f'{{"ok": true, "now": {stamp}, "data": {{"rows": [{rows}], "total": {len(found)}}}}}'
        return web.Response(text=text, content_type="application/json")

    def _row(self, member: str, day: date) -> str:
        one = self.volumes[member, day]
        amounts_told = f'"volume": {one.spelled(one.volume)}, "fee": {one.spelled(one.fee)}'
        return f'{{"member": {json.dumps(member)}, "day": "{day}", {amounts_told}}}'

    def _refused(self, code: int, message: str) -> web.Response:
        return web.json_response({"ok": False, "now": 0, "code": code, "message": message})

    # What a warehouse must hold

    def rows(self) -> Counter[tuple[Any, ...]]:
        """All there is, digit for digit."""
        return Counter((member, day, one.volume, one.fee) for (member, day), one in self.volumes.items())

    def days(self) -> list[tuple[Any, ...]]:
        """Of each day: the traders, the sums, and whether it had settled by now, a day after its end."""
        found = []
        for day in sorted({day for _, day in self.volumes}):
            own = [one for (_, each), one in self.volumes.items() if each == day]
            volume, fee = (
                amounts.text(amounts.sum_of(Decimal(part) for part in parts if part is not None))
                for parts in ([one.volume for one in own], [one.fee for one in own])
            )
            traders = sum(Decimal(one.volume) > 0 for one in own)
            settled = datetime.combine(day, datetime.min.time(), UTC) + 2 * DAY < self.now
            found.append((day, traders, volume, fee, settled))
        return found


@dataclass
class Affiliate:
    """Who syncs it: the configuration of the guide, and a warehouse."""

    kestrel: Kestrel
    account: Account
    dsn: str

    async def sync(self, asked: Asked | None = None) -> Outcome:
        """A night; forgets what was asked before."""
        self.kestrel.asked.clear()
        clock = self.clock
        async with pool(self.dsn, size=4) as connections, open_client(clock, patience=AT_ONCE) as client:
            runner = Runner(self.dsn, connections, client, JsonLines(), raw_retention_days=90)
            [outcome] = await runner.run([self.account], asked or Asked())
        return outcome

    async def planned(self, asked: Asked | None = None) -> PlannedStream:
        """What `etl plan` says."""
        connection = await connect(self.dsn)
        try:
            [line] = plan_account(
                self.account,
                asked or Asked(),
                roster=Roster(),
                coverage=await read_coverage(connection, self.account.name),
                density=await read_density(connection, self.account.name),
                today=self.account.today(self.clock()),
            )
        finally:
            await connection.close()
        return line

    def clock(self) -> datetime:
        """The server's own."""
        return self.kestrel.now

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query says; those of `bi` are asked as bi_reader."""
        connection = await asyncpg.connect(self.dsn)
        try:
            if "bi." in query:
                await connection.execute("SET ROLE bi_reader")
            return [tuple(record) for record in await connection.fetch(query)]
        finally:
            await connection.close()

    async def assert_equals_the_exchange(self) -> None:
        """The table, the fact and the day have what the server tells, each once, digit for digit."""
        for told in ("warehouse.trade_day WHERE removed_at IS NULL", "bi.fct_trade_days WHERE true"):
            found = await self.rows(
                f"SELECT subject_id, day, volume::text, fee::text FROM {told} "
                "AND (account, source, scope, market) = ('kestrel-main', 'kestrel', 'member', 'all')"
            )
            assert Counter(found) == self.kestrel.rows()
        days = await self.rows(
            "SELECT day, active_traders, volume::text, fees::text, is_final FROM bi.daily_performance ORDER BY day"
        )
        assert days == self.kestrel.days()


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[list[Source]]:
    """All providers, once the guide's file lies among them."""
    folder = tmp_path / "one_file"
    folder.mkdir()
    with added(folder, kestrel=block("python")) as found:
        yield found


@pytest.fixture
async def affiliate(sources: list[Source], tmp_path: Path, warehouse_dsn: str) -> AsyncIterator[Affiliate]:
    """The guide's account before its first night, at a server that runs."""
    async with served(Kestrel()) as kestrel:
        kestrel.trade_until(TODAY)
        kestrel.volumes["K-1001", date(2026, 3, 1)] = Volume("1250.750", "0.62537500")
        kestrel.volumes["K-1002", date(2026, 3, 1)] = Volume(LARGEST, None, as_text=False)
        kestrel.volumes["K-1001", date(2026, 3, 2)] = Volume("0", "0")
        path = tmp_path / "etl.toml"
        here = f'base_url = "{kestrel.url}"\nrate_limit = {{ requests = 1000, period_seconds = 0.001 }}\n'
        path.write_text(block("toml") + here, encoding="utf-8")
        [account] = load(path, sources, KEYS).accounts
        yield Affiliate(kestrel, account, warehouse_dsn)


@asynccontextmanager
async def served(kestrel: Kestrel) -> AsyncIterator[Kestrel]:
    """The exchange, listening on a port of this machine."""
    app = web.Application()
    app.router.add_get(VOLUMES, kestrel.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        kestrel.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield kestrel
    finally:
        await runner.cleanup()


async def coverage(affiliate: Affiliate) -> tuple[tuple[date, date], tuple[date, date]]:
    """The loaded and the final days: the one first day and the one day after the last of each."""
    [(account, stream, partition, loaded, final)] = await affiliate.rows(
        "SELECT account, stream, partition, loaded, final FROM ops.coverage"
    )
    assert (account, stream, partition) == ("kestrel-main", "daily_volumes", "")
    [whole], [settled] = loaded, final
    return (whole.lower, whole.upper), (settled.lower, settled.upper)


async def test_the_first_night_brings_everything_digit_for_digit(affiliate: Affiliate) -> None:
    plan = await affiliate.planned()
    assert (plan.requests, plan.at_least) == (3, True), "73 days are three windows, of who knows how many pages"
    outcome = await affiliate.sync()
    assert (outcome.error, outcome.totals.outcome, outcome.totals.requests) == (None, "done", 5)
    assert sorted(affiliate.kestrel.asked) == [
        ("2026-01-01", "2026-01-11", 1),
        ("2026-01-12", "2026-02-11", 1),
        ("2026-01-12", "2026-02-11", 2),
        ("2026-02-12", "2026-03-14", 1),
        ("2026-02-12", "2026-03-14", 2),
    ]
    await affiliate.assert_equals_the_exchange()
    assert await coverage(affiliate) == ((START, TODAY + DAY), (START, TODAY - DAY))
    large = f"SELECT subject_id FROM bi.fct_trade_days WHERE volume = {LARGEST} AND fee IS NULL"
    assert await affiliate.rows(large) == [("K-1002",)]


async def test_later_nights_ask_for_what_is_not_final_and_the_plan_knows_how_much(affiliate: Affiliate) -> None:
    kestrel = affiliate.kestrel
    await affiliate.sync()
    for later, asked in (
        (timedelta(), [("2026-03-13", "2026-03-14", 1)]),
        (DAY, [("2026-03-13", "2026-03-15", 1)]),
        # 26 days of 8 rows are 208: two pages.
        (24 * DAY, [("2026-03-14", "2026-04-08", 1), ("2026-03-14", "2026-04-08", 2)]),
    ):
        kestrel.now += later
        kestrel.trade_until(kestrel.now.date())
        plan = await affiliate.planned()
        assert (plan.requests, plan.at_least) == (len(asked), False)
        assert (await affiliate.sync()).totals.outcome == "done"
        assert kestrel.asked == asked
        await affiliate.assert_equals_the_exchange()


async def test_corrections_are_taken_over_until_a_day_is_final_and_then_by_force(affiliate: Affiliate) -> None:
    kestrel = affiliate.kestrel
    await affiliate.sync()
    kestrel.volumes["K-1001", TODAY - DAY] = Volume("0.000000000000000001", None)
    del kestrel.volumes["K-1004", TODAY - DAY]
    outcome = await affiliate.sync()
    assert (outcome.totals.rows.new, outcome.totals.rows.changed, outcome.totals.rows.removed) == (0, 1, 1)
    await affiliate.assert_equals_the_exchange()
    assert await affiliate.rows("SELECT FROM bi.restatements") == []

    settled = kestrel.volumes["K-1005", date(2026, 2, 3)]
    kestrel.volumes["K-1005", date(2026, 2, 3)] = Volume("77.70", settled.fee)
    assert (await affiliate.sync()).totals.rows.changed == 0, "a final day is not asked for again"
    past = Asked(command="backfill", first=date(2026, 2, 1), last=date(2026, 2, 28), force=True)
    plan = await affiliate.planned(past)
    await affiliate.sync(past)
    assert kestrel.asked == [("2026-02-01", "2026-02-28", 1), ("2026-02-01", "2026-02-28", 2)]
    assert plan.requests == 2
    await affiliate.assert_equals_the_exchange()
    told = await affiliate.rows(
        "SELECT account, source, table_name, day, invitee_id, column_name, old_value, new_value FROM bi.restatements"
    )
    place = ("kestrel-main", "kestrel", "trade_day", date(2026, 2, 3), "K-1005")
    assert told == [(*place, "volume", settled.volume, "77.70")]


async def test_bi_knows_its_people_its_account_and_how_far_it_is_loaded(affiliate: Affiliate) -> None:
    await affiliate.sync()
    members = {member for member, _ in affiliate.kestrel.volumes}
    assert len(members) == 8
    people = "SELECT invitee_id, origin FROM bi.dim_invitees WHERE source = 'kestrel'"
    assert set(await affiliate.rows(people)) == {(member, "inferred") for member in members}
    freshness = "SELECT account, source, stream, partitions, loaded_through, final_through FROM bi.data_freshness"
    assert await affiliate.rows(freshness) == [("kestrel-main", "kestrel", "daily_volumes", 1, TODAY, TODAY - 2 * DAY)]
    accounts = "SELECT account, source, day_zone, start_date, last_run_outcome FROM bi.dim_accounts"
    assert await affiliate.rows(accounts) == [("kestrel-main", "kestrel", "UTC", START, "done")]
    volume = amounts.text(amounts.sum_of(Decimal(one.volume) for one in affiliate.kestrel.volumes.values()))
    for query in (
        "SELECT sum(volume)::text FROM bi.invitee_performance",
        "SELECT sum(t.volume)::text FROM bi.fct_trade_days t JOIN bi.dim_accounts USING (account) "
        "JOIN bi.dim_dates USING (day) JOIN bi.dim_invitees i ON (i.account, i.invitee_id) = (t.account, t.subject_id)",
    ):
        assert await affiliate.rows(query) == [(volume,)]


async def test_a_wrong_secret_ends_the_account_after_one_request(affiliate: Affiliate) -> None:
    affiliate.kestrel.secret = "another"
    outcome = await affiliate.sync()
    assert isinstance(outcome.error, AccessRefused)
    assert "Kestrel says 10 “signature”" in str(outcome.error)
    assert (len(affiliate.kestrel.asked), outcome.totals.outcome) == (1, "failed")
    assert await affiliate.rows("SELECT FROM bi.fct_trade_days") == []
