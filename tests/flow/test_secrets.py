"""No secret gets out: not by an exchange that quotes what it was sent, nor by an error, a table or the process list."""

import asyncio
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from etl.sandbox import credentials
from tests.flow.leaking import KINDS, command_lines, everything_in, found_in, leak
from tests.flow.night import EVENING, Night, exchange, small_world
from tests.flow.processes import Ended, configured, ended, run
from tests.flow.truth import assert_equals_world

SOURCES = ("lbank", "coinw", "orderly", "ztdx")
WHERE_A_QUOTATION_GOES = (
    *("raw.page.body", "ops.reject.raw", "ops.request.outcome", "ops.issue.message"),
    *("warehouse.trade_day.subject_id", "warehouse.broker_account_day.wallet_address"),
    "warehouse.referral_event.target_address",
)
HEADERS, QUERY = "signed in headers", "signed in the query"


def canary(name: str) -> str:
    """A secret that stands nowhere by chance, with signs that are spelled in several ways."""
    return f'{name}/{secrets.token_hex(8)}+=&"%{secrets.token_hex(4)}'


def rsa_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


@dataclass
class Canaries:
    """Secrets that only this test knows, by exchange, and the sandbox that accepts them. Signed in the query, LBank's
    request carries an RSA signature and ZTDX's an API key in the place of the token."""

    way: str
    key: rsa.RSAPrivateKey
    dsn_password: str = field(default_factory=lambda: canary("dsn"))
    sent: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sandbox = exchange(
            small_world(members=5, days=3),
            api_key=canary("lbank-key"),
            secret_key=canary("lbank-secret"),
            rsa_public_key=self.key.public_key(),
        )
        self.sandbox.coinw.access.api_key, self.sandbox.coinw.access.secret_key = canary("coinw-key"), canary("coinw")
        self.sandbox.ztdx.access.api_key, self.sandbox.ztdx.access.secret_key = canary("ztdx-key"), canary("ztdx")
        self.token = self.sandbox.ztdx_token()

    @property
    def by_source(self) -> dict[str, list[str]]:
        """What etl.toml holds of each account."""
        coinw, ztdx = self.sandbox.coinw.access, self.sandbox.ztdx.access
        lbank = self.sandbox.secret_key if self.way == HEADERS else rsa_pem(self.key)
        return {
            "lbank": [self.sandbox.api_key, lbank],
            "coinw": [coinw.api_key, coinw.secret_key],
            "orderly": [credentials.ORDERLY_SECRET_KEY, credentials.ORDERLY_SECRET_KEY.removeprefix("ed25519:")],
            "ztdx": [self.token] if self.way == HEADERS else [ztdx.api_key, ztdx.secret_key],
        }

    @property
    def all(self) -> set[str]:
        """Every secret, with what only the requests so far have carried."""
        return {self.dsn_password, *self.sent, *(secret for each in self.by_source.values() for secret in each)}

    def dsn(self, dsn: str) -> str:
        """The DSN with a password, which the server asks nobody for."""
        parts = urlsplit(dsn)
        return urlunsplit(parts._replace(netloc=f"postgres:{quote(self.dsn_password, safe='')}@"))

    def configuration(self, folder: Path, night: Night) -> Path:
        """etl.toml with all of them in plain."""
        path = configured(folder, night, sources=SOURCES)
        if self.way == QUERY:
            (folder / "key.pem").touch(mode=0o600)
            (folder / "key.pem").write_text(rsa_pem(self.key))
            self._sign_in_the_query(path)
        return path

    def _sign_in_the_query(self, path: Path) -> None:
        access = self.sandbox.ztdx.access
        replacements = {
            f"secret_key = {_toml(self.sandbox.secret_key)}": 'private_key_file = "key.pem"\nsignature_method = "RSA"\n'
            'signature_transport = "query"',
            f"token = {_toml(self.sandbox.ztdx_token())}": f"api_key = {_toml(access.api_key)}\n"
            f"secret_key = {_toml(access.secret_key)}",
        }
        text = path.read_text()
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def assert_silent(told: str, hidden: Iterable[str], where: str) -> None:
    assert found_in(told, hidden) == [], where


