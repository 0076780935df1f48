# The replay server: bytes rendered beforehand, from a process of its own, so that the client's CPU is the client's.
#
# Knows: sockets, HTTP just enough to find the end of a request, the clock. Must not know: what it sends, any client.
# `Replay` starts it; the process is `python -m benchmarks.replay`, which gets its plan from its standard input and ends
# with it. A thread a connection: of 100 paced ones all but one sleep.

from __future__ import annotations

import ctypes
import os
import pickle
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream;charset=UTF-8\r\nx-request-id: 0\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)

# Bytes. What a larger one holds the kernel sends in the client's time, when that makes room by reading: in half of the
# runs, a bare recv() then costs three times what it does in the other half.
SEND_BUFFER = 65536


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to every request.

    Attributes:
        writes: the chunked body; each is handed to the socket by itself.
        streams: connections that are answered together: all get their heads at once, and the bodies begin when the
            last of them has come.
        rate: writes a second and connection, each at its own time: no two of all the connections' at once. 0: as fast
            as the socket takes them.
        at_once: so many of the writes follow the head, and do not wait for the other streams.
        pem: key and certificates of a server over TLS; b"" without.
    """

    writes: tuple[bytes, ...]
    streams: int = 1
    rate: float = 0.0
    at_once: int = 0
    pem: bytes = b""


class Replay:
    """The server's process, while it is entered: gives the root of an API, all of whose answers are `plan`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __enter__(self) -> str:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command, pipe = [sys.executable, "-m", "benchmarks.replay"], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environ)
        assert self._process.stdin
        assert self._process.stdout
        pickle.dump(astuple(self._plan), self._process.stdin)
        self._process.stdin.flush()
        return f"http{'s' * bool(self._plan.pem)}://127.0.0.1:{int(self._process.stdout.readline())}/api/v1"

    def __exit__(self, *error: object) -> None:
        with self._process:  # closes its standard input, and waits
            pass


class _Group:
    # The connections that a paced plan is waiting for, and those it is sent to.

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._waiting: list[socket.socket] = []
        self._over = threading.Event()

    def answer(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting.append(connection)
            over, connections = self._over, self._waiting
            if len(connections) == self._plan.streams:
                self._waiting, self._over = [], threading.Event()
        if len(connections) == self._plan.streams and connections[-1] is connection:
            self._send(connections)
            over.set()
        over.wait()

    def _send(self, connections: list[socket.socket]) -> None:
        plan = self._plan
        if not plan.rate:
            for write in plan.writes[plan.at_once :]:
                for connection in connections:
                    connection.sendall(write)
            return
        at, step = time.perf_counter() + 0.05, 1 / (plan.rate * plan.streams)
        for write in plan.writes[plan.at_once :]:
            for connection in connections:
                delay = at - time.perf_counter()
                if delay > 0:
                    time.sleep(delay)
                with suppress(OSError):
                    connection.sendall(write)
                at += step


def _serve(connection: socket.socket, plan: Plan, group: _Group, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        connection = connection if context is None else context.wrap_socket(connection, server_side=True)
    with connection, suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                data = connection.recv(65536)
                if not data:
                    return
                received += data
            head, _, received = received.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            left = (int(length[1]) if length else 0) - len(received)
            while left > 0:
                left -= len(connection.recv(65536))
            received = b""
            connection.sendall(b"".join([HEAD, *plan.writes[: plan.at_once]]))
            group.answer(connection)


def _context(pem: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(pem)
        context.load_cert_chain(path)
    return context


def main() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: 1 ns instead of 50 us; two writes are 100 us apart
    threading.stack_size(2**18)  # there may be thousands
    plan = Plan(*pickle.load(sys.stdin.buffer))
    group, context = _Group(plan), _context(plan.pem) if plan.pem else None
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, plan, group, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
