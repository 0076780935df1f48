"""Recorded exchanges: one call as it came over the wire, to be played again through the same code.

A capture is a file of lines (``docs/asrcap.md`` says every field): what was asked without its secrets, the response
head, every read of the body with its time, how it ended. Record one with a `Recorder`, load it as a `Capture`:

    with client.stream(audio, model=model, capture=asrwire.capture.Recorder("call.asrcap")) as stream:
        ...
    for update in asrwire.capture.Capture.load("call.asrcap").replay(speed=1):
        ...
"""

# Knows: what of a call is recorded and when, how it is received again. Must not know: the lines of the file (_asrcap),
# sockets, what the bytes mean (ResultStream's), what is made of the times (the ledger's).

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from ._asrcap import (
    MAGIC,
    End,
    Lines,
    Read,
    Request,
    Response,
    end_line,
    header_line,
    read_line,
    request_line,
    response_line,
)
from ._assembler import Update
from ._audio import shown_url
from ._errors import ASRWireError, Closed, ConfigError, Truncated
from ._ledger import STALL, Ledger, SentenceTimes, Stall
from ._masks import MASK, Mask, is_credential, secrets
from ._stream import ResultStream, check_ended

if TYPE_CHECKING:
    from ._net._exchange import Exchange
    from ._net._transport import Wire
    from ._transcript import Transcript

__all__ = [
    "STALL", "Capture", "End", "Ledger", "Read", "Recorder", "Replay", "Request", "Response", "SentenceTimes", "Stall",
]  # fmt: skip

_MOST: Final = (1, 16, 256, 4096, 65536)  # bytes; one of these bounds the pieces of a body that is split anew


# == captures ==========================================================================================================


@dataclass(frozen=True, slots=True, repr=False)
class Capture:
    """One exchange as it came. Immutable; compares by value and pickles. Times are ms since the request had left.

    Attributes:
        reads: the body, one `Read` for each read that brought any of it.
        request, response: None where they are not known.
        end: None where the recording was cut off.
        recorded: when it began, as ISO 8601, or None.
        attempts: how often the request was sent; this is what became of the last time.
    """

    reads: tuple[Read, ...] = ()
    request: Request | None = None
    response: Response | None = None
    end: End | None = None
    recorded: str | None = None
    attempts: int = 1

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file: a capture, or a bare body (an event stream or JSON), which is one read at 0 ms.

        A capture that was cut off is what there is of it, with ``end`` None. The file is held in memory as a whole.
        Raises ConfigError where it cannot be read, and what `parse` raises.
        """
        try:
            with open(path, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as error:  # ValueError: the path holds NUL
            raise ConfigError(f"cannot read {os.fspath(path)!r}: {_reason(error)}") from None
        return cls.parse(data)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """As `load`, of bytes. Raises DecodeError with the number of the line, ``offset`` where it begins and ``path``
        of the member that is wrong."""
        if not data.startswith(MAGIC):
            return cls(reads=(Read(0.0, data),) if data else (), end=End(0.0))
        return cls(**Lines(data).read())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a file. Raises ConfigError where that is not possible."""
        lines = [header_line(self.recorded)]
        lines += [request_line(self.request)] * self.attempts if self.request else []
        lines += [response_line(self.response)] if self.response else []
        lines += [read_line(read) for read in self.reads]
        lines += [end_line(self.end)] if self.end else []
        try:
            with open(path, "wb") as file:
                file.writelines(lines)
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot write {os.fspath(path)!r}: {_reason(error)}") from None

    def replay(self, speed: float | None = None, seed: int | None = None, partials: bool = True) -> Replay:
        """Play it through a `ResultStream`: an iterator of updates. The updates are the same for every speed and seed.

        Args:
            speed: 1 takes as long as it took, 4 a quarter of that (it sleeps); None: no time at all.
            seed: split the body anew, into pieces of sizes drawn by this; None: as it was recorded.
            partials: as for `ResultStream`.

        Raises ConfigError, TypeError.
        """
        return Replay(self, speed, seed, partials)

    def ledger(self) -> Ledger:
        """When what came, and how steady it was; whatever ended the stream is in it, and not raised."""
        replay = self.replay()
        try:
            for _ in replay:
                pass
        except ASRWireError:
            pass
        return replay.ledger

    def __repr__(self) -> str:
        size = sum(len(read.data) for read in self.reads)
        end = "cut off" if self.end is None else self.end.kind
        return f"<Capture of {len(self.reads)} reads, {size} bytes; {end}>"


