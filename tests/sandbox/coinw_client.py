"""A small client of the simulated CoinW that signs on its own."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import ClientSession

from etl.sandbox import Sandbox
from etl.sandbox.credentials import COINW_API_KEY, COINW_SECRET_KEY
from tests.sandbox.lbank_client import NOON, ms

PREFIX = "/api/v3/patener/openapi/v1/partner/invitation"
ACTIVITY = f"{PREFIX}/user/activity/list"
VOLUME = f"{PREFIX}/user/volume/list"
JSON = "application/json"


@dataclass
class CoinwClient:
    """Signs the very bytes that it sends; `changes` replace headers after signing."""

    session: ClientSession
    sandbox: Sandbox

    async def post(
        self,
        path: str,
        params: Mapping[str, object] | bytes,
        *,
        timestamp: str = str(ms(NOON)),
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        body = params if isinstance(params, bytes) else json.dumps(params).encode()
        digest = hmac.new(COINW_SECRET_KEY.encode(), f"{timestamp}POST{path}".encode() + body, hashlib.sha256).digest()
        headers = {
            "api_key": COINW_API_KEY,
            "timestamp": timestamp,
            "sign": base64.b64encode(digest).decode(),
            "Content-Type": JSON,
        }
        return await self.raw(path, body, {**headers, **changes})

    async def raw(self, path: str, body: bytes, headers: Mapping[str, str], *, status: int = 200) -> dict[str, Any]:
        async with self.session.post(self.sandbox.url + path, data=body, headers=headers) as response:
            assert response.status == status
            answer: dict[str, Any] = await response.json()
            return answer

    async def code(self, path: str, params: Mapping[str, object] | bytes, **settings: Any) -> int:
        """0 for a success, else the code as a number."""
        answer = await self.post(path, params, **settings)
        return 0 if answer["code"] in {0, 200, "200"} else int(answer["code"])

    async def data(self, path: str, **params: object) -> dict[str, Any]:
        answer = await self.post(path, params)
        assert answer["code"] in {0, 200, "200"}, answer
        found: dict[str, Any] = answer["data"]
        return found

    async def all_rows(self, path: str, *, size: int = 1000, page_name: str = "pageNo", **params: object) -> list[Any]:
        rows: list[Any] = []
        while page := (await self.data(path, pageSize=size, **{page_name: len(rows) // size + 1}, **params))["list"]:
            rows += page
            if len(page) < size:
                break
        return rows
