"""Who may talk to the simulated LBank: signature, freshness of the timestamp, echostr, replays, parameters.

Follows LBank's page on signature authentication, to which the affiliate document refers. Pure: no sockets.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from etl.sandbox.horizon import to_ms

MISSING: Final = 10001
VALIDATION_FAILED: Final = 10002
INVALID: Final = 10003
TOO_FREQUENT: Final = 10004
WRONG_SIGNATURE: Final = 10007
NO_PERMISSION: Final = 10022
BAD_ECHOSTR: Final = 10031
REPLAYED: Final = 10600
PAGE_TOO_LARGE: Final = 20026

MESSAGES: Final = {
    MISSING: "Parameter can not be null",
    VALIDATION_FAILED: "Validation failed",
    INVALID: "Invalid parameter",
    TOO_FREQUENT: "Request too frequent",
    WRONG_SIGNATURE: "Invalid signature",
    NO_PERMISSION: "No permission for this api key or IP",
    BAD_ECHOSTR: "echostr must be 30 to 40 letters and digits",
    REPLAYED: "Repeated request",
    PAGE_TOO_LARGE: "Invalid parameter",
}

# These three travel as headers, in the query, or in both; they are signed the same way in each case.
CREDENTIAL_HEADERS: Final = ("timestamp", "signature_method", "echostr")
CREDENTIALS: Final = frozenset({"api_key", "sign", *CREDENTIAL_HEADERS})

_ECHOSTR: Final = re.compile(r"[A-Za-z0-9]{30,40}", re.ASCII)
_LATEST_MS: Final = 253_402_214_400_000  # 9999-12-31, the last day that datetime can name
_REMEMBERED_ECHOSTRS: Final = 200_000


class RefusedError(Exception):
    """The exchange answers with an error code instead of data."""

    def __init__(self, error_code: int) -> None:
        super().__init__(f"{error_code} {MESSAGES[error_code]}")
        self.error_code = error_code


class Parameters:
    """The parameters of one request; each reader raises RefusedError for what is missing or unreadable."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        """The text, or None when it is left out or empty."""
        return self._values.get(name) or None

    def text(self, name: str) -> str:
        """The text of a required parameter."""
        value = self.optional(name)
        if value is None:
            raise RefusedError(MISSING)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number that is not negative; a default makes the parameter optional."""
        value = self.optional(name)
        if value is None and default is not None:
            return default
        value = self.text(name)
        if not (value.isascii() and value.isdigit()) or len(value) > 18:
            raise RefusedError(INVALID)
        return int(value)

    def milliseconds(self, name: str) -> int:
        """An instant in milliseconds since the epoch."""
        value = self.integer(name)
        if value > _LATEST_MS:
            raise RefusedError(INVALID)
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of the words that the document lists, spelled as there."""
        value = self.text(name)
        if value not in allowed:
            raise RefusedError(INVALID)
        return value


class AccessControl:
    """Judges the credentials of requests for one key pair and remembers the echostrs it has seen.

    `clock` is what timestamps are held against; None switches their check off.
    """

    def __init__(
        self,
        *,
        api_key: str,
        secret_key: str,
        rsa_public_key: RSAPublicKey | None,
        clock: Callable[[], datetime] | None,
        freshness_seconds: float,
    ) -> None:
        self.api_key = api_key
        self.secret_key = secret_key
        self.rsa_public_key = rsa_public_key
        self.clock = clock
        self.freshness_seconds = freshness_seconds
        self._seen: set[str] = set()
        self._seen_in_order: deque[str] = deque()

    def admit(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Parameters:
        """The request's own parameters, once its credentials are found good; else raises RefusedError."""
        sent = dict(query)
        for name in CREDENTIAL_HEADERS:
            if name in headers and sent.setdefault(name, headers[name]) != headers[name]:
                raise RefusedError(WRONG_SIGNATURE)
        credentials = Parameters(sent)
        if credentials.text("api_key") != self.api_key:
            raise RefusedError(NO_PERMISSION)
        sign, method = credentials.text("sign"), credentials.text("signature_method")
        if not _ECHOSTR.fullmatch(credentials.text("echostr")):
            raise RefusedError(BAD_ECHOSTR)
        self._check_timestamp(credentials.integer("timestamp"))
        if not self._is_signed(sent, sign=sign, method=method):
            raise RefusedError(WRONG_SIGNATURE)
        self._check_replay(sent["echostr"])
        return Parameters({name: value for name, value in sent.items() if name not in CREDENTIALS})

    def _check_timestamp(self, timestamp_ms: int) -> None:
        # The document names no code for a stale timestamp; "validation failed" is the nearest.
        if self.clock and abs(timestamp_ms - to_ms(self.clock())) > self.freshness_seconds * 1000:
            raise RefusedError(VALIDATION_FAILED)

    def _is_signed(self, sent: Mapping[str, str], *, sign: str, method: str) -> bool:
        pairs = sorted((name, value) for name, value in sent.items() if name != "sign")
        joined = "&".join(f"{name}={value}" for name, value in pairs)
        digest = hashlib.md5(joined.encode()).hexdigest().upper().encode()
        if method == "HmacSHA256":
            expected = hmac.new(self.secret_key.encode(), digest, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), sign.encode())
        if method == "RSA":
            return self.rsa_public_key is not None and _rsa_matches(self.rsa_public_key, digest, sign)
        raise RefusedError(INVALID)

    def _check_replay(self, echostr: str) -> None:
        if echostr in self._seen:
            raise RefusedError(REPLAYED)
        self._seen.add(echostr)
        self._seen_in_order.append(echostr)
        if len(self._seen_in_order) > _REMEMBERED_ECHOSTRS:
            self._seen.discard(self._seen_in_order.popleft())


def _rsa_matches(key: RSAPublicKey, digest: bytes, sign: str) -> bool:
    try:
        key.verify(base64.b64decode(sign, validate=True), digest, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
