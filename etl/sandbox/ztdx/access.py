"""Who may talk to the simulated ZTDX: a bearer token, or an API key with a signed query. Pure: no sockets."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from etl.sandbox.wire import Received, octets, seconds_between

SIGNATURE_PARAMETERS: Final = frozenset({"timestamp", "signature"})

_BEARER: Final = "Bearer "
_MARK: Final = "&signature="


class NotAuthenticatedError(Exception):
    """HTTP 401; the text says what is wrong."""


class ZtdxAccess:
    """Judges tokens signed with one secret, and requests signed with one key pair.

    `clock` is what a token's end and timestamps are held against; None switches both checks off.
    """

    def __init__(
        self,
        *,
        token_secret: str,
        api_key: str,
        secret_key: str,
        clock: Callable[[], datetime] | None,
        freshness_seconds: float,
    ) -> None:
        self.token_secret = token_secret
        self.api_key = api_key
        self.secret_key = secret_key
        self.clock = clock
        self.freshness_seconds = freshness_seconds

    def check(self, received: Received) -> None:
        """Raises NotAuthenticatedError where neither way of signing is used rightly."""
        authorization = received.headers.get("Authorization", "")
        if authorization:
            self._check_token(authorization)
        elif received.headers.get("X-MBX-APIKEY") == self.api_key:
            self._check_query(received)
        else:
            raise NotAuthenticatedError("missing or unknown credentials")

    def _check_token(self, authorization: str) -> None:
        signed, _, signature = authorization.removeprefix(_BEARER).rpartition(".")
        expected = hmac.digest(self.token_secret.encode(), octets(signed), hashlib.sha256)
        if not authorization.startswith(_BEARER) or _decoded(signature) != expected:
            raise NotAuthenticatedError("invalid token")
        head, claims = (_claims(part) for part in signed.split("."))
        if head.get("alg") != "HS256":
            raise NotAuthenticatedError("invalid token")
        ends = claims.get("exp")
        if not isinstance(ends, int) or (self.clock and self.clock().timestamp() >= ends):
            raise NotAuthenticatedError("token expired")

    def _check_query(self, received: Received) -> None:
        signed, _, signature = received.target.partition("?")[2].partition(_MARK)
        expected = hmac.new(self.secret_key.encode(), octets(signed), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), octets(signature)):
            raise NotAuthenticatedError("invalid signature")
        timestamp = received.query.get("timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 15:
            raise NotAuthenticatedError("invalid timestamp")
        if self.clock and seconds_between(self.clock(), int(timestamp)) > self.freshness_seconds:
            raise NotAuthenticatedError("timestamp out of range")


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""


def _claims(part: str) -> Mapping[str, object]:
    """What a part of a token says; its signature has been found good, so that it is what the sandbox wrote."""
    found: Mapping[str, object] = json.loads(_decoded(part))
    return found
