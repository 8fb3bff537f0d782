"""Who may talk to the simulated Orderly: account, key, freshness of the timestamp, Ed25519 signature.

Follows Orderly's page on API authentication. Pure: no sockets.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from etl.sandbox.wire import Received, octets, seconds_between

WRONG_SIGNATURE: Final = -1001
NOT_AUTHENTICATED: Final = -1002
TOO_FREQUENT: Final = -1003
INVALID: Final = -1005

FRESHNESS_SECONDS: Final = 300.0
KEY_PREFIX: Final = "ed25519:"


class Refusal(NamedTuple):
    """What goes with an error code: the HTTP status and a text."""

    status: int
    message: str


REFUSALS: Final[Mapping[int, Refusal]] = {
    WRONG_SIGNATURE: Refusal(401, "The orderly key or its signature is invalid."),
    NOT_AUTHENTICATED: Refusal(401, "The request is not authorized."),
    TOO_FREQUENT: Refusal(429, "Rate limit exceeded."),
    INVALID: Refusal(400, "A parameter is missing or invalid."),
}


class OrderlyRefusedError(Exception):
    """The exchange answers with an error code instead of data."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {REFUSALS[code].message}")
        self.code = code


def public_key_of(secret_key: str) -> str:
    """The public key, as the header orderly-key has it, that belongs to `ed25519:<base58 of the seed>`."""
    seed = base58.b58decode(secret_key.removeprefix(KEY_PREFIX))[:32]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KEY_PREFIX + base58.b58encode(public).decode()


class OrderlyAccess:
    """Judges the credentials of requests for one account with one key.

    `clock` is what timestamps are held against; None switches their check off.
    """

    def __init__(self, *, account_id: str, secret_key: str, clock: Callable[[], datetime] | None) -> None:
        self.account_id = account_id
        self.public_key = public_key_of(secret_key)
        self.clock = clock

    def check(self, received: Received) -> None:
        """Raises OrderlyRefusedError for what is not signed as the page says."""
        headers = received.headers
        timestamp = headers.get("orderly-timestamp", "")
        known = headers.get("orderly-account-id") == self.account_id and headers.get("orderly-key") == self.public_key
        if not known or not self._is_fresh(timestamp):
            raise OrderlyRefusedError(NOT_AUTHENTICATED)
        message = octets(f"{timestamp}{received.method}{received.target}") + received.body
        key = Ed25519PublicKey.from_public_bytes(base58.b58decode(self.public_key.removeprefix(KEY_PREFIX)))
        try:
            key.verify(_signature(headers.get("orderly-signature", "")), message)
        except (InvalidSignature, binascii.Error, ValueError):
            raise OrderlyRefusedError(WRONG_SIGNATURE) from None

    def _is_fresh(self, timestamp: str) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 15:
            return False
        return self.clock is None or seconds_between(self.clock(), int(timestamp)) <= FRESHNESS_SECONDS


def _signature(sent: str) -> bytes:
    """Padded base64; the page wants the URL-safe alphabet, the official connector sends the standard one."""
    return base64.b64decode(sent.replace("-", "+").replace("_", "/"), validate=True)
