# asrwire.integrations.httpx_sse beside httpx-sse itself: the same calls on both, equal except where WHATWG HTML says
# otherwise; each such case is named, with the section that says it.
#
# Knows: both packages' public names, responses of httpx and httpx2, of literal bytes and of real sockets. Must not
# know: how either parses.

from __future__ import annotations

import asyncio
import copy
import gzip
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import httpx2
import httpx_sse as theirs
import pytest

from asrwire import ASRWireError, ContentTypeError, LimitExceeded
from asrwire.integrations import httpx_sse as ours
from tests.cases.sse import CASES, Case
from tests.servers import CHUNKED, END, HANG, Peer, Server, chunk, sized

LIBRARIES = (httpx, httpx2)
MIB = 2**20
each_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda module: module.__name__)
EVENTS = "text/event-stream"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in these pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.read = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            self.read += 1
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def response(*pieces: bytes | Exception, content_type: str | None = EVENTS, library: Any = httpx, **more: Any) -> Any:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return library.Response(200, headers={**headers, **more}, stream=Body(*pieces))


def seen(events: Any) -> list[tuple[str, str, str, int | None]]:
    return [(event.event, event.data, event.id, event.retry) for event in events]


def read(package: Any, *pieces: bytes | Exception, **made: Any) -> Any:
    return seen(package.EventSource(response(*pieces, **made)).iter_sse())


