"""Exchanges that quote what they were sent, and a search for secrets in everything that a run leaves behind."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import asyncpg
from aiohttp import web

from etl.sandbox.horizon import to_ms

SOURCE_OF = {"/affiliate-api": "lbank", "/api/v3": "coinw", "/v1/referral": "orderly", "/referral": "ztdx"}
KINDS = ("error", "redirect", "reset", "bad gateway", "no JSON", "success", "refused")


def source_of(path: str) -> str:
    """Whose path it is."""
    return next(source for prefix, source in SOURCE_OF.items() if path.startswith(prefix))


@dataclass
class Leak:
    """A fault of the sandbox: the first request of each exchange that can be answered so is answered by `kind`, with
    all of the request and the exchange's `secrets` in it. `sent` collects what only requests knew."""

    kind: str
    secrets: Mapping[str, Iterable[str]]
    day: date
    midnight_ms: int
    sent: set[str]
    done: Counter[str] = field(default_factory=Counter)

    async def __call__(self, request: web.Request) -> web.StreamResponse | None:
        source = source_of(request.path)
        self.sent |= _only_sent(request)
        if self.done[source] or (self.kind == "success" and not _can_tell(source, request)):
            return None
        self.done[source] += 1
        return self._answer(source, request, await self._quoted(source, request))

    async def _quoted(self, source: str, request: web.Request) -> str:
        """The request and the secrets, as a server might spell them: plain, percent-encoded and escaped."""
        body = (await request.read()).decode()
        told = [request.raw_path, str(dict(request.query)), str(dict(request.headers)), body, *self.secrets[source]]
        return " ".join([*told, *map(quote_plus, self.secrets[source]), *map(quote, self.secrets[source])])

    def _answer(self, source: str, request: web.Request, quoted: str) -> web.StreamResponse:
        match self.kind:
            case "error":
                return _as_json(_refusal(source, quoted), status=400 if source == "ztdx" else 200)
            case "success":
                return _as_json(self._success(source, request, quoted), escapes=True)
            case "redirect":
                headers = {"Location": f"https://elsewhere.example{request.raw_path}"}
                return web.Response(status=302, headers=headers, text=quoted)
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "refused":
                return _as_json({"message": quoted, "error": quoted, "msg": quoted}, status=403)
            case _:
                page = f"<html>cannot reach {quoted}</html>"
                status = 502 if self.kind == "bad gateway" else 200
                return web.Response(status=status, text=page, content_type="text/html")

    def _success(self, source: str, request: web.Request, quoted: str) -> dict[str, Any]:
        """An answer in the documented shape, with the quotation in a field of its own, in a text that is loaded and in
        an amount that cannot be read."""
        if source == "lbank":
            row = {"openId": request.query["openId"], "statsDate": self.midnight_ms, "tradeAmt": quoted, "feeAmt": "0"}
            rows = [row, {**row, "openId": quoted, "tradeAmt": "1"}]
            return {"result": "true", "error_code": 0, "data": rows, "ts": self.midnight_ms, "echo": quoted}
        if source == "coinw":
            rows = [{"uid": "1", "volume": quoted, "time": str(self.day)}]
            rows.append({"uid": quoted, "volume": "1", "time": str(self.day)})
            return {"code": "200", "msg": "success", "data": {"list": rows, "total": 2}, "echo": quoted}
        if source == "orderly":
            names = [f"{how}{what}" for what in ("invites", "volume") for how in ("direct_", "indirect_", "")]
            names += [f"{how}{what}" for what in ("traded", "rebate") for how in ("direct_", "indirect_")]
            facts: dict[str, Any] = {f"total_{name}": 0 for name in names} | {"broker_fee": 0, "date": ""}
            rows = [{**facts, "account_id": "0x1", "user_address": quoted}]
            rows.append({**facts, "account_id": "0x2", "user_address": "", "total_volume": quoted})
            meta = {"total": 2, "records_per_page": 100, "current_page": 1}
            return {
                "success": True,
                "timestamp": self.midnight_ms,
                "data": {"rows": rows, "meta": meta, "echo": quoted},
            }
        event = {"action": "claim", "referral_code": None, "old_value": None, "new_value": None}
        event |= {"created_at": self.midnight_ms, "amount": "1", "target_address": quoted}  # type: ignore[dict-item]
        ids = ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001")
        logs = [{**event, "id": ids[0]}, {**event, "id": ids[1], "amount": quoted}]
        return {"logs": logs, "total": 2, "page": 1, "page_size": 100, "echo": quoted}


def leak(kind: str, secrets: Mapping[str, Iterable[str]], *, day: date, midnight: Any, sent: set[str]) -> Leak:
    """A fault that quotes, in rows of `day`, which begins at `midnight`."""
    return Leak(kind, secrets, day, to_ms(midnight), sent)


def _only_sent(request: web.Request) -> set[str]:
    """Signatures and nonces of a request."""
    names = ("sign", "echostr", "signature", "orderly-signature")
    return {value for name in names for value in (request.query.get(name), request.headers.get(name)) if value}


def _can_tell(source: str, request: web.Request) -> bool:
    """Whether the request is for rows that `Leak` knows how to make up, of today."""
    match source:
        case "lbank":
            return request.path.endswith("/trade/user")
        case "coinw":
            return request.path.endswith("/volume/list")
        case "orderly":
            return request.query.get("aggregate_by") == "account_id"
        case _:
            return True


def _refusal(source: str, quoted: str) -> dict[str, Any]:
    """The exchange's documented way to refuse a parameter."""
    if source == "lbank":
        return {"result": "false", "error_code": 10003, "msg": quoted, "ts": 1}
    if source == "coinw":
        return {"code": 1, "msg": quoted, "success": False}
    return {"success": False, "code": -1005, "message": quoted} if source == "orderly" else {"error": quoted}


def _as_json(document: Any, *, status: int = 200, escapes: bool = False) -> web.Response:
    """JSON; with `escapes` a slash is spelled as PHP does, and what is special in HTML as Java's libraries do."""
    text = json.dumps(document)
    if escapes:
        text = text.replace("=", r"\u003d").replace("&", r"\u0026").replace("/", r"\/")
    return web.Response(status=status, text=text, content_type="application/json")


# ------------------------------------------------------------------------------------------------ searching


def spellings(secret: str) -> set[str]:
    """The ways in which a secret could stand somewhere."""
    encoded = base64.b64encode(secret.encode()).decode()
    text = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], encoded}
    return text | {one.replace("/", r"\/") for one in text} | {encoded.rstrip("="), encoded.replace("+", "-")}


def found_in(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that stand in a text, however they are spelled."""
    return [secret for secret in secrets if any(spelling in text for spelling in spellings(secret))]


async def everything_in(dsn: str) -> dict[str, str]:
    """Each column of each table and view of the database as text, bytes decoded, under `schema.table.column`."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT table_schema AS schema, table_name AS name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        told: dict[str, list[str]] = {}
        for table in tables:
            place = f"{table['schema']}.{table['name']}"
            for record in await connection.fetch(f"SELECT * FROM {place}"):
                for column, value in record.items():
                    told.setdefault(f"{place}.{column}", []).append(_as_text(value))
        return {column: "\n".join(values) for column, values in told.items()}
    finally:
        await connection.close()


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def command_lines() -> str:
    """What the list of processes shows of each."""
    told = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(told)
