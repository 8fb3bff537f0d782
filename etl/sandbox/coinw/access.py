"""Who may talk to the simulated CoinW: API key, freshness of the timestamp, signature over the raw body.

Follows CoinW's page on authentication, to which the affiliate documents refer. Pure: no sockets.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from etl.sandbox.wire import Received, octets, seconds_between

INVALID: Final = 1
MISSING: Final = 402
NOT_AUTHENTICATED: Final = 6000
WRONG_SIGNATURE: Final = 6001
NO_PERMISSION: Final = 6003
TOO_FREQUENT: Final = 29001

MESSAGES: Final[Mapping[int, str]] = {
    INVALID: "invalid parameter",
    MISSING: "missing parameter",
    NOT_AUTHENTICATED: "authentication failed",
    WRONG_SIGNATURE: "signature verification failed",
    NO_PERMISSION: "no permission",
    TOO_FREQUENT: "too many requests",
}


class CoinwRefusedError(Exception):
    """The exchange answers with an error code instead of data."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {MESSAGES[code]}")
        self.code = code


class CoinwAccess:
    """Judges the credentials of requests for one key pair; `permitted` False is a key without "Affiliate".

    `clock` is what timestamps are held against; None switches their check off.
    """

    def __init__(
        self, *, api_key: str, secret_key: str, clock: Callable[[], datetime] | None, freshness_seconds: float
    ) -> None:
        self.api_key = api_key
        self.secret_key = secret_key
        self.clock = clock
        self.freshness_seconds = freshness_seconds
        self.permitted = True

    def check(self, received: Received) -> None:
        """Raises CoinwRefusedError for what is not signed as the page says; which code is chosen here."""
        headers = received.headers
        timestamp = headers.get("timestamp", "")
        if headers.get("api_key") != self.api_key or not self._is_fresh(timestamp):
            raise CoinwRefusedError(NOT_AUTHENTICATED)
        # "Omitting it may cause signature verification to fail": an empty body does, even where it is signed.
        sign = octets(headers.get("sign", ""))
        if not received.body or not hmac.compare_digest(self._signature(timestamp, received), sign):
            raise CoinwRefusedError(WRONG_SIGNATURE)
        if not self.permitted:
            raise CoinwRefusedError(NO_PERMISSION)

    def _is_fresh(self, timestamp: str) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 15:
            return False
        return self.clock is None or seconds_between(self.clock(), int(timestamp)) <= self.freshness_seconds

    def _signature(self, timestamp: str, received: Received) -> bytes:
        signed = f"{timestamp}{received.method}{received.path}".encode() + received.body
        return base64.b64encode(hmac.digest(self.secret_key.encode(), signed, hashlib.sha256))
