# Fetch and Driver: whole answers within their bounds, requests without credentials and where they may be redirected to,
# what a conversation is told, in three colours, against literal bytes.

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio import to_thread

from asrwire import (
    ASRWireError,
    AsyncClient,
    Client,
    Closed,
    ConfigError,
    ConnectFailed,
    DecodeError,
    HTTPStatusError,
    LimitExceeded,
    Limits,
    ProtocolError,
    Timeout,
    Timeouts,
    Truncated,
)
from asrwire._net import _exchange
from asrwire._net._attempt import Attempt
from asrwire._net._body import Body
from asrwire._net._colour import drive, drive_async
from asrwire._net._fetch import Driver, _redirected, fetch
from asrwire._requests import Request, resolve, result_file, task_cancel, task_query
from asrwire._talk import Found, Reply, Sleep
from tests.servers import END, HANG, KEY, Colour, Peer, Server, chunk, sized

pytestmark = pytest.mark.transport

ID = "b1e0c3f4"
OK = sized(b'{"ok":1}')


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def short(**timers: float) -> Timeouts:
    return Timeouts(**{"connect": HANG, "write": HANG, "head": HANG, "idle": HANG, "pool": HANG, **timers})


def inner(client: Any) -> Any:
    return getattr(client, "inner", client)


async def run(client: Any, steps: Generator[Any, Any, Any]) -> Any:
    return drive(steps) if isinstance(inner(client), Client) else await drive_async(steps)


async def fetched(client: Any, request: Request, deadline: float | None = None) -> Reply:
    settings = inner(client)
    reply = await run(client, fetch(settings, request, KEY, settings._timeouts, deadline))
    assert isinstance(reply, Reply)
    return reply


def query(server: Server) -> Request:
    return task_query(resolve(base_url=server.base_url, environ={}), ID)


def cancel(server: Server) -> Request:
    return task_cancel(resolve(base_url=server.base_url, environ={}), ID)


def file_of(server: Server, path: str = "/result.json?Signature=s%2Fecret") -> Request:
    return result_file(f"http://127.0.0.1:{server.port}{path}")


def get(colour: Colour, server: Server, request: Request, **settings: Any) -> tuple[Reply | None, Any]:
    """One fetch: the reply, or what it raised."""

    async def scenario() -> tuple[Reply | None, Any]:
        async with colour.client(server, **settings) as client:
            try:
                return await fetched(client, request), None
            except ASRWireError as error:
                return None, error

    reply, error = colour.run(scenario)
    return reply, error


