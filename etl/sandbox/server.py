"""Serves the simulated exchanges over loopback HTTP: `Sandbox` in tests and the demo, `serve` as a command.

Adds what lies around a protocol: rate limits, network latency, a log of requests, and faults on demand.
"""

import asyncio
import inspect
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from random import Random
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from etl.sandbox import credentials
from etl.sandbox.configuration import accounts_toml
from etl.sandbox.credentials import API_KEY, OPEN_ID, SECRET_KEY
from etl.sandbox.exchanges import RATES, open_coinw, open_orderly, open_ztdx, rsa_key
from etl.sandbox.faults import Fault, Schedule, json_value
from etl.sandbox.faulty import Asked, PagesBefore, can_strike, deliver, faulty_reply
from etl.sandbox.lbank.access import AccessControl
from etl.sandbox.lbank.exchange import LBankExchange
from etl.sandbox.lbank.protocol import LBank
from etl.sandbox.limits import SlidingWindow
from etl.sandbox.wire import HTML, JSON, Exchange, Received, Reply, json_text
from etl.sandbox.world import World

__all__ = ["API_KEY", "OPEN_ID", "SECRET_KEY", "RequestEntry", "Sandbox", "StepIn", "real_clock", "serve"]

_TOKEN_LIFE: Final = timedelta(hours=24)
_NOT_FOUND: Final = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n"

StepIn = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse | None] | None]


def real_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(slots=True)
class RequestEntry:
    """One request as the exchange saw it. `arrived` is in monotonic seconds, the moment the limit counted it.

    `params` leaves the credentials out. `error_code` is 0 for a success, else the exchange's own; None while
    unanswered and where a fault stepped in.
    """

    arrived: float
    at: datetime
    method: str
    path: str
    params: dict[str, str]
    http_status: int | None = None
    error_code: int | str | None = None
    rows: int = 0