class Replay:
    """Updates of a capture that is played: an iterator, to be used once. Made by `Capture.replay`.

    It raises what ended the stream, after the updates before it, as a `Stream` does; `Truncated` where the recording
    was cut off.

    Attributes:
        ms: the recorded time of what was handed out last.
        ledger: as of then.
    """

    def __init__(self, capture: Capture, speed: float | None, seed: int | None, partials: bool) -> None:
        if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float)):
            raise TypeError(f"speed is a number or None, not {type(speed).__name__}")
        if speed is not None and not (math.isfinite(speed) and speed > 0):
            raise ConfigError("speed must be positive and finite, or None for no waiting at all")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed is an int or None, not {type(seed).__name__}")
        response = capture.response
        self._capture = capture
        self._speed = speed
        self._seed = seed
        self._stream = ResultStream(
            partials,
            incremental=capture.request.incremental if capture.request else None,
            http_status=response.status if response else 200,
            content_type=response.content_type if response else None,
        )
        self.ms = 0.0
        self.ledger = Ledger(issues=self._stream.issues)
        if response is not None:
            self.ledger.head, self.ledger.sending = response.ms, response.sending
        self._begun = 0.0
        self._updates = self._play()

    @property
    def transcript(self) -> Transcript:
        """Everything played so far."""
        return self._stream.transcript

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        return next(self._updates)

    def _play(self) -> Iterator[Update]:
        self._begun = time.monotonic()
        stream, reads, end = self._stream, self._capture.reads, self._capture.end
        error: ASRWireError | None = None
        for read in reads if self._seed is None else _split(reads, self._seed):
            self._wait(read.ms)
            try:
                updates = stream.receive_data(read.data)
            except ASRWireError as wrong:
                error, updates = wrong, wrong.output
            self.ledger.received(read.ms, len(read.data), updates, stream.events)
            yield from updates
            if error is not None:
                break
        if error is None:
            error = _ending(end)
        if end is not None:
            self._wait(end.ms)
            stream.unframed = end.unframed
        try:
            updates = stream.receive_eof(error)
        except ASRWireError as wrong:
            error, updates = wrong, wrong.output
        if end is not None:
            self.ledger.finished(end.ms, end.kind, updates, stream.events)
        yield from updates
        transcript = stream.transcript
        try:
            if error is None:
                check_ended(transcript)
            elif isinstance(error, Closed) or not transcript.complete:  # else the terminal event had come
                raise error
        except ASRWireError as ended:
            ended.output, ended.partial = None, transcript
            if ended.http_status is None and self._capture.response is not None:
                ended.http_status = self._capture.response.status
            raise

    def _wait(self, ms: float) -> None:
        if self._speed is not None:
            # The pace of the recording is what was asked for; at full speed (None) nothing waits.
            time.sleep(max(0.0, self._begun + ms / 1000 / self._speed - time.monotonic()))
        self.ms = ms


def _split(reads: tuple[Read, ...], seed: int) -> Iterator[Read]:
    """The same bytes in other pieces; each comes when the last of its bytes came."""
    rng = random.Random(seed)
    most = rng.choice(_MOST)
    size, piece = rng.randint(1, most), bytearray()
    for ms, data in reads:
        at = 0
        while at < len(data):
            taken = data[at : at + size - len(piece)]
            piece += taken
            at += len(taken)
            if len(piece) == size:
                yield Read(ms, bytes(piece))
                size, piece = rng.randint(1, most), bytearray()
    if piece:
        yield Read(reads[-1].ms, bytes(piece))


def _ending(end: End | None) -> ASRWireError | None:
    if end is None:
        return Truncated("the capture ends here: its recording was cut off", phase="body")
    if end.kind == "eof":
        return None
    kinds = {kind.kind: kind for kind in ASRWireError.__subclasses__()}
    return kinds.get(end.kind, ASRWireError)(end.message, phase="body")


# == recording =========================================================================================================


