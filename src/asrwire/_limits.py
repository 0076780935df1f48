# The two tables of numbers a caller may set: how long to wait (Timeouts) and how much to accept (Limits).
#
# Knows: names, defaults and that a number is a number. Must not know who enforces it.

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ._errors import ConfigError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timers, in seconds; None switches one off.

    Attributes:
        connect: name lookup, TCP and TLS handshake.
        write: one write of the request.
        head: last request byte to response head, and from there to the first complete event or the end of a JSON body
            (the service itself takes up to 300 s, and the call is billed by then).
        idle: between complete events after the first (heartbeats are events), whatever drips in between; for other
            bodies the longest time with fewer than 1 KiB received.
        total: the whole call.
        pool: waiting for a free connection.
    """

    connect: float | None = 5.0
    write: float | None = 30.0
    head: float | None = 310.0
    idle: float | None = 60.0
    total: float | None = None
    pool: float | None = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"Timeouts.{field.name} is seconds (a number) or None, not {type(value).__name__}")
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"Timeouts.{field.name} must be a positive, finite number of seconds or None")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a peer can make this process hold or do; reaching one raises `LimitExceeded` that names it.

    Attributes:
        head_size: bytes of one response head.
        head_fields: fields of one response head.
        informational: 1xx responses before the final one.
        chunk_line: bytes of one chunk-size line.
        chunk_extensions: bytes of chunk extensions per MiB of body.
        trailers: bytes of the trailer section.
        event_size: bytes of one event (its open line, data and comments), and of one JSON body.
        event_lines: lines of one event.
        error_body: bytes kept of the body of an error response.
        result_size: bytes of one result file.
        decompressed: bytes a compressed body may grow to.
        redirects: redirects followed for a result file (never for a POST).
        connections: connections of one client.
        keepalive: seconds an idle connection is kept.
        retry_after: the longest wait, in seconds, that a service may ask for.
    """

    head_size: int = 65536
    head_fields: int = 100
    informational: int = 16
    chunk_line: int = 4096
    chunk_extensions: int = 16384
    trailers: int = 16384
    event_size: int = 8 * 2**20
    event_lines: int = 65536
    error_body: int = 65536
    result_size: int = 256 * 2**20
    decompressed: int = 64 * 2**20
    redirects: int = 3
    connections: int = 100
    keepalive: float = 5.0
    retry_after: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            seconds = field.name in ("keepalive", "retry_after")
            if isinstance(value, bool) or not isinstance(value, (int, float) if seconds else int):
                raise TypeError(f"Limits.{field.name} is a number, not {type(value).__name__}")
            least = 0 if seconds or field.name in ("informational", "redirects") else 1
            if not (math.isfinite(value) and value >= least):
                raise ConfigError(f"Limits.{field.name} must be at least {least}")
