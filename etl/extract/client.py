"""Sends requests: the only module that imports aiohttp on the reading side.

Every try is signed afresh, takes a slot of its lane's pace, and is told to the caller, so that nothing reaches a
provider unpaced or unrecorded.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from etl.errors import AccessRefused, AnswerUnreadable, ConnectionBroken, EtlError, RateLimited
from etl.extract.pace import Pace
from etl.extract.request import Answer, judged
from etl.extract.retry import Patience, retrying
from etl.extract.secrecy import bytes_without_secrets, secrets_in, without_secrets
from etl.stream import Account, Draft, Request
from etl.windows import epoch_ms

LARGEST_BODY = 64 * 1024 * 1024
_NONCE_ALPHABET = string.ascii_letters + string.digits
_NONCE_LENGTH = 35  # lbank-affiliate.md via FACTS: echostr has 30-40 letters and digits


@dataclass(frozen=True, slots=True)
class Try:
    """One request as it was tried: what `ops.request` keeps, and the server's clock as its answer had it."""

    attempt: int
    sent_at: datetime
    answered_at: datetime | None
    http_status: int | None
    outcome: str
    server_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """A request that was answered well: the answer as it arrived, and its judged payload."""

    draft: Draft
    answer: Answer
    payload: Any
    sent_at: datetime
    received_at: datetime


async def _at_will() -> None:
    """Where nobody minds."""


@dataclass(slots=True)
class Client:
    """Talks to providers over one aiohttp session. `clock` gives the wall time that requests are signed with."""

    session: aiohttp.ClientSession
    clock: Callable[[], datetime]
    patience: Patience = field(default_factory=Patience)

    async def fetch(
        self,
        account: Account,
        draft: Draft,
        pace: Pace,
        told: Callable[[Try], None],
        *,
        may_send: Callable[[], Awaitable[None]] = _at_will,
    ) -> Paid:
        """The judged answer to `draft`, retried as `patience` allows. Each try is passed to `told`. `may_send` is asked
        when a try's turn has come, and raises where it must not be sent any more."""
        attempt = 0

        async def once() -> Paid:
            nonlocal attempt
            attempt += 1
            return await self._try(account, draft, pace, attempt, told=told, may_send=may_send)

        return await retrying(self.patience)(once)

    async def _try(
        self,
        account: Account,
        draft: Draft,
        pace: Pace,
        attempt: int,
        *,
        told: Callable[[Try], None],
        may_send: Callable[[], Awaitable[None]],
    ) -> Paid:
        sent_at: datetime | None = None
        answer: Answer | None = None
        request: Request | None = None
        outcome = "cancelled"
        try:
            self._refuse_expired(account)
            async with pace.slot():
                await may_send()
                sent_at = self.clock()
                request = account.source.sign(draft, account.settings, timestamp_ms=epoch_ms(sent_at), nonce=_nonce())
                response = await self._send(account, request)
            async with response:
                answer = await _read(response, secrets_in(account, draft, request))
            payload = judged(answer, account.source)
            outcome = "ok"
            return Paid(draft, answer, payload, sent_at, self.clock())
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            outcome = f"ConnectionBroken: {type(fault).__name__}"
            # The cause is left out: aiohttp's errors quote the URL, which holds the key and the signature.
            raise ConnectionBroken(f"no whole answer from {account.base_url}: {_described(fault)}") from None
        except EtlError as fault:
            if request is not None:
                fault.args = (without_secrets(str(fault), secrets_in(account, draft, request)),)
            outcome = f"{type(fault).__name__}: {fault}"
            if isinstance(fault, RateLimited):
                pace.slow_down()
            raise
        finally:
            if sent_at is not None:
                if answer is None:
                    told(Try(attempt, sent_at, None, None, outcome))
                else:
                    told(Try(attempt, sent_at, self.clock(), answer.http_status, outcome, answer.date))

    def _refuse_expired(self, account: Account) -> None:
        """No request is made with credentials that tell themselves that they are no longer good."""
        expires_at = account.source.expires_at(account.settings)
        if expires_at is not None and expires_at <= self.clock():
            raise AccessRefused(
                f"the token of account {account.name} expired at {expires_at:%Y-%m-%d %H:%M:%S} UTC; get a new one "
                f"from {account.source.title} and put it where etl.toml reads it from"
            )

    async def _send(self, account: Account, request: Request) -> aiohttp.ClientResponse:
        return await self.session.request(
            request.method,
            URL(account.base_url.rstrip("/") + request.target, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,  # a redirect would carry the credentials to another place
        )


@asynccontextmanager
async def open_client(
    clock: Callable[[], datetime], *, patience: Patience | None = None, timeout_seconds: float = 60.0
) -> AsyncIterator[Client]:
    """A client with its own session, closed at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=15.0),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        # aiohttp repeats a GET by itself when a kept-alive connection breaks; that try would pass no pace and no
        # record (DESIGN section 8). There is no public switch; a test holds this line.
        session._retry_connection = False  # noqa: SLF001
        yield Client(session, clock, patience or Patience())


async def _read(response: aiohttp.ClientResponse, hidden: Iterable[str]) -> Answer:
    """The answer as it arrived, but for secrets that it quotes: they get no further than here."""
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(1 << 18):
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_BODY:
            raise AnswerUnreadable(f"the answer is larger than {LARGEST_BODY} bytes")
    headers = response.headers
    return Answer(
        response.status,
        bytes_without_secrets(b"".join(chunks), hidden),
        retry_after_seconds=_retry_after(headers.get("Retry-After")),
        date=_date(headers.get("Date")),
        redirects_to=_place(headers.get("Location")),
    )


def _place(location: str | None) -> str | None:
    """Scheme and host of a Location header; its path and query may quote the request."""
    try:
        place = urlsplit(location or "")
    except ValueError:
        return None
    return f"{place.scheme}://{place.hostname}" if place.scheme and place.hostname else None


def _date(value: str | None) -> datetime | None:
    """The moment of a Date header; None where it is missing or names none."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header; its date form is left to the ordinary back-off."""
    return float(value) if value is not None and value.isascii() and value.isdigit() else None


def _described(fault: Exception) -> str:
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        why = getattr(fault.certificate_error, "verify_message", "") or "it is for another host"
        return f"its certificate is not trusted ({why}), nothing was sent"
    if isinstance(fault, aiohttp.ClientConnectorError):
        return f"cannot connect ({fault.os_error.strerror or type(fault.os_error).__name__})"
    if isinstance(fault, TimeoutError):
        return "timed out"
    return type(fault).__name__


def _nonce() -> str:
    return "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(_NONCE_LENGTH))
