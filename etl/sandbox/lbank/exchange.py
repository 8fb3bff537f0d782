"""The simulated LBank as the server sees it: its access control and its endpoints under one roof."""

import json
from collections.abc import Callable
from datetime import datetime

from etl.sandbox.lbank.access import CREDENTIALS, TOO_FREQUENT, AccessControl, Parameters, RefusedError
from etl.sandbox.lbank.protocol import Answer, LBank, failure, success
from etl.sandbox.wire import Received, Reply


class LBankExchange:
    """An `Exchange` whose answers all have the HTTP status 200."""

    def __init__(self, lbank: LBank, access: AccessControl) -> None:
        self.lbank = lbank
        self.access = access

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

    def _answer(self, path: str, admitted: Parameters | RefusedError, now: datetime) -> Answer:
        try:
            if isinstance(admitted, RefusedError):
                raise admitted
            return success(self.lbank.ask(path, admitted), now)
        except RefusedError as refusal:
            return failure(refusal.error_code, now)


def _reply(answer: Answer) -> Reply:
    return Reply(json.dumps(answer.body), answer.error_code, answer.rows)
