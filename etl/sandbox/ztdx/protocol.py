"""ZTDX's log of referrals, answered from a simulated world.

Protocol only: parameters, field names, paging and the shapes of failures. What is told comes from the world.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import groupby
from random import Random
from typing import Final

from etl.sandbox.horizon import to_ms
from etl.sandbox.views import ReferralEventSeen
from etl.sandbox.wire import TEXT, Received, Reply, cut
from etl.sandbox.world import World
from etl.sandbox.ztdx.access import SIGNATURE_PARAMETERS, NotAuthenticatedError, ZtdxAccess

LOGS_PATH: Final = "/referral/logs"
DEFAULT_ROWS: Final = 20
MOST_ROWS: Final = 100
BAD_REQUEST: Final = "BAD_REQUEST"

Row = dict[str, object]


class _BadRequestError(Exception):
    """HTTP 400; the text says what is wrong."""


class ZTDX:
    """The exchange as its document describes it.

    `path_prefix` stands before the documented path. `newest_first`: the order of the log, which the document
    does not say; its sample is oldest first. `shuffle_ties`: whether entries of one millisecond come in another
    order with each request. An action that the document does not list has no entries.
    """

    def __init__(self, world: World, access: ZtdxAccess) -> None:
        self.world = world
        self.access = access
        self.path_prefix = ""
        self.newest_first = False
        self.shuffle_ties = False
        self.shifted_by = 0
        self._rng = Random(f"{world.seed}/ties")

    def method_of(self, path: str) -> str | None:
        """GET for the one endpoint, below the prefix."""
        return "GET" if path == self.path_prefix + LOGS_PATH else None

    def credential_of(self, received: Received) -> str:
        """The token or the API key."""
        return received.headers.get("Authorization") or received.headers.get("X-MBX-APIKEY", "")

    def parameters_of(self, received: Received) -> dict[str, str]:
        """The query without what signs it."""
        return {name: value for name, value in received.query.items() if name not in SIGNATURE_PARAMETERS}

    def receive(self, received: Received) -> Callable[[datetime], Reply]:
        """Judges the token, or the key and the signature of the query."""
        refusal: NotAuthenticatedError | None = None
        try:
            self.access.check(received)
        except NotAuthenticatedError as found:
            refusal = found
        return lambda now: self._reply(received, refusal, now)

    def too_frequent(self, received: Received, now: datetime) -> Reply:
        """HTTP 429 with a body of plain text."""
        return Reply("Too Many Requests", 429, status=429, content_type=TEXT)

    def unauthenticated(self, received: Received, now: datetime) -> Reply:
        """HTTP 401, as for a token that has expired."""
        return _refusal("token expired")

    def complain(self, received: Received, message: str, now: datetime) -> Reply:
        """HTTP 400."""
        body: Row = {"error": message, "code": BAD_REQUEST}
        return Reply(json.dumps(body), BAD_REQUEST, status=400)

    def place_of_rows(self, path: str) -> tuple[str, ...]:
        """`logs`; there is no envelope."""
        return ("logs",)

    def _reply(self, received: Received, refusal: NotAuthenticatedError | None, now: datetime) -> Reply:
        if refusal:
            return _refusal(str(refusal))
        try:
            body, rows = self._logs(received.query)
        except _BadRequestError as bad:
            return self.complain(received, str(bad), now)
        return Reply(json.dumps(body), 0, rows)

    def _logs(self, query: Mapping[str, str]) -> tuple[Row, int]:
        page, size = _integer(query, "page", default=1), _integer(query, "page_size", default=DEFAULT_ROWS)
        if page < 1:
            raise _BadRequestError("page must be at least 1")
        size = min(max(size, 1), MOST_ROWS)
        action = query.get("action", "")
        events = [one for one in self._ordered() if action in {"", one.action}]
        rows = [_row(one) for one in cut(events, (page - 1) * size, size, shifted_by=self.shifted_by)]
        return {"logs": rows, "total": len(events), "page": page, "page_size": size}, len(rows)

    def _ordered(self) -> list[ReferralEventSeen]:
        events = self.world.ztdx.seen(self.world.now)
        if self.shuffle_ties:
            ties = [list(tied) for _, tied in groupby(events, key=lambda one: one.occurred_at)]
            for tied in ties:
                self._rng.shuffle(tied)
            events = [one for tied in ties for one in tied]
        return events[::-1] if self.newest_first else events


def _refusal(message: str) -> Reply:
    body: Row = {"error": {"code": "UNAUTHORIZED", "message": message}}
    return Reply(json.dumps(body), 401, status=401)


def _row(event: ReferralEventSeen) -> Row:
    return {
        "id": event.event_id,
        "action": event.action,
        "target_address": event.target_address,
        "referral_code": event.referral_code,
        "amount": event.amount,
        "old_value": event.old_value,
        "new_value": event.new_value,
        "created_at": to_ms(event.occurred_at),
    }


def _integer(query: Mapping[str, str], name: str, *, default: int) -> int:
    value = query.get(name) or str(default)
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise _BadRequestError(f"{name} must be a whole number")
    return int(value)
