"""What each kind of fault does to an answer: says something in its place, changes it, or keeps it from arriving whole.

Everything up to the reply is pure; `deliver` takes care of what only a connection can do wrong.
"""

import asyncio
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final

from aiohttp import web

from etl.sandbox.faults import Fault
from etl.sandbox.wire import HTML, Exchange, Received, Reply, Token, json_text

# The parameters that say which page is asked for, and the number that each gives to the first.
_PAGE_PARAMETERS: Final[Mapping[str, int]] = {"start": 0, "page": 1, "pageNo": 1}
_PAGES: Final[Mapping[str, str]] = {
    "redirect": "302 Found",
    "too_many_requests": "429 Too Many Requests",
    "http_500": "500 Internal Server Error",
    "http_502": "502 Bad Gateway",
    "http_503": "503 Service Temporarily Unavailable",
}
_RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)  # linger for no time: what is unsent is dropped and RST is sent
_LOOK_EVERY_SECONDS: Final = 0.05


@dataclass(slots=True)
class Asked:
    """A request within the limit whose credentials have been judged: `answer` gives the exchange's own reply."""

    exchange: Exchange
    received: Received
    parameters: Mapping[str, str]
    answer: Callable[[datetime], Reply]
    now: datetime

    @property
    def is_first_page(self) -> bool:
        """Whether no page comes before it, or the endpoint has no pages."""
        return self.page == 0

    @property
    def page(self) -> int:
        """What the parameters say of the page: 0 for the first, more for each later one."""
        for name, first in _PAGE_PARAMETERS.items():
            value = self.parameters.get(name, "")
            if value.isascii() and value.isdigit():
                return int(value) - first
        return 0

    @property
    def list_asked(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """What the pages of one list have in common: the path and all other parameters."""
        others = {name: value for name, value in self.parameters.items() if name not in _PAGE_PARAMETERS}
        return self.received.path, frozenset(others.items())

    def reply(self, *, shifted_by: int = 0) -> Reply:
        """The exchange's own reply, from lists that have moved so far since their first page."""
        self.exchange.shifted_by = shifted_by
        return self.answer(self.now)


@dataclass(slots=True)
class PagesBefore:
    """The pages that lists were answered with, for a fault that repeats one."""

    _pages: dict[tuple[str, frozenset[tuple[str, str]]], dict[int, Reply]] = field(default_factory=dict)

    def keep(self, asked: Asked, reply: Reply) -> None:
        """Remembers a page; with a first one the list begins anew."""
        if asked.is_first_page:
            self._pages[asked.list_asked] = {}
        self._pages.setdefault(asked.list_asked, {})[asked.page] = reply

    def before(self, asked: Asked) -> Reply | None:
        """The nearest page before the one that is asked for; None where there was none."""
        pages = self._pages.get(asked.list_asked, {})
        earlier = [number for number in pages if number < asked.page]
        return pages[max(earlier)] if earlier else None


def can_strike(fault: Fault, asked: Asked, pages: PagesBefore) -> bool:
    """Whether a fault could do anything to the answer of a request that matches it."""
    match fault.kind:
        case "clock_skew":
            return False  # a matter of the clock, not of an answer
        case "shifted_pages":
            return not asked.is_first_page
        case "repeated_page":
            return pages.before(asked) is not None
        case "no_data":
            return asked.reply().error_code == 0
        case "bad_value":
            return _holder(fault, asked, _decoded(asked.reply())) is not None
    return True


def instead(fault: Fault, asked: Asked) -> Reply | None:
    """What is said in the place of an answer; None where the exchange is to answer."""
    match fault.kind:
        case "http_500" | "http_502" | "http_503" | "too_many_requests" | "redirect":
            return _page(fault)
        case "rate_code":
            return asked.exchange.too_frequent(asked.received, asked.now)
        case "expired_token":
            return asked.exchange.unauthenticated(asked.received, asked.now)
        case "echo" if not fault.options["ok"]:
            return asked.exchange.complain(asked.received, quoted(asked.received), asked.now)
    return None


def _page(fault: Fault) -> Reply:
    """An HTML page as a server before the exchange sends it."""
    title, options = _PAGES[fault.kind], fault.options
    headers: dict[str, str] = {}
    if options.get("retry_after") is not None:
        headers["Retry-After"] = str(options["retry_after"])
    if "to" in options:
        headers["Location"] = options["to"]
    text = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Reply(text, status=int(title[:3]), content_type=HTML, headers=headers)


def changed(fault: Fault, asked: Asked, pages: PagesBefore, reply: Reply) -> Reply:
    """The reply as a fault leaves it."""
    match fault.kind:
        case "truncated":
            return replace(reply, text=reply.text[: len(reply.text) // 2])
        case "empty_body":
            return replace(reply, text="")
        case "repeated_page":
            return pages.before(asked) or reply
        case "shifted_pages":
            return asked.reply(shifted_by=fault.options["rows"])
        case "no_data" | "bad_value" | "huge" | "echo":
            document = _decoded(reply)
            _edit(fault, asked, document)
            return replace(reply, text=json_text(document))
    return reply


def faulty_reply(faults: Sequence[Fault], asked: Asked, pages: PagesBefore) -> Reply:
    """What the faults that strike make of the exchange's reply."""
    for fault in faults:
        reply = instead(fault, asked)
        if reply is not None:
            return reply
    reply = asked.reply()
    for fault in faults:
        reply = changed(fault, asked, pages, reply)
    return reply


def _edit(fault: Fault, asked: Asked, document: dict[str, Any]) -> None:
    options = fault.options
    match fault.kind:
        case "no_data":
            _put(document, asked.exchange.place_of_rows(asked.received.path)[0], None, missing=not options["null"])
        case "huge":
            document["padding"] = "x" * (options["megabytes"] << 20)
        case "echo":
            document.setdefault("echo", quoted(asked.received))
        case "bad_value":
            _spoil(fault, asked, document)


def _spoil(fault: Fault, asked: Asked, document: dict[str, Any]) -> None:
    """Gives a field its bad value; what another fault has taken away stays away."""
    holder = _holder(fault, asked, document)
    if holder is not None:
        _put(holder, _names(fault)[-1], fault.options["value"], missing=fault.options["missing"])


def _names(fault: Fault) -> list[str | int]:
    """What leads to a field, such as detail.0.date: a whole number is a place in a list."""
    return [int(name) if name.isdigit() else name for name in fault.options["field"].split(".")]


def _holder(fault: Fault, asked: Asked, document: dict[str, Any]) -> Any:
    """What holds the field that a fault spoils, in a row or around the rows; None where there is no such thing."""
    *outer, last = _names(fault)
    holder: Any = document if fault.options["envelope"] else _row_of(document, asked, fault.options["row"])
    for name in outer:
        holder = holder[name] if _has_room(holder, name) and name in _keys(holder) else None
    return holder if _has_room(holder, last) else None


def _keys(holder: Any) -> Any:
    return range(len(holder)) if isinstance(holder, list) else holder


def _has_room(holder: Any, name: str | int) -> bool:
    """Whether a value could be put there: under any name of an object, in a place that a list has."""
    return isinstance(holder, dict) or (isinstance(holder, list) and name in range(len(holder)))


def _put(holder: Any, name: str | int, value: Any, *, missing: bool) -> None:
    if missing and name in _keys(holder):
        del holder[name]
    elif not missing:
        holder[name] = value


def _decoded(reply: Reply) -> dict[str, Any]:
    """The answer, its numbers with the digits they have; empty where it is no JSON object."""
    try:
        document = json.loads(reply.text, parse_float=Token, parse_int=Token, parse_constant=Token)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _row_of(document: Any, asked: Asked, number: int) -> dict[str, Any] | None:
    """A row of a success; None where there is none of that number. One row may stand in the place of a list."""
    for name in asked.exchange.place_of_rows(asked.received.path):
        document = document.get(name) if isinstance(document, dict) else None
    rows = [document] if isinstance(document, dict) else document
    return rows[number] if isinstance(rows, list) and number < len(rows) else None


def quoted(received: Received) -> str:
    """The whole request, as an exchange might quote it: URL with query, headers and body."""
    headers = "".join(f"{name}: {value}\n" for name, value in received.headers.items())
    return f"{received.method} {received.target}\n{headers}\n{received.body.decode(errors='replace')}"


async def deliver(request: web.Request, faults: Sequence[Fault], reply: Reply) -> web.StreamResponse | None:
    """Sees to what goes wrong on the way, and waits; None where the reply is to be sent as it is."""
    for fault in faults:
        match fault.kind:
            case "slow":
                await _wait(request, fault.options["delay_seconds"])
            case "timeout":
                await _wait(request, fault.options["hold_seconds"])
                return _dropped(request)
            case "reset":
                return _dropped(request)
            case "reset_in_body":
                return await _cut_off(request, reply)
    return None


async def _wait(request: web.Request, seconds: float) -> None:
    """Until the time is up or the client has gone; a server that stops cancels it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # aiohttp has no event that tells that a client has gone.
    while request.transport is not None and (left := end - loop.time()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(left, _LOOK_EVERY_SECONDS))


def _dropped(request: web.Request) -> web.Response:
    """Resets the connection; the response is for nobody."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET_AT_ONCE)
        request.transport.abort()
    return web.Response()


async def _cut_off(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Sends the headers of the whole answer and half of its body, then resets the connection."""
    body = reply.text.encode()
    response = web.StreamResponse(status=reply.status, headers={"Content-Length": str(len(body))})
    response.content_type = reply.content_type
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _dropped(request)
    return response
