# Exchange: one request and its response on one connection, without doing any I/O.
#
# Knows: which timer runs, how much of the request has left, where the response head ends and what it may cost, which
# error a foreign exception means at this point. Decides and raises; the network streams of _backend.py do what it says.
# Must not know: sockets, pools, bodies, the colour (sync or async) it runs in.

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from .._errors import (
    ASRWireError,
    Closed,
    ConfigError,
    ConnectFailed,
    LimitExceeded,
    ProtocolError,
    Sent,
    Timeout,
    TLSFailed,
    Truncated,
)
from .._limits import Limits, Timeouts

LONGEST: Final = 24 * 86400.0  # seconds one wait may take: poll() counts milliseconds in an int
WRITE_SIZE: Final = 65536  # bytes given to the network at once: progress is known, and clipped, piece by piece
ERROR_BODY_SECONDS: Final = 2.0

E = TypeVar("E", bound=ASRWireError)

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")  # h11's own rule, so that both see the head end at the same byte


class Exchange:
    """The state of one attempt.

    Attributes:
        phase: "connect", "tls", "write", "head" or "body".
        http2: the connection speaks HTTP/2: heads and bodies are the HTTP module's to find.
        closed: set by whoever closes the stream while it is read; the reader then gets `Closed`.
        held: bytes of the body that came with the end of the head.
        head_done: the final response head has been seen whole.
        timeouts: seconds, each timer's.
        deadline: end of the whole call, on the clock, or None.
        end: of the running timer, on the clock, or None.
        sent_at: when the request had left and the answer was first waited for, on the clock, or None.
    """

    def __init__(
        self, http: Any, timeouts: Timeouts, limits: Limits, *, body_size: int, deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            http: the module whose exceptions tell timeouts and configuration errors apart.
            body_size: bytes of the request body (its Content-Length).
            deadline: end of the whole call on `clock`, or None.
        """
        self.phase = "connect"
        self.closed = self.head_done = self.http2 = False
        self.held = b""
        self._http = http
        self.timeouts = timeouts
        self._limits = limits
        self._clock = clock
        self.deadline = deadline
        self._timer = ""
        self.end: float | None = None
        self.sent_at: float | None = None
        self._rest: float | None = None  # of a timer that was paused
        self._body_size = body_size
        self._request_size: int | None = None  # head and body, known with the first write
        self._written = self._in_flight = self._informational = 0
        self._tunnel = self._eof = False
        self._head = bytearray()
        self._events = -1

    # -- timers

    def arm(self, timer: str, most: float | None = None) -> None:
        """Let `timer` run from now (for `most` seconds instead of its own), clipped to the whole call's end."""
        seconds = getattr(self.timeouts, timer) if most is None else most
        self._timer = timer
        self.end = None if seconds is None else self._clock() + seconds
        if self.deadline is not None and (self.end is None or self.deadline < self.end):
            self._timer, self.end = "total", self.deadline

    def left(self) -> float | None:
        """Seconds the next I/O may take, or None without end. Raises Closed, Timeout."""
        if self.closed:
            raise self._error(Closed, "the stream was closed")
        if self.end is None:
            return None
        left = self.end - self._clock()
        if left <= 0:
            raise self.timeout()
        return min(left, LONGEST)

    def timeout(self) -> Timeout:
        """The error of the running timer."""
        seconds = getattr(self.timeouts, self._timer, None)  # none before the first timer: a foreign time-out
        waited = "" if seconds is None else f" ({seconds:g} s)"
        return self._error(Timeout, f"the {self._timer} timer ran out{waited}", phase=self._timer)

    def waiting(self, events: int) -> None:
        """Before each read of the body: `events` complete events have come. Re-arms when one is new, so that neither
        dripping bytes prolong a timer nor a slow consumer's time counts."""
        if events > self._events:
            self.arm("idle" if events else "head")
            self._events = events
        elif self._rest is not None:
            self.arm(self._timer, self._rest)
        self._rest = None

    def pause(self) -> None:
        """A read was cancelled: until the next, the time is the consumer's. (Of the whole call it counts.)"""
        if self.end is not None and self._timer != "total":
            self._rest = self.end - self._clock()

    def waiting_for_error_body(self) -> None:
        """The status is known; what the body may add is worth two seconds."""
        self.arm("head", ERROR_BODY_SECONDS)

    # -- connecting

    def connecting(self) -> None:
        """Name lookup begins. One timer runs through TCP, TLS and a proxy's CONNECT."""
        self.phase = "connect"
        if self._timer == "":
            self.arm("connect")

    def securing(self) -> None:
        """A TLS handshake begins."""
        self.phase = "tls"

    # -- writing

    def outgoing(self, buffer: bytes) -> Iterator[tuple[bytes, float | None]]:
        """The pieces of `buffer` and the seconds each may take; asking for the next says that the last one left."""
        if not buffer:
            return  # the end of a message that has no last chunk
        if buffer.startswith(b"CONNECT "):
            self.phase, self._tunnel = "connect", True
        elif self._request_size is None:
            self._tunnel = False
            self.http2 = self.http2 or buffer.startswith(b"PRI * HTTP/2.0\r\n")
            # There the size of a head is not known before it is written: with a body's worth of bytes on their way
            # nobody can say any more that the request is not complete.
            self._request_size = self._body_size + (not self._body_size if self.http2 else len(buffer))
            self._head.clear()
        aside = self._tunnel or self.sent == "complete"  # beside the request: in HTTP/2, what reading makes necessary
        self.phase = self.phase if aside else "write"
        for start in range(0, len(buffer), WRITE_SIZE):
            piece = buffer if len(buffer) <= WRITE_SIZE else bytes(buffer[start : start + WRITE_SIZE])
            if aside:
                yield piece, self.left()
                continue
            self.arm("write")
            seconds = self.left()
            self._in_flight = len(piece)
            yield piece, seconds
            self._written += len(piece)
            self._in_flight = 0

    @property
    def sent(self) -> Sent:
        """How much of the request has been handed to the operating system. Of a write that failed, not all was."""
        if self._request_size is not None and self._written >= self._request_size:
            return "complete"
        return "partial" if self._written or self._in_flight else "none"

    # -- the response head

    def reading(self) -> None:
        """Before each read of the head. After a broken write an early answer may be waiting, but not for long."""
        if self.phase == "write":
            self.phase, self.sent_at = "head", self._clock()
            self.arm("head" if self.sent == "complete" else "write")

    def head_bytes(self, data: bytes) -> bytes:
        """Take bytes off the network; return those that belong to the head, hold the rest back.

        Raises LimitExceeded, and ProtocolError for bytes that follow a proxy's answer unasked.
        """
        if not data:
            self._eof = True
        if not data or self.http2:
            return data
        head = self._head
        known = len(head)
        head += data
        start = 0
        while match := _END_OF_HEAD.search(head, max(start, known - 2)):
            self._check_size(match.end() - start)
            if head.count(b"\n", start, match.end()) - 2 > self._limits.head_fields:
                raise self._error(LimitExceeded, f"more than {self._limits.head_fields} header fields (head_fields)")
            if head.startswith(b"HTTP/", start) and not head.startswith(b"HTTP/1.", start):
                raise self._error(ProtocolError, "the response is of another HTTP than 1.0 and 1.1")  # h11 takes any
            status = head[start : match.end()].partition(b" ")[2][:3]
            start = match.end()
            if status[:1] != b"1" or status == b"101":
                break
            self._informational += 1
            if self._informational > self._limits.informational:
                most = self._limits.informational
                raise self._error(LimitExceeded, f"more than {most} 1xx responses (informational)")
        else:
            self._check_size(len(head) - start)
            del head[:start]
            return data
        rest = bytes(head[start:])
        head.clear()
        if self._tunnel:
            if rest and status[:1] == b"2":  # a refusal may have a body, which nobody reads
                raise self._error(ProtocolError, "the proxy sent bytes after its answer to CONNECT")
        else:
            self.head_done, self.held = True, rest
        return data[: len(data) - len(rest)]

    def _check_size(self, size: int) -> None:
        if size > self._limits.head_size:
            raise self._error(LimitExceeded, f"a response head of more than {self._limits.head_size} bytes (head_size)")

    def check_head(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Of HTTP/2, whose heads are not seen as bytes."""
        self._check_size(sum(len(name) + len(value) + 4 for name, value in headers))
        if len(headers) > self._limits.head_fields:
            raise self._error(LimitExceeded, f"more than {self._limits.head_fields} header fields (head_fields)")

    def head_read(self) -> None:
        """The response head has been accepted."""
        self.phase = "body"

    # -- faults

    def fault(self, error: Exception) -> ASRWireError:
        """What an exception of the HTTP module or its network backend means here. The foreign text may hold the key or
        a signed URL, so only its type's name goes on; raise the result ``from None``."""
        if isinstance(error, ASRWireError):
            return error
        if self.closed:
            return self._error(Closed, "the stream was closed")
        name = type(error).__name__
        http = self._http
        if isinstance(error, (http.TimeoutException, TimeoutError)):
            return self.timeout()
        if isinstance(error, (http.LocalProtocolError, http.UnsupportedProtocol)) and not self.http2:
            return self._error(ConfigError, f"the request cannot be sent as HTTP/1.1 ({name})")
        if isinstance(error, http.ProxyError):
            status = re.match(r"\d{3}", str(error))
            return self._error(ConnectFailed, f"the proxy answered {status[0] if status else name}", phase="connect")
        if self.phase == "connect":
            return self._error(ConnectFailed, f"cannot connect ({name})")
        if self.phase == "tls":
            return self._error(TLSFailed, f"the TLS handshake failed ({name})")
        if self.phase == "body":
            return self._error(Truncated, f"the connection broke inside the response body ({name})")
        if self.sent != "complete":
            return self._error(ConnectFailed, f"the connection broke before the request was sent ({name})")
        if self._eof:
            return self._error(ProtocolError, "the connection was closed without a complete response head")
        if isinstance(error, http.ProtocolError):
            return self._error(ProtocolError, f"the response head is not HTTP ({name})")
        return self._error(ConnectFailed, f"the connection broke before the response ({name})")

    def describe(self, error: ASRWireError) -> None:
        """Attach what is known of this exchange to an error made elsewhere."""
        error.phase = error.phase or self.phase
        error.sent = self.sent
        error.retry_safe = self.sent != "complete" and self.phase != "body"

    def _error(self, kind: type[E], message: str, phase: str | None = None) -> E:
        error = kind(message, phase=phase or self.phase)
        self.describe(error)
        return error