class Recorder:
    """Records one call: give it to `Client.stream` or `AsyncClient.stream` as ``capture``.

    Each line is written as soon as it is known, so that what was received is kept whatever happens. A file that cannot
    be written disturbs no call: recording ends, and ``error`` says why.

    Args:
        path: the file; one that is there is replaced. None: nothing is written, there is the ledger only.

    Attributes:
        ledger: when what came, so far; of the last attempt where the request is sent again.
        error: what kept the file from being written to its end, or None.

    Raises ConfigError where the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.ledger = Ledger()
        self.error: OSError | None = None
        self._path = path
        self._mask = Mask()
        self._secrets: tuple[str, ...] = ()
        self._exchange: Exchange | None = None
        self._begun = time.monotonic()
        self._over = False
        if path is not None:
            try:
                with open(path, "ab"):  # not yet emptied: nothing is sent where this fails
                    pass
            except (OSError, ValueError) as error:
                raise ConfigError(f"cannot write {os.fspath(path)!r}: {_reason(error)}") from None

    def interrupted(self) -> None:
        """Say in the capture that whoever recorded it went away, unless it has ended, or has not begun."""
        if self._exchange is not None:
            self._failed(Closed("interrupted"))

    # -- what a call tells -----------------------------------------------------------------------------------------

    def _sending(self, exchange: Exchange, wire: Wire, key: str, model: str, incremental: bool | None) -> None:
        """An attempt begins: `wire` is about to be sent, on `exchange`."""
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in wire.headers]
        told = [value for name, value in fields if is_credential(name) and not name.lower().startswith("x-dashscope-")]
        self._secrets = (key, *(secret for value in told for secret in secrets(value)))
        self._mask = Mask(self._secrets)
        if self._exchange is None:
            self._write(header_line(datetime.now(UTC).isoformat(timespec="milliseconds")), "wb")
        self._exchange, self._begun, self._over = exchange, time.monotonic(), False
        self.ledger = Ledger()
        names = tuple(name for name, _ in fields)
        url = shown_url(wire.url)
        self._write(request_line(Request(wire.method, url, names, len(wire.body), self._text(model), incremental)))

    def _answered(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """The response head has come."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
        headers = tuple((name, MASK if is_credential(name) else self._text(value)) for name, value in pairs)
        response = Response(self.ms, status, headers, round((self._zero - self._begun) * 1000, 3))
        self.ledger.head, self.ledger.sending = response.ms, response.sending
        self._write(response_line(response))

    def _listening(self, partials: bool, **settings: Any) -> ResultStream:
        """The stream that receives the body, and lets it be recorded."""
        return _Recorded(self, partials, **settings)

    def _received(self, data: bytes) -> float:
        ms = self.ms
        if kept := self._mask.feed(data):
            self._write(read_line(Read(ms, kept)))
        return ms

    def _ended(self, error: BaseException | None, unframed: bool = False) -> float:
        """The body has ended, or there will be none."""
        ms, self._over = self.ms, True
        if rest := self._mask.feed(b"", last=True):
            self._write(read_line(Read(ms, rest)))
        self._write(end_line(End(ms, _kind(error), "" if error is None else self._text(str(error)), unframed)))
        return ms

    def _failed(self, error: ASRWireError) -> None:
        """The call is over, with or without a body."""
        if not self._over:
            self.ledger.finished(self._ended(error), error.kind, (), self.ledger.events)

    @property
    def _zero(self) -> float:
        sent_at = None if self._exchange is None else self._exchange.sent_at
        return self._begun if sent_at is None else sent_at

    @property
    def ms(self) -> float:
        """Now: ms since the request had left."""
        return round(max(0.0, time.monotonic() - self._zero) * 1000, 3)

    def _text(self, text: str) -> str:
        return Mask(self._secrets).feed(text.encode("utf-8", "replace"), last=True).decode("utf-8", "replace")

    def _write(self, line: bytes, mode: Literal["ab", "wb"] = "ab") -> None:
        if self._path is None or self.error is not None:
            return
        try:
            with open(self._path, mode) as file:  # anew each time: nothing to close, wherever a call ends
                file.write(line)
        except OSError as error:
            self.error = error


class _Recorded(ResultStream):
    def __init__(self, recorder: Recorder, partials: bool, **settings: Any) -> None:
        super().__init__(partials, **settings)
        self._recorder = recorder
        recorder.ledger.issues = self.issues

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Update]:
        if not data:  # of a body beside an error status
            return super().receive_data(data)
        ms = self._recorder._received(bytes(data))
        updates: list[Update] = []
        try:
            updates = super().receive_data(data)
        except ASRWireError as error:
            updates = error.output or []
            raise
        finally:
            self._recorder.ledger.received(ms, len(data), updates, self.events)
        return updates

    def receive_eof(self, error: BaseException | None = None) -> list[Update]:
        if self._recorder._over:  # asked again, about an end that was this stream's own finding
            return super().receive_eof(error)
        ms = self._recorder._ended(error, self.unframed)
        updates: list[Update] = []
        try:
            updates = super().receive_eof(error)
        except ASRWireError as wrong:
            updates = wrong.output or []
            raise
        finally:
            self._recorder.ledger.finished(ms, _kind(error), updates, self.events)
        return updates


def _kind(error: BaseException | None) -> str:
    return "eof" if error is None else getattr(error, "kind", "error")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