@pytest.mark.parametrize("way", [HEADERS, QUERY])
async def test_exchanges_that_quote_whole_requests_make_no_secret_known(
    warehouse_dsn: str, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, way: str
) -> None:
    canaries = Canaries(way, rsa_key)
    shown: list[str] = []
    said: dict[str, Ended] = {}
    kept: dict[str, str] = {}
    async with canaries.sandbox as sandbox:
        night = Night(sandbox, canaries.dsn(warehouse_dsn))
        config = canaries.configuration(tmp_path, night)
        today: date = sandbox.world.horizon.day_of(sandbox.world.now)
        midnight = sandbox.world.horizon.midnight(today)

        def look(_: web.Request) -> None:
            if not shown:
                shown.append(command_lines())

        for kind in KINDS if way == HEADERS else ("error", "success", "refused"):
            quoting = leak(kind, canaries.by_source, day=today, midnight=midnight, sent=canaries.sent)
            sandbox.faults[:] = [look, quoting]
            said[kind] = await run(config, "check" if kind == "refused" else "sync")
            for column, text in (await everything_in(warehouse_dsn)).items():
                kept[column] = kept.get(column, "") + text
            assert quoting.done == Counter(dict.fromkeys(SOURCES, 1)), kind
            assert said[kind].code == (0 if kind in ("reset", "bad gateway", "no JSON") else 1), said[kind]
        sandbox.faults[:] = [look]
        for command in (["status"], ["status", "--json"], ["plan"], ["check"]):
            said[" ".join(command)] = await run(config, *command)
        await assert_heals(night, config)

    for what, process in said.items():
        assert_silent(process.out + process.err, canaries.all, what)
    for column, text in kept.items():
        assert_silent(text, canaries.all, column)
    assert "-m etl sync" in shown[0]
    assert_silent(shown[0], canaries.all, "the list of processes")
    assert_quoted(said, kept)


def assert_quoted(said: dict[str, Ended], kept: dict[str, str]) -> None:
    """What the exchanges quoted did arrive everywhere, with the secrets struck out."""
    assert said["error"].err.count("***") >= len(SOURCES)
    assert said["refused"].out.count("***") >= len(SOURCES)
    for column in WHERE_A_QUOTATION_GOES:
        assert "***" in kept[column], column


async def assert_heals(night: Night, config: Path) -> None:
    """The next night replaces what the exchanges made up."""
    night.sandbox.faults.clear()
    healed = await run(config, "sync", "--accept-removals")
    assert healed.code == 0, healed.err
    for source in SOURCES:
        await assert_equals_world(replace(night, source=source))


# ------------------------------------------------------------------------------------------------ programming errors


BROKEN = {
    "the signature": "import etl.sources.lbank.auth as at; at.digest = lambda params: params[None]",
    "the answer": "import etl.extract.client as at; at.judged = lambda answer, source: answer.body[None]",
    "the warehouse": "import etl.load.window as at; at.store_pages = lambda *a: 1 / 0",
    "the DSN": "import etl.warehouse.engine as at; at.asyncpg.create_pool = lambda dsn, **k: {}[1]",
}


@pytest.mark.parametrize("where", BROKEN)
async def test_a_programming_error_shows_its_traceback_and_no_secret(
    warehouse_dsn: str, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, where: str
) -> None:
    canaries = Canaries(HEADERS, rsa_key)
    async with canaries.sandbox as sandbox:
        config = canaries.configuration(tmp_path, Night(sandbox, canaries.dsn(warehouse_dsn)))
        code = f"{BROKEN[where]}\nfrom etl.__main__ import main\nmain()"
        stopped = await started(config, code)
        assert stopped.code == 1
        assert "Traceback (most recent call last)" in stopped.err
        assert_silent(stopped.out + stopped.err, canaries.all, where)


async def started(config: Path, code: str) -> Ended:
    """`etl sync` after some Python code, with everything that makes Python more talkative."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-c", code, "sync"),
        env={**os.environ, "ETL_CONFIG": str(config), "ETL_NOW": EVENING.isoformat(), "PYTHONASYNCIODEBUG": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await ended(process)


# ------------------------------------------------------------------------------------------------ readable files


@pytest.mark.parametrize("command", ["status", "plan", "check", "sync", "migrate"])
async def test_a_configuration_that_others_may_read_is_warned_of_once_by_every_command(
    warehouse_dsn: str, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, command: str
) -> None:
    canaries = Canaries(HEADERS, rsa_key)
    async with canaries.sandbox as sandbox:
        config = canaries.configuration(tmp_path, Night(sandbox, canaries.dsn(warehouse_dsn)))
        config.chmod(0o644)
        told = await run(config, command)
        assert told.code == 0, told.err
        [warning] = [line for line in map(json.loads, told.err.splitlines()) if line["level"] == "warning"]
        assert f"(mode 0644): chmod 600 {config}" in warning["event"]
        assert_silent(told.err, canaries.all, command)
