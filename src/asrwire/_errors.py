# The error tree: one class per kind. Every public call raises these, or a TypeError / IndexError for a wrong argument,
# and nothing else; cancellation passes unwrapped.
#
# Knows: what an error carries. Must not know: who raises it. Subclasses have no behaviour of their own, so that
# `except asrwire.Timeout` and `error.kind == "timeout"` always mean the same thing.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ._task import Task
    from ._transcript import Transcript

Sent = Literal["none", "partial", "complete"]


class ASRWireError(Exception):
    """Base of every error of this library.

    Attributes:
        kind: which class of error, as a word (``"timeout"``, ``"protocol"``, ...): the class, spelled for logs.
        phase: where in the exchange it happened (``"connect"``, ``"head"``, ``"body"``, ...), or None.
        sent: how much of the request had been handed to the operating system: ``"none"``, ``"partial"`` or
            ``"complete"``. A ``"complete"`` transcription request may have been billed.
        retry_safe: sending the same request again cannot bill twice.
        retry_after: seconds the service asked to wait, or None.
        request_id: the service's id of the request, or None.
        http_status: HTTP status, or the status an event stream gave in ``:HTTP_STATUS/NNN``, or None.
        code: the service's own error code (``"Throttling.RateQuota"``), or None.
        partial: the `Transcript` of everything received before the error, or None outside a conversation.
        output: what the very call that failed had already found: ``bytes``, ``list[ServerSentEvent]`` or
            ``list[Update]``; None where a call has no such output.
        offset: byte offset in the input of the object that failed where the first wrong byte is, or None.
        event: number of the event (from 1) in the stream, or None.
        task: the file task this is about, as last seen, so that waiting can go on elsewhere, or None.
        path: the JSON member that is wrong (``"sentence.words[3].begin_time"``), or None.
    """

    kind = "error"

    def __init__(
        self,
        message: str = "",
        *,
        phase: str | None = None,
        sent: Sent = "none",
        retry_safe: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        code: str | None = None,
        partial: Transcript | None = None,
        output: Any = None,
        offset: int | None = None,
        event: int | None = None,
        path: str | None = None,
        task: Task | None = None,
    ) -> None:
        super().__init__(message)
        self.phase = phase
        self.sent: Sent = sent
        self.retry_safe = retry_safe
        self.retry_after = retry_after
        self.request_id = request_id
        self.http_status = http_status
        self.code = code
        self.partial = partial
        self.output = output
        self.offset = offset
        self.event = event
        self.path = path
        self.task = task

    def _again(self) -> ASRWireError:
        # What an object that failed raises at every further call: the same error, without output handed out already.
        copy = type(self)(*self.args)
        copy.__dict__.update(self.__dict__)
        copy.output = None if self.output is None else type(self.output)()
        return copy


class ConfigError(ASRWireError, ValueError):
    """Refused here, before any I/O: an argument, an option or the environment is wrong."""

    kind = "config"


class PoolTimeout(ASRWireError, TimeoutError):
    """No connection became free within ``Timeouts.pool``; nothing was sent."""

    kind = "pool"


class ConnectFailed(ASRWireError):
    """The name did not resolve, the connection was refused or reset, or writing to it failed."""

    kind = "connect"


class TLSFailed(ASRWireError):
    """The TLS handshake failed: certificate, host name or protocol."""

    kind = "tls"


class Timeout(ASRWireError, TimeoutError):
    """A timer of `Timeouts` ran out; ``phase`` says which."""

    kind = "timeout"


class ProtocolError(ASRWireError):
    """The bytes are not HTTP/1.1, or a chunked body breaks RFC 9112 7.1."""

    kind = "protocol"


class Truncated(ASRWireError):
    """The stream ended before everything the service meant to send had arrived."""

    kind = "truncated"


class HTTPStatusError(ASRWireError):
    """The service answered with a status outside 2xx."""

    kind = "http_status"


class ContentTypeError(ASRWireError):
    """The body is neither an event stream nor JSON."""

    kind = "content_type"


class DecodeError(ASRWireError, ValueError):
    """A payload is not JSON, or a member of it has the wrong type; ``path`` names it."""

    kind = "decode"


class LimitExceeded(ASRWireError):
    """A bound of `Limits` was reached; the message names it."""

    kind = "limit"


class ServiceError(ASRWireError):
    """The service reported an error inside a 200 response."""

    kind = "service"


class TaskFailed(ASRWireError):
    """A file task ended without a result."""

    kind = "task_failed"


class ResultExpired(ASRWireError):
    """A result file is gone: the service keeps results for 24 hours."""

    kind = "expired"


class Closed(ASRWireError):
    """The object was closed, or its one pass is over or in use."""

    kind = "closed"


class NoTimes(ASRWireError):
    """The service sent no times, and subtitles need them; times are never invented."""

    kind = "no_times"
