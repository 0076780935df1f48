# Small servers of literal bytes on 127.0.0.1, one thread a connection, and one way to write a test for three colours.
#
# Knows: sockets and as much of HTTP/1.1 as finds the end of a request. Must not know: what is being tested.

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

import trio
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from asrwire import AsyncClient, Client, Limits, Timeouts
from asrwire._net._asyncio import Connection

KEY = "sk-0123456789abcdef"
HANG = 8.0  # seconds after which a wait in a test is a failure, never a measure
URL = "https://example.com/audio.wav"
MODEL = "fun-asr-realtime"

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sized(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json", more: bytes = b"") -> bytes:
    """A response with Content-Length."""
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, kind, len(body), more, body)


def event(text: str, *, number: int = 1, end: bool = True, begin: int = 0) -> bytes:
    """One event of the native dialect."""
    stop = f'"end_time":{begin + 500},' if end else ""
    body = (
        f'{{"output":{{"sentence":{{"sentence_id":{number},"sentence_end":{str(end).lower()},"begin_time":{begin},{stop}'
        f'"text":"{text}","words":[]}}}},"request_id":"body-id"}}'
    )
    return f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{body}\n\n".encode()


ONE = event("one")
TWO = event("two", number=2, begin=1000)
OPEN = event("thr", number=3, end=False, begin=2000)
GOOD = CHUNKED + chunk(ONE + TWO) + END
OPENAI_DELTA = b'data: {"choices":[{"delta":{"content":"hello"},"index":0}]}\n\n'
OPENAI_STOP = b'data: {"choices":[{"delta":{},"index":0,"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and one for a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server

    def request(self) -> bytes | None:
        """One whole request, or None when the client closed instead."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.receive()
            if not more:
                return None
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        body = bytearray(rest)  # grows in place: uploads are large
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        size = int(fields.get(b"content-length", b"0"))
        while len(body) < size:
            more = self.receive()
            if not more:
                return None
            body += more
        return head + b"\r\n\r\n" + bytes(body)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes) -> None:
        """Byte by byte, for ever, until the client closes."""
        self.sock.settimeout(0.02)
        for i in range(10**6):
            try:
                self.sock.sendall(data[i % len(data) :][:1])
                if self.sock.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.server.saw_close.set()

    def wait_closed(self) -> None:
        """Until the client closes."""
        while self.receive():
            pass
        self.server.saw_close.set()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except OSError:
            return b""


Answer = bytes | Callable[[Peer], None]


class Server:
    """Answers the n-th request (over all connections) with the n-th of `answers`, and later ones with the last.

    bytes are sent as they are and the connection is read on; a callable does what it likes, after the request or, with
    ``raw=True``, in place of reading one, and the connection is closed when it returns.
    """

    def __init__(self, *answers: Answer, tls: bool = False, raw: bool = False) -> None:
        self._answers = answers
        self._tls = tls
        self._raw = raw
        self.lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.saw_close = threading.Event()

    def __enter__(self) -> Server:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self.lock:
            socks = list(self._socks)
        for sock in socks:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in list(self._threads):
            thread.join(HANG)
            assert not thread.is_alive()

    @property
    def base_url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/api/v1"

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what was sent is there
            with self.lock:
                self.connections += 1
                self._socks.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls:
                plain, sock = sock, contexts()[0].wrap_socket(sock, server_side=True)
                with self.lock:
                    self._socks[self._socks.index(plain)] = sock
            peer = Peer(sock, self)
            while True:
                request = b"" if self._raw else peer.request()
                if request is None:
                    self.saw_close.set()
                    return
                with self.lock:
                    self.requests.append(request)
                    answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
                if callable(answer):
                    answer(peer)
                    return
                peer.send(answer)
        except OSError:
            pass
        finally:
            sock.close()


class Stream2:
    """One request over HTTP/2, and how to answer it."""

    def __init__(self, peer: Peer, conn: H2Connection, number: int) -> None:
        self.peer = peer
        self.conn = conn
        self.number = number
        self.fields: dict[bytes, bytes] = {}
        self.body = b""

    def head(self, status: int = 200, *more: tuple[str, str], end: bool = False) -> None:
        fields = [(":status", str(status)), ("content-type", "text/event-stream"), *more]
        self.conn.send_headers(self.number, fields, end_stream=end)
        self.flush()

    def data(self, *pieces: bytes, end: bool = False) -> None:
        for piece in pieces:
            self.conn.send_data(self.number, piece)
            self.flush()
        if end:
            self.conn.end_stream(self.number)
            self.flush()

    def flush(self) -> None:
        self.peer.send(self.conn.data_to_send())


def over_http2(*answers: Callable[[Stream2], None]) -> Callable[[Peer], None]:
    """For a raw `Server`: answers the n-th request, over all connections, with the n-th of `answers`; the connection is
    read on."""

    def serve(peer: Peer) -> None:
        with peer.server.lock:
            peer.server.requests.remove(b"")  # what a raw server has noted
        conn = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        conn.initiate_connection()
        peer.send(conn.data_to_send())
        asked: dict[int, Stream2] = {}
        while data := peer.receive():
            for it in conn.receive_data(data):
                if isinstance(it, RequestReceived):
                    stream = asked[it.stream_id] = Stream2(peer, conn, it.stream_id)
                    stream.fields = dict(it.headers)  # type: ignore[arg-type]
                elif isinstance(it, DataReceived):
                    asked[it.stream_id].body += it.data
                    conn.acknowledge_received_data(it.flow_controlled_length, it.stream_id)
                elif isinstance(it, StreamEnded):
                    stream = asked.pop(it.stream_id)
                    with peer.server.lock:
                        peer.server.requests.append(stream.body)
                        answer = answers[min(len(peer.server.requests), len(answers)) - 1]
                    answer(stream)
            peer.send(conn.data_to_send())
        peer.server.saw_close.set()

    return serve


# == literal bytes ====================================================================================================


class Replay(asyncio.Transport):
    """An event loop's transport that answers the first write with literal pieces, each in a turn of the loop of its
    own, and then ends unless it is to stay open; what httpcore's mock backends are to the others."""

    def __init__(self, pieces: list[bytes], end: bool, write_error: type[Exception] | None) -> None:
        super().__init__()
        self._end = end
        self._pieces = list(pieces)
        self._error = write_error
        self._closing = self._started = self._paused = False
        self._sock, self._peer = socket.socketpair()
        self._sock.setblocking(False)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def write(self, data: Any) -> None:
        if self._error is not None:
            self._close(self._error())
        elif not self._started:
            self._started = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if self._closing or self._paused:
            return
        if self._pieces:
            self.protocol.data_received(self._pieces.pop(0))
            asyncio.get_running_loop().call_soon(self._next)
        elif self._end:
            self.protocol.eof_received()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        asyncio.get_running_loop().call_soon(self._next)

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._sock

    def abort(self) -> None:
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self.protocol.connection_lost(error)
        self._sock.close()
        self._peer.close()


