"""Accounts, streams and answers that the unit tests share; made up, in the shapes of lbank-affiliate.md."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from etl.extract.client import Paid
from etl.extract.request import Answer
from etl.sources.lbank import LBANK
from etl.stream import Account, Draft, Rate, Stream

API_KEY = "11112222-aaaa-bbbb-cccc-333344445555"
SECRET_KEY = "0123456789ABCDEF0123456789ABCDEF"
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2024, 8, 28, 4, tzinfo=UTC)
"""12:00 of 2024-08-28 in UTC+8."""


def enveloped(data: str) -> bytes:
    """The body of a successful answer with the JSON text `data` ("Response Examples")."""
    return f'{{"result": "true", "error_code": 0, "data": {data}, "ts": 1721305060631}}'.encode()


def lbank_account(*, name: str = "lbank-main", base_url: str = "http://127.0.0.1:9", **changes: Any) -> Account:
    """An account of the affiliate LBA0000001 that started on 2024-08-01."""
    settings = LBANK.settings.model_validate(
        {"api_key": API_KEY, "secret_key": SECRET_KEY, "open_id": "LBA0000001", **changes.pop("settings", {})}
    )
    return Account(
        name=name,
        source=changes.pop("source", LBANK),
        base_url=base_url,
        zone=SHANGHAI,
        start_date=changes.pop("start_date", date(2024, 8, 1)),
        streams=changes.pop("streams", LBANK.streams),
        settings=settings,
        **changes,
    )


def quick(stream: Stream) -> Stream:
    """The stream without a limit worth waiting for."""
    return replace(stream, rate=Rate(100, 0.001))


def paid(draft: Draft, payload: Any, *, sent_at: datetime = NOON) -> Paid:
    """A good answer to `draft`."""
    return Paid(draft, Answer(200, b"{}"), payload, sent_at, sent_at)


def members(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of the member lists, cut down to what paging looks at."""
    return [{"id": number, "openId": f"LBA{number:07}"} for number in ids]
