# One response body, sans-IO: bytes in, updates out, a transcript at any moment.
#
# Knows: how a body is framed (event stream or JSON, by what it is and not by what was asked for), how a stream ends,
# and which of the two assemblers an event belongs to. Must not know: JSON members (_decode), which sentence is which
# (_assembler), sockets, clocks, retries.

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from typing import NoReturn

from . import _decode
from ._assembler import Assembler, TextAssembler, Update
from ._direct import DirectParser
from ._errors import (
    ASRWireError,
    Closed,
    ContentTypeError,
    DecodeError,
    HTTPStatusError,
    LimitExceeded,
    ServiceError,
    Truncated,
)
from ._limits import Limits
from ._model import Final, Incomplete, Sentence
from ._sse import ResultEventParser, ServerSentEvent
from ._transcript import Transcript

_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_FIELD_END = re.compile(rb"[:\r\n]")
_CONTENT = re.compile(rb'"content":"((?:[^"\\]++|\\.)*+)"')  # possessive: else 100 bytes are kept for each
_DONE = object()  # what the line of the mark of the end says
_ENDINGS = {
    "open_sentence": "the stream ended inside a sentence",
    "cut": "the stream ended before the result was complete",
    "empty": "the response holds no result",
}
_SNIFF = 1024  # white space that may stand before the first byte of a JSON body


