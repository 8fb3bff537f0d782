"""Orderly's admin summary of multi-level referrals, answered from a simulated world.

Protocol only: parameters, field names, paging, the envelope and its numbers. What is told comes from the world.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from random import Random
from typing import Final, Literal

from etl.sandbox.broker import Figures
from etl.sandbox.horizon import to_ms
from etl.sandbox.orderly.access import (
    INVALID,
    NOT_AUTHENTICATED,
    REFUSALS,
    TOO_FREQUENT,
    OrderlyAccess,
    OrderlyRefusedError,
)
from etl.sandbox.wire import Received, Reply, cut, json_text
from etl.sandbox.world import World

SUMMARY_PATH: Final = "/v1/referral/multi_level/admin/summary"
DEFAULT_ROWS: Final = 20

Rebates = Literal["both", "direct_bonus", "base", "neither"]

# In the order of `Figures`; total_base_rebate, which replaces the one before it, is not in the document.
FIELDS: Final = (
    "total_direct_invites",
    "total_indirect_invites",
    "total_invites",
    "total_direct_traded",
    "total_indirect_traded",
    "total_direct_volume",
    "total_indirect_volume",
    "total_volume",
    "broker_fee",
    "total_direct_rebate",
    "total_indirect_rebate",
    "total_direct_bonus_rebate",
    "total_base_rebate",
)
SORTED_BY: Final = ("broker_fee", "total_volume", "total_invites")

_LEFT_OUT: Final[Mapping[Rebates, frozenset[str]]] = {
    "both": frozenset(),
    "direct_bonus": frozenset({"total_base_rebate"}),
    "base": frozenset({"total_direct_bonus_rebate"}),
    "neither": frozenset({"total_base_rebate", "total_direct_bonus_rebate"}),
}
_DATE: Final = re.compile(r"[12]\d{3}-\d\d-\d\d", re.ASCII)

Row = dict[str, object]
Grain = Callable[[date, date, datetime, str | None], list[tuple[Row, Figures]]]


class Orderly:
    """The exchange as its document describes it.

    `max_days`: the longest range that is answered. `max_size`: where a larger page size is cut, silently.
    `with_meta`: whether paging is told. `rebates`: which of the two fields that replace one another are sent.
    `empty_fields`: whether the fields of the other grain are sent empty or left out. `unstable_order`: whether
    rows come in another order with each request, which the document does not rule out. `codes_as_text`: whether
    error codes are text. `sort_by` is taken to mean the largest first; without it, dates or account ids ascend.
    """

    def __init__(self, world: World, access: OrderlyAccess) -> None:
        self.world = world
        self.access = access
        self.max_days = 30
        self.max_size = 100
        self.with_meta = True
        self.rebates: Rebates = "both"
        self.empty_fields = False
        self.unstable_order = False
        self.codes_as_text = False
        self.shifted_by = 0
        self._rng = Random(f"{world.seed}/order of rows")
        self._grains: Mapping[str, Grain] = {"date": self._by_date, "account_id": self._by_account}

    def method_of(self, path: str) -> str | None:
        """GET for the one endpoint."""
        return "GET" if path == SUMMARY_PATH else None

    def credential_of(self, received: Received) -> str:
        """The account."""
        return received.headers.get("orderly-account-id", "")

    def parameters_of(self, received: Received) -> dict[str, str]:
        """The query, in which no credential travels."""
        return dict(received.query)

    def receive(self, received: Received) -> Callable[[datetime], Reply]:
        """Judges account, key, timestamp and signature."""
        refusal: OrderlyRefusedError | None = None
        try:
            self.access.check(received)
        except OrderlyRefusedError as found:
            refusal = found
        return lambda now: self._reply(received, refusal, now)

    def too_frequent(self, received: Received, now: datetime) -> Reply:
        """Code -1003 with the HTTP status 429."""
        return self._failure(TOO_FREQUENT)

    def unauthenticated(self, received: Received, now: datetime) -> Reply:
        """Code -1002 with the HTTP status 401."""
        return self._failure(NOT_AUTHENTICATED)

    def complain(self, received: Received, message: str, now: datetime) -> Reply:
        """Code -1005 with the HTTP status 400."""
        return self._failure(INVALID, message)

    def place_of_rows(self, path: str) -> tuple[str, ...]:
        """`data.rows`."""
        return ("data", "rows")

    def _reply(self, received: Received, refusal: OrderlyRefusedError | None, now: datetime) -> Reply:
        try:
            if refusal:
                raise refusal
            rows, meta = self._summary(received.query)
        except OrderlyRefusedError as refused:
            return self._failure(refused.code)
        data: Row = {"rows": rows, "meta": meta} if self.with_meta else {"rows": rows}
        return Reply(json_text({"success": True, "timestamp": to_ms(now), "data": data}), 0, len(rows))

    def _failure(self, code: int, message: str = "") -> Reply:
        status, own = REFUSALS[code]
        shown = str(code) if self.codes_as_text else code
        return Reply(json.dumps({"success": False, "code": shown, "message": message or own}), code, status=status)

    def _summary(self, query: Mapping[str, str]) -> tuple[list[Row], Row]:
        first, last = _day(query, "start_date"), _day(query, "end_date")
        if first > last or (last - first).days >= self.max_days:
            raise OrderlyRefusedError(INVALID)
        page, size = _positive(query, "page", default=1), _positive(query, "size", default=DEFAULT_ROWS)
        size = min(size, self.max_size)
        grain, sort_by = query.get("aggregate_by", ""), query.get("sort_by", "")
        if grain not in self._grains or sort_by not in {"", *SORTED_BY}:
            raise OrderlyRefusedError(INVALID)
        now = self.world.now
        found = self._grains[grain](first, last, now, self._account(query, now))
        if self.unstable_order:
            self._rng.shuffle(found)
        if sort_by:
            column = FIELDS.index(sort_by)
            found.sort(key=lambda row: row[1][column], reverse=True)
        asked = cut(found, (page - 1) * size, size, shifted_by=self.shifted_by)
        rows = [self._row(facts, figures) for facts, figures in asked]
        return rows, {"total": len(found), "records_per_page": size, "current_page": page}

    def _account(self, query: Mapping[str, str], now: datetime) -> str | None:
        """The account that is asked for, by its id or by its wallet; None asks for all."""
        account_id, address = query.get("account_id"), query.get("user_address")
        if account_id and address:
            raise OrderlyRefusedError(INVALID)
        return self.world.orderly.account_of(address, now) if address else account_id or None

    def _by_date(self, first: date, last: date, now: datetime, account_id: str | None) -> list[tuple[Row, Figures]]:
        found = self.world.orderly.by_day(first, last, now=now, account_id=account_id)
        return [({"date": day.isoformat()}, figures) for day, figures in found]

    def _by_account(self, first: date, last: date, now: datetime, account_id: str | None) -> list[tuple[Row, Figures]]:
        found = self.world.orderly.by_account(first, last, now=now, account_id=account_id)
        return [
            ({"account_id": account.account_id, "user_address": account.wallet_address}, figures)
            for account, figures in found
        ]

    def _row(self, facts: Row, figures: Figures) -> Row:
        left_out = _LEFT_OUT[self.rebates]
        numbers = {name: value for name, value in zip(FIELDS, figures, strict=True) if name not in left_out}
        row: Row = {name: facts.get(name, "") for name in ("account_id", "user_address")}
        row |= {**numbers, "date": facts.get("date", "")}
        return row if self.empty_fields else {name: value for name, value in row.items() if value != ""}


def _day(query: Mapping[str, str], name: str) -> date:
    value = query.get(name, "")
    if not _DATE.fullmatch(value):
        raise OrderlyRefusedError(INVALID)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise OrderlyRefusedError(INVALID) from None


def _positive(query: Mapping[str, str], name: str, *, default: int) -> int:
    value = query.get(name) or str(default)
    if not (value.isascii() and value.isdigit()) or len(value) > 9 or int(value) == 0:
        raise OrderlyRefusedError(INVALID)
    return int(value)