def head(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")


def then(*pieces: bytes, last: str = "close") -> Any:
    def answer(peer: Peer) -> None:
        for piece in pieces:
            peer.send(piece)
        if last == "reset":
            peer.reset()
        elif last == "wait":
            peer.wait_closed()

    return answer


# == what is sent =====================================================================================================

MINE = {"X-Mine": "1", "X-DashScope-DataInspection": "enable", "Cookie": "a=b", "User-Agent": "me/2"}


def test_a_query_carries_the_key(colour: Colour) -> None:
    with Server(OK) as server:
        reply, _ = get(colour, server, query(server), headers=MINE, workspace="ws-1")
        assert reply is not None
        assert (reply.status, reply.body) == (200, b'{"ok":1}')
        assert (b"Content-Type", b"application/json") in reply.headers
    assert head(server.requests[0]) == [
        b"GET /api/v1/tasks/b1e0c3f4 HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: me/2",
        b"Authorization: Bearer " + KEY.encode(),
        b"Content-Type: application/json",
        b"Accept: application/json",
        b"Accept-Encoding: identity",
        b"X-DashScope-Async: enable",
        b"X-Mine: 1",
        b"X-DashScope-DataInspection: enable",
        b"Cookie: a=b",
    ]


def test_a_result_file_is_asked_for_without_credentials(colour: Colour) -> None:
    with Server(OK) as server:
        get(colour, server, file_of(server), headers=MINE)
    assert head(server.requests[0]) == [
        b"GET /result.json?Signature=s%2Fecret HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: asrwire",
        b"Accept: */*",
        b"Accept-Encoding: identity",
    ]


def test_a_post_without_a_body_says_so(colour: Colour) -> None:
    with Server(OK) as server:
        get(colour, server, cancel(server))
    assert head(server.requests[0])[0] == b"POST /api/v1/tasks/b1e0c3f4/cancel HTTP/1.1"
    assert b"Content-Length: 0" in head(server.requests[0])


def test_three_fetches_use_one_connection(colour: Colour) -> None:
    async def scenario() -> list[int]:
        async with colour.client(server) as client:
            return [(await fetched(client, request)).status for request in (query(server), file_of(server)) * 2]

    with Server(OK, sized(b"gone", b"404 Not Found"), OK, OK) as server:
        assert colour.run(scenario) == [200, 404, 200, 200]
        assert server.connections == 1


# == what comes =======================================================================================================

CONTENT = b'{"transcripts":[' + b" " * 5000 + b"]}"
ZIPPED = gzip.compress(CONTENT[:99]) + gzip.compress(CONTENT[99:])
BODIES = [
    ("length", sized(CONTENT), "wait"),
    ("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(CONTENT) + END, "wait"),
    ("close", b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT, "close"),
    ("gzip", sized(ZIPPED, more=b"Content-Encoding: gzip\r\n"), "wait"),
    ("103 first", b"HTTP/1.1 103 Early Hints\r\n\r\n" + sized(CONTENT), "wait"),
]


@pytest.mark.parametrize(("wire", "last"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
@pytest.mark.parametrize("make", [query, file_of])
def test_whole_bodies(colour: Colour, wire: bytes, last: str, make: Any) -> None:
    with Server(then(wire[:50], wire[50:], last=last)) as server:
        reply, error = get(colour, server, make(server))
    assert error is None
    assert (reply.status, reply.body) == (200, CONTENT)  # type: ignore[union-attr]


STATUSES = [
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ("400", sized(b'{"code":"X"}', b"400 Bad Request"), 400, b'{"code":"X"}'),
    ("403", sized(b"<Error/>", b"403 Forbidden", b"application/xml"), 403, b"<Error/>"),
    ("429", sized(b"{}", b"429 Slow Down", more=b"Retry-After: 7\r\n"), 429, b"{}"),
    ("503 without a body", b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", 503, b""),
    ("500, garbled framing", b"HTTP/1.1 500 X\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nab", 500, b""),
    ("500, cut", b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nab", 500, b"ab"),
    ("500, longer than error_body", sized(b"x" * 200, b"500 X"), 500, b"x" * 100),
    ("302 to nowhere", b"HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", 302, b""),
    ("304", b"HTTP/1.1 304 X\r\n\r\n", 304, b""),
]


@pytest.mark.parametrize(("wire", "status", "body"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES])
@pytest.mark.parametrize("make", [query, cancel, file_of])
def test_any_status_is_an_answer(colour: Colour, wire: bytes, status: int, body: bytes, make: Any) -> None:
    with Server(then(wire)) as server:
        reply, error = get(colour, server, make(server), limits=Limits(error_body=100))
        assert len(server.requests) == 1
    assert error is None
    assert (reply.status, reply.body) == (status, body)  # type: ignore[union-attr]


def test_an_error_body_is_not_waited_for(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_exchange, "ERROR_BODY_SECONDS", 0.1)
    with Server(then(b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nab", last="wait")) as server:
        reply, _ = get(colour, server, query(server))
        assert server.saw_close.wait(HANG)
    assert (reply.status, reply.body) == (500, b"ab")  # type: ignore[union-attr]


def zeros(size: int) -> bytes:
    return sized(gzip.compress(bytes(size)), more=b"Content-Encoding: gzip\r\n")


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
TROUBLE = [
    ("cut", OK_HEAD + b"ab", "close", Truncated, "body"),
    ("reset", OK_HEAD + b"ab", "reset", Truncated, "body"),
    ("no head", b"", "close", ProtocolError, "head"),
    ("reset at once", b"", "reset", ConnectFailed, "head"),
    ("not HTTP", b"220 ftp\r\n\r\n", "wait", ProtocolError, "head"),
    ("br", b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nab", "wait", ProtocolError, "head"),
    ("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX", "wait", ProtocolError, "body"),
    ("a bomb", zeros(2**22), "wait", LimitExceeded, "body"),
]


@pytest.mark.parametrize(
    ("wire", "last", "kind", "phase"), [row[1:] for row in TROUBLE], ids=[row[0] for row in TROUBLE]
)
@pytest.mark.parametrize(("make", "safe"), [(query, True), (cancel, False), (file_of, True)])
def test_trouble(
    colour: Colour, wire: bytes, last: str, kind: type[ASRWireError], phase: str, make: Any, safe: bool
) -> None:
    with Server(then(wire, last=last)) as server:
        reply, error = get(colour, server, make(server))
        assert len(server.requests) == 1
        if last == "wait":
            assert server.saw_close.wait(HANG)
    assert reply is None
    assert (type(error), error.phase, error.sent, error.retry_safe) == (kind, phase, "complete", safe)
    assert error.output is None
    assert "ecret" not in str(error)


@pytest.mark.parametrize(
    ("make", "limits", "name"),
    [(query, {"event_size": 99}, "event_size"), (file_of, {"result_size": 99, "event_size": 1}, "result_size")],
)
def test_a_body_has_its_bound(colour: Colour, make: Any, limits: dict[str, int], name: str) -> None:
    with Server(sized(b"x" * 99), sized(b"x" * 100)) as server:
        reply, error = get(colour, server, make(server), limits=Limits(**limits))
        assert (reply.body, error) == (b"x" * 99, None)  # type: ignore[union-attr]
        reply, error = get(colour, server, make(server), limits=Limits(**limits))
    assert (reply, type(error), error.phase) == (None, LimitExceeded, "body")
    assert name in str(error)


# == timers ===========================================================================================================


@pytest.mark.parametrize(("given", "taken"), [(310.0, 30.0), (30.0, 30.0), (2.0, 2.0), (None, None)])
def test_the_head_of_a_get_has_thirty_seconds(given: float | None, taken: float | None) -> None:
    with Client(KEY) as client, Server() as server:
        for request, seconds in ((query(server), taken), (file_of(server), taken), (cancel(server), given)):
            attempt = Attempt(client, request, KEY, Timeouts(head=given), None)
            for _ in attempt.exchange.outgoing(b"x" * 1000):
                pass
            attempt.exchange.reading()
            left = attempt.exchange.left()
            assert left is None if seconds is None else left is not None and seconds - 1 < left <= seconds


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("make", [query, file_of])
def test_a_body_is_late_by_kibibytes(make: Any) -> None:
    clock = Clock()
    with Client(KEY) as client, Server() as server:
        attempt = Attempt(client, make(server), KEY, Timeouts(head=30, idle=60), None)
        attempt.exchange._clock = clock
        attempt.exchange.head_read()
        attempt.status, attempt.body = 200, Body(200, [], Limits())
        read = attempt.channel.read = object()  # type: ignore[assignment,misc]
        steps = attempt.content("result_size")
        assert next(steps) is read
        first = 30 if make is query else 60  # an answer of the API has the head's time, to its end
        assert attempt.exchange.left() == first
        for size, left in ((1, first - 1), (1022, first - 2), (1, first - 3 if make is query else 60)):
            clock.now += 1
            steps.send(bytes(size))
            assert attempt.exchange.left() == left
        steps.close()


@pytest.mark.parametrize(("timer", "wire"), [("head", b""), ("idle", OK_HEAD + b"ab")])
def test_a_stall(colour: Colour, timer: str, wire: bytes) -> None:
    with Server(then(wire, last="wait")) as server:
        _, error = get(colour, server, file_of(server), timeouts=short(**{timer: 0.1}))
        assert server.saw_close.wait(HANG)
    assert (type(error), error.phase, error.sent, error.retry_safe) == (Timeout, timer, "complete", True)


def test_dripping_does_not_help(colour: Colour) -> None:
    def drip(peer: Peer) -> None:
        peer.send(OK_HEAD[:-6] + b"9999\r\n\r\n")
        peer.drip(b"x")

    with Server(drip) as server:
        _, error = get(colour, server, file_of(server), timeouts=short(idle=0.3))
        assert server.saw_close.wait(HANG)
    assert (type(error), error.phase) == (Timeout, "idle")


# == redirects ========================================================================================================


def moved(status: int, to: str, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nLocation: %b\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n%b\r\nmoved" % (
        status, to.encode(), more
    )  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_file_that_has_moved(colour: Colour, status: int) -> None:
    with Server(OK) as other, Server(moved(status, f"http://127.0.0.1:{other.port}/there?a=b#c")) as server:
        reply, error = get(colour, server, file_of(server), headers=MINE)
    assert error is None
    assert (reply.status, reply.body) == (200, b'{"ok":1}')  # type: ignore[union-attr]
    assert head(other.requests[0]) == [
        b"GET /there?a=b HTTP/1.1",
        b"Host: 127.0.0.1:%d" % other.port,
        b"User-Agent: asrwire",
        b"Accept: */*",
        b"Accept-Encoding: identity",
    ]


@pytest.mark.parametrize(
    ("to", "path"), [("/there", b"/there"), ("there?x=1", b"/a/there?x=1"), ("//127.0.0.1:%d/x", b"/x")]
)
def test_a_relative_location(colour: Colour, to: str, path: bytes) -> None:
    with Server(lambda peer: None) as server:
        target = to % server.port if "%d" in to else to
        server._answers = (moved(302, target), OK)
        reply, _ = get(colour, server, file_of(server, "/a/b?c"))
        assert reply is not None
        assert server.connections == 1
    assert head(server.requests[1])[0] == b"GET " + path + b" HTTP/1.1"


def test_redirects_have_their_bound(colour: Colour) -> None:
    for most, status in ((3, 200), (2, None)):
        with Server(moved(302, "/1"), moved(307, "/2"), moved(301, "/3"), OK) as server:
            reply, error = get(colour, server, file_of(server), limits=Limits(redirects=most))
            assert len(server.requests) == most + 1
        assert (reply and reply.status) == status
    assert type(error) is LimitExceeded
    assert "redirects" in str(error)
    assert error.retry_safe is True


@pytest.mark.parametrize(
    "to",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "http://user:pw@127.0.0.1/x", "http://[::1",
     "http://127.0.0.1:99999/", "https://exa mple.com/", "data:text/plain,x"],
)  # fmt: skip
def test_where_no_redirect_leads(colour: Colour, to: str) -> None:
    with Server(moved(302, to)) as server:
        reply, error = get(colour, server, file_of(server))
        assert len(server.requests) == 1
    assert (reply, type(error), error.path) == (None, DecodeError, "Location")
    assert (error.http_status, error.retry_safe) == (302, True)
    assert "pw" not in str(error)
    assert "passwd" not in str(error)


def test_a_redirect_is_upgraded_to_tls() -> None:
    assert _redirected("https://a.example/x", "http://b.example/y?z").url == "https://b.example/y?z"
    assert _redirected("https://a.example/x", "/y").url == "https://a.example/y"
    assert _redirected("https://a.example/x", "https://b.example:444/y").url == "https://b.example:444/y"
    assert _redirected("https://a.example/x", "http://b.example/y").credentials is False


def test_a_redirect_back_to_the_api_gets_no_key(colour: Colour) -> None:
    with Server(sized(b"{}", b"401 Unauthorized")) as api, Server(moved(302, f"{api.base_url}/tasks/{ID}")) as server:
        reply, _ = get(colour, api, file_of(server), headers=MINE)
    assert reply is not None
    assert reply.status == 401
    assert KEY.encode() not in api.requests[0]
    assert not [line for line in head(api.requests[0]) if line.lower().startswith((b"authorization", b"x-", b"cookie"))]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("make", [query, cancel])
def test_what_carries_the_key_is_not_redirected(colour: Colour, status: int, make: Any) -> None:
    with Server(OK) as other, Server(moved(status, f"http://127.0.0.1:{other.port}/")) as server:
        reply, error = get(colour, server, make(server))
        assert (other.requests, len(server.requests)) == ([], 1)
    assert error is None
    assert (reply.status, reply.body) == (status, b"moved")  # type: ignore[union-attr]


# == conversations ====================================================================================================


def talking(colour: Colour, server: Server, conversation: Any, **settings: Any) -> tuple[list[Any], Any]:
    """Every value found, then what was returned or raised."""
    arguments = settings.pop("arguments", {})

    async def scenario() -> tuple[list[Any], Any]:
        found = []
        async with colour.client(server, **settings) as client:
            driver: Driver[Any] = Driver(inner(client), conversation, **arguments)
            try:
                while (value := await run(client, driver.found())) is not None:
                    found.append(value.value)
            except ASRWireError as error:
                return found, error
            assert await run(client, driver.found()) is None
        return found, driver.value

    found, value = colour.run(scenario)
    return found, value


def test_what_a_conversation_is_told(colour: Colour) -> None:
    told: list[Any] = []

    def conversation(service: Any, now: float) -> Any:
        told.append(now)
        told.append((yield query(server)))
        told.append((yield Sleep(0.01)))
        told.append((yield Found("one")))  # type: ignore[arg-type]
        told.append((yield Found("two")))  # type: ignore[arg-type]
        return "end"

    with Server(OK) as server:
        assert talking(colour, server, conversation) == (["one", "two"], "end")
    start, reply, slept, one, two = told
    assert reply.body == b'{"ok":1}'
    assert start < reply.now < reply.now + 0.01 <= slept <= one <= two


def test_what_keeps_a_request_from_being_answered_is_thrown(colour: Colour) -> None:
    thrown: list[ASRWireError] = []

    def conversation(service: Any, now: float) -> Any:
        for _ in range(2):
            try:
                yield cancel(server)
            except ASRWireError as error:
                thrown.append(error)
        reply = yield query(server)
        return reply.body

    with Server(then(last="reset"), then(OK_HEAD), OK) as server:
        assert talking(colour, server, conversation) == ([], b'{"ok":1}')
    assert [(type(error), error.sent, error.retry_safe) for error in thrown] == [
        (ConnectFailed, "complete", False),
        (Truncated, "complete", False),
    ]


def test_what_a_conversation_finds_wrong_is_said_at_once(colour: Colour) -> None:
    def conversation(service: Any, now: float) -> Any:
        raise ConfigError("no")
        yield

    async def scenario() -> None:
        async with colour.client(server) as client:
            with pytest.raises(ConfigError):
                Driver(inner(client), conversation)
            with pytest.raises(TypeError, match="timeouts"):
                Driver(inner(client), conversation, timeouts=5)  # type: ignore[arg-type]

    with Server(OK) as server:
        colour.run(scenario)


def test_the_key_is_asked_before_each_request_and_hidden(colour: Colour) -> None:
    keys = iter(["key-number-one", "key-number-two"])

    def conversation(service: Any, now: float) -> Any:
        yield query(server)
        yield file_of(server)
        reply = yield query(server)
        raise HTTPStatusError(reply.body.decode(), code="key-number-two!", request_id="key-number-two")

    with Server(OK, OK, sized(b"bad key-number-two", b"401 X")) as server:
        _, error = talking(colour, server, conversation, api_key=lambda: next(keys))
    assert [KEY.encode() in request for request in server.requests] == [False] * 3
    assert [b"key-number-one" in r or b"key-number-two" in r for r in server.requests] == [True, False, True]
    assert (str(error), error.code, error.request_id) == ("bad ***", "***!", "***")
    assert next(keys, None) is None


def test_queries_keep_their_pace(colour: Colour) -> None:
    class Pace:
        asked = 0

        def delay(self, now: float) -> float:
            self.asked += 1
            return 0.25 * (self.asked - 1)

    pace, slept = Pace(), []

    async def scenario() -> None:
        async with colour.client(server) as client:
            settings = inner(client)
            settings._pace = pace
            settings._transport.colour.wait = lambda event, seconds: slept.append(seconds) or still()
            await run(client, Driver(settings, conversation).result())

    async def nothing() -> None: ...

    def still() -> Any:
        return None if colour.name == "sync" else nothing()

    def conversation(service: Any, now: float) -> Any:
        for request in [query(server), cancel(server), file_of(server), query(server), query(server)]:
            assert (yield request).status == 200

    with Server(OK) as server:
        colour.run(scenario)
    assert (pace.asked, slept) == (3, [0.25, 0.5])


@pytest.mark.parametrize("survives", [True, False])
def test_the_total_timer_ends_a_conversation(colour: Colour, survives: bool) -> None:
    def conversation(service: Any, now: float) -> Any:
        while True:
            try:
                yield Sleep(60.0)
            except Timeout:
                if not survives:
                    raise

    with Server(OK) as server:
        found, error = talking(colour, server, conversation, timeouts=short(total=0.1))
    assert (found, type(error), error.phase) == ([], Timeout, "total")


def test_a_request_that_is_not_waited_for_any_more(colour: Colour) -> None:
    def conversation(service: Any, now: float) -> Any:
        yield replace(query(server), deadline=now + 0.1)

    with Server(then(last="wait")) as server:
        _, error = talking(colour, server, conversation)
    assert (type(error), error.phase, error.sent, error.retry_safe) == (Timeout, "wait", "complete", True)


@pytest.mark.parametrize(
    ("given", "total", "told"), [(None, None, None), (5, None, 5), (None, 7.0, 7.0), (5, 7.0, 5), (9, 7.0, 7.0)]
)
def test_the_whole_call_bounds_a_conversations_own_timeout(
    colour: Colour, given: float | None, total: float | None, told: float | None
) -> None:
    def conversation(service: Any, *, timeout: float | None, now: float) -> Any:
        return timeout
        yield

    with Server(OK) as server:
        settings = {"timeouts": Timeouts(total=total), "arguments": {"timeout": given}}
        assert talking(colour, server, conversation, **settings) == ([], told)


def test_after_an_error_there_is_nothing_more(colour: Colour) -> None:
    def conversation(service: Any, now: float) -> Any:
        yield Found("one")  # type: ignore[arg-type]
        raise DecodeError("no")

    async def scenario() -> None:
        async with colour.client(server) as client:
            driver: Driver[Any] = Driver(inner(client), conversation)
            assert (await run(client, driver.found())).value == "one"
            with pytest.raises(DecodeError):
                await run(client, driver.found())
            assert await run(client, driver.found()) is None

    with Server(OK) as server:
        colour.run(scenario)


def test_a_closed_client_answers_nothing(colour: Colour) -> None:
    def conversation(service: Any, now: float) -> Any:
        yield Found("one")  # type: ignore[arg-type]
        yield query(server)

    async def scenario() -> None:
        client = colour.client(server)
        driver: Driver[Any] = Driver(inner(client), conversation)
        await run(client, driver.found())
        await client.aclose()
        with pytest.raises(Closed):
            await run(client, driver.found())

    with Server(OK) as server:
        colour.run(scenario)
        assert server.requests == []


# == cancelling =======================================================================================================


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.mark.parametrize("make", [query, cancel])
def test_a_step_that_was_cancelled(loop: Colour, make: Any) -> None:
    def conversation(service: Any, now: float) -> Any:
        reply = yield make(server)
        yield Found(reply.body)

    async def scenario() -> Any:
        async with loop.client(server) as client:
            driver: Driver[Any] = Driver(client, conversation)
            async with anyio.create_task_group() as group:
                group.start_soon(drive_async, driver.found())
                await to_thread.run_sync(asked.acquire)
                group.cancel_scope.cancel()
            assert await to_thread.run_sync(server.saw_close.wait, HANG)
            assert client._transport._slots._busy == set()
            if make is query:
                return (await drive_async(driver.found())).value
            for _ in range(2):
                with pytest.raises(Closed, match="cancelled"):
                    await drive_async(driver.found())
            return None

    asked = threading.Semaphore(0)

    def stall(peer: Peer) -> None:
        asked.release()
        peer.wait_closed()

    with Server(stall, OK) as server:
        found = loop.run(scenario)
        assert len(server.requests) == (2 if make is query else 1)
    assert found == (b'{"ok":1}' if make is query else None)


def test_one_reader(loop: Colour) -> None:
    def conversation(service: Any, now: float) -> Any:
        yield query(server)

    async def scenario() -> None:
        async with loop.client(server) as client:
            driver: Driver[Any] = Driver(client, conversation)
            async with anyio.create_task_group() as group:
                group.start_soon(drive_async, driver.found())
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(Closed, match="one reader"):
                    await drive_async(driver.found())
                group.cancel_scope.cancel()

    with Server(then(last="wait")) as server:
        loop.run(scenario)


def test_the_loop_goes_away_with_a_conversation_open() -> None:
    def conversation(service: Any, now: float) -> Any:
        yield query(server)

    async def scenario() -> None:
        client = AsyncClient(KEY, base_url=server.base_url)
        task = asyncio.ensure_future(drive_async(Driver(client, conversation).found()))
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(Closed):
            await task

    with Server(then(last="wait")) as server:
        asyncio.run(scenario())