class ResultStream:
    """The bytes of one response body, of any dialect and envelope, as updates.

    Feed what arrives to `receive_data`, then call `receive_eof` once. Messages of the services' WebSocket API can be
    fed too, each as ``b"data:" + message + b"\\n\\n"``.

    Args:
        partials: hand out `Partial` and `TextDelta` updates; without, only what is final or cut.
        incremental: what ``parameters.incremental_output`` asked for; None: the stream shows it, doubts are counted in
            ``transcript.issues``.
        http_status: status of the response; outside 2xx the body is an error, raised by `receive_eof`.
        content_type: the Content-Type field, or None. What the body begins with decides where the two disagree.
        limits: `Limits.event_size`, ``event_lines`` and ``error_body`` bind.

    `receive_data` and `receive_eof` raise what follows.

    Raises:
        DecodeError: a payload is not JSON or has a member of a wrong type; ``event`` and ``path`` say where.
        ServiceError: the service reported an error in the stream.
        HTTPStatusError: ``http_status`` is outside 2xx (from `receive_eof`).
        ContentTypeError: the body is neither an event stream nor JSON.
        LimitExceeded: an event or body is larger than its bound.
        Closed: data after the end, or from a second thread while one reads.

    Every error carries ``output`` (the updates that call had found) and ``partial`` (the transcript so far). After one,
    `receive_data` raises it again, and `receive_eof` returns what was open.
    """

    def __init__(
        self, partials: bool = True, *, incremental: bool | None = None, http_status: int = 200,
        content_type: str | None = None, limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.issues: Counter[str] = Counter()
        self.at_end = False  # a terminal event came: nothing more needs to be read
        self.unframed = False  # set by a transport: only the closing of the connection ends this body
        self.http_status = http_status
        self._limits = limits or Limits()
        self._partials = partials
        self._media_type = (content_type or "").partition(";")[0].strip().lower()
        self._parser: DirectParser | None = None
        self._body = bytearray()  # of a JSON or error body; before the kind is known, what came first
        self._kind = "unknown" if 200 <= http_status < 300 else "error"

        self._sentences = Assembler(self.issues, partials)
        self._text = TextAssembler(self._sentences, incremental)
        self._text_seen = False
        self._text_sentence: Sentence | None = None

        self._known = _decode.Body()  # of the members that belong to the whole, the newest or the largest
        self._error: ASRWireError | None = None
        self._ended = False
        self._reason: str | None = None
        self._turn = threading.RLock()  # held by the thread that reads

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream holds a place in a body: it is neither copied nor pickled")

    # -- input ---------------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Update]:
        """Takes the next bytes of the body; returns the updates they complete."""
        if isinstance(data, str):
            raise TypeError("receive_data() takes bytes, not str")
        self._take_turn()
        try:
            return self._receive(data)
        finally:
            self._turn.release()

    def _take_turn(self) -> None:
        if not self._turn.acquire(blocking=False):
            raise Closed("this stream is in use: one thread reads a stream")

    def _receive(self, data: bytes | bytearray | memoryview) -> list[Update]:
        if self._error is not None:
            raise self._error._again() from None
        if self._ended:
            raise Closed("this stream has ended", sent="complete", partial=self.transcript)
        updates: list[Update] = []
        try:
            if self._parser is not None:
                self._parser.take(data, updates, self._take_event)
            elif not self.at_end:
                self._collect(data, updates)
        except ASRWireError as error:
            raise self._failed(error, updates) from None

        return updates

    def receive_eof(self, error: BaseException | None = None) -> list[Update]:
        """The body has ended; returns the last updates.

        Args:
            error: why, where the end was not the body's own: the transport's error, or the error that `receive_data`
                raised.

        A stream that merely ended early is no error here: its open sentences are `Incomplete` and
        ``transcript.complete`` is False. Only a whole body that is wrong in itself raises (JSON is decoded here).
        """
        self._take_turn()
        try:
            return [] if self._ended else self._receive_eof(error)
        finally:
            self._turn.release()

    def _receive_eof(self, error: BaseException | None) -> list[Update]:
        updates: list[Update] = []
        error, unfinished = error if error is not None else self._error, False
        try:
            if self._error is None:
                unfinished = self._finish_input(error, updates)
        except ASRWireError as wrong:
            self._failed(wrong, updates)
            if error is None or self._kind == "error":  # no trouble with a body hides the status it came with
                self._end(wrong, False, updates)
                wrong.output, wrong.partial = updates, self.transcript
                raise wrong from None
        self._end(error, unfinished, updates)
        return updates

    @property
    def events(self) -> int:
        """Complete events so far."""
        return self._sentences.events

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, as far as the body has named it."""
        return self._sentences.request_id

    def _collect(self, data: bytes | bytearray | memoryview, updates: list[Update]) -> None:
        # Bodies that are not (yet) an event stream.
        if self._kind == "error":
            self._body += bytes(data)[: max(0, self._limits.error_body - len(self._body))]
            return
        self._body += data
        if self._kind == "unknown":
            self._decide()
        if self._kind == "json" and len(self._body) > self._limits.event_size:
            most = self._limits.event_size
            raise LimitExceeded(f"the JSON body is larger than event_size ({most} bytes)", offset=most)
        if self._parser is not None:
            first, self._body = bytes(self._body), bytearray()
            self._parser.take(first, updates, self._take_event)

    def _decide(self) -> None:
        # What the body is shows in its first byte: the services answer either kind to either request.
        event_stream = self._media_type == "text/event-stream"
        head = bytes(self._body[:_SNIFF])
        if _BOM.startswith(head[:3]) and len(head) < 3:
            return
        start = head.removeprefix(_BOM).lstrip(_BLANK)
        if start[:1] in (b"{", b"["):
            self._kind = "json"
            if event_stream:
                self.issues["json_in_event_stream"] += 1
            return
        if not start and len(head) < _SNIFF:
            return
        begun = _FIELD_END.split(start, 1)[0]
        field = begun.rstrip()
        if not event_stream:
            names = (b"data", b"event", b"id", b"retry", b"")
            if begun == start and len(head) < _SNIFF and any(name.startswith(field) for name in names):
                return  # `da`, or `id `: more will tell
            if field not in names or not start:
                if self._media_type in ("", "application/json", "application/octet-stream"):
                    self._kind = "json"  # which it is not; decoding says where
                    return
                message = f"the body is {self._media_type!r}, neither an event stream nor JSON"
                raise ContentTypeError(f"{message}; it begins {_excerpt(start)}")
            if self._media_type:
                self.issues["event_stream_as_other"] += 1
        self._kind = "events"
        self._parser = DirectParser(self._limits.event_size, self._limits.event_lines)
        self._parser.keep(self._sentences)

    # -- events --------------------------------------------------------------------------------------------------------

    def _take_event(self, event: ServerSentEvent, updates: list[Update]) -> bool:
        """Takes any event; returns whether ordinary ones that follow may be read directly."""
        self._read_passed()
        if self.at_end:
            self.issues["after_end"] += 1
        else:
            self._read_event(event, updates)
        return not self.at_end

    def _read_passed(self) -> None:
        # The newest partials that were passed over undecoded, one an open sentence. Had they been looked at when they
        # came, a wrong one would have ended the stream; now it costs what it said.
        for payload in () if self._parser is None else self._parser.unread():
            try:
                value, repair = _decode.loads(payload)
                for heard in _decode.body(value).sentences:
                    self._sentences.hear(heard, usage=None, raw=payload, whole=False)
            except DecodeError:
                repair = "undecodable_partial"
            if repair:
                self.issues[repair] += 1

    def _read_event(self, event: ServerSentEvent, updates: list[Update]) -> None:
        self._sentences.events += 1
        payload = event.data_bytes
        stripped = payload.strip()
        status = _status(event)
        failed = event.event == "error" or (status is not None and status >= 400)
        if stripped == b"[DONE]" or (event.event == "done" and not stripped):
            self._finish(updates)
            return
        if not stripped and not failed:
            self.issues["empty_event"] += 1
            return
        try:
            value, repair = _decode.loads(payload)
        except DecodeError as error:
            lines = payload.split(b"\n")
            if failed:
                value, repair = None, None
            elif len(lines) > 1 and self._take_lines(lines, updates):
                return
            else:
                message = f"event {self.events}: {error}; it begins {_excerpt(payload)}"
                raise DecodeError(message, offset=error.offset, event=self.events) from None
        if repair:
            self.issues[repair] += 1
        if failed:
            failure = _decode.failure(value) or _decode.Failure(None, event.data[:2048], None)
            if not failure.no_speech:
                raise self._service_error(failure, status)
            if not isinstance(value, dict):
                value = {"message": failure.message}
        self._take_body(value, payload, updates, whole=False)

    def _take_lines(self, lines: list[bytes], updates: list[Update]) -> bool:
        # Older gateways leave out the blank lines, and the OpenAI dialect has no ids: data lines that are each a whole
        # JSON text are each an event (no payload of these services spans lines).
        values = []
        for line in lines:
            try:
                values.append(_DONE if line.strip() == b"[DONE]" else _decode.loads(line)[0])
            except DecodeError:
                return False
        self.issues["unseparated_events"] += len(lines) - 1
        for i, (line, value) in enumerate(zip(lines, values, strict=True)):
            if self.at_end:
                self.issues["after_end"] += 1
                continue
            self._sentences.events += bool(i)
            if value is _DONE:
                self._finish(updates)
            else:
                self._take_body(value, line, updates, whole=False)
        return True

    def _take_body(self, value: object, raw: bytes, updates: list[Update], *, whole: bool) -> None:
        try:
            body = _decode.body(value)
        except DecodeError as error:
            if not whole:
                error.event = self.events
                error.args = (f"event {self.events}: {error}",)
            raise
        books = self._sentences
        if body.request_id is not None:
            if books.request_id is None:
                books.request_id = body.request_id
            elif body.request_id != books.request_id and body.failure is None:
                self.issues["request_id_changed"] += 1
        known = self._known
        known.model = known.model or body.model
        known.created = body.created if known.created is None else known.created
        books.usage = _decode.larger_usage(books.usage, body.usage)
        known.language = body.language or known.language
        known.emotion = body.emotion or known.emotion
        if body.sentences:
            books.running_text = body.running_text
            for heard in body.sentences:
                updates += self._sentences.hear(heard, usage=body.usage, raw=raw, whole=whole)
        elif body.text is not None or body.choices:
            self._take_text(body, raw, updates)
        elif body.failure is None and body.usage is None and not body.done:
            self.issues["empty_event"] += 1
        if body.failure is not None:
            if not body.failure.no_speech:
                raise self._service_error(body.failure, None)
            self._sentences.silent = self.at_end = True
        elif body.done:
            self._finish(updates)

    def _take_text(self, body: _decode.Body, raw: bytes, updates: list[Update]) -> None:
        if self._sentences.finals or self._sentences.has_open:
            self.issues["text_beside_sentences"] += 1  # the sentences hold the words; the text is their copy
            return
        self._text_seen = True
        self._known.choices = self._known.choices or body.choices
        self._known.finish_reason = body.finish_reason or self._known.finish_reason
        if body.text is not None:
            self._sentences.text_raw = raw
            deltas = self._text.hear(body.text, body.mode)
            if self._kind == "events":
                updates += deltas if self._partials else ()
                if body.mode == "delta" and self._parser is not None:
                    self._learn(self._parser, raw, body)

    def _learn(self, parser: DirectParser, raw: bytes, body: _decode.Body) -> None:
        # Deltas repeat all of an event but the text. Where another text in its place gives the same body with another
        # text, that is proven, and events like it need not be decoded, unless each counts as an issue.
        found = _CONTENT.search(raw) if parser.may_learn else None
        if found is not None:
            prefix, suffix = raw[: found.start(1)], raw[found.end(1) :]
            with suppress(DecodeError):
                other, repair = _decode.loads(prefix + b"\\u0000" + suffix)
                counted = repair is not None or body.request_id not in (None, self.request_id)
                if not counted and _decode.body(other) == replace(body, text="\0"):
                    parser.learn(prefix, suffix)

    @property
    def _text_only(self) -> bool:
        # Where sentences come after a text without, they hold its words.
        return self._text_seen and not (self._sentences.finals or self._sentences.has_open)



    def _finish(self, updates: list[Update]) -> None:
        # A terminal event: the text is final now, not only when the connection closes.
        self.at_end = True
        self._finish_text(updates, None)

    def _finish_text(self, updates: list[Update], reason: str | None) -> None:
        if self._text_sentence is None and self._text.text and self._text_only:
            self._text_sentence = sentence = self._said(reason in (None, "length"))
            usage = self._sentences.usage
            updates.append(Final(sentence, usage) if sentence.final else Incomplete(sentence, reason or "error"))

    def _said(self, final: bool) -> Sentence:
        # What a dialect without sentences has said so far, as the one sentence of its transcript.
        known = self._known
        return Sentence(0, text=self._text.text, language=known.language, emotion=known.emotion, final=final,
                        raw=self._sentences.text_raw)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _finish_input(self, error: BaseException | None, updates: list[Update]) -> bool:
        """Uses up what is buffered; returns whether something was begun and not ended."""
        if self._kind == "error":
            self._raise_status(updates)
        elif self._kind == "json":
            return self._finish_json(error, updates)
        elif self._parser is not None:
            return self._finish_events(self._parser, updates)
        # Too little to tell what it is: white space, a part of a BOM, or of the first field's name.
        return not _BOM.startswith(bytes(self._body)) and bool(self._body.removeprefix(_BOM).strip())

    def _finish_events(self, parser: DirectParser, updates: list[Update]) -> bool:
        if not parser.unfinished:
            return False
        events = parser.feed(b"\n")  # ends the open line: an `id` after data has begun an event that never came
        begun = parser.unfinished
        last = parser.close(flush=True)
        cut = not last and (begun or not events)
        for event in events + last:
            lines = [event.data_bytes] if _whole(event.data_bytes) else event.data_bytes.split(b"\n")
            whole = list(takewhile(_whole, lines))
            cut = cut or len(whole) < len(lines)
            if whole and not self.at_end:
                self.issues["unterminated_event"] += 1
                if len(lines) == 1:
                    self._take_event(event, updates)
                else:
                    self._read_passed()
                    self._sentences.events += 1
                    self._take_lines(whole, updates)
        return cut and not self.at_end

    def _finish_json(self, error: BaseException | None, updates: list[Update]) -> bool:
        body = bytes(self._body).removeprefix(_BOM)
        try:
            value, repair = _decode.loads(body)
        except DecodeError as wrong:
            cut = wrong.offset is not None and wrong.offset >= len(body.rstrip())
            if cut or error is not None:
                return True
            raise DecodeError(f"{wrong}; the body begins {_excerpt(self._body)}", offset=wrong.offset) from None
        if repair:
            self.issues[repair] += 1
        self._sentences.events += 1
        self._take_body(value, body, updates, whole=True)
        if self._text_seen and self._known.finish_reason is None:
            self._known.finish_reason = "stop"  # a whole body is a whole answer
        return False

    def _end(self, error: BaseException | None, unfinished: bool, updates: list[Update]) -> None:
        self._read_passed()
        self._ended = True
        reason: str | None = None
        heard = self._sentences.finals or self._text_seen or self._sentences.silent
        if self.at_end and self._error is None:
            reason = "open_sentence" if self._sentences.has_open else None if heard else "empty"
        elif error is not None:
            reason = "closed" if isinstance(error, Closed) else "cut" if isinstance(error, Truncated) else "error"
        elif unfinished:
            reason = "cut"
        elif self._sentences.has_open:
            reason = "open_sentence"
        elif self._known.choices and self._known.finish_reason is None:
            reason = "cut"
        elif not heard:
            reason = "empty"
        if reason is None and self._known.finish_reason == "length":
            reason = "length"
        self._reason = reason
        self._finish_text(updates, reason)
        if self._sentences.has_open:
            updates += self._sentences.end(reason or "open_sentence")
        if reason is None:
            if self.unframed:
                self.issues["unframed_end"] += 1
            self._cross_check()

    def _cross_check(self) -> None:
        # `output.text` is the running text of the sentence or of all of them; a difference is reported, not repaired.
        if self._sentences.running_text is None:
            return
        finals = list(self._sentences.finals.values())
        if finals and self._sentences.running_text == finals[-1].text:
            return  # as most streams have it, and told without joining all that was said
        said = "".join("".join([s.text for s in finals]).split())
        running = "".join(self._sentences.running_text.split())
        if running not in (said, "".join(finals[-1].text.split()) if finals else said):
            self.issues["text_mismatch"] += 1

    # -- errors --------------------------------------------------------------------------------------------------------

    def _failed(self, error: ASRWireError, updates: list[Update]) -> ASRWireError:
        error.output = updates
        error.sent, error.retry_safe = "complete", False  # an answer came, so the request went
        error.request_id = error.request_id or self.request_id
        error.http_status = error.http_status or self.http_status
        self._error = error
        error.partial = self.transcript
        return error

    def _service_error(self, failure: _decode.Failure, status: int | None) -> ServiceError:
        return ServiceError(
            f"event {self.events}: {failure.said}" if self._kind == "events" else failure.said,
            code=failure.code, request_id=failure.request_id, http_status=status, event=self.events or None,
        )  # fmt: skip

    def _raise_status(self, updates: list[Update]) -> None:
        body = payload = bytes(self._body)
        failure: _decode.Failure | None = None
        start = body.removeprefix(_BOM).lstrip(_BLANK)[:1]
        if start not in (b"{", b"["):
            parser = ResultEventParser(self._limits.error_body + 1, self._limits.event_lines)
            try:
                events = parser.feed(body) + parser.close(flush=True)
            except LimitExceeded:
                events = []
            payload = events[0].data_bytes if events else body
        with suppress(DecodeError):  # a problem of the body never hides the status
            failure = _decode.failure(_decode.loads(payload)[0])
        failure = failure or _decode.Failure(None, body.decode("utf-8", "replace").strip(), None)
        if failure.no_speech:
            self._sentences.request_id = self.request_id or failure.request_id
            self._sentences.silent = self.at_end = True
            return
        raise HTTPStatusError(
            f"HTTP status {self.http_status}" + (f": {failure.said}" if failure.said else ""),
            http_status=self.http_status, code=failure.code, request_id=failure.request_id,
        )  # fmt: skip

    # -- output --------------------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> Transcript:
        """Everything received so far: finals in the order handed out, then what is open."""
        if self._turn.acquire(blocking=False):  # else another thread reads, and the books are its
            try:
                self._read_passed()
            finally:
                self._turn.release()
        known, sentences, complete = self._known, self._sentences.sentences, self._ended and self._reason is None
        if self._text_only and self._text.text:
            sentences = (self._text_sentence or self._said(False),)
        return Transcript(
            sentences=sentences, request_id=self.request_id, complete=complete, incomplete_reason=self._reason,
            language=known.language or _shared(s.language for s in sentences),
            emotion=known.emotion or _shared(s.emotion for s in sentences),
            no_speech=complete and not any(s.text for s in sentences), timed=not self._text_only, issues=self.issues,
            usage=self._sentences.usage, model=known.model, created=known.created, finish_reason=known.finish_reason,
        )  # fmt: skip


def check_ended(transcript: Transcript) -> None:
    """Raise Truncated where a body has ended by itself, but not with everything the service meant to send."""
    reason = transcript.incomplete_reason or "cut"
    if not (transcript.complete or reason == "length"):
        raise Truncated(_ENDINGS.get(reason, _ENDINGS["cut"]), phase="body")


def _whole(payload: bytes) -> bool:
    """Whether this is all of an event's data: a JSON object, or the mark of the end."""
    try:
        return payload.strip() == b"[DONE]" or isinstance(_decode.loads(payload)[0], dict)
    except DecodeError:
        return False


def _status(event: ServerSentEvent) -> int | None:
    # `:HTTP_STATUS/429` is a comment to the standard, and the event's status to the services.
    for comment in event.comments:
        text = comment.strip()
        if text.startswith("HTTP_STATUS/") and text[12:].isascii() and text[12:].isdigit() and len(text) == 15:
            return int(text[12:])
    return None


def _shared(values: Iterator[str | None]) -> str | None:
    first = next(values, None)
    return first if first is not None and all(value == first for value in values) else None


def _excerpt(data: bytes | bytearray) -> str:
    return repr(_decode.shown(bytes(data[:200]).decode("utf-8", "replace")))