class Sandbox:
    """The running exchanges on one port, for `async with`.

    `rate_requests` and `rate_period_seconds`, where given, hold for every exchange in place of its own; 0 requests
    switches the limits off. `clock` is the servers' own time, from which timestamps may be `freshness_seconds`
    away; None switches that check off. `world.now`, apart from it, decides what there is to see. `faults` are
    asked in turn about each request within the limit; the first response that one gives is sent instead of the
    answer; where none does, what `inject` was given has its turn. `end_inclusive`, `newest_first` and the keys are
    LBank's; the other exchanges have options of their own, on `coinw`, `orderly` and `ztdx`, which can be set at any
    time.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_requests: int | None = None,
        rate_period_seconds: float | None = None,
        latency_ms: tuple[float, float] = (0, 0),
        seed: int = 1,
        api_key: str = API_KEY,
        secret_key: str = SECRET_KEY,
        rsa_public_key: RSAPublicKey | str | None = None,
        clock: Callable[[], datetime] | None = real_clock,
        freshness_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
        end_inclusive: bool = True,
        newest_first: bool = False,
    ) -> None:
        self.world = world
        self._clock = clock
        self._skews: dict[str, timedelta] = {}
        self.requests: list[RequestEntry] = []
        self.faults: list[StepIn] = []
        self.latency_ms = latency_ms
        self.api_key = api_key
        self.secret_key = secret_key
        self.lbank = LBank(world, end_inclusive=end_inclusive, newest_first=newest_first)
        access = AccessControl(
            api_key=api_key,
            secret_key=secret_key,
            rsa_public_key=rsa_key(rsa_public_key),
            clock=self._clock_of("lbank"),
            freshness_seconds=freshness_seconds,
        )
        self.coinw = open_coinw(world, self._clock_of("coinw"), freshness_seconds=freshness_seconds)
        self.orderly = open_orderly(world, self._clock_of("orderly"))
        self.ztdx = open_ztdx(world, self._clock_of("ztdx"), freshness_seconds=freshness_seconds)
        self._exchanges: Mapping[str, Exchange] = {
            "lbank": LBankExchange(self.lbank, access),
            "coinw": self.coinw,
            "orderly": self.orderly,
            "ztdx": self.ztdx,
        }
        self._limits = {
            name: SlidingWindow(
                requests if rate_requests is None else rate_requests,
                seconds if rate_period_seconds is None else rate_period_seconds,
                monotonic=monotonic,
            )
            for name, (requests, seconds) in RATES.items()
        }
        self._rng = Random(seed)
        self._schedule = Schedule(self._time, self._rng)
        self._pages_before = PagesBefore()
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; the port is known once it runs."""
        return f"http://{self._host}:{self._port}"

    @property
    def open_id(self) -> str:
        """The affiliate's own open id."""
        return self.world.affiliate.open_id

    def ztdx_token(self) -> str:
        """A token that ZTDX takes for 24 hours from now, by the sandbox's clock."""
        return credentials.ztdx_token(self._time() + _TOKEN_LIFE)

    def inject(self, *faults: Fault) -> None:
        """Has these faults strike from now on, beside those that are active; they are asked in order."""
        self._schedule.inject(*faults)

    def heal(self) -> None:
        """Ends every fault that was injected."""
        self._schedule.heal()

    def configuration(
        self,
        start_date: date,
        *,
        suffix: str = "sandbox",
        rate_limits: Mapping[str, tuple[int, float]] | None = None,
    ) -> str:
        """The TOML of four accounts, one at each exchange; `rate_limits` names sources: (requests, seconds)."""
        ztdx: dict[str, str | list[str]] = {"token": self.ztdx_token()}
        if self.ztdx.path_prefix:
            ztdx["path_prefix"] = self.ztdx.path_prefix
        return accounts_toml(
            {
                "lbank": {"api_key": self.api_key, "secret_key": self.secret_key, "open_id": self.open_id},
                "coinw": {
                    "api_key": self.coinw.access.api_key,
                    "secret_key": self.coinw.access.secret_key,
                    "activities": list(self.world.coinw.activities),
                },
                "orderly": {
                    "account_id": credentials.ORDERLY_ACCOUNT_ID,
                    "secret_key": credentials.ORDERLY_SECRET_KEY,
                },
                "ztdx": ztdx,
            },
            base_url=self.url,
            start_date=start_date,
            suffix=suffix,
            rate_limits=rate_limits or {},
        )

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/_sandbox/requests", self._tell_requests)
        app.router.add_post("/_sandbox/reset", self._reset)
        app.router.add_get("/_sandbox/faults", self._tell_faults)
        app.router.add_post("/_sandbox/faults", self._set_faults)
        app.router.add_delete("/_sandbox/faults", self._heal)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        before, after = self._latency()
        await _pause(before)
        name = self._exchange_of(request)
        if name is None:
            return web.Response(status=404, text=_NOT_FOUND, content_type=HTML)
        received = Received(
            request.method, request.path, request.raw_path, request.query, request.headers, await request.read()
        )
        exchange = self._exchanges[name]
        at, let_in = self._limits[name].arrive(exchange.credential_of(received), request.path)
        shown = exchange.parameters_of(received)
        entry = RequestEntry(at, real_clock(), request.method, request.path, shown)
        self.requests.append(entry)
        skew = self._skew(name, request.path, shown) if let_in else timedelta()
        now = self._time() + skew
        # Credentials are looked at even over the limit: what can be used once is spent, too.
        self._skews[name] = skew
        asked = Asked(exchange, received, shown, exchange.receive(received), now)
        del self._skews[name]
        if let_in:
            response = await self._step_in(request)
            if response is None:
                response = await self._let_in(request, name, asked, entry)
        else:
            response = _response(exchange.too_frequent(received, now), entry)
        entry.http_status = response.status if _is_there(request) else None
        if not response.prepared:
            response.headers["Date"] = format_datetime(now.astimezone(UTC), usegmt=True)
        await _pause(after)
        return response

    async def _let_in(self, request: web.Request, name: str, asked: Asked, entry: RequestEntry) -> web.StreamResponse:
        """What a request within the limit gets: the exchange's answer, or what the faults that strike make of it."""
        faults = self._schedule.struck(
            name, request.path, asked.parameters, can_strike=lambda fault: can_strike(fault, asked, self._pages_before)
        )
        if self._schedule.has("repeated_page"):
            self._pages_before.keep(asked, asked.reply())
        reply = faulty_reply(faults, asked, self._pages_before)
        response = await deliver(request, faults, reply)
        if response is not None:
            return response
        return _response(replace(reply, error_code=None, rows=0) if faults else reply, entry)

    def _skew(self, name: str, path: str, parameters: Mapping[str, str]) -> timedelta:
        """By how much the clock is off with which a request is judged and answered."""
        faults = self._schedule.struck(name, path, parameters, can_strike=lambda fault: fault.kind == "clock_skew")
        return timedelta(seconds=sum(fault.options["skew_seconds"] for fault in faults))

    def _clock_of(self, name: str) -> Callable[[], datetime] | None:
        """The clock of one exchange: the servers' own, as far off as a fault makes it for the request at hand."""
        clock = self._clock
        return None if clock is None else lambda: clock() + self._skews.get(name, timedelta())

    def _exchange_of(self, request: web.Request) -> str | None:
        """The name of the exchange that has the path; None where nobody has."""
        for name, exchange in self._exchanges.items():
            method = exchange.method_of(request.path)
            if method == request.method:
                return name
            if method is not None:
                raise web.HTTPMethodNotAllowed(request.method, [method])
        return None

    async def _step_in(self, request: web.Request) -> web.StreamResponse | None:
        for fault in self.faults:
            given = fault(request)
            response = await given if inspect.isawaitable(given) else given
            if response is not None:
                return response
        return None

    def _time(self) -> datetime:
        """The servers' own time."""
        return self._clock() if self._clock else self.world.now

    def _latency(self) -> tuple[float, float]:
        """Seconds on the way there and on the way back, which together make up one drawn latency."""
        low, high = self.latency_ms
        if high <= 0:
            return 0.0, 0.0
        whole = self._rng.uniform(low, high) / 1000
        there = whole * self._rng.random()
        return there, whole - there

    async def _tell_requests(self, request: web.Request) -> web.Response:
        shown = [{**asdict(entry), "at": entry.at.isoformat()} for entry in self.requests]
        return web.json_response(shown)

    async def _reset(self, request: web.Request) -> web.Response:
        cleared = len(self.requests)
        self.requests.clear()
        return web.json_response({"cleared": cleared})

    async def _tell_faults(self, request: web.Request) -> web.Response:
        shown = [{**each.fault.as_json(), "struck": each.struck} for each in self._schedule.active]
        return web.Response(text=json_text(shown), content_type=JSON)

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            told = json_value(await request.text())
            faults = [Fault.of(each) for each in (told if isinstance(told, list) else [told])]
        except ValueError as wrong:
            raise web.HTTPBadRequest(text=f"{wrong}\n") from None
        self.heal()
        self.inject(*faults)
        return await self._tell_faults(request)

    async def _heal(self, request: web.Request) -> web.Response:
        self.heal()
        return await self._tell_faults(request)


def _response(reply: Reply, entry: RequestEntry) -> web.Response:
    entry.error_code, entry.rows = reply.error_code, reply.rows
    return web.Response(status=reply.status, text=reply.text, content_type=reply.content_type, headers=reply.headers)


def _is_there(request: web.Request) -> bool:
    """Whether whoever asked can still be answered."""
    return request.transport is not None and not request.transport.is_closing()


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def serve(sandbox: Sandbox, *, announce: Callable[[Sandbox], None] | None = None) -> None:
    """Runs the sandbox until SIGINT or SIGTERM; `announce` is called once it listens. Blocks."""
    with suppress(KeyboardInterrupt):  # where signal handlers cannot be set
        asyncio.run(_serve(sandbox, announce))


async def _serve(sandbox: Sandbox, announce: Callable[[Sandbox], None] | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
    async with sandbox:
        if announce:
            announce(sandbox)
        await stopped.wait()
