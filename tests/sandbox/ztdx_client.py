"""A small client of the simulated ZTDX, with a bearer token or with a signed query."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession
from yarl import URL

from etl.sandbox import Sandbox
from etl.sandbox.credentials import ZTDX_API_KEY, ZTDX_SECRET_KEY
from etl.sandbox.views import ReferralEventSeen
from tests.sandbox.lbank_client import NOON, ms

LOGS = "/referral/logs"


def as_row(event: ReferralEventSeen) -> dict[str, object]:
    """The row of the document that tells of an event."""
    return {
        "id": event.event_id,
        "action": event.action,
        "target_address": event.target_address,
        "referral_code": event.referral_code,
        "amount": event.amount,
        "old_value": event.old_value,
        "new_value": event.new_value,
        "created_at": ms(event.occurred_at),
    }


@dataclass
class ZtdxClient:
    session: ClientSession
    sandbox: Sandbox
    path: str = LOGS

    async def text(self, query: Mapping[str, object] | str, headers: Mapping[str, str]) -> tuple[int, str, str]:
        """Status, content type and body."""
        shown = query if isinstance(query, str) else urlencode(query)
        url = URL(f"{self.sandbox.url}{self.path}?{shown}", encoded=True)
        async with self.session.get(url, headers=headers) as response:
            return response.status, response.content_type, await response.text()

    async def get(self, query: Mapping[str, object], *, status: int = 200, token: str | None = None) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {token or self.sandbox.ztdx_token()}"}
        found, kind, text = await self.text(query, bearer)
        assert (found, kind) == (status, "application/json"), text
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def signed(self, query: str, *, timestamp: int = ms(NOON), signature: str | None = None) -> int:
        """The status of a request with a signed query."""
        signed = f"{query}&timestamp={timestamp}"
        sign = signature or hmac.new(ZTDX_SECRET_KEY.encode(), signed.encode(), hashlib.sha256).hexdigest()
        return (await self.text(f"{signed}&signature={sign}", {"X-MBX-APIKEY": ZTDX_API_KEY}))[0]

    async def logs(self, **query: object) -> list[dict[str, Any]]:
        logs: list[dict[str, Any]] = (await self.get(query))["logs"]
        return logs

    async def all_logs(self, *, size: int = 100, **query: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page = 1
        while rows := await self.logs(page=page, page_size=size, **query):
            found += rows
            page += 1
        return found
