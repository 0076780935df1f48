# The error contract: whatever breaks, in whatever public call, in either colour, what is raised is the library's own,
# says what it knows, shows no key, and travels in a pickle. Order on trouble is test_wire's.

from __future__ import annotations

import gc
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import asrwire
from asrwire import ASRWireError, AsyncClient, Closed, FileFailed, Timeout, _talk
from tests.matrix import heard, short, then
from tests.servers import CHUNKED, GOOD, HANG, KEY, MODEL, ONE, OPEN, URL, Colour, Peer, Server, chunk, sized

pytestmark = pytest.mark.transport

PUBLIC = [getattr(asrwire, name) for name in asrwire.__all__]
KINDS = {value: value.kind for value in PUBLIC if isinstance(value, type) and issubclass(value, ASRWireError)}
ATTRIBUTES = (
    "kind", "phase", "sent", "retry_safe", "retry_after", "request_id", "http_status", "code", "offset", "event", "path"
)  # fmt: skip


async def _stream(client: Any) -> Any:
    _, error, _ = await heard(client)
    if error is not None:
        raise error


async def _openai(client: Any) -> Any:
    _, error, _ = await heard(client, model="qwen3-asr-flash")
    if error is not None:
        raise error


async def _transcribe(client: Any) -> Any:
    return await client.transcribe(URL, model=MODEL)


async def _transcribe_file(client: Any) -> Any:
    return await client.transcribe(URL, model="fun-asr")


async def _drained(client: Any, values: Callable[[Any], Any]) -> Any:
    if isinstance(client, AsyncClient):
        found = [value async for value in values(client)]
    else:
        found = list(values(client.inner))
    for value in found:
        if isinstance(value, FileFailed):
            raise value.error
    return found


async def _awaited(client: Any, call: Callable[[Any], Any]) -> Any:
    return await call(client) if isinstance(client, AsyncClient) else call(client.inner)


CALLS: dict[str, Callable[[Any], Any]] = {
    "stream": _stream,
    "stream, openai": _openai,
    "transcribe": _transcribe,
    "transcribe a file": _transcribe_file,
    "transcribe_files": lambda client: _drained(client, lambda c: c.transcribe_files([URL], model="fun-asr")),
    "submit": lambda client: _awaited(client, lambda c: c.tasks.submit(URL, model="fun-asr")),
    "get": lambda client: _awaited(client, lambda c: c.tasks.get("t-1")),
    "wait": lambda client: _awaited(client, lambda c: c.tasks.wait("t-1")),
    "cancel": lambda client: _awaited(client, lambda c: c.tasks.cancel("t-1")),
    "list": lambda client: _drained(client, lambda c: c.tasks.list()),
    "results": lambda client: _drained(client, lambda c: c.tasks.results("t-1")),
    "find": lambda client: _awaited(client, lambda c: c.tasks.find(URL, since=0)),
}

ECHO = b'{"code":"InvalidApiKey","message":"bad key %b","request_id":"r-1"}' % KEY.encode()
FAULTS: dict[str, tuple[Any, set[str]]] = {
    "closed without a word": (then(), {"protocol"}),
    "reset without a word": (then(last="reset"), {"connect"}),
    "not HTTP": (then(b"220 ftp ready\r\n\r\n"), {"protocol"}),
    "cut in the head": (then(b"HTTP/1.1 200 OK\r\nContent-"), {"protocol"}),
    "cut in the body": (then(sized(b'{"output":{}}')[:-5]), {"truncated"}),
    "a bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", {"protocol"}),
    "an unknown coding": (sized(b"abc", more=b"Content-Encoding: br\r\n"), {"protocol"}),
    "a refusal that shows the key": (sized(ECHO, b"401 Unauthorized"), {"http_status"}),
    "an error in a 200 that shows the key": (sized(ECHO), {"service"}),
    "a fault of the service": (sized(b"<html>oops</html>", b"500 X", b"text/html"), {"http_status"}),
    "a redirect": (sized(b"", b"302 X", more=b"Location: https://elsewhere.example/\r\n"), {"http_status"}),
    "JSON of another kind": (sized(b'["a"]'), {"decode"}),
    "a number for an object": (sized(b'{"output":5}'), {"decode"}),
    "broken JSON": (sized(b'{"output":}'), {"decode"}),
    "JSON too deep": (sized(b"[" * 100_000), {"decode", "truncated"}),
    "HTML": (sized(b"<html>login</html>", kind=b"text/html"), {"content_type", "decode"}),
    "nothing": (sized(b""), {"truncated", "decode"}),
    "an endless head": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, {"limit"}),
}


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_talk, "FIRST", 0.001)
    monkeypatch.setattr(_talk, "LONGEST", 0.001)
    monkeypatch.setattr(_talk, "_GRACE", 0.05)


