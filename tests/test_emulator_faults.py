# The emulator's faults: their vocabulary, the very bytes of each on a socket, and what both clients make of them, held
# against the emulator's own record.

from __future__ import annotations

import gc
import gzip
import json
import re
import socket
import struct
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from asrwire import ASRWireError, ConfigError, Final, Incomplete, Timeouts
from asrwire.emulator import CATALOGUE, REQUEST_KINDS, Emulator, Fault, Sample, Script
from asrwire.emulator._answers import Answer, Event
from asrwire.emulator._steps import Piece
from asrwire.emulator._wire import steps
from tests.servers import HANG, KEY, URL, Colour

pytestmark = pytest.mark.transport

SCRIPT = Script.from_texts(["欢迎使用阿里云。", "Hello world, this is a test.", "再见。"])
TEXTS = [sentence.text for sentence in SCRIPT.sentences]
MODEL = "fun-asr-realtime"

# == the vocabulary ====================================================================================================


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cut", Fault("cut")),
        ("cut:at=1234", Fault("cut", at=1234)),
        ("cut:at=0-500,how=rst", Fault("cut", at=(0, 500), how="rst")),
        ("stall:at=0-500,seconds=1.5", Fault("stall", at=(0, 500), seconds=1.5)),
        ("status:code=429,retry_after=2,times=1", Fault("429", retry_after="2", times=1)),
        ("rst:events=3,on=stream+sync,nth=2,times=4,p=0.25",
         Fault("rst", events=3, on="stream+sync", nth=2, times=4, p=0.25)),
        ("length:by=-10", Fault("length", by=-10)),
        ("trailers:forbidden=true", Fault("trailers", forbidden=True)),
        ("coding:name=gzip\\, gzip", Fault("coding", name="gzip, gzip")),
        ("redirect:to=", Fault("redirect", to="")),
        ("duplicate:event=2,nth=3,times=1", Fault("duplicate", event=2, nth=3)),
    ],
)  # fmt: skip
def test_a_fault_is_a_value_with_one_spelling(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault == Fault.parse(str(fault))
    assert str(fault) == text
    assert hash(Fault.parse(text)) == hash(fault)


def test_three_digits_are_a_status() -> None:
    assert (
        Fault.parse("503:retry_after=1") == Fault("503", retry_after="1") == Fault("status", code=503, retry_after="1")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "there is no fault 'nonsense': asrwire emulate --list-faults names them"),
        ("", "there is no fault ''"),
        ("299", "there is no fault '299'"),
        ("cut:length=3", "cut has no parameter 'length'; it has at, events, part, how, on, nth, times, p"),
        ("cut:at", "cut: 'at' is not one parameter=value"),
        ("cut:at=1,at=2", "cut: 'at=2' is not one parameter=value"),
        ("cut:at=x", "cut: at is a whole number from 0, or two as its bounds, not 'x'"),
        ("cut:at=-1", "cut: at is a whole number from 0"),
        ("cut:at=5-3", "cut: at is a whole number from 0"),
        ("cut:at=1,events=1", "cut: a place is given by at or by events, not by both"),
        ("cut:how=slowly", "cut: how is one of fin, rst, bare, not 'slowly'"),
        ("cut:nth=0", "nth is a whole number from 1"),
        ("cut:times=1-3", "cut: times is one number"),
        ("cut:p=2", "cut: p is a chance from 0 to 1"),
        ("cut:p=often", "cut: could not convert"),
        ("cut:on=weekdays", "cut: on is one or more of stream"),
        ("duplicate:on=submit", "duplicate: on is one or more of stream, not 'submit'"),
        ("stall:seconds=inf", "stall: seconds is a number of seconds, 0 or more"),
        ("trailers:forbidden=yes", "trailers: forbidden is true or false, not 'yes'"),
        ("type:value=\u4e2d", "type: value is printable ASCII"),
    ],
)
def test_what_is_no_fault(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Emulator(faults=[text])


def test_wrong_types() -> None:
    for faults in ("cut", [7], 7):
        with pytest.raises(TypeError):
            Emulator(faults=faults)  # type: ignore[arg-type]
    for arguments in ({"on": 7}, {"on": ["stream"]}):
        with pytest.raises(TypeError):
            Fault("cut", **arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Fault(429)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Fault("cut", at=True)
    with pytest.raises(ConfigError):
        Fault("429", retry_after=2)


def test_the_catalogue_says_what_each_is() -> None:
    for name, kind in CATALOGUE.items():
        assert kind.name == name == str(Fault(name))
        assert kind.rows
        assert all(re.fullmatch("F[01][0-9][0-9]", row) for row in kind.rows)
        assert set(kind.on) <= set(REQUEST_KINDS)
        assert kind.says[-1] not in "."
        for parameter in kind.parameters:
            assert parameter.default is None or parameter.check(parameter.default) == parameter.default


def test_every_fault_is_driven_here() -> None:
    spelled = [fault for fault, *_ in [*BYTES, *CLIENTS]] + OTHERWISE
    assert {Fault.parse(text).name for text in spelled} == set(CATALOGUE)


def statuses(emulator: Emulator, count: int, request: bytes) -> list[int]:
    found = []
    for _ in range(count):
        data, _ = receive(emulator, request)
        found.append(int(data[9:12]))
    return found


def test_which_requests_are_met() -> None:
    with Emulator(TINY, faults=["500:nth=2,on=stream", "404:nth=2,times=2,on=sync", "503:p=0"]) as emulator:
        assert statuses(emulator, 4, ask()) == [200, 500, 200, 200]
        assert statuses(emulator, 4, ask(stream=False)) == [200, 404, 404, 200]


def test_chance_is_the_seeds() -> None:
    def drawn(seed: int) -> list[int]:
        with Emulator(TINY, faults=["500:p=0.5"], seed=seed) as emulator:
            return statuses(emulator, 16, ask())

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(1)) == {200, 500}


def test_numbers_drawn_anew_for_every_request_are_recorded() -> None:
    with Emulator(TINY, faults=["cut:at=0-60"]) as emulator:
        bodies = [receive(emulator)[0].partition(b"\r\n\r\n")[2] for _ in range(12)]
        sizes = [sent.faults[0]["at"] for sent in emulator.sent]
    assert [len(body) for body in bodies] == sizes
    assert len(set(sizes)) > 3


# == the bytes =========================================================================================================

A, B, Z = b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b'data: {"n":3}\n\n'
TINY = Sample(A + B + Z)
RESULT = Sample(b'{"text":"hi"}')
END = b"0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=UTF-8\r\nDate: D\r\nX-Request-Id: R\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = CHUNKED + b"f\r\n" + A + b"\r\nf\r\n" + B + b"\r\nf\r\n" + Z + b"\r\n" + END
FORGED = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"forged": true }'
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ask(*, stream: bool = True, last: bool = True) -> bytes:
    """A request of one of the documented shapes; ``last``: the connection ends after its answer."""
    body = json.dumps(
        {
            "model": MODEL,
            "input": {"messages": []},
            "parameters": {"audio_address": URL, "format": "wav"},
            "resources": [],
        }
    ).encode()
    return (
        b"POST /api/v1/services/aigc/multimodal-generation/generation HTTP/1.1\r\nHost: e\r\n"
        b"Authorization: Bearer %b\r\nContent-Type: application/json\r\nX-DashScope-SSE: %b\r\n"
        b"Content-Length: %d\r\n%b\r\n%b"
        % (KEY.encode(), b"enable" if stream else b"disable", len(body), b"Connection: close\r\n" * last, body)
    )


