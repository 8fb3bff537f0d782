"""The simulated LBank as the server sees it: its access control and its endpoints under one roof."""

import json
from collections.abc import Callable
from datetime import datetime

from etl.sandbox.lbank.access import (
    CREDENTIALS,
    INVALID,
    TOO_FREQUENT,
    WRONG_SIGNATURE,
    AccessControl,
    Parameters,
    RefusedError,
)
from etl.sandbox.lbank.protocol import Answer, LBank, failure, success
from etl.sandbox.wire import Received, Reply


class LBankExchange:
    """An `Exchange` whose answers all have the HTTP status 200."""

    def __init__(self, lbank: LBank, access: AccessControl) -> None:
        self.lbank = lbank
        self.access = access

    @property
    def shifted_by(self) -> int:
        """How many rows have come on top since the first page."""
        return self.lbank.shifted_by

    @shifted_by.setter
    def shifted_by(self, rows: int) -> None:
        self.lbank.shifted_by = rows

    def method_of(self, path: str) -> str | None:
        """GET for each of the eight endpoints."""
        return "GET" if path in self.lbank.endpoints else None

    def credential_of(self, received: Received) -> str:
        """The API key."""
        return received.query.get("api_key", "")

    def parameters_of(self, received: Received) -> dict[str, str]:
        """The query without the credentials that travel in it."""
        return {name: value for name, value in received.query.items() if name not in CREDENTIALS}

    def receive(self, received: Received) -> Callable[[datetime], Reply]:
        """Judges signature and echostr; the echostr is spent by this."""
        admitted: Parameters | RefusedError
        try:
            admitted = self.access.admit(received.query, received.headers)
        except RefusedError as refusal:
            admitted = refusal
        return lambda now: _reply(self._answer(received.path, admitted, now))

    def too_frequent(self, received: Received, now: datetime) -> Reply:
        """Error 10004."""
        return _reply(failure(TOO_FREQUENT, now))

    def unauthenticated(self, received: Received, now: datetime) -> Reply:
        """Error 10007, since LBank's credentials do not expire."""
        return _reply(failure(WRONG_SIGNATURE, now))

    def complain(self, received: Received, message: str, now: datetime) -> Reply:
        """Error 10003."""
        return _reply(failure(INVALID, now, message))

    def place_of_rows(self, path: str) -> tuple[str, ...]:
        """`data`, a list or one row."""
        return ("data",)

    def _answer(self, path: str, admitted: Parameters | RefusedError, now: datetime) -> Answer:
        try:
            if isinstance(admitted, RefusedError):
                raise admitted
            return success(self.lbank.ask(path, admitted), now)
        except RefusedError as refusal:
            return failure(refusal.error_code, now)


def _reply(answer: Answer) -> Reply:
    return Reply(json.dumps(answer.body), answer.error_code, answer.rows)
