"""Connections that break: each try makes exactly one request, and the failure is a passing one. On raw sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from etl.errors import ConnectionBroken
from etl.extract.client import Client, Try, open_client
from etl.extract.pace import Pace
from etl.extract.retry import Patience
from etl.stream import Draft, Rate
from tests.unit.samples import API_KEY, NOON, enveloped, lbank_account

DRAFT = Draft("GET", "/affiliate-api/v2/invite/user/info", {"openId": "LBA1"})
BODY = enveloped("[]")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class RawServer:
    """Answers the first request of each connection with `reply`; hangs up on the second, or at once where `reply` is
    no whole answer. Without a reply it never answers."""

    reply: bytes | None
    url: str = ""
    connections: int = 0
    requests: int = 0
    talks: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks.add(asyncio.current_task())
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._request(reader)
            if self.reply is None:
                await reader.read()
            else:
                writer.write(self.reply)
                await writer.drain()
            if self.reply == whole():
                await self._request(reader)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1


@asynccontextmanager
async def raw_server(reply: bytes | None) -> AsyncIterator[RawServer]:
    server = RawServer(reply)
    async with await asyncio.start_server(server.talk, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
        await asyncio.gather(*(talk for talk in server.talks if talk is not None))


def whole() -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


async def fetch(client: Client, server: RawServer, tries: list[Try]) -> object:
    return await client.fetch(lbank_account(base_url=server.url), DRAFT, Pace(Rate(100, 0.001)), tries.append)


async def test_a_kept_alive_connection_that_breaks_is_not_repeated_behind_the_pace() -> None:
    async with raw_server(whole()) as server, open_client(lambda: NOON, patience=Patience(attempts=1)) as client:
        tries: list[Try] = []
        await fetch(client, server, tries)
        with pytest.raises(ConnectionBroken):
            await fetch(client, server, tries)
        assert (server.connections, server.requests) == (1, 2), "the second request must use the kept connection"
    assert [told.outcome.partition(":")[0] for told in tries] == ["ok", "ConnectionBroken"]


async def test_the_server_above_would_show_a_silent_repeat() -> None:
    async with raw_server(whole()) as server, open_client(lambda: NOON, patience=Patience(attempts=1)) as client:
        client.session._retry_connection = True
        tries: list[Try] = []
        await fetch(client, server, tries)
        await fetch(client, server, tries)
        assert (server.connections, server.requests) == (2, 3)
    assert len(tries) == 2


async def test_tries_after_a_broken_connection_are_each_told() -> None:
    patience = Patience(first_wait_seconds=0.0, longest_wait_seconds=0.0, jitter_seconds=0.0)
    async with raw_server(whole()) as server, open_client(lambda: NOON, patience=patience) as client:
        tries: list[Try] = []
        await fetch(client, server, tries)
        await fetch(client, server, tries)
        assert (server.connections, server.requests) == (2, 3)
    assert [(told.attempt, told.outcome.partition(":")[0]) for told in tries] == [
        *((1, "ok"), (1, "ConnectionBroken"), (2, "ok")),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:-10], id="a body that breaks off"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n" + BODY[:-10], id="a body of unknown length that breaks off"),
        pytest.param(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"res\r\n', id="chunks that break off"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain", id="a body that is no gzip"),
        pytest.param(b"HTTP/1.1 200", id="a head that breaks off"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="another protocol"),
        pytest.param(b"", id="nothing at all"),
    ],
)
async def test_an_answer_that_does_not_arrive_whole_is_a_broken_connection(reply: bytes) -> None:
    async with raw_server(reply) as server, open_client(lambda: NOON, patience=Patience(attempts=1)) as client:
        tries: list[Try] = []
        with pytest.raises(ConnectionBroken) as caught:
            await fetch(client, server, tries)
        assert server.requests == 1
    assert [told.outcome.partition(":")[0] for told in tries] == ["ConnectionBroken"]
    assert API_KEY not in f"{caught.value!r} {tries}"
    assert "sign=" not in f"{caught.value!r} {tries}"


async def test_a_server_that_never_answers_is_given_up_after_the_time_out() -> None:
    tries: list[Try] = []
    async with (
        raw_server(None) as server,
        open_client(lambda: NOON, patience=Patience(attempts=1), timeout_seconds=0.2) as client,
    ):
        with pytest.raises(ConnectionBroken, match="timed out"):
            await fetch(client, server, tries)
    assert [told.answered_at for told in tries] == [None]