def replayed(
    *pieces: bytes, end: bool = True, write_error: type[Exception] | None = None
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """To stand for what connects on asyncio: the peer is `pieces`, one a read."""

    async def connect(*arguments: Any) -> Any:
        connection = Connection()
        Replay(list(pieces), end, write_error).set_protocol(connection)
        return connection

    return connect


COLOURS = ["sync", "asyncio", "trio"]
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]

# == three colours ====================================================================================================


class _Blocking:
    """A blocking object seen through the asynchronous names, so that one scenario runs in every colour."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def __aenter__(self) -> _Blocking:
        self.inner.__enter__()
        return self

    async def __aexit__(self, *details: Any) -> None:
        self.inner.__exit__(*details)

    async def aclose(self) -> None:
        self.inner.close()

    def __aiter__(self) -> _Blocking:
        return _Blocking(iter(self.inner))

    async def __anext__(self) -> Any:
        try:
            return next(self.inner)
        except StopIteration:
            raise StopAsyncIteration from None

    def stream(self, *arguments: Any, **options: Any) -> _Blocking:
        return _Blocking(self.inner.stream(*arguments, **options))

    def sentences(self) -> _Blocking:
        return _Blocking(self.inner.sentences())

    async def transcribe(self, *arguments: Any, **options: Any) -> Any:
        return self.inner.transcribe(*arguments, **options)


class Colour:
    """Runs a scenario written with the asynchronous names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def client(self, server: Any = None, **settings: Any) -> Any:
        if server is not None:
            settings = {"base_url": server.base_url, **settings}
            if server.base_url.startswith("https:"):
                settings.setdefault("ssl_context", contexts()[1])
        settings.setdefault("timeouts", Timeouts(connect=HANG, write=HANG, head=HANG, idle=HANG, pool=HANG))
        settings.setdefault("limits", Limits())
        settings.setdefault("api_key", KEY)
        return _Blocking(Client(**settings)) if self.name == "sync" else AsyncClient(**settings)

    def run(self, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if self.name == "trio":
            return trio.run(scenario)
        if self.name == "asyncio":
            return asyncio.run(scenario())
        if self.name == "uvloop":
            import uvloop  # not on Windows

            return uvloop.run(scenario())
        coroutine = scenario()
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        coroutine.close()
        raise AssertionError("a blocking scenario was suspended")