def caught(colour: Colour, call: str, **settings: Any) -> ASRWireError:
    async def scenario() -> ASRWireError:
        async with colour.client(**settings) as client:
            with pytest.raises(ASRWireError) as caught:
                await CALLS[call](client)
        return caught.value

    error: ASRWireError = colour.run(scenario)
    return error


def check(error: ASRWireError) -> None:
    """What every error keeps."""
    assert error.kind == KINDS[type(error)]
    assert error.phase
    assert error.sent in ("none", "partial", "complete")
    assert type(error.retry_safe) is bool
    assert len(str(error).split()) > 2
    assert len(str(error)) < 2200
    assert (error.__cause__, error.__context__) == (None, None)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert [getattr(again, name) for name in ATTRIBUTES] == [getattr(error, name) for name in ATTRIBUTES]
    shown = [str(error), repr(error), repr(vars(error)), repr(error.args), repr(error.partial), repr(error.task)]
    assert not [text for text in shown if KEY in text]
    assert KEY.encode() not in pickle.dumps(error)


CASES = [(call, fault) for call in CALLS for fault in FAULTS]
NOT_READ = {("cancel", "JSON of another kind"), ("cancel", "a number for an object")}  # its status says it all


@pytest.mark.parametrize(("call", "fault"), [case for case in CASES if case not in NOT_READ])
def test_whatever_breaks(colour: Colour, call: str, fault: str) -> None:
    answer, kinds = FAULTS[fault]
    with Server(answer) as server:
        error = caught(colour, call, server=server)
    check(error)
    assert error.kind in kinds
    assert error.sent == "complete"
    if call in ("stream", "stream, openai", "transcribe"):
        assert error.partial is not None
        assert not error.partial.complete
    if error.kind in ("service", "http_status"):
        assert error.http_status is not None
    if "shows the key" in fault:
        assert "bad key ***" in str(error)
        assert error.code == "InvalidApiKey"


@pytest.mark.parametrize("call", CALLS)
def test_nothing_listens(colour: Colour, call: str) -> None:
    with Server() as server:
        url = server.base_url
    error = caught(colour, call, base_url=url)
    check(error)
    assert (error.kind, error.phase, error.sent, error.retry_safe) == ("connect", "connect", "none", True)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_as_a_whole_has_a_timer(colour: Colour, call: str) -> None:
    with Server(then(last="wait")) as server:
        error = caught(colour, call, server=server, timeouts=short(total=0.05))
        assert server.saw_close.wait(HANG)
    check(error)
    assert isinstance(error, Timeout)
    assert error.phase in ("total", "wait")


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client(colour: Colour, call: str) -> None:
    async def scenario() -> None:
        client = colour.client(server)
        await client.aclose()
        with pytest.raises(Closed):
            await CALLS[call](client)

    with Server(GOOD) as server:
        colour.run(scenario)
        assert server.connections == 0


def test_what_was_received_is_in_the_error_and_does_not_change(colour: Colour) -> None:
    async def scenario() -> tuple[Any, ...]:
        async with colour.client(server) as client:
            return tuple(await heard(client))

    with Server(then(CHUNKED + chunk(ONE + OPEN))) as server:
        updates, error, stream = colour.run(scenario)
    assert [update.sentence for update in updates[::2]] == list(error.partial.sentences)
    assert (error.partial.text, error.partial.incomplete_reason) == ("one thr", "cut")
    assert error.partial == stream.transcript
    with pytest.raises(AttributeError):
        error.partial.text = "other"
    with pytest.raises(AttributeError):
        error.partial.sentences[0].text = "other"
    assert pickle.loads(pickle.dumps(error)).partial == error.partial


