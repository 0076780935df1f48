# Call: one transcription call, without doing its I/O.
#
# Knows: the order of things in one call: key, request, attempts, head, body, updates, trouble, the end. Must not know:
# sockets, sleeping, the colour it runs in; what the services send is ResultStream's, what they want _requests'.

from __future__ import annotations

import random
import re
import threading
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from .. import _codes, _requests, _retry
from .._audio import Audio, load
from .._errors import ASRWireError, Closed, HTTPStatusError
from .._stream import ResultStream, check_ended
from ._attempt import Attempt, wire
from ._body import field
from ._colour import Steps

if TYPE_CHECKING:
    from .._assembler import Update
    from .._limits import Timeouts
    from .._transcript import Transcript
    from ..capture import Recorder
    from ._settings import Settings

T = TypeVar("T")

_PLACEHOLDER: Final = Audio("url", "https://localhost/", "wav")


class Call:
    """Everything about one call but the I/O."""

    def __init__(
        self, client: Settings, audio: Any, arguments: dict[str, Any], *, stream: bool, partials: bool, resend: bool,
        timeouts: Timeouts | None, recorder: Recorder | None = None,
    ) -> None:
        self._timeouts = client._timed(timeouts)
        # What can be wrong without the audio is said before a file is opened, and once.
        arguments = {**arguments, "stream": stream}
        _requests.transcription(client._endpoints, _PLACEHOLDER, **arguments)
        self._client = client
        self._audio = audio
        self._arguments = arguments
        self._partials = partials
        self._resend = resend
        self._recorder = recorder
        self._deadline: float | None = None
        self._attempt = 0
        self._current: Attempt | None = None
        self._incremental: bool | None = None
        self._result: ResultStream | None = None
        self._batch: deque[Update] = deque()
        self._error: ASRWireError | None = None
        self._entered = self._answered = self._started = self._filtered = False
        self._closed = self._raised = False
        self._over = False  # nothing more is to be read
        self._quick: Any = None  # reads past the steps: see `_takes_turn`
        self._turn = threading.Lock()  # held by whoever reads or closes

    def __reduce__(self) -> NoReturn:
        raise TypeError("a call holds a connection: it is neither copied nor pickled")

    # -- what came

    @property
    def transcript(self) -> Transcript:
        """Everything received so far, at any moment; ``complete`` once the service has said everything."""
        transcript = (self._result or ResultStream()).transcript
        if transcript.request_id is not None and self._current is not None:
            shown = self._current.masked(transcript.request_id)
            if shown != transcript.request_id:
                return replace(transcript, request_id=shown)
        return transcript

    @property
    def request_id(self) -> str | None:
        """The service's id of the request: from the body, else from the ``x-request-id`` header."""
        if self._current is None:
            return None
        found = self._result.request_id if self._result is not None else None
        return self._current.masked(found) or field(self._fields, b"x-request-id")

    @property
    def _fields(self) -> tuple[tuple[bytes, bytes], ...]:
        return () if self._current is None else self._current.fields

    @property
    def http_status(self) -> int | None:
        """Status of the response, or None before it came."""
        return None if self._current is None else self._current.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Header fields of the response: (name, value), as received."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields]

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._over else "open" if self._answered else "not entered"
        return f"<asrwire.{type(self).__name__} {self._arguments['model']} {state}>"

    # -- sending

    def _in_turn(self, steps: Steps[T]) -> Steps[T]:
        # One at a time; what somebody else's close() had to leave undone is done here.
        if not self._turn.acquire(blocking=False):
            raise Closed("a stream has one pass and one reader")
        try:
            return (yield from steps)
        finally:
            self._turn.release()
            if self._closed:
                yield from self._closing()

    def _entering(self) -> Steps[None]:
        """Send the request, again where that is safe, until a result is to be read."""
        if self._entered or self._closed:
            raise Closed("a stream is entered once")
        self._entered = True
        if self._timeouts.total is not None:
            self._deadline = time.monotonic() + self._timeouts.total
        colour = self._client._transport.colour
        given, self._audio = self._audio, None  # once sent, neither audio nor request is kept
        audio = yield lambda: colour.run(load, given)
        request = _requests.transcription(self._client._endpoints, audio, **self._arguments, warn=False)
        del audio
        self._incremental = request.incremental
        while True:
            try:
                return (yield from self._sending(request))
            except ASRWireError as error:
                seconds = self._again(error)
                if seconds is None or self._current is None:
                    raise
            yield from self._current.channel.wait(colour.event(), seconds)

    def _sending(self, request: _requests.Request) -> Steps[None]:
        self._attempt += 1
        self._current = self._result = None
        key = self._client._key()
        attempt = self._current = Attempt(self._client, request, key, self._timeouts, self._deadline)
        if self._closed:  # asked after the channel is there for close() to interrupt
            raise Closed("the stream was closed")
        if self._recorder is not None:
            sent = wire(request, key, self._client._headers)
            self._recorder._sending(attempt.exchange, sent, key, self._arguments["model"], request.incremental)
        yield from attempt.open(request)
        if self._recorder is not None:
            self._recorder._answered(attempt.channel.status, attempt.fields)
        if not attempt.good:
            yield from self._on_error_status(attempt)
        self._answered = True
        _retry.QUOTA.answered(self._attempt)

    def _again(self, error: ASRWireError) -> float | None:
        # Seconds until the same request may be sent again, or None: the call has failed.
        remaining = None if self._deadline is None else self._deadline - time.monotonic()
        seconds = _retry.delay(
            error, self._attempt, resend=self._resend, remaining=remaining, longest=self._client._limits.retry_after,
            random=random.random,
        )
        if seconds is None:
            self._over = self._closed = True
            if self._recorder is not None:
                self._recorder._failed(error)
            self._attach(error)
        return seconds

    def _on_error_status(self, attempt: Attempt) -> Steps[None]:
        """Raise what the status means, with what the body says of it; or go on: no speech is a result."""
        said = yield from attempt.error_content()
        status, result = attempt.status or 0, self._listening()
        try:
            if 300 <= status < 400:
                host = _host(field(attempt.fields, b"location"))
                raise HTTPStatusError(f"HTTP status {status}: a redirect{host} is not followed")
            result.receive_data(said)
            self._batch.extend(result.receive_eof())
            self._over = True
        except ASRWireError as error:
            after = _retry.retry_after(field(attempt.fields, b"retry-after"), time.time())
            attempt.exchange.describe(error)
            self._attach(error)
            error.phase, error.retry_after = "head", after
            error.retry_safe = error.sent != "complete" or _retry.not_taken(status, error.code, after, str(error))
            error.args = (_codes.advised(str(error), error.code, status),)
            raise error from None

    # -- the body

    def _listening(self) -> ResultStream:
        # Made with the first read, so that sentences() can still say that partials are not wanted.
        if self._result is None:
            self._result = (ResultStream if self._recorder is None else self._recorder._listening)(
                self._partials, incremental=self._incremental, http_status=self.http_status or 200,
                content_type=field(self._fields, b"content-type"), limits=self._client._limits,
            )
        return self._result

    def _on_data(self, data: bytes) -> bool:
        """The next bytes of the body, b"" at its end; returns whether there is something to hand out, the end and what
        is wrong being something."""
        attempt, result, batch = self._current, self._result, self._batch
        assert attempt is not None
        assert attempt.body is not None
        assert result is not None
        body = attempt.body
        try:
            if data:
                if content := body.receive(data):
                    batch.extend(result.receive_data(content))
            elif not body.at_end:
                body.receive_eof()
                result.unframed = body.unframed
            if not data or body.at_end or result.at_end:
                self._on_end(result)
                return True
        except ASRWireError as error:  # not left to who called: a task that is cancelled meanwhile never learns of it
            self._on_fault(attempt, error)
            return True
        if batch:
            return True  # while the consumer has them no timer runs: the next read goes on with it
        attempt.exchange.waiting(result.events)
        return False

    def _on_end(self, result: ResultStream) -> None:
        self._batch.extend(result.receive_eof())
        check_ended(result.transcript)
        self._over = True

    def _on_fault(self, attempt: Attempt, error: ASRWireError) -> None:
        """The body ends with `error`; its output is content that came before it, or updates found in that."""
        result = self._listening()
        if error.output and isinstance(error.output, bytes):
            try:
                error.output = result.receive_data(error.output)
            except ASRWireError as earlier:
                error = earlier
        self._batch.extend(error.output or ())
        self._batch.extend(result.receive_eof(error))
        self._over = True
        if result.transcript.complete and not isinstance(error, Closed):
            return  # the terminal event had come, but for its blank line
        self._error = error
        error.output = None  # handed out as updates before the error is raised
        attempt.exchange.describe(error)
        self._attach(error)
        if error.kind == "service":
            error.args = (_codes.advised(str(error), error.code, error.http_status),)

    def _attach(self, error: ASRWireError) -> None:
        error.partial = self.transcript
        error.request_id = error.request_id or self.request_id
        if self._current is not None:
            self._current.sign(error)

    # -- handing out

    def _start(self, sentences: bool = False) -> None:
        if self._filtered if sentences else self._started:
            raise Closed("a stream has one pass and one reader")
        self._check()
        if sentences:
            self._partials = self._partials and self._started
            self._filtered = True
        self._started = True

    def _check(self) -> None:
        if self._closed:
            raise Closed("the stream is closed", partial=self.transcript)
        if not self._answered:
            raise Closed("the stream is not open: enter it first (with client.stream(...) as stream)")

    def _takes_turn(self) -> bool:
        """Whether a reader may call `_quick` instead of `_reading`; its turn has then begun, and it is to end it.

        Steps cost a live event 6 us of 20, and the second and each later read needs none of them: whatever is out of
        the ordinary, an exception of that read included, is for `_going_on` to deal with, in the same turn.
        """
        if not self._turn.acquire(blocking=False):
            return False
        begun = False
        try:
            if self._quick is not None and not self._over:  # asked in the turn: a close() elsewhere may have had it
                attempt, result = self._current, self._result
                assert attempt is not None
                assert result is not None
                attempt.exchange.waiting(result.events)
                begun = True
            return begun
        finally:
            if not begun:
                self._turn.release()

    def _reading(self) -> Steps[Update | None]:
        """The next update, or None at the end. Raises what ended the stream, after the updates before it, and once."""
        self._check()
        return (yield from self._going_on())

    def _going_on(self, met: BaseException | None = None) -> Steps[Update | None]:
        """The same, in a turn that has begun. `met`: what `_quick` has raised."""
        attempt = self._current
        assert attempt is not None
        if met is not None or not (self._batch or self._over):
            assert attempt.body is not None
            try:
                if met is not None:
                    raise attempt.exchange.fault(met) if isinstance(met, OSError) else met
                attempt.exchange.waiting(self._listening().events)
                if attempt.body.at_end:
                    self._on_data(b"")
                else:
                    yield partial(attempt.channel.feed, self._on_data)
                    if self._quick is None and attempt.channel.quick is not None:
                        self._quick = attempt.channel.quick(self._on_data)
            except ASRWireError as error:
                self._on_fault(attempt, error)
            except BaseException:
                attempt.exchange.pause()
                raise
            finally:
                del met  # its traceback leads here
        if self._over and attempt.channel.slot is not None:
            self._quick = None  # it leads here
            yield from attempt.settle()
        return self._hand_out()

    def _closing(self) -> Steps[None]:
        self._closed = True
        channel = None if self._current is None else self._current.channel
        try:
            if channel is not None and not self._over:
                yield from channel.interrupt()
        finally:
            if self._turn.acquire(blocking=False):
                try:
                    self._shut()
                    if channel is not None:
                        yield from channel.drop()
                finally:
                    self._turn.release()

    def _hand_out(self) -> Update | None:
        if self._batch:
            return self._batch.popleft()
        if self._error is not None:
            error, self._error, self._raised = self._error, None, True
            try:
                raise error from None
            finally:
                del error  # its traceback leads here
        if self._raised:
            raise Closed("the stream has ended with an error", partial=self.transcript)
        return None

    def _shut(self) -> None:
        """Give up what was not handed out."""
        self._batch.clear()
        self._error = self._quick = None
        if self._answered and not self._over:
            self._over = True
            self._listening().receive_eof(Closed("the stream was closed"))


def _host(location: str | None) -> str:
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return f" to {host}" if host and re.fullmatch(r"[a-z0-9._:-]{1,253}", host) else ""
