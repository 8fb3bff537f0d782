"""Serves the simulated exchanges over loopback HTTP: `Sandbox` in tests and the demo, `serve` as a command.

Adds what lies around a protocol: rate limits, network latency, a log of requests, and faults on demand.
"""

import asyncio
import inspect
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from etl.sandbox.lbank import LBank, failure, success
from etl.sandbox.lbank_access import CREDENTIALS, TOO_FREQUENT, AccessControl, Parameters, RefusedError
from etl.sandbox.limits import SlidingWindow
from etl.sandbox.world import AFFILIATE_ID, World

# Made up; they open nothing but the sandbox.
API_KEY: Final = "5a4db0c5-0000-4000-8000-5a4db0c50001"
SECRET_KEY: Final = "SANDBOXSECRET0000000000000000001"  # noqa: S105
OPEN_ID: Final = AFFILIATE_ID

Fault = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse | None] | None]


def real_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(slots=True)
class RequestEntry:
    """One request as the exchange saw it. `arrived` is in monotonic seconds, the moment the limit counted it.

    `params` leaves the credentials out. `error_code` is None while unanswered and where a fault stepped in.
    """

    arrived: float
    at: datetime
    method: str
    path: str
    params: dict[str, str]
    http_status: int | None = None
    error_code: int | None = None
    rows: int = 0


class Sandbox:
    """A running exchange, for `async with`. `rate_requests` 0 switches the limit off.

    `clock` is the server's own time, from which timestamps may be `freshness_seconds` away; None switches
    that check off. `world.now`, apart from it, decides what there is to see. `faults` are asked in turn about
    each request within the limit; the first response that one gives is sent instead of the answer.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_requests: int = 5,
        rate_period_seconds: float = 10.0,
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
        self.lbank = LBank(world, end_inclusive=end_inclusive, newest_first=newest_first)
        self.requests: list[RequestEntry] = []
        self.faults: list[Fault] = []
        self.latency_ms = latency_ms
        self.api_key = api_key
        self.secret_key = secret_key
        self._access = AccessControl(
            api_key=api_key,
            secret_key=secret_key,
            rsa_public_key=_public_key(rsa_public_key),
            clock=clock,
            freshness_seconds=freshness_seconds,
        )
        self._clock = clock
        self._limit = SlidingWindow(rate_requests, rate_period_seconds, monotonic=monotonic)
        self._rng = Random(seed)
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

    async def __aenter__(self) -> Self:
        app = web.Application()
        for path in self.lbank.endpoints:
            app.router.add_get(path, self._answer_lbank, allow_head=False)
        app.router.add_get("/_sandbox/requests", self._tell_requests)
        app.router.add_post("/_sandbox/reset", self._reset)
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

    async def _answer_lbank(self, request: web.Request) -> web.StreamResponse:
        before, after = self._latency()
        await _pause(before)
        query = dict(request.query)
        at, let_in = self._limit.arrive(query.get("api_key", ""), request.path)
        shown = {name: value for name, value in query.items() if name not in CREDENTIALS}
        entry = RequestEntry(at, real_clock(), request.method, request.path, shown)
        self.requests.append(entry)
        response = await self._response(request, entry, let_in=let_in)
        entry.http_status = response.status
        await _pause(after)
        return response

    async def _response(self, request: web.Request, entry: RequestEntry, *, let_in: bool) -> web.StreamResponse:
        # Credentials are looked at even over the limit: the echostr of a refused request is spent, too.
        admitted = self._admit(request)
        if let_in:
            for fault in self.faults:
                given = fault(request)
                response = await given if inspect.isawaitable(given) else given
                if response is not None:
                    return response
        else:
            admitted = RefusedError(TOO_FREQUENT)
        now = self._clock() if self._clock else self.world.now
        try:
            if isinstance(admitted, RefusedError):
                raise admitted
            answer = success(self.lbank.ask(request.path, admitted), now)
        except RefusedError as refusal:
            answer = failure(refusal.error_code, now)
        entry.error_code, entry.rows = answer.error_code, answer.rows
        return web.json_response(answer.body)

    def _admit(self, request: web.Request) -> Parameters | RefusedError:
        try:
            return self._access.admit(request.query, request.headers)
        except RefusedError as refusal:
            return refusal

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


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _public_key(given: RSAPublicKey | str | None) -> RSAPublicKey | None:
    if not isinstance(given, str):
        return given
    key = load_pem_public_key(given.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("rsa_public_key is not an RSA key")
    return key


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
