# Keys, tokens and signed queries: in no text, log, traceback or pickle, and at no origin but their own.

from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path
from typing import Any

import orjson
import pytest

from asrwire import (
    ASRWireError,
    AsyncClient,
    Client,
    ConfigError,
    FileFailed,
    FileResult,
    Subtask,
    Task,
    _talk,
)
from tests.matrix import heard, then
from tests.servers import CHUNKED, END, GOOD, KEY, MODEL, ONE, URL, Colour, Server, chunk, sized

pytestmark = pytest.mark.transport

QUERY = "Signature=s3cr3t"
SIGNED = f"https://example.com/audio.wav?{QUERY}"
RESULT = b'{"file_url":"%b","transcripts":[{"channel_id":0,"text":"one","sentences":[]}]}' % SIGNED.encode()


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_talk, "FIRST", 0.001)
    monkeypatch.setattr(_talk, "LONGEST", 0.001)


async def drained(client: Any, values: Any) -> list[Any]:
    if isinstance(client, AsyncClient):
        return [value async for value in values(client)]
    return list(values(client.inner))


def files(api: int, storage: int) -> list[bytes]:
    """Answers of the API to a submission and a poll, with signed URLs."""
    subtask = {"file_url": SIGNED, "subtask_status": "SUCCEEDED"}
    subtask["transcription_url"] = f"http://127.0.0.1:{storage}/r.json?{QUERY}"
    output = {"task_id": "t-1", "task_status": "SUCCEEDED", "results": [subtask]}
    made = {"output": {"task_id": "t-1", "task_status": "PENDING"}, "request_id": "r"}
    return [sized(orjson.dumps(made)), sized(orjson.dumps({"output": output, "request_id": "r"}))]


# == texts ============================================================================================================


def texts_of(value: Any) -> list[str]:
    error = "".join(traceback.format_exception(value)) if isinstance(value, BaseException) else ""
    return [str(value), repr(value), format(value), error]


def check(*values: Any) -> None:
    for value in values:
        for text in texts_of(value):
            assert KEY not in text
            assert "s3cr3t" not in text