def test_an_exception_of_a_callback_passes(colour: Colour) -> None:
    task = sized(b'{"output":{"task_id":"t-1","task_status":"RUNNING"}}')

    def told(progress: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        async with colour.client(server) as client:
            with pytest.raises(ZeroDivisionError):
                await _awaited(client, lambda c: c.tasks.wait("t-1", on_progress=told))

    with Server(task) as server:
        colour.run(scenario)
        assert len(server.requests) == 1


# == a process that ends ==============================================================================================

ENDINGS = {
    "exit": "import sys; sys.exit(3)",
    "an exception": "raise KeyError('mine')",
    "the end": "pass",
}
SYNC = """
from asrwire import Client
client = Client("sk-0123456789", base_url={url!r})
stream = client.stream({audio!r}, model={model!r})
stream.__enter__()
print(next(stream).sentence.text, flush=True)
"""
ASYNC = """
import asyncio
from asrwire import AsyncClient
async def main():
    client = AsyncClient("sk-0123456789", base_url={url!r})
    stream = client.stream({audio!r}, model={model!r})
    await stream.__aenter__()
    print((await stream.__anext__()).sentence.text, flush=True)
    {ending}
asyncio.run(main())
"""


def ended(code: str) -> subprocess.CompletedProcess[str]:
    # Warnings of sockets left open are Python's own word for what such a program does.
    arguments = [sys.executable, "-W", "ignore::ResourceWarning", "-c", code]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_ends_with_a_stream_open(kind: str, ending: str) -> None:
    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        given = {"url": server.base_url, "audio": URL, "model": MODEL}
        if kind == "sync":
            code = SYNC.format(**given) + ENDINGS[ending]
        else:
            code = ASYNC.format(**given, ending=ENDINGS[ending])
        done = ended(code)
        assert server.saw_close.wait(HANG)
    assert done.stdout == "one\n"
    assert done.returncode == {"exit": 3, "an exception": 1, "the end": 0}[ending]
    last = done.stderr.strip().splitlines()[-1:]
    assert last == (["KeyError: 'mine'"] if ending == "an exception" else []), done.stderr
    assert "Exception ignored" not in done.stderr


FORK = """
import os
from asrwire import Client
with Client("sk-0123456789", base_url={url!r}) as client, client.stream({audio!r}, model={model!r}) as stream:
    first = next(stream)
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print(first.sentence.text, *[update.sentence.text for update in stream])
with Client("sk-0123456789", base_url={url!r}) as client:
    child = os.fork()
    with client.stream({audio!r}, model={model!r}) as stream:
        texts = [update.sentence.text for update in stream]
    if child == 0:
        os._exit(len(texts))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(texts))
"""


def test_a_process_that_forks() -> None:
    with Server(GOOD) as server:
        done = ended(FORK.format(url=server.base_url, audio=URL, model=MODEL))
    assert (done.stdout, done.stderr) == ("one two\n2 2\n", "")


@pytest.mark.parametrize("wire", [b"", CHUNKED + chunk(ONE)], ids=["head", "body"])
def test_ctrl_c_passes_and_closes(colour: Colour, wire: bytes) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def answer(peer: Peer) -> None:
        peer.send(wire)
        signal.pthread_kill(main, signal.SIGINT)
        peer.wait_closed()

    async def scenario() -> None:
        async with colour.client(server) as client:
            await heard(client, resend=True)

    with Server(answer) as server:
        with pytest.raises(KeyboardInterrupt):
            colour.run(scenario)
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1


def test_a_stream_that_is_let_go_of_closes_its_connection(colour: Colour) -> None:
    async def scenario() -> None:
        client = colour.client(server)
        stream = client.stream(URL, model=MODEL)
        await stream.__aenter__()
        assert (await stream.__anext__()).sentence.text == "one"
        del stream, client
        gc.collect()

    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        with pytest.warns(ResourceWarning):
            colour.run(scenario)
        assert server.saw_close.wait(HANG)
