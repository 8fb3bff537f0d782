"""A small client of the simulated LBank that signs on its own, and the moment of the tests."""

import base64
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from etl.sandbox import Sandbox, World

PREFIX = "/affiliate-api/v2"
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2025, 3, 10, 12, 0, tzinfo=SHANGHAI)
TODAY = NOON.date()
FOREVER = {"startTime": 0, "endTime": 4_000_000_000_000}
CREDENTIAL_HEADERS = ("timestamp", "signature_method", "echostr")
Params = Mapping[str, str | int]


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def md5_of(parameters: Params) -> bytes:
    joined = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return hashlib.md5(joined.encode()).hexdigest().upper().encode()


@dataclass
class Client:
    """Asks the sandbox; every request has an echostr of its own unless one is given."""

    session: ClientSession
    sandbox: Sandbox
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def get(
        self,
        path: str,
        params: Params,
        *,
        transport: str = "headers",
        private_key: rsa.RSAPrivateKey | None = None,
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        credentials = {
            "timestamp": str(ms(NOON)),
            "signature_method": "RSA" if private_key else "HmacSHA256",
            "echostr": f"{next(self.numbers):035d}",
        } | {name: value for name, value in changes.items() if name in CREDENTIAL_HEADERS}
        api_key = changes.get("api_key", self.sandbox.api_key)
        digest = md5_of({**params, **credentials, "api_key": api_key})
        if private_key:
            signature = private_key.sign(digest, padding.PKCS1v15(), SHA256())
            sign = base64.b64encode(signature).decode()
        else:
            sign = hmac.new(self.sandbox.secret_key.encode(), digest, hashlib.sha256).hexdigest()
        query = {**params, "api_key": api_key, "sign": changes.get("sign", sign)}
        if transport != "headers":
            query |= credentials
        headers = {} if transport == "query" else credentials
        return await self.raw(path, query, headers)

    async def raw(self, path: str, query: Params, headers: Mapping[str, str]) -> dict[str, Any]:
        url = self.sandbox.url + PREFIX + path
        async with self.session.get(url, params=query, headers=headers) as response:
            assert response.status == 200
            answer: dict[str, Any] = await response.json()
            return answer

    async def rows(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        answer = await self.get(path, {**FOREVER, "pageSize": 100, **params})
        assert answer["error_code"] == 0, answer
        data: list[dict[str, Any]] = answer["data"]
        return data

    async def all_rows(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := await self.rows(path, start=len(found), **params):
            found += page
        return found


@asynccontextmanager
async def running(world: World, **settings: Any) -> AsyncIterator[Client]:
    given = {"clock": lambda: NOON, "rate_requests": 0, **settings}
    async with Sandbox(world, **given) as sandbox, ClientSession() as session:
        yield Client(session, sandbox)