def connect(emulator: Emulator) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(emulator.base_url).port or 0), timeout=HANG)


def masked(data: bytes) -> bytes:
    return re.sub(rb"\nDate: [^\r\n]*", b"\nDate: D", UUID.sub(b"R", data))


def drain(sock: socket.socket) -> tuple[bytes, str]:
    data = bytearray()
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        return masked(bytes(data)), "rst"
    return masked(bytes(data)), "fin"


def receive(emulator: Emulator, request: bytes | None = None) -> tuple[bytes, str]:
    """Everything that comes back, and how the connection ended."""
    with connect(emulator) as sock:
        sock.sendall(ask() if request is None else request)
        return drain(sock)


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes once they are masked, and nothing more."""
    data = b""
    while len(masked(data)) < size:
        part = sock.recv(65536)
        assert part, data
        data += part
    return masked(data)


def sized(status: bytes, kind: bytes, body: bytes, more: bytes = b"") -> bytes:
    length = len(body.replace(b'"R"', b'"' + b"R" * 36 + b'"').replace(b">R<", b">" + b"R" * 36 + b"<"))
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nDate: D\r\nX-Request-Id: R\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        kind,
        more,
        length,
        body,
    )


def page(title: bytes) -> bytes:
    return (
        b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n"
        b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n" % (title, title)
    )


def told(code: bytes, message: bytes) -> bytes:
    return b'{"code":"%b","message":"%b","request_id":"R"}' % (code, message)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunks(*parts: bytes) -> bytes:
    return CHUNKED + b"".join(map(chunk, parts)) + END


JSON = b"application/json"
TOO_MANY = told(b"Throttling.RateQuota", b"The emulator was told to answer 429.")
BROKEN = told(b"InternalError", b"The emulator was told to answer 500.")
FAILED = told(b"Throttling.RateQuota", b"The emulator was told to fail here.")
HEARTBEAT = (
    b'event:result\n:HTTP_STATUS/200\ndata:{"output":{"sentence":{"sentence_id":0,"begin_time":0,"end_time":null,'
    b'"text":"","words":[],"heartbeat":true,"sentence_end":false}},"request_id":"R"}\n\n'
)
UNFRAMED = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + A + B + Z


def odd_head(*lines: bytes, framing: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return HEAD + framing + b"".join(line + b"\r\n" for line in lines) + GOOD[len(CHUNKED) - 2 :]


def bad_size(line: bytes, end: bytes = b"\r\n") -> bytes:
    return CHUNKED + chunk(A) + line + B + end + chunk(Z) + END


def in_b(json: bytes) -> bytes:
    return chunks(A, b"data: " + json + b"\n\n", Z)


def error_block(text: bytes) -> bytes:
    body = text + b"\n\n"
    size = len(body) + 35  # of an id masked as R
    return CHUNKED + chunk(A) + b"%x\r\n%b\r\n" % (size, body) + END


# fault, everything on the wire after the request, how the connection ends, events that left whole, all was sent
BYTES: list[tuple[str, bytes, str, int, bool]] = [
    # -- answers in place of the service's
    ("429:retry_after=2", sized(b"429 Too Many Requests", JSON, TOO_MANY, b"Retry-After: 2\r\n"), "fin", 1, True),
    ("500", sized(b"500 Internal Server Error", JSON, BROKEN), "fin", 1, True),
    ("502:body=html", sized(b"502 Bad Gateway", b"text/html", page(b"502 Error")), "fin", 1, True),
    ("502:body=text", sized(b"502 Bad Gateway", b"text/plain", b"upstream error\n"), "fin", 1, True),
    ("500:body=empty", sized(b"500 Internal Server Error", JSON, b""), "fin", 0, True),
    ("500:body=utf8", sized(b"500 Internal Server Error", JSON, b"\xff\xfe\xc3\x28"), "fin", 1, True),
    ("500:body=cut", sized(b"500 Internal Server Error", JSON, BROKEN.replace(b"R", b"R" * 36)[:62]),
     "fin", 1, True),
    ("html", sized(b"200 OK", b"text/html", page(b"Welcome")), "fin", 1, True),
    ("redirect", sized(b"307 Temporary Redirect", b"text/html", page(b"307 Redirect"),
                       b"Location: http://127.0.0.1:9/elsewhere\r\n"), "fin", 1, True),
    ("redirect:code=302,to=self", sized(b"302 Found", b"text/html", page(b"302 Redirect"),
     b"Location: /api/v1/services/aigc/multimodal-generation/generation\r\n"), "fin", 1, True),
    ("redirect:to=", sized(b"307 Temporary Redirect", b"text/html", page(b"307 Redirect")), "fin", 1, True),
    ("echo", sized(b"401 Unauthorized", JSON,
                   told(b"InvalidApiKey", b"Incorrect API key provided: sk-0123456789abcdef.")), "fin", 1, True),
    ("empty", CHUNKED + END, "fin", 0, True),
    ("empty:code=204", HEAD.replace(b"200 OK", b"204 No Content") + b"\r\n", "fin", 0, True),
    # -- the reply is lost
    ("lost", b"", "rst", 0, False),
    ("lost:how=fin", b"", "fin", 0, False),
    ("lost:how=500", sized(b"500 Internal Server Error", JSON,
                           told(b"InternalError", b"An internal error has occurred.")), "fin", 1, True),
    # -- events
    ("error", error_block(b"id:2\nevent:error\n:HTTP_STATUS/429\ndata:" + FAILED), "fin", 2, True),
    ("error:status=500,code=X,spelled=space", error_block(b"id: 2\nevent: error\n: HTTP_STATUS/500\ndata: "
     + FAILED.replace(b"Throttling.RateQuota", b"X")), "fin", 2, True),
    ("error:spelled=result", error_block(b"id:2\nevent:result\n:HTTP_STATUS/429\ndata:" + FAILED), "fin", 2, True),
    ("error:spelled=bare", error_block(b"data: " + FAILED), "fin", 2, True),
    ("duplicate", chunks(A, B, B, Z), "fin", 4, True),
    ("duplicate:event=3,copies=2", chunks(A, B, Z, Z, Z), "fin", 5, True),
    ("reorder", chunks(A, Z, B), "fin", 3, True),
    ("reorder:event=1,by=2", chunks(B, Z, A), "fin", 3, True),
    ("omit", chunks(A, B), "fin", 2, True),
    ("omit:event=1", chunks(B, Z), "fin", 2, True),
    ("omit:last=3", CHUNKED + END, "fin", 0, True),
    ("invalid_json", in_b(b'{"n'), "fin", 3, True),
    ("invalid_json:how=trailing", in_b(b'{"n":2}]'), "fin", 3, True),
    ("invalid_json:how=comment", in_b(b'{"n":2}/**/'), "fin", 3, True),
    ("invalid_json:how=escape", in_b(b'{"n":2,"emulator":"\\x"}'), "fin", 3, True),
    ("invalid_json:how=nul", in_b(b'{"n":2,"emulator":"\0"}'), "fin", 3, True),
    ("invalid_json:how=utf8", in_b(b'{"n":2,"emulator":"\xff\xfe"}'), "fin", 3, True),
    ("invalid_json:how=surrogate", in_b(b'{"n":2,"emulator":"\\ud800"}'), "fin", 3, True),
    ("invalid_json:how=nan", in_b(b'{"n":2,"emulator":NaN}'), "fin", 3, True),
    ("invalid_json:how=digits", in_b(b'{"n":2,"emulator":' + b"1" * 5001 + b"}"), "fin", 3, True),
    ("invalid_json:how=deep", in_b(b'{"n":2,"emulator":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "fin", 3, True),
    ("invalid_json:how=array", in_b(b"[1,2]"), "fin", 3, True),
    ("invalid_json:how=string", in_b(b'"text"'), "fin", 3, True),
    ("invalid_json:how=null,event=2", in_b(b"null"), "fin", 3, True),
    ('replace:old="n",new="other"', GOOD.replace(b'f\r\ndata: {"n"', b'13\r\ndata: {"other"'), "fin", 3, True),
    ("keepalive:after=1,every=0,count=2", chunks(A, b": keepalive\n\n", b": keepalive\n\n", B, Z), "fin", 3, True),
    ("keepalive:every=0,count=1,kind=event", CHUNKED + b"%x\r\n%b\r\n" % (len(HEARTBEAT) + 35, HEARTBEAT)
     + GOOD[len(CHUNKED):], "fin", 3, True),
    ("bom", chunks(b"\xef\xbb\xbf" + A, B, Z), "fin", 3, True),
    ("line_ends", chunks(*(one.replace(b"\n", b"\r") for one in (A, B, Z))), "fin", 3, True),
    ("line_ends:to=crlf", chunks(*(one.replace(b"\n", b"\r\n") for one in (A, B, Z))), "fin", 3, True),
    ("line_ends:to=mixed", chunks(*(one.replace(b"\n", b"\r\n") for one in (A, B, Z))), "fin", 3, True),
    ("noise", chunks(*(part for one in (A, B, Z) for part in (b": noise\nretry: 3000\nunknown: field\nid\n\n",
                                                               one.replace(b"data: ", b"data:")))), "fin", 3, True),
    ("split_data", chunks(*(one.replace(b"{", b"{\ndata: ") for one in (A, B, Z))), "fin", 3, True),
    ("no_blank_lines", chunks(A[:-1], B[:-1], Z[:-1]), "fin", 3, True),
    ("unterminated", chunks(A, B, Z[:-2]), "fin", 3, True),
    ("endless:size=70000", chunks(A, b"data:", b"x" * 65536, b"x" * 4464), "fin", 1, True),
    ("endless:size=2048,what=event,after=0", chunks((b"data:" + b"x" * 1018 + b"\n") * 2), "fin", 0, True),
    ("endless:size=12,what=lines,after=0", chunks(b"data:\ndata:\n"), "fin", 0, True),
    ("endless:size=3,what=comment,after=0", chunks(b":", b"xxx"), "fin", 0, True),
    ("endless:size=4,what=comments,after=2", chunks(A, B, b":\n:\n", Z), "fin", 3, True),
    ("endless:size=4,what=body,after=0", chunks(b"xxxx"), "fin", 0, True),
    ("endless:size=4,what=field", HEAD + b"Transfer-Encoding: chunked\r\nX-Endless: xxxx", "fin", 0, False),
    ("endless:size=14,what=fields", HEAD + b"Transfer-Encoding: chunked\r\nX-Endless: xxx", "fin", 0, False),
    ("endless:size=4,what=extension", CHUNKED + chunk(A) + b"f;x=xxxx", "fin", 1, False),
    ("endless:size=12,what=trailers", GOOD[:-2] + b"X-Trailer: x\r\n", "fin", 3, True),
    # -- head and coding
    ("type", GOOD.replace(b"text/event-stream;charset=UTF-8", b"text/html"), "fin", 3, True),
    ("type:value=", GOOD.replace(b"Content-Type: text/event-stream;charset=UTF-8\r\n", b""), "fin", 3, True),
    ("coding", GOOD.replace(b"Transfer-", b"Content-Encoding: br\r\nTransfer-"), "fin", 3, True),
    ("coding:name=gzip\\, br", GOOD.replace(b"Transfer-", b"Content-Encoding: gzip, br\r\nTransfer-"), "fin", 3, True),
    ("informational", b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD, "fin", 3, True),
    ("informational:code=100,count=3", b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + GOOD, "fin", 3, True),
    ("informational:code=101",
     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + GOOD, "fin", 3, True),
    ("slow_head:every=0", GOOD, "fin", 3, True),
    ("bad_head", b"SSH-2.0-OpenSSH_9.6\r\n\r\n" + GOOD[len(CHUNKED):], "fin", 3, True),
    ("bad_head:how=word", GOOD.replace(b"200 OK", b"OK fine"), "fin", 3, True),
    ("bad_head:how=099", GOOD.replace(b"200 OK", b"099 Emulated"), "fin", 3, True),
    ("bad_head:how=999", GOOD.replace(b"200 OK", b"999 Emulated"), "fin", 3, True),
    ("bad_head:how=nul", odd_head(b"X-Bad: a\0b"), "fin", 3, True),
    ("bad_head:how=cr", odd_head(b"X-Bad: a\rb"), "fin", 3, True),
    ("bad_head:how=two_lengths", odd_head(b"Content-Length: 5", b"Content-Length: 6", framing=b""), "fin", 3, True),
    ("bad_head:how=negative", odd_head(b"Content-Length: -5", framing=b""), "fin", 3, True),
    ("bad_head:how=plus", odd_head(b"Content-Length: +5", framing=b""), "fin", 3, True),
    ("bad_head:how=long", odd_head(b"Content-Length: 999999999999999999999999999999", framing=b""), "fin", 3, True),
    ("bad_head:how=both", odd_head(b"Content-Length: 5", b"Transfer-Encoding: chunked", framing=b""), "fin", 3, True),
    ("bad_head:how=coding", odd_head(b"Transfer-Encoding: rot13, chunked", framing=b""), "fin", 3, True),
    ("bad_head:how=twice", odd_head(b"Transfer-Encoding: chunked, chunked", framing=b""), "fin", 3, True),
    ("bad_head:how=lf", CHUNKED.replace(b"\r\n", b"\n") + GOOD[len(CHUNKED):], "fin", 3, True),
    ("bad_head:how=fold", odd_head(b"X-Folded: a", b" b"), "fin", 3, True),
    ("bad_head:how=space", odd_head(b"X-Bad : a"), "fin", 3, True),
    ("fields:count=2", odd_head(b"X-Field-0: x", b"X-Field-1: x"), "fin", 3, True),
    # -- framing
    ("http10", UNFRAMED, "fin", 3, True),
    ("chunks:size=10", CHUNKED + b"".join(chunk(one[:10]) + chunk(one[10:]) for one in (A, B, Z)) + END,
     "fin", 3, True),
    ("chunks:size=99,spelled=extension", GOOD.replace(b"f\r\ndata", b'f;name=value;flag;quoted="a;b"\r\ndata'),
     "fin", 3, True),
    ("chunks:size=99,spelled=zeros", GOOD.replace(b"f\r\ndata", b"0000f\r\ndata"), "fin", 3, True),
    ("chunks:size=99,spelled=upper", GOOD.replace(b"f\r\ndata", b"F\r\ndata"), "fin", 3, True),
    ("chunks:size=99,spelled=bws", GOOD.replace(b"f\r\ndata", b"f ; name = value\r\ndata"), "fin", 3, True),
    ("bad_chunk", bad_size(b"zz\r\n"), "fin", 3, True),
    ("bad_chunk:how=empty", bad_size(b"\r\n"), "fin", 3, True),
    ("bad_chunk:how=minus", bad_size(b"-f\r\n"), "fin", 3, True),
    ("bad_chunk:how=plus", bad_size(b"+f\r\n"), "fin", 3, True),
    ("bad_chunk:how=hex", bad_size(b"0xf\r\n"), "fin", 3, True),
    ("bad_chunk:how=underscore", bad_size(b"1_0\r\n"), "fin", 3, True),
    ("bad_chunk:how=space", bad_size(b" f\r\n"), "fin", 3, True),
    ("bad_chunk:how=overflow", bad_size(b"1000000000000000f\r\n"), "fin", 3, True),
    ("bad_chunk:how=huge", bad_size(b"7fffffffffffffff\r\n"), "fin", 3, True),
    ("bad_chunk:how=lf", bad_size(b"f\n", b"\n"), "fin", 3, True),
    ("bad_chunk:how=no_crlf", bad_size(b"f\r\n", b""), "fin", 3, True),
    ("bad_chunk:how=short", bad_size(b"7\r\n"), "fin", 3, True),
    ("unended", GOOD[: -len(END)], "fin", 3, False),
    ("unended:how=rst", GOOD[: -len(END)], "rst", 3, False),
    ("length", HEAD + b"Content-Length: 55\r\n\r\n" + A + B + Z, "fin", 3, False),
    ("length:by=1,how=rst", HEAD + b"Content-Length: 46\r\n\r\n" + A + B + Z, "rst", 3, False),
    ("length:by=-5", HEAD + b"Content-Length: 40\r\n\r\n" + A + B + Z, "fin", 3, True),
    ("extra", GOOD + FORGED, "fin", 3, True),
    ("trailers", GOOD[:-2] + b"X-Trailer-0: x\r\n\r\n", "fin", 3, True),
    ("trailers:count=2,forbidden=true", GOOD[:-2] + b"X-Trailer-0: x\r\nX-Trailer-1: x\r\nContent-Length: 5\r\n"
     b"Transfer-Encoding: gzip\r\n\r\n", "fin", 3, True),
    # -- bytes
    ("cut", CHUNKED + GOOD[len(CHUNKED):][:64], "fin", 3, False),
    ("cut:at=0", CHUNKED, "fin", 0, False),
    ("cut:at=17", CHUNKED + b"f\r\n" + A[:-1], "fin", 0, False),
    ("cut:at=18", CHUNKED + b"f\r\n" + A, "fin", 1, False),
    ("cut:at=19,how=bare", CHUNKED + b"f\r\n" + A + b"\r", "fin", 1, False),
    ("cut:events=2", CHUNKED + chunk(A) + chunk(B), "fin", 2, False),
    ("cut:events=0", CHUNKED, "fin", 0, False),
    ("cut:at=12,part=head", b"HTTP/1.1 200", "fin", 0, False),
    ("cut:at=0,part=head", b"", "fin", 0, False),
    ("cut:at=65", GOOD, "fin", 3, True),
    ("rst:events=1", CHUNKED + chunk(A), "rst", 1, False),
    ("rst:at=9,part=head", b"HTTP/1.1 ", "rst", 0, False),
    ("stall:seconds=0", GOOD, "fin", 3, True),
    ("drip:at=0,size=7,every=0", GOOD, "fin", 3, True),
    ("drip:at=10,part=head,every=0", GOOD, "fin", 3, True),
    ("drop", GOOD, "fin", 3, True),
    ("drop:how=rst", GOOD, "rst", 3, True),
]  # fmt: skip

# Driven by tests of their own.
OTHERWISE = ["gzip", "gzip_bomb", "close", "whole"]


@pytest.mark.parametrize(("fault", "expected", "end", "events", "complete"), BYTES, ids=[case[0] for case in BYTES])
def test_the_bytes_on_the_wire(fault: str, expected: bytes, end: str, events: int, complete: bool) -> None:
    with Emulator(TINY, faults=[fault]) as emulator:
        data, how = receive(emulator)
        [sent] = emulator.sent
    assert (data, how) == (expected, end)
    assert (sent.events, sent.complete) == (events, complete)
    assert len(sent.faults) == 1


def test_the_bytes_are_counted() -> None:
    for fault in ("cut:at=18", "drip:at=0,every=0", "rst:at=3,part=head"):
        with Emulator(TINY, faults=[fault]) as emulator, connect(emulator) as sock:
            sock.sendall(ask())
            data = b""
            try:
                while part := sock.recv(65536):
                    data += part
            except ConnectionResetError:
                pass
            assert emulator.sent[0].size == len(data)


@pytest.mark.parametrize(
    ("fault", "events", "rest"),
    [
        ("cut:at=37", 0, A[:14]),
        ("cut:at=38", 1, b""),  # five chunks of three bytes, eight with their framing
        ("cut:at=43", 1, b""),
        ("cut:at=44", 1, b"d"),
        ("rst:at=52", 1, b"data"),
    ],
)
def test_what_has_left_of_an_event_that_did_not_leave_whole(fault: str, events: int, rest: bytes) -> None:
    with Emulator(TINY, faults=[fault, "chunks:size=3"]) as emulator:
        receive(emulator)
        [sent] = emulator.sent
    assert (sent.events, sent.rest) == (events, rest)


def test_json_bodies() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: D\r\nX-Request-Id: R\r\n"
    whole = head + b"Content-Length: 13\r\n\r\n"
    endless = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(RESULT.body) + chunk(b"xxx") + END
    for fault, expected in [
        ("chunks", whole + b'{"text":"hi"}'),  # a body with a length has no chunks
        ("invalid_json:event=7", head + b'Content-Length: 6\r\n\r\n{"text'),
        ("invalid_json:how=type", head + b'Content-Length: 10\r\n\r\n{"text":7}'),
        ("replace:old=hi,new=ho", whole + b'{"text":"ho"}'),
        ("bom", head + b'Content-Length: 16\r\n\r\n\xef\xbb\xbf{"text":"hi"}'),
        ("cut:at=3", whole + b'{"t'),
        ("unended", whole + b'{"text":"hi"}'),
        ("empty", head + b"Content-Length: 0\r\n\r\n"),
        ("length:by=-3", head + b'Content-Length: 10\r\n\r\n{"text":"hi"}'),
        ("endless:what=body,size=3", endless),
    ]:
        with Emulator(RESULT, faults=[fault]) as emulator:
            assert receive(emulator, ask(stream=False))[0] == expected, fault


def unchunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return body


def test_a_stream_answered_whole() -> None:
    with Emulator(SCRIPT, faults=["whole:times=1"]) as emulator:
        head, _, body = receive(emulator)[0].partition(b"\r\n\r\n")
        assert b"\r\nContent-Type: application/json\r\n" in head
        assert json.loads(body)["output"]["text"] == SCRIPT.text
        assert b"\r\nTransfer-Encoding: chunked\r\n" in receive(emulator)[0]
        assert [sent.stream for sent in emulator.sent] == [False, True]


def test_gzip() -> None:
    for fault in ("gzip", "gzip:cut=9", "gzip_bomb:size=3000000"):
        with Emulator(TINY, faults=[fault]) as emulator:
            head, _, body = receive(emulator)[0].partition(b"\r\n\r\n")
            [sent] = emulator.sent
        assert b"\r\nContent-Encoding: gzip\r\n" in head
        coded = unchunked(body)
        assert sent.events == 3
        if fault == "gzip":
            assert gzip.decompress(coded) == TINY.body
        elif fault == "gzip:cut=9":
            assert not sent.complete
            with pytest.raises(EOFError):
                gzip.decompress(coded)
            assert zlib.decompressobj(31).decompress(coded) == TINY.body
        else:
            plain = gzip.decompress(coded)
            assert plain.endswith(TINY.body)
            assert 3_000_000 <= len(plain) <= 3_000_000 + len(TINY.body)
            assert len(coded) < 20_000


def test_closed_by_word_and_left_open() -> None:
    with Emulator(TINY, faults=["close"]) as emulator, connect(emulator) as sock:
        sock.sendall(ask(last=False))
        expected = GOOD.replace(b"chunked\r\n", b"chunked\r\nConnection: close\r\n")
        assert exactly(sock, len(expected)) == expected
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert emulator.sent[0].complete


def test_the_connection_goes_on_after_a_fault_that_leaves_it_whole() -> None:
    with Emulator(TINY, faults=["duplicate:times=1", "chunks:size=99"]) as emulator, connect(emulator) as sock:
        sock.sendall(ask(last=False))
        first = chunks(A, B, B, Z)
        assert exactly(sock, len(first)) == first
        sock.sendall(ask())
        assert drain(sock) == (GOOD, "fin")


def test_several_faults_meet_one_request() -> None:
    faults = ["cut:at=3,part=body,nth=2", "informational:times=2", "line_ends:to=crlf", "duplicate:event=1"]
    crlf = [one.replace(b"\n", b"\r\n") for one in (A, A, B, Z)]
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with Emulator(TINY, faults=faults) as emulator:
        assert receive(emulator)[0] == hint + chunks(*crlf)
        assert receive(emulator)[0] == hint + CHUNKED + b"11\r"[:3]
        assert receive(emulator)[0] == chunks(*crlf)
        names = [[fault.name for fault in sent.faults] for sent in emulator.sent]
    assert names[0] == ["duplicate", "line_ends", "informational"]
    assert names[1] == ["duplicate", "line_ends", "informational", "cut"]


def test_a_http10_stream_that_is_cut() -> None:
    with Emulator(TINY, faults=["http10", "extra"]) as emulator:
        assert receive(emulator) == (UNFRAMED, "fin")
    with Emulator(TINY, faults=["http10", "cut:at=20"]) as emulator:
        assert receive(emulator) == (UNFRAMED[: -len(B + Z)] + B[:5], "fin")
        assert (emulator.sent[0].events, emulator.sent[0].rest) == (1, B[:5])


def test_what_follows_an_empty_body_comes_with_the_head() -> None:
    # Once the answer is read nobody could tell that it is there, or is still to come, and the next request is sent.
    answer = Answer("id", 307, "text/plain", [Event(0, b"")], faults=[Fault.parse("extra")])
    head, *empty = steps(answer, http11=True, body=True)
    assert isinstance(head, Piece)
    assert head.data.startswith(b"HTTP/1.1 307 ")
    assert head.data.endswith(b"\r\nContent-Length: 0\r\n\r\n" + FORGED)
    assert [step.data for step in empty if isinstance(step, Piece)] == [b""]


def test_nothing_follows_a_body_that_is_shorter_than_declared() -> None:
    with Emulator(TINY, faults=["length:by=1", "extra"]) as emulator:
        assert receive(emulator) == (HEAD + b"Content-Length: 46\r\n\r\n" + A + B + Z, "fin")


def test_nothing_follows_an_answer_that_drips() -> None:
    with Emulator(TINY, faults=["extra", "drip:at=0,size=1,every=0"]) as emulator:
        assert receive(emulator) == (GOOD, "fin")


# -- the virtual clock -------------------------------------------------------------------------------------------------


def test_a_stall_is_over_when_the_clock_says_so() -> None:
    with Emulator(TINY, faults=["stall:events=1,seconds=30"], clock="virtual") as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        first = CHUNKED + chunk(A)
        assert exactly(sock, len(first)) == first
        assert (emulator.sent[0].events, emulator.sent[0].complete) == (1, False)
        emulator.advance(30)
        assert drain(sock) == (GOOD[len(first) :], "fin")


def test_a_drip_goes_on_by_the_clock() -> None:
    with Emulator(TINY, faults=["drip:at=20,size=5,every=0.2"], clock="virtual") as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        assert exactly(sock, len(CHUNKED) + 20) == GOOD[: len(CHUNKED) + 20]
        rest, seen = GOOD[len(CHUNKED) + 20 :], b""
        while len(seen) < len(rest):
            emulator.advance(0.2)
            part = sock.recv(65536)
            assert 0 < len(part) <= 10  # 5, or twice 5 where the clock was faster than this loop
            seen += part
        assert seen == rest


def test_a_slow_head_and_keepalives_by_the_clock() -> None:
    with Emulator(TINY, faults=["slow_head:every=1"], clock="virtual") as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        sock.setblocking(False)
        head, seconds = b"", 0
        while head != b"HTTP/1.1":
            emulator.advance(1)
            seconds += 1
            try:
                part = sock.recv(100)
            except BlockingIOError:
                continue
            head += part
            assert len(head) <= seconds
    with Emulator(TINY, faults=["keepalive:after=2"], clock="virtual") as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        before = CHUNKED + chunk(A) + chunk(B)
        assert exactly(sock, len(before)) == before
        for _ in range(5):
            emulator.advance(1)
            assert exactly(sock, 18) == chunk(b": keepalive\n\n")
        assert emulator.sent[0].events == 2


def test_events_in_their_time_and_a_stall() -> None:
    faults = ["stall:events=1,seconds=5"]
    with Emulator(SCRIPT, faults=faults, speed=1.0, clock="virtual") as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        while not emulator.sent or emulator.sent[0].size == 0:
            pass
        assert emulator.sent[0].events == 0
        emulator.advance(0.2)  # the first event is due
        while emulator.sent[0].events < 1:
            pass
        emulator.advance(4.9)  # the second is long due, and still held back
        assert emulator.sent[0].events == 1
        emulator.advance(60)
        assert drain(sock)[0].endswith(END)
        assert emulator.sent[0].complete


def test_a_stall_for_ever_ends_with_the_client_or_the_emulator() -> None:
    with Emulator(TINY, faults=["stall:at=0,part=head"]) as emulator, connect(emulator) as sock:
        sock.sendall(ask())
        while not emulator.requests:
            pass
    with sock:
        assert not emulator.sent[0].complete


def test_a_client_that_goes_before_it_is_reset(caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(TINY, faults=["endless:size=400000", "rst:at=300000"]) as emulator:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.connect(("127.0.0.1", urlsplit(emulator.base_url).port))
            sock.sendall(ask())
            while not emulator.sent or emulator.sent[0].size < 200_000:
                pass
        while emulator._servers[0]._connections:
            pass
        assert not emulator.sent[0].complete
    gc.collect()  # an exception nobody has retrieved is logged then
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_endless_bytes_end_with_the_client() -> None:
    with Emulator(TINY, faults=["endless:on=stream"]) as emulator:
        with connect(emulator) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(ask())
            read = 0
            while read < 3 * 2**20:
                read += len(sock.recv(65536))
        [sent] = emulator.sent
        assert (sent.events, sent.complete) == (1, False)
        assert sent.size < 2**30
        assert receive(emulator, ask(stream=False))[0].startswith(b"HTTP/1.1 200")


# == what clients make of them =========================================================================================

# fault, the kind and phase of the error or None, the texts of finals, of what stays open, requests
CLIENTS: list[tuple[str, tuple[str, str] | None, int, list[str], int]] = [
    ("429:retry_after=0,times=1", None, 3, [], 2),
    ("429:retry_after=nan,times=1", None, 3, [], 2),
    ("429:retry_after=0,date=true,times=2", None, 3, [], 3),
    ("429:retry_after=0", ("http_status", "head"), 0, [], 3),
    ("429:retry_after=86400", ("http_status", "head"), 0, [], 1),
    ("429:retry_after=1e308", ("http_status", "head"), 0, [], 1),
    ("503:retry_after=0,times=1", None, 3, [], 2),
    ("503:times=1", ("http_status", "head"), 0, [], 1),
    ("500", ("http_status", "head"), 0, [], 1),
    ("502:body=html", ("http_status", "head"), 0, [], 1),
    ("504:body=text", ("http_status", "head"), 0, [], 1),
    ("500:body=cut", ("http_status", "head"), 0, [], 1),
    ("500:body=empty", ("http_status", "head"), 0, [], 1),
    ("500:body=utf8", ("http_status", "head"), 0, [], 1),
    ("400", ("http_status", "head"), 0, [], 1),
    ("html", ("content_type", "body"), 0, [], 1),
    ("redirect", ("http_status", "head"), 0, [], 1),
    ("redirect:to=self,code=302", ("http_status", "head"), 0, [], 1),
    ("redirect:to=file:///etc/passwd", ("http_status", "head"), 0, [], 1),
    ("redirect:to=", ("http_status", "head"), 0, [], 1),
    ("echo", ("http_status", "head"), 0, [], 1),
    ("whole", None, 1, [], 1),
    ("empty", ("truncated", "body"), 0, [], 1),
    ("empty:code=204", ("truncated", "body"), 0, [], 1),
    ("lost", ("connect", "head"), 0, [], 1),
    ("lost:how=fin", ("protocol", "head"), 0, [], 1),
    ("lost:how=stall", ("timeout", "head"), 0, [], 1),
    ("lost:how=500", ("http_status", "head"), 0, [], 1),
    ("error:after=0", ("service", "body"), 0, [], 1),
    ("error:after=12", ("service", "body"), 2, [], 1),
    ("error:after=13,spelled=space", ("service", "body"), 2, [""], 1),
    ("error:after=12,spelled=result", ("service", "body"), 2, [], 1),
    ("error:after=12,spelled=bare,status=500", ("service", "body"), 2, [], 1),
    ("duplicate:event=14", None, 3, [], 1),
    ("duplicate:event=6,copies=3", None, 3, [], 1),
    ("reorder:event=13", None, 3, [], 1),
    ("reorder:event=4,by=3", None, 3, [], 1),
    ("omit", ("truncated", "body"), 2, [""], 1),
    ("omit:last=2", None, 2, [], 1),
    ("omit:event=3", None, 3, [], 1),
    ("omit:last=13", ("truncated", "body"), 0, [""], 1),
    *((f"invalid_json:event=13,how={how}", ("decode", "body"), 2, [], 1)
      for how in ("cut", "trailing", "comment", "escape", "nul", "nan", "digits", "deep", "array", "string", "null",
                  "type")),
    ("invalid_json:event=14,how=utf8", None, 3, [], 1),
    ("invalid_json:event=14,how=surrogate", None, 3, [], 1),
    ('replace:old="sentence_end":true,new="sentence_end":7', ("decode", "body"), 0, ["OPEN"], 1),
    ("keepalive:after=4,every=0.05", ("timeout", "idle"), 0, ["OPEN"], 1),
    ("keepalive:every=0.05", ("timeout", "head"), 0, [], 1),
    ("keepalive:after=4,every=0,count=50", None, 3, [], 1),
    ("keepalive:every=0,count=5,kind=event", None, 3, [], 1),
    ("bom", None, 3, [], 1),
    ("line_ends", None, 3, [], 1),
    ("line_ends:to=crlf", None, 3, [], 1),
    ("line_ends:to=mixed", None, 3, [], 1),
    ("noise", None, 3, [], 1),
    ("split_data", None, 3, [], 1),
    ("no_blank_lines", None, 3, [], 1),
    ("unterminated", None, 3, [], 1),
    ("endless:after=12", ("limit", "body"), 2, [], 1),
    ("endless:after=12,what=event", ("limit", "body"), 2, [], 1),
    ("endless:after=12,what=lines", ("limit", "body"), 2, [], 1),
    ("endless:after=12,what=comment", ("limit", "body"), 2, [], 1),
    ("endless:after=12,what=comments", ("limit", "body"), 2, [], 1),
    ("endless:after=12,what=extension", ("limit", "body"), 2, [], 1),
    ("endless:what=trailers", ("limit", "body"), 3, [], 1),
    ("endless:what=field", ("limit", "head"), 0, [], 1),
    ("endless:what=fields", ("limit", "head"), 0, [], 1),
    ("type", None, 3, [], 1),
    ("type:value=", None, 3, [], 1),
    ("type:value=Text/Event-Stream;charset=GBK", None, 3, [], 1),
    ("coding", ("protocol", "head"), 0, [], 1),
    ("coding:name=gzip\\, gzip", ("protocol", "head"), 0, [], 1),
    ("gzip", None, 3, [], 1),
    ("gzip:cut=4", ("truncated", "body"), 3, [], 1),
    ("gzip:cut=60", ("truncated", "body"), 2, ["OPEN"], 1),
    ("gzip_bomb", ("limit", "body"), 0, [], 1),
    ("informational", None, 3, [], 1),
    ("informational:code=100,count=16", None, 3, [], 1),
    ("informational:code=102,count=2", None, 3, [], 1),
    ("informational:code=101", ("protocol", "head"), 0, [], 1),
    ("slow_head:every=0", None, 3, [], 1),
    ("slow_head:every=0.05", ("timeout", "head"), 0, [], 1),
    *((f"bad_head:how={how}", ("protocol", "head"), 0, [], 1)
      for how in ("garbage", "word", "099", "nul", "cr", "two_lengths", "negative", "plus", "long", "both", "coding",
                  "twice", "space")),
    ("bad_head:how=999", ("http_status", "head"), 0, [], 1),
    ("bad_head:how=lf", None, 3, [], 1),
    ("bad_head:how=fold", None, 3, [], 1),
    ("fields:count=50", None, 3, [], 1),
    ("fields", ("limit", "head"), 0, [], 1),
    ("close", None, 3, [], 1),
    ("http10", None, 3, [], 1),
    ("chunks", None, 3, [], 1),
    *((f"chunks:size=100,spelled={how}", None, 3, [], 1) for how in ("extension", "zeros", "upper", "bws")),
    *((f"bad_chunk:after=12,how={how}", ("protocol", "body"), 2, [], 1)
      for how in ("text", "empty", "minus", "plus", "hex", "underscore", "space", "overflow", "huge", "lf", "short")),
    ("bad_chunk:after=11,how=no_crlf", ("protocol", "body"), 2, [], 1),
    ("unended", ("truncated", "body"), 3, [], 1),
    ("unended:how=rst", ("truncated", "body"), 3, [], 1),
    ("unended:how=stall", ("timeout", "idle"), 3, [], 1),
    ("length", ("truncated", "body"), 3, [], 1),
    ("length:how=rst", ("truncated", "body"), 3, [], 1),
    ("length:by=-10", ("truncated", "body"), 2, ["OPEN"], 1),
    ("extra", None, 3, [], 1),
    ("trailers", None, 3, [], 1),
    ("trailers:count=20,forbidden=true", None, 3, [], 1),
    ("cut:events=12", ("truncated", "body"), 2, [], 1),
    ("cut:events=3", ("truncated", "body"), 0, ["OPEN"], 1),
    ("cut:at=40,part=head", ("protocol", "head"), 0, [], 1),
    ("rst:events=12", ("truncated", "body"), 2, [], 1),
    ("rst:at=40,part=head", ("connect", "head"), 0, [], 1),
    ("stall:events=12", ("timeout", "idle"), 2, [], 1),
    ("stall", ("timeout", "head"), 0, [], 1),
    ("stall:at=40,part=head", ("timeout", "head"), 0, [], 1),
    ("drip:every=0,size=5", None, 3, [], 1),
    ("drip:events=12,every=0.02", ("timeout", "idle"), 2, [], 1),
    ("drop", None, 3, [], 1),
    ("drop:how=rst", None, 3, [], 1),
]  # fmt: skip

SHORT = 0.25  # seconds a client waits where nothing more will come: its own timers run by the real clock


@pytest.fixture(params=["sync", "asyncio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def client(colour: Colour, emulator: Emulator, *, short: bool = False) -> Any:
    """A client that does not sleep before it asks again."""
    timers = {"head": SHORT, "idle": SHORT} if short else {"head": HANG, "idle": HANG}
    made = colour.client(
        base_url=emulator.base_url,
        ssl_context=emulator.ssl_context,
        timeouts=Timeouts(connect=HANG, write=HANG, pool=HANG, **timers),
    )

    async def at_once(event: Any, seconds: float) -> None:
        assert 0 < seconds < 60

    transport = getattr(made, "inner", made)._transport
    transport.colour.wait = at_once if colour.name != "sync" else lambda event, seconds: None
    return made


def stream(colour: Colour, emulator: Emulator, **settings: Any) -> tuple[list[Any], ASRWireError | None]:
    """The updates handed out, and what ended them."""

    async def scenario() -> tuple[list[Any], ASRWireError | None]:
        updates: list[Any] = []
        async with client(colour, emulator, **settings) as it:
            try:
                async with it.stream(URL, model=MODEL) as answer:
                    async for update in answer:
                        updates.append(update)
            except ASRWireError as error:
                return updates, error
        return updates, None

    found: tuple[list[Any], ASRWireError | None] = colour.run(scenario)
    return found


@pytest.mark.parametrize(
    ("fault", "failure", "finals", "still_open", "requests"), CLIENTS, ids=[case[0] for case in CLIENTS]
)
def test_streams_end_as_the_fault_matrix_says(
    colour: Colour, fault: str, failure: tuple[str, str] | None, finals: int, still_open: list[str], requests: int
) -> None:
    with Emulator(SCRIPT, faults=[fault]) as emulator:
        updates, error = stream(colour, emulator, short=failure is not None and failure[0] == "timeout")
        sent = emulator.sent
    assert (None if error is None else (error.kind, error.phase)) == failure
    texts = [update.sentence.text for update in updates if isinstance(update, Final)]
    assert texts == ([SCRIPT.text] if fault == "whole" else TEXTS[:finals])
    assert len([update for update in updates if isinstance(update, Incomplete)]) == len(still_open)
    assert len(sent) == requests
    # What the client handed out is what the emulator says it could have: nothing lost, nothing invented.
    if failure != ("limit", "head"):  # a client of other limits reads on
        assert texts == [sentence.text for sentence in sent[-1].sentences]
    if error is not None:
        assert error.sent == "complete"
        assert KEY not in f"{error!r} {error}"
        if error.kind != "http_status":
            assert not error.retry_safe


def test_every_cut_gives_the_finals_whose_last_byte_has_left(colour: Colour) -> None:
    with Emulator(SCRIPT) as emulator:
        stream(colour, emulator)
        whole = len(receive(emulator)[0].partition(b"\r\n\r\n")[2])
    places = sorted({*range(0, whole, 97), *range(whole - 30, whole)})
    faults = [Fault("cut", at=at, nth=number) for number, at in enumerate(places, 1)]
    with Emulator(SCRIPT, faults=faults) as emulator:
        for at in places:
            updates, error = stream(colour, emulator)
            sent = emulator.sent[-1]
            assert error is not None
            assert (error.kind, sent.faults[0]["at"]) == ("truncated", at)
            texts = [update.sentence.text for update in updates if isinstance(update, Final)]
            assert texts == [sentence.text for sentence in sent.sentences]


def test_a_forged_answer_answers_nobody(colour: Colour) -> None:
    async def scenario() -> list[str]:
        async with client(colour, emulator) as it:
            return [(await it.transcribe(URL, model=MODEL)).text for _ in range(3)]

    with Emulator(SCRIPT, faults=["extra"]) as emulator:
        assert colour.run(scenario) == ["".join(TEXTS)] * 3


def test_connections_that_end_while_idle(colour: Colour) -> None:
    async def scenario() -> list[str]:
        async with client(colour, emulator) as it:
            for _ in range(3):
                found.append((await it.transcribe(URL, model=MODEL)).text)
                while emulator._servers[0]._connections:  # the end is there before the next request
                    pass
        return found

    for how in ("fin", "rst"):
        found: list[str] = []
        with Emulator(SCRIPT, faults=[f"drop:how={how}"]) as emulator:
            assert colour.run(scenario) == ["".join(TEXTS)] * 3
            assert len(emulator.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("error", "service"),
        ("invalid_json:how=trailing", "decode"),
        ("invalid_json:how=array", "decode"),
        ("html", "content_type"),
        ("empty", "truncated"),
        ("cut:at=20", "truncated"),
        ("rst:at=20", "truncated"),
        ("length", "truncated"),
        ("gzip", None),
        ("gzip_bomb", "limit"),
        ("http10", None),
        ("bom", None),
    ],
)
def test_whole_answers(colour: Colour, fault: str, kind: str | None) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator) as it:
            try:
                return await it.transcribe(URL, model="qwen3-asr-flash", protocol="dashscope")
            except ASRWireError as error:
                return error

    with Emulator(SCRIPT, faults=[f"{fault}{',' if ':' in fault else ':'}on=sync"]) as emulator:
        found = colour.run(scenario)
        assert len(emulator.requests) == 1
    if kind is None:
        assert found.text == "".join(TEXTS)
    else:
        assert found.kind == kind


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("cut:events=3", "truncated"),
        ("omit:last=1", None),  # [DONE]; a finish_reason was there
        ("omit:last=3", "truncated"),
        ("error:after=3", "service"),
        ("unended:how=stall", None),  # [DONE] ends it
        ("line_ends:to=cr", None),
        ("gzip", None),
    ],
)
def test_openai_streams(colour: Colour, fault: str, failure: str | None) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator) as it:
            try:
                async with it.stream(URL, model="qwen3-asr-flash") as answer:
                    async for _ in answer:
                        pass
            except ASRWireError as error:
                return error
            return answer.transcript

    with Emulator(SCRIPT, faults=[fault]) as emulator:
        found = colour.run(scenario)
    if failure is None:
        assert found.text == "".join(TEXTS)
    else:
        assert found.kind == failure
        assert "".join(TEXTS).startswith(found.partial.text)


# == tasks =============================================================================================================


class _Tasks:
    """The methods of `client.tasks` in either colour."""

    def __init__(self, client: Any) -> None:
        self._inner = getattr(client, "inner", client).tasks
        self._blocking = hasattr(client, "inner")

    async def call(self, name: str, *arguments: Any, **more: Any) -> Any:
        found = getattr(self._inner, name)(*arguments, **more)
        return found if self._blocking else await found

    async def results(self, task: Any) -> list[Any]:
        found = self._inner.results(task)
        return list(found) if self._blocking else [one async for one in found]


@pytest.mark.parametrize(
    ("fault", "failure", "tasks"),
    [
        ("lost:on=submit", ("connect", "head"), 1),
        ("lost:how=fin,on=submit", ("protocol", "head"), 1),
        ("lost:how=stall,on=submit", ("timeout", "head"), 1),
        ("lost:how=500,on=submit", ("http_status", "head"), 1),
        ("cut:at=10,on=submit", ("truncated", "body"), 1),
        ("rst:at=5,part=head,on=submit", ("connect", "head"), 1),
        ("503:on=submit", ("http_status", "head"), 0),
        ("503:retry_after=0,times=1,on=submit", None, 1),
        ("429:retry_after=0,times=2,on=submit", None, 1),
        ("replace:old=task_id,new=no_id,on=submit", ("decode", "body"), 1),
        ("replace:old=PENDING,new=../../x,on=submit", None, 1),
        ("invalid_json:how=type,on=submit", ("decode", "body"), 1),
        ("html:on=submit", ("decode", "body"), 0),
        ("empty:on=submit", ("decode", "body"), 0),
    ],
)
def test_submissions_are_never_doubled(colour: Colour, fault: str, failure: tuple[str, str] | None, tasks: int) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator, short=failure is not None and failure[0] == "timeout") as it:
            try:
                return await _Tasks(it).call("submit", URL, model="fun-asr")
            except ASRWireError as error:
                return error

    with Emulator(SCRIPT, faults=[fault], clock="virtual") as emulator:
        found = colour.run(scenario)
        assert len(emulator.tasks) == tasks
        posts = len(emulator.requests)
    if failure is None:
        assert found.task_id == emulator.tasks[0].id
    else:
        assert (found.kind, found.phase, posts) == (*failure, 1)
        assert not found.retry_safe


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500:times=1,on=poll", None),
        ("429:retry_after=0,times=1,on=poll", None),
        ("rst:at=3,times=1,on=poll", None),
        ("cut:at=3,times=1,on=poll", None),
        ("lost:how=fin,times=1,on=poll", None),
        ("empty:times=1,on=poll", None),
        ("html:times=1,on=poll", None),
        ("replace:old=SUCCEEDED,new=SLEEPING,times=1,on=poll", None),
        ("500:times=1,on=result", None),
        ("gzip:on=result", None),
        ("redirect:times=1,to=self,on=result", None),
        ("404:body=xml,on=result", "expired"),
        ("403:body=xml,on=result", "expired"),
    ],
)
def test_waiting_and_fetching_survive(colour: Colour, fault: str, kind: str | None) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator) as it:
            tasks = _Tasks(it)
            task = await tasks.call("submit", URL, model="fun-asr")
            try:
                task = await tasks.call("wait", task)
                return await tasks.results(task)
            except ASRWireError as error:
                return error

    with Emulator(SCRIPT, faults=[fault], queue_time=0, run_time=0) as emulator:
        found = colour.run(scenario)
        assert len(emulator.tasks) == 1
    if kind is None:
        [result] = found
        assert result.transcripts[0].text == SCRIPT.text
    else:
        assert found[0].error.kind == kind


@pytest.mark.parametrize("tls", [False, True])
def test_over_tls_too(colour: Colour, tls: bool) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator) as it:
            try:
                await it.transcribe(URL, model=MODEL)
            except ASRWireError as error:
                return error

    for how in ("fin", "rst", "bare"):
        with Emulator(SCRIPT, faults=[f"cut:at=30,how={how},on=sync", "http10"], tls=tls) as emulator:
            assert colour.run(scenario).kind == "truncated"
