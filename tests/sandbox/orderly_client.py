"""A small client of the simulated Orderly that signs on its own and keeps every number as its digits."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import base58
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

from etl.sandbox import Sandbox
from etl.sandbox.credentials import ORDERLY_ACCOUNT_ID, ORDERLY_SECRET_KEY
from tests.sandbox.lbank_client import NOON, ms

SUMMARY = "/v1/referral/multi_level/admin/summary"


@dataclass
class OrderlyClient:
    """Signs the target byte for byte as it sends it; `changes` replace headers after signing."""

    session: ClientSession
    sandbox: Sandbox

    async def get(
        self,
        query: Mapping[str, object] | str,
        *,
        timestamp: str = str(ms(NOON)),
        changes: Mapping[str, str] = MappingProxyType({}),
        signs: str = "",
        status: int | None = None,
    ) -> dict[str, Any]:
        """`signs`: another target to sign than the one that is sent; `status`: the expected one, 200 for a success."""
        target = f"{SUMMARY}?{query if isinstance(query, str) else urlencode(query)}"
        key = Ed25519PrivateKey.from_private_bytes(base58.b58decode(ORDERLY_SECRET_KEY.removeprefix("ed25519:")))
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = key.sign(f"{timestamp}GET{signs or target}".encode())
        headers = {
            "orderly-timestamp": timestamp,
            "orderly-account-id": ORDERLY_ACCOUNT_ID,
            "orderly-key": f"ed25519:{base58.b58encode(public).decode()}",
            "orderly-signature": base64.urlsafe_b64encode(signature).decode(),
        }
        return await self.raw(target, {**headers, **changes}, status=status)

    async def raw(self, target: str, headers: Mapping[str, str], *, status: int | None = None) -> dict[str, Any]:
        url = URL(self.sandbox.url + target, encoded=True)
        async with self.session.get(url, headers=headers) as response:
            answer: dict[str, Any] = json.loads(await response.text(), parse_float=str, parse_int=str)
            assert response.status == (status or (200 if answer["success"] else response.status))
            return answer

    async def data(self, grain: str, first: object, last: object, **params: object) -> dict[str, Any]:
        query = {"start_date": first, "end_date": last, "aggregate_by": grain, "size": 100, **params}
        answer = await self.get(query, status=200)
        found: dict[str, Any] = answer["data"]
        return found

    async def rows(self, grain: str, first: object, last: object, **params: object) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = (await self.data(grain, first, last, **params))["rows"]
        return rows
