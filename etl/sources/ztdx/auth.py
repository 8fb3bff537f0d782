"""ZTDX's credentials, signature and answers: pure functions.

Follows ztdx-referral-logs.txt and FACTS.md, "ZTDX".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from etl.errors import (
    AccessRefused,
    AnswerUnreadable,
    EtlError,
    ProviderBusy,
    RateLimited,
    RequestRefused,
    SetRowAside,
)
from etl.normalize.fields import decimal, whole
from etl.signing import HeaderSecret, encoded
from etl.stream import Draft, Request

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, where datetimes end."""


def _as_prefix(path: str) -> str:
    """With a leading slash and no trailing one; nothing stays nothing."""
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", path):
        raise ValueError("must be the part of a path, such as /api/v1")
    inner = path.strip("/")
    return f"/{inner}" if inner else ""


class Settings(BaseModel):
    """The account keys that only ZTDX has: a token, or api_key and secret_key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: HeaderSecret | None = Field(None, description="JWT of the account; lives 24 h by default")
    api_key: HeaderSecret | None = Field(None, description="API key, in the place of a token")
    secret_key: SecretStr | None = Field(None, min_length=1, description="secret of the API key")
    path_prefix: Annotated[str, AfterValidator(_as_prefix)] = Field("", description="such as /api/v1")

    @model_validator(mode="after")
    def _has_exactly_one_way(self) -> Settings:
        if self.token is not None:
            if self.api_key is not None or self.secret_key is not None:
                raise ValueError("give token, or api_key and secret_key, not both")
        elif self.api_key is None and self.secret_key is None:
            raise ValueError("token is missing (or api_key and secret_key in its place)")
        elif self.api_key is None:
            raise ValueError("api_key is missing (secret_key is given)")
        elif self.secret_key is None:
            raise ValueError("secret_key is missing (api_key is given)")
        return self


def sign(draft: Draft, settings: Settings, *, timestamp_ms: int, nonce: str) -> Request:
    """The request with its token; or with X-MBX-APIKEY, and in the query `timestamp` and `signature`, the hex
    HMAC-SHA256 of the query before it (FACTS.md, "ZTDX"). `nonce` is not used."""
    path = settings.path_prefix + draft.path
    if settings.token is not None:
        query = encoded(draft.params)
        headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        return Request(draft.method, f"{path}?{query}" if query else path, headers)
    if settings.api_key is None or settings.secret_key is None:
        raise TypeError("settings were not validated: no key to sign with")
    query = encoded({**draft.params, "timestamp": timestamp_ms})
    signature = hmac.new(settings.secret_key.get_secret_value().encode(), query.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": settings.api_key.get_secret_value()}
    return Request(draft.method, f"{path}?{query}&signature={signature}", headers)


def expires_at(settings: Settings) -> datetime | None:
    """When the token ends: its claim `exp`, seconds since 1970, read without verifying anything (RFC 7519, 4.1.4).

    None where the token is no JWT, or tells no such moment."""
    parts = [] if settings.token is None else settings.token.get_secret_value().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(
            base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)),
            parse_int=str,  # numbers stay text until `decimal` reads them: no length of digits is too much
            parse_float=str,
            parse_constant=str,
        )
        exp: Decimal = decimal(claims.get("exp"), ZoneInfo("UTC"))
    except (ValueError, RecursionError, AttributeError, SetRowAside):
        return None
    return _EPOCH + timedelta(microseconds=int(exp * 1_000_000)) if 0 <= exp <= _LAST_SECOND else None


_ACCESS_ADVICE = (
    "get a new token (one lives 24 h by default), or check api_key, secret_key and that this machine's clock is right"
)
_FAULTS: dict[int | None, tuple[type[EtlError], str]] = {
    **dict.fromkeys((401, 403), (AccessRefused, f": {_ACCESS_ADVICE}")),
    400: (RequestRefused, ": a parameter of the request is refused"),
    404: (RequestRefused, ": check path_prefix; some servers have the interface under /api/v1"),
    429: (RateLimited, ""),
    **dict.fromkeys(range(500, 600), (ProviderBusy, "")),
}


def judge(document: Any, *, http_status: int) -> Any:
    """The whole answer, whose `logs` are the rows; or the error that the HTTP status stands for (FACTS.md, "ZTDX").

    An error may be text or an object and may come with HTTP 200; then its `code`, where that is an HTTP status, tells
    what it stands for. Bodies may be no JSON at all."""
    answer = document if isinstance(document, dict) else {}
    error = answer.get("error")
    has_failed = http_status >= 300 or error not in (None, "", False)
    if has_failed:
        status = http_status if http_status >= 300 else _code(answer)
        undocumented = (AnswerUnreadable, ": what that means is not documented")
        kind, advice = _FAULTS.get(status, undocumented)
        raise kind(f"ZTDX answered HTTP {http_status} “{_words(error) or 'no message'}”{advice}")
    if not isinstance(answer.get("logs"), list):
        raise AnswerUnreadable(f"ZTDX's answer (HTTP {http_status}) has no list of logs")
    return answer


def _code(answer: dict[str, Any]) -> int | None:
    error = answer.get("error")
    return whole(error.get("code") if isinstance(error, dict) else answer.get("code"))


def _words(error: Any) -> str:
    """What an error says, be it a text or an object."""
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or "")
    return "" if error is None else str(error)