async def gathered(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


def read_async(package: Any, *pieces: bytes | Exception, **made: Any) -> Any:
    return seen(asyncio.run(gathered(package.EventSource(response(*pieces, **made)).aiter_sse())))


# == what event streams mean ===========================================================================================

# Where httpx-sse gives something else than the standard, by the section that says what is right.
BOM = "9.2.6: the UTF-8 decode algorithm strips one leading byte order mark"
NO_DATA = "9.2.6, dispatch, step 2: where the data buffer is empty, nothing is dispatched"
DIFFERENT = {
    BOM: {"bom leading", "bom then id", "bom on the second event"},
    NO_DATA: {
        "data does not return without data", "event without data makes no event", "event without data is forgotten",
        "event then comment-only block", "id of one space is empty", "id alone counts at its blank line",
        "id alone, then data", "id alone, then comment", "id alone, then event-only block",
        "id alone makes no later event", "id of an unfinished line", "retry alone", "retry many zeros",
        "retry 700 zeros and a digit", "retry base ten", "retry 2**64", "retry 640 digits", "retry 641 digits",
        "retry no space", "retry two spaces", "retry trailing space", "retry trailing tab", "retry trailing VT",
        "retry plus", "retry minus", "retry underscore", "retry Arabic-Indic digits", "retry full-width digits",
        "retry empty", "retry bare name", "retry of a block without data", "retry bad one gives the event none",
        "comment of an id-only block is dropped", "wire heartbeat blocks after ids", "wire heartbeat events",
    },
}  # fmt: skip
SECTION = {name: section for section, names in DIFFERENT.items() for name in names}


def test_every_difference_is_a_case() -> None:
    assert set(SECTION) <= {case.name for case in CASES}


@each_library
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_stream_of_the_standard(case: Case, library: Any) -> None:
    expected = seen(case.events)
    pieces = [case.wire[i : i + 1] for i in range(len(case.wire))]
    assert read(ours, case.wire, library=library) == expected
    assert read(ours, *pieces, library=library) == expected
    if case.name in SECTION:
        assert read(theirs, case.wire, library=library) != expected
    else:
        assert read(theirs, case.wire, library=library) == expected


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_stream_with_asyncio(case: Case) -> None:
    assert read_async(ours, case.wire) == seen(case.events)


# == a table of calls ==================================================================================================


class Call(NamedTuple):
    name: str
    make: Callable[[Any], Any]
    returned: Any  # by both; an exception's class: raised by both
    standard: str = ""  # the section by which ours does what `returned` says, and theirs does not


def event(package: Any, **fields: Any) -> Any:
    return package.ServerSentEvent(**fields)


def typed(content_type: str | None) -> Callable[[Any], Any]:
    return lambda package: read(package, b"data:a\n\n", content_type=content_type)


def sent(**arguments: Any) -> Callable[[Any], Any]:
    """The head of the request that connect_sse sends: what it says of the three fields that matter."""

    def call(package: Any) -> Any:
        requests: list[Any] = []

        def handler(request: Any) -> Any:
            requests.append(request)
            return response(b"data:a\n\n")

        with httpx.Client(transport=httpx.MockTransport(handler)) as client:
            with package.connect_sse(client, **arguments) as source:
                events = seen(source.iter_sse())
            assert source.response.is_closed
        [request] = requests
        fields = [(name.lower(), value) for name, value in request.headers.raw]
        told = {name: [v.decode() for n, v in fields if n == name] for name in (b"accept", b"cache-control", b"x-own")}
        return request.method, str(request.url), request.content, *told.values(), events

    return call


def after(*calls: str) -> Callable[[Any], Any]:
    """Reading events from a response on which these were called."""

    def call(package: Any) -> Any:
        made = response(b"data:a\n\n")
        for name in calls:
            getattr(made, name)()
        return seen(package.EventSource(made).iter_sse())

    return call


def assigned(package: Any) -> None:
    event(package, data="a").data = "b"


def replaced(package: Any) -> None:
    package.EventSource(response()).response = None


def same_response(package: Any) -> bool:
    made = response()
    return package.EventSource(made).response is made


def refused_late(package: Any) -> bool:
    return package.EventSource(response(content_type="text/html")).iter_sse() is not None


def twice(package: Any) -> Any:
    source = package.EventSource(response(b"data:a\n\n"))
    return seen(source.iter_sse()), seen(source.iter_sse())


def then_error(package: Any) -> Any:
    events = package.EventSource(response(b"data:a\n\ndata:b\n\nda", httpx.ReadError("gone"))).iter_sse()
    return [seen([next(events), next(events)]), next(events)]


def raised_class(package: Any) -> Any:
    with pytest.raises(package.SSEError) as caught:
        read(package, content_type="text/html")
    kinds = (httpx.TransportError, httpx.RequestError, httpx.HTTPError, httpx.HTTPStatusError)
    return [kind for kind in kinds if isinstance(caught.value, kind)]


EMPTY_FIELDS = {"event": "", "data": "", "id": "", "retry": None}
NO_STORE = ["no-store"]
CALLS = (
    # == events
    Call("event without arguments", lambda p: seen([event(p)]), [("message", "", "", None)]),
    Call("event of None", lambda p: seen([event(p, **dict.fromkeys(EMPTY_FIELDS))]), [("message", "", "", None)]),
    Call("event of empty fields", lambda p: seen([event(p, **EMPTY_FIELDS)]), [("message", "", "", None)]),
    Call("event by position", lambda p: seen([p.ServerSentEvent("e", "d", "i", 3)]), [("e", "d", "i", 3)]),
    Call("event with a field too many", lambda p: event(p, comments=()), TypeError),
    Call("event is read-only", assigned, AttributeError),
    Call("repr of nothing", lambda p: repr(event(p)), "ServerSentEvent(event='message')"),
    Call("repr of all", lambda p: repr(p.ServerSentEvent("e", "d\n", "i", 0)),
         "ServerSentEvent(event='e', data='d\\n', id='i', retry=0)"),
    Call("repr of an id", lambda p: repr(event(p, id="1")), "ServerSentEvent(event='message', id='1')"),
    Call("events are equal to themselves only", lambda p: event(p, data="a") == event(p, data="a"), False),
    Call("json", lambda p: event(p, data='{"a": [1, null]}').json(), {"a": [1, None]}),
    Call("json of what the standard library takes", lambda p: event(p, data="[1e999, 12345678901234567890123]").json(),
         [float("inf"), 12345678901234567890123]),
    Call("json of none", lambda p: event(p).json(), json.JSONDecodeError),
    Call("json of [DONE]", lambda p: event(p, data="[DONE]").json(), json.JSONDecodeError),
    # == the response
    Call("response", same_response, True),
    Call("response is read-only", replaced, AttributeError),
    Call("a wrong type is not refused before the first event", refused_late, True),
    Call("no response", lambda p: p.EventSource(), TypeError),
    Call("two passes", twice, httpx.StreamConsumed),
    Call("a response read before", after("read"), [("message", "a", "", None)]),
    Call("a response closed before", after("close"), httpx.StreamClosed),
    Call("a response closed after it was read", after("read", "close"), [("message", "a", "", None)]),
    Call("an error in the body, after what came before it", then_error, httpx.ReadError),
    Call("asyncio of a response for threads", lambda p: asyncio.run(gathered(
        p.EventSource(httpx.Response(200, headers={"Content-Type": EVENTS}, stream=httpx.ByteStream(b""))).aiter_sse(),
    )), []),
    Call("an empty body", lambda p: read(p), []),
    Call("status 500", lambda p: seen(p.EventSource(httpx.Response(
        500, headers={"Content-Type": EVENTS}, content=b"data:a\n\n")).iter_sse()), [("message", "a", "", None)]),
    # == the media type
    Call("type", typed(EVENTS), [("message", "a", "", None)]),
    Call("type with a parameter", typed("text/event-stream; charset=utf-8"), [("message", "a", "", None)]),
    Call("type with white space", typed(" text/event-stream ;a=b"), [("message", "a", "", None)]),
    Call("type html", typed("text/html"), theirs.SSEError),
    Call("type json, and a parameter that misleads", typed("application/json; of=text/event-stream"), theirs.SSEError),
    Call("type empty", typed(""), theirs.SSEError),
    Call("type missing", typed(None), theirs.SSEError),
    Call("type in capitals", typed("TEXT/Event-Stream"), [("message", "a", "", None)],
         "9.2.3 compares MIME types, which MIME Sniffing 4.4 reads in any case"),
    Call("type that only begins so", typed("text/event-stream-x"), theirs.SSEError,
         "9.2.3: a Content-Type that is not text/event-stream fails the connection"),
    Call("type that only ends so", typed("x-text/event-stream"), theirs.SSEError,
         "9.2.3: a Content-Type that is not text/event-stream fails the connection"),
    Call("type twice", typed("text/event-stream, text/event-stream"), [("message", "a", "", None)]),
    Call("type, then another", typed("text/event-stream, text/html"), theirs.SSEError,
         "9.2.3, and Fetch 2.2.2: the last of several counts"),
    Call("what a wrong type raises", raised_class, [httpx.TransportError, httpx.RequestError, httpx.HTTPError]),
    # == the bytes
    Call("charset iso-8859-1", lambda p: read(p, "data:入\n\n".encode(), content_type=f"{EVENTS};charset=iso-8859-1"),
         [("message", "入", "", None)], "9.2.6: streams must be decoded as UTF-8"),
    Call("charset utf-16", lambda p: read(p, b"data:ab\n\n", content_type=f"{EVENTS};charset=utf-16"),
         [("message", "ab", "", None)], "9.2.6: streams must be decoded as UTF-8"),
    Call("charset unknown", lambda p: read(p, "data:入\n\n".encode(), content_type=f"{EVENTS};charset=x"),
         [("message", "入", "", None)]),
    Call("charset gbk", lambda p: read(p, "data:入\n\n".encode(), content_type=f"{EVENTS};charset=gbk"),
         [("message", "入", "", None)], "9.2.6: streams must be decoded as UTF-8"),
    Call("gzip", lambda p: read(p, gzip.compress(b"data:a\n\n"), **{"Content-Encoding": "gzip"}),
         [("message", "a", "", None)]),
    Call("retry with data, digits", lambda p: read(p, b"retry: 10\ndata:a\n\n"), [("message", "a", "", 10)]),
    Call("retry with data, letters", lambda p: read(p, b"retry:ten\ndata:a\n\n"), [("message", "a", "", None)]),
    *(Call(f"retry with data, {value!r}", lambda p, value=value: read(p, b"retry:%b\ndata:a\n\n" % value.encode()),
           [("message", "a", "", None)], "9.2.6, field retry: only ASCII digits")
      for value in ("+10", "-10", "1_000", "  10", "10 ", "\u0661\u0660", "\uff11\uff10")),
    Call("the last event id goes on", lambda p: read(p, b"id:1\ndata:a\n\ndata:b\n\n"),
         [("message", "a", "1", None), ("message", "b", "1", None)]),
    Call("NUL in an id", lambda p: read(p, b"id:1\0\ndata:a\n\n"), [("message", "a", "", None)]),
    Call("U+2028, U+2029, U+0085 end no line", lambda p: read(p, "data:a\u2028b\u2029c\u0085d\n\n".encode()),
         [("message", "a\u2028b\u2029c\u0085d", "", None)]),
    Call("bytes that are no UTF-8", lambda p: read(p, b"data:\xffa\n\n"), [("message", "\ufffda", "", None)]),
    Call("an event without its blank line", lambda p: read(p, b"data:a\n\ndata:b\n"), [("message", "a", "", None)]),
    # == requests
    Call("connect_sse", sent(method="GET", url="http://h/p"),
         ("GET", "http://h/p", b"", [EVENTS], NO_STORE, [], [("message", "a", "", None)])),
    Call("connect_sse with a body and a header", sent(method="POST", url="http://h/", headers={"X-Own": "1"}, json={}),
         ("POST", "http://h/", b"{}", [EVENTS], NO_STORE, ["1"], [("message", "a", "", None)])),
    Call("connect_sse with its own fields", sent(method="GET", url="http://h/", headers={"Accept": "a/b"}),
         ("GET", "http://h/", b"", [EVENTS], NO_STORE, [], [("message", "a", "", None)])),
    Call("connect_sse with Headers", sent(method="GET", url="http://h/", headers=httpx.Headers({"accept": "a/b"})),
         ("GET", "http://h/", b"", [EVENTS], NO_STORE, [], [("message", "a", "", None)])),
    Call("connect_sse with its own field in another case", sent(method="GET", url="http://h/", headers={"accept": "a"}),
         ("GET", "http://h/", b"", [EVENTS], NO_STORE, [], [("message", "a", "", None)]),
         "9.2.2, constructor: Accept is text/event-stream"),
    Call("connect_sse with what the client does not take", sent(method="GET", url="http://h/", colour=1), TypeError),
)  # fmt: skip


def outcome(package: Any, call: Call) -> Any:
    try:
        return call.make(package)
    except Exception as error:
        if isinstance(error, package.SSEError):
            return theirs.SSEError
        return type(error)


def test_call_names_differ() -> None:
    assert len({call.name for call in CALLS}) == len(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=[call.name for call in CALLS])
def test_a_call_on_both(call: Call) -> None:
    assert outcome(ours, call) == call.returned
    if call.standard:
        assert outcome(theirs, call) != call.returned
    else:
        assert outcome(theirs, call) == call.returned


# == the names =========================================================================================================


def test_the_names_are_theirs() -> None:
    assert sorted(ours.__all__) == sorted(theirs.__all__)
    assert theirs.__version__.rpartition(".")[0] == ours.__version__.rpartition(".")[0] == "0.4"


@pytest.mark.parametrize(
    "name",
    ["EventSource", "EventSource.iter_sse", "EventSource.aiter_sse", "ServerSentEvent", "ServerSentEvent.json",
     "connect_sse", "aconnect_sse"],
)  # fmt: skip
def test_signatures(name: str) -> None:
    def parameters(package: Any) -> list[tuple[str, Any, Any]]:
        value = package
        for part in name.split("."):
            value = getattr(value, part)
        return [(one.name, one.kind, one.default) for one in inspect.signature(value).parameters.values()]

    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize("package", [ours, theirs], ids=["ours", "theirs"])
def test_kinds_of_iterators(package: Any) -> None:
    source = package.EventSource(response(b"data:a\n\ndata:b\n\n"))
    events = source.iter_sse()
    assert inspect.isgenerator(events)
    assert next(events).data == "a"
    events.close()
    assert list(events) == []
    assert inspect.isasyncgen(package.EventSource(response()).aiter_sse())


def test_neither_library_is_imported() -> None:
    code = "import asrwire.integrations.httpx_sse, sys; print({'httpx', 'httpx2', 'httpcore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# == what is raised ====================================================================================================


@each_library
def test_an_error_is_in_both_trees(library: Any) -> None:
    class Own(library.Response):
        pass

    for made in (response(content_type="text/html", library=library), Own(200, content=b"", headers={})):
        with pytest.raises(ours.SSEError) as caught:
            next(ours.EventSource(made).iter_sse())
        error = caught.value
        assert isinstance(error, library.TransportError)
        assert isinstance(error, ContentTypeError)
        assert error.kind == "content_type"
        assert type(error).__name__ == "SSEError"
    other = httpx2 if library is httpx else httpx
    assert not isinstance(error, other.TransportError)
    assert str(error) == "Content-Type is '', not 'text/event-stream'"


def test_an_error_for_a_response_of_nobody_known() -> None:
    made: Any = SimpleNamespace(headers={"content-type": "a/b"})
    with pytest.raises(ours.SSEError) as caught:
        next(ours.EventSource(made).iter_sse())
    assert isinstance(caught.value, ContentTypeError)
    assert not isinstance(caught.value, httpx.TransportError)


def test_an_error_is_pickled_and_copied() -> None:
    with pytest.raises(ours.SSEError) as caught:
        read(ours, content_type="a/b")
    for error in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert isinstance(error, ours.SSEError)
        assert isinstance(error, ASRWireError)
        assert str(error) == str(caught.value)


def test_an_event_at_the_bound_and_one_past_it() -> None:
    fits = b"data:" + b"x" * (8 * MIB - 5)
    assert len(read(ours, b"data:a\n\n" + fits + b"\n\n")) == 2
    events = ours.EventSource(response(b"data:a\n\n" + fits + b"x\n\n")).iter_sse()
    assert next(events).data == "a"
    with pytest.raises(ours.SSEError, match="max_event_size") as caught:
        next(events)
    assert isinstance(caught.value, LimitExceeded)
    assert isinstance(caught.value, httpx.TransportError)
    assert caught.value.offset == 8 + 8 * MIB


# == when events come ==================================================================================================


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    # 9.2.6: a CR that is followed by no LF ends a line; httpx-sse waits for what follows.
    for package, reads in ((ours, 1), (theirs, 2)):
        made = response(b"data:a\r\r", b"data:b\r\r")
        assert next(package.EventSource(made).iter_sse()).data == "a"
        assert made.stream.read == reads


@pytest.mark.parametrize("headers", [None, [("X-Own", "1")]])
def test_headers_may_be_none_or_pairs(headers: Any) -> None:
    sent(method="GET", url="http://h/", headers=headers)(ours)
    with pytest.raises(TypeError):
        sent(method="GET", url="http://h/", headers=headers)(theirs)


def test_an_error_that_is_made_belongs_to_neither_library() -> None:
    request = httpx.Request("GET", "http://h/")
    assert theirs.SSEError("a", request=request).request is request
    with pytest.raises(TypeError):
        ours.SSEError("a", request=request)  # type: ignore[call-arg]
    assert not isinstance(ours.SSEError("a"), httpx.TransportError | httpx2.TransportError)


def test_headers_are_left_as_they_were() -> None:
    given = {"X-Own": "1"}
    sent(method="GET", url="http://h/", headers=given)(ours)
    assert given == {"X-Own": "1"}


# == sockets ===========================================================================================================

WIRE = "\ufeffid:1\r\ndata:入\r\n\r\n:ping\n\nretry:+5\ndata:b\u2028c\n\ndata:cut".encode()
SEEN = [("message", "入", "1", None), ("message", "b\u2028c", "1", None)]


@pytest.mark.transport
@each_library
def test_over_a_socket(library: Any) -> None:
    answer = CHUNKED + b"".join(chunk(WIRE[i : i + 1]) for i in range(len(WIRE))) + END
    with (
        Server(answer) as server,
        library.Client(trust_env=False) as client,
        ours.connect_sse(client, "POST", server.base_url, json={"a": 1}) as source,
    ):
        assert seen(source.iter_sse()) == SEEN
    assert b'{"a":1}' in server.requests[0].replace(b" ", b"")
    assert b"accept: text/event-stream\r\n" in server.requests[0].lower()


@pytest.mark.transport
@each_library
def test_over_a_socket_with_asyncio(library: Any) -> None:
    async def scenario(url: str) -> Any:
        async with (
            library.AsyncClient(trust_env=False) as client,
            ours.aconnect_sse(client, "GET", url) as source,
        ):
            return seen(await gathered(source.aiter_sse()))

    with Server(CHUNKED + chunk(WIRE) + END) as server:
        assert asyncio.run(scenario(server.base_url)) == SEEN


@pytest.mark.transport
@each_library
def test_leaving_early_closes_the_connection(library: Any) -> None:
    def serve(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(b"data:a\n\n"))
        peer.wait_closed()

    async def scenario(url: str) -> None:
        async with (
            library.AsyncClient(trust_env=False) as client,
            ours.aconnect_sse(client, "GET", url) as source,
        ):
            async for event in source.aiter_sse():
                assert event.data == "a"
                break

    with Server(serve) as server, library.Client(trust_env=False) as client:
        with ours.connect_sse(client, "GET", server.base_url) as source:
            assert next(iter(source.iter_sse())).data == "a"
        assert server.saw_close.wait(HANG)
    with Server(serve) as server:
        asyncio.run(scenario(server.base_url))
        assert server.saw_close.wait(HANG)


@pytest.mark.transport
@each_library
def test_a_connection_that_is_cut(library: Any) -> None:
    def serve(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(b"data:a\n\ndata:b\n\n"))

    with (
        Server(serve) as server,
        library.Client(trust_env=False) as client,
        ours.connect_sse(client, "GET", server.base_url) as source,
    ):
        events = source.iter_sse()
        assert [next(events).data, next(events).data] == ["a", "b"]
        with pytest.raises(library.RemoteProtocolError):
            next(events)


@pytest.mark.transport
@each_library
def test_an_answer_that_is_no_stream(library: Any) -> None:
    with Server(sized(b"{}")) as server, library.Client(trust_env=False) as client:
        with ours.connect_sse(client, "GET", server.base_url) as source, pytest.raises(library.TransportError):
            next(iter(source.iter_sse()))
        assert source.response.status_code == 200