def test_texts_of_a_whole_conversation(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        settings = {"headers": {"X-Token": KEY}}
        async with colour.client(api, **settings) as client:
            seen = await drained(client, lambda c: c.transcribe_files([SIGNED], model="fun-asr"))
            assert [type(value) for value in seen] == [FileResult]
            _, error, stream = await heard(client, audio=SIGNED)
            inner = getattr(client, "inner", client)
            check(*seen, error, stream, stream.transcript, error.partial, inner, inner.tasks)
            poll = await drained(client, lambda c: c.tasks.results("t-1"))
            assert [type(value) for value in poll] == [FileFailed]
            check(*poll, poll[0].error, poll[0].error.task, *poll[0].error.task.subtasks)

    caplog.set_level(1)
    with Server(sized(RESULT), sized(b"<Error/>", b"403 X")) as storage, Server() as api:
        submitted, polled = files(api.port, storage.port)
        refused = sized(b'{"code":"InvalidApiKey","message":"%b of %b"}' % (KEY.encode(), SIGNED.encode()), b"401 X")
        api._answers = (submitted, polled, refused, polled)
        colour.run(scenario)
    check(caplog.text, *[record.getMessage() for record in caplog.records], *[record.args for record in caplog.records])
    assert not [record for record in caplog.records if record.name.startswith("asrwire")]


FAULTS = {
    "head": then(),
    "reset": then(last="reset"),
    "body": then(CHUNKED + chunk(ONE)),
    "chunk": CHUNKED + b"zz\r\n",
    "refusal": sized(b'{"code":"InvalidApiKey","message":"%b"}' % KEY.encode(), b"401 X"),
    "plain refusal": sized(b"bad key %b for %b" % (KEY.encode(), SIGNED.encode()), b"403 X", b"text/plain"),
    "redirect": sized(b"", b"307 X", more=b"Location: https://e.example/?%b\r\n" % QUERY.encode()),
    "in a 200": sized(b'{"code":"X","message":"%b"}' % KEY.encode()),
    "in a stream": CHUNKED + chunk(ONE + b'event:error\ndata:{"code":"%b","message":"x"}\n\n' % KEY.encode()) + END,
    "not JSON": CHUNKED + chunk(b"data:{ https://e.example/?%b\n\n" % QUERY.encode()) + END,
    "HTML": sized(b"<a href='https://e.example/?%b'>" % QUERY.encode(), kind=b"text/html"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_traceback_with_locals(colour: Colour, fault: str) -> None:
    async def scenario() -> Any:
        async with colour.client(server) as client:
            try:
                await client.transcribe(SIGNED, model=MODEL)
            except ASRWireError as error:
                return error

    with Server(FAULTS[fault]) as server:
        error = colour.run(scenario)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [repr(frame.f_locals) for frame in frames if frame.f_globals["__name__"].startswith("asrwire")]
    assert ours
    assert not [text for text in ours if KEY in text]
    check(error, *[vars(error)[name] for name in ("args", "code", "request_id", "path") if name in vars(error)])
    assert KEY.encode() not in pickle.dumps(error)


def test_clients_and_streams_are_neither_pickled_nor_copied(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            inner = getattr(client, "inner", client)
            stream = inner.stream(URL, model=MODEL)
            for value in (inner, stream, inner.tasks):
                for take in (pickle.dumps, copy.copy, copy.deepcopy):
                    with pytest.raises(TypeError, match="neither copied nor pickled"):
                        take(value)

    with Server(GOOD) as server:
        colour.run(scenario)


# == refused before anything is sent ==================================================================================

WRONG = ["SECRET\r\nX-Evil: 1", "SECRET\n", "SE\rCRET", "SECRET\0", "SECRET\x7f", "SECRET語"]
INPUTS: dict[str, Any] = {
    "key": lambda colour, url, text: _transcribed(colour, url, api_key=text),
    "key of a callable": lambda colour, url, text: _transcribed(colour, url, api_key=lambda: text),
    "header value": lambda colour, url, text: _transcribed(colour, url, headers={"X-A": text}),
    "header name": lambda colour, url, text: _transcribed(colour, url, headers={text: "a"}),
    "base_url": lambda colour, url, text: _transcribed(colour, f"{url[:-7]}/{text}/api/v1"),
    "compatible_base_url": lambda colour, url, text: _transcribed(colour, url, compatible_base_url=f"{url}/{text}"),
    "workspace": lambda colour, url, text: _transcribed(colour, url, workspace=text),
    "region": lambda colour, url, text: _transcribed(colour, url, region=text),
    "proxy": lambda colour, url, text: _transcribed(colour, url, proxy=f"http://{text}:1"),
    "audio": lambda colour, url, text: _transcribed(colour, url, audio=f"https://example.com/{text}"),
    "file": lambda colour, url, text: _transcribed(colour, url, audio=f"https://example.com/{text}", model="fun-asr"),
    "model": lambda colour, url, text: _transcribed(colour, url, model=text),
    "task id": lambda colour, url, text: _asked(colour, url, text),
}


def _transcribed(colour: Colour, url: str, audio: str = URL, model: str = MODEL, **settings: Any) -> None:
    async def scenario() -> None:
        async with colour.client(base_url=url, **settings) as client:
            await client.transcribe(audio, model=model)

    colour.run(scenario)


def _asked(colour: Colour, url: str, task: str) -> None:
    async def scenario() -> None:
        async with colour.client(base_url=url) as client:
            if isinstance(client, AsyncClient):
                await client.tasks.get(task)
            else:
                client.inner.tasks.get(task)

    colour.run(scenario)


@pytest.mark.parametrize("name", INPUTS)
def test_line_breaks_and_controls_are_refused_unseen(colour: Colour, name: str) -> None:
    with Server(GOOD) as server:
        for text in WRONG:
            with pytest.raises(ConfigError) as caught:
                INPUTS[name](colour, server.base_url, text)
            error = caught.value
            shown = "".join(traceback.format_exception_only(error)) + repr(error.args) + repr(vars(error))
            assert "SECRET" not in shown
            assert "CRET" not in shown
            assert (error.__cause__, error.__context__) == (None, None)
        assert server.connections == 0


# == other origins ====================================================================================================


def test_no_other_origin_gets_credentials(colour: Colour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nor does a .netrc give any: it is not read.
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password from-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    async def scenario() -> list[Any]:
        settings = {"headers": {"Cookie": "a=b", "X-Mine": "1"}, "workspace": "ws-1", "trust_env": False}
        async with colour.client(api, **settings) as client:
            return await drained(client, lambda c: c.transcribe_files([SIGNED], model="fun-asr"))

    with Server(sized(RESULT)) as last, Server() as storage, Server() as api:
        moved = f"Location: http://127.0.0.1:{last.port}/there?{QUERY}\r\nSet-Cookie: c=d\r\n"
        storage._answers = (sized(b"", b"302 X", more=moved.encode()),)
        api._answers = tuple(files(api.port, storage.port))
        (found,) = colour.run(scenario)
    assert isinstance(found, FileResult)
    for request in (*storage.requests, *last.requests):
        names = {line.split(b":")[0].lower() for line in request.split(b"\r\n")[1:] if line}
        assert names == {b"host", b"user-agent", b"accept", b"accept-encoding"}
    assert (len(storage.requests), len(last.requests), len(api.requests)) == (1, 1, 2)
    for request in api.requests:
        assert b"Authorization: Bearer " + KEY.encode() in request
        assert b"Basic" not in request


def test_a_proxy_is_used_only_where_it_was_asked_for(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server(GOOD) as proxy, Server(GOOD) as server:
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for trust, through in ((False, 0), (True, 1)):
            _transcribed(colour, server.base_url, trust_env=trust)
            assert len(proxy.requests) == through
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://asr.example/api/v1", False),
        ("http://10.0.0.1/api/v1", False),
        ("http://127.0.0.1.example/api/v1", False),
        ("http://localhost/api/v1", True),
        ("http://127.9.9.9:8/api/v1", True),
        ("http://[::1]/api/v1", True),
        ("https://asr.example/api/v1", True),
    ],
)
def test_a_key_travels_in_the_clear_on_this_host_only(url: str, allowed: bool) -> None:
    if allowed:
        Client(KEY, base_url=url).close()
    else:
        with pytest.raises(ConfigError, match="allow_http"):
            Client(KEY, base_url=url)
        Client(KEY, base_url=url, allow_http=True).close()


# == pickles ==========================================================================================================


def test_pickles_of_results_hold_no_key(colour: Colour) -> None:
    async def scenario() -> list[Any]:
        async with colour.client(api) as client:
            values = await drained(client, lambda c: c.transcribe_files([SIGNED], model="fun-asr"))
            _, error, stream = await heard(client)
            return [*values, error, stream.transcript]

    with Server(sized(b"", b"404 X")) as storage, Server() as api:
        echo = sized(b'{"code":"InvalidApiKey","message":"%b"}' % KEY.encode(), b"401 X")
        api._answers = (*files(api.port, storage.port), echo)
        values = colour.run(scenario)
    assert isinstance(values[0], FileFailed)
    for value in values:
        assert KEY.encode() not in pickle.dumps(value)


def test_a_task_keeps_what_it_needs_to_be_gone_on_with() -> None:
    # Its signed URL among it, which is neither in its text nor a key: it opens one file for a day.
    task = Task("t-1", "SUCCEEDED", subtasks=(Subtask(URL, "SUCCEEDED", f"https://oss.example/r?{QUERY}"),))
    again = pickle.loads(pickle.dumps(task))
    assert again.subtasks[0].transcription_url == f"https://oss.example/r?{QUERY}"
    check(task, again, *again.subtasks)
