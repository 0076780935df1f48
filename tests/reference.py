# The two standards of floor 0, read literally: whole input, one step per sentence of the text, no care for speed.
# WHATWG HTML 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream"; RFC 9112 7.1 "Chunked Transfer
# Coding". Hold this file beside them.
#
# Knows: the standards, and our own additions, each marked "ours". Must not know: the parsers it is compared with.
# Every rule is a method of its own, so that tests/mutants.py can get exactly one of them wrong.

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# == WHATWG HTML 9.2 =================================================================================================


class Event(NamedTuple):
    """One dispatched event; `retry`, `comments` and `data_bytes` are ours."""

    event: str
    data: str
    id: str
    retry: int | None
    comments: tuple[str, ...]
    data_bytes: bytes


class EventStreamOutcome(NamedTuple):
    """All that can be seen of one stream; `error` is (kind, offset of the first byte over a limit)."""

    events: tuple[Event, ...]
    last_event_id: str
    reconnection_time: int | None
    comments_seen: int
    error: tuple[str, int] | None = None


class EventStreamReading:
    """9.2.6, for a whole stream: `EventStreamReading().read(stream)`."""

    BOM = "\ufeff"

    def read(self, stream: bytes, *, flush: bool = False) -> EventStreamOutcome:
        # "When a stream is parsed, a data buffer, an event type buffer, and a last event ID buffer must be associated
        # with it. They must be initialized to the empty string."
        self.data_buffer = self.event_type_buffer = self.last_event_id_buffer = ""
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self.events: list[Event] = []
        self.comments_seen = 0  # ours
        self.block_comments: list[str] = []  # ours
        self.block_retry: int | None = None  # ours

        # "Streams must be decoded using the UTF-8 decode algorithm."
        lines, pending = self.split(self.strip_bom(self.decode(stream)))
        for line in lines:
            self.process_line(line)
        self.end_of_file(pending, flush)
        return EventStreamOutcome(
            tuple(self.events), self.last_event_id, self.reconnection_time, self.comments_seen
        )

    def decode(self, stream: bytes) -> str:
        return stream.decode("utf-8", errors="replace")

    def strip_bom(self, text: str) -> str:
        # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        return text.removeprefix(self.BOM)

    def split(self, text: str) -> tuple[list[str], str]:
        # "... with a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a single U+000A LINE FEED (LF)
        # character not preceded by a U+000D CARRIAGE RETURN (CR) character, and a single U+000D CARRIAGE RETURN (CR)
        # character not followed by a U+000A LINE FEED (LF) character being the ways in which a line can end."
        *lines, pending = re.split("\r\n|\n|\r", text)
        return lines, pending

    def process_line(self, line: str) -> None:
        if line == "":  # "If the line is empty (a blank line): Dispatch the event"
            self.dispatch()
        elif line.startswith(":"):  # "If the line starts with a U+003A COLON character (:): Ignore the line."
            self.comment(line[1:])
        elif ":" in line:
            # "Collect the characters on the line before the first U+003A COLON character (:), and let field be that
            # string. Collect the characters on the line after the first U+003A COLON character (:), and let value be
            # that string."
            field, value = self.split_field(line)
            # "If value starts with a U+0020 SPACE character, remove it from value."
            self.process_field(field, self.strip_space(value))
        else:
            # "Process the field using the steps described below, using the whole line as the field name, and the
            # empty string as the field value."
            self.field_without_colon(line)

    def split_field(self, line: str) -> tuple[str, str]:
        field, _, value = line.partition(":")
        return field, value

    def strip_space(self, value: str) -> str:
        return value.removeprefix(" ")

    def field_without_colon(self, line: str) -> None:
        self.process_field(line, "")

    def process_field(self, field: str, value: str) -> None:
        # "Field names must be compared literally, with no case folding performed."
        match field:
            case "event":
                self.field_event(value)
            case "data":
                self.field_data(value)
            case "id":
                self.field_id(value)
            case "retry":
                self.field_retry(value)
            case _:
                pass  # "The field is ignored."

    def field_event(self, value: str) -> None:
        # "Set the event type buffer to the field value."
        self.event_type_buffer = value

    def field_data(self, value: str) -> None:
        # "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to the data
        # buffer."
        self.data_buffer += value + "\n"

    def field_id(self, value: str) -> None:
        # "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value.
        # Otherwise, ignore the field."
        if "\0" not in value:
            self.last_event_id_buffer = value

    def field_retry(self, value: str) -> None:
        # "If the field value consists of only ASCII digits, then interpret the field value as an integer in base ten,
        # and set the event stream's reconnection time to that integer. Otherwise, ignore the field."
        if self.is_reconnection_time(value):
            self.reconnection_time = self.block_retry = int(value)

    def is_reconnection_time(self, value: str) -> bool:
        # Ours: an empty value is no number (the text is vacuous there), and no number has more than 640 digits.
        return re.fullmatch("[0-9]+", value) is not None and len(value.lstrip("0")) <= 640

    def comment(self, text: str) -> None:
        self.comments_seen += 1  # ours
        self.block_comments.append(text)  # ours

    def dispatch(self) -> None:
        # 1. "Set the last event ID string of the event source to the value of the last event ID buffer. The buffer
        #    does not get reset, so the value of the last event ID string of the event source remains set to this
        #    value until the next time it is set by the server."
        self.set_last_event_id()
        # 2. "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string
        #    and return."
        if self.has_event():
            # 3. "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the last
            #    character from the data buffer."
            data = self.strip_line_feed(self.data_buffer)
            # 4.-6. "... the type attribute must be initialized to "message" ... If the event type buffer has a value
            #    other than the empty string, change the type of the newly created event to equal the value of the
            #    event type buffer."
            self.events.append(
                Event(
                    self.event_type(),
                    data,
                    self.last_event_id,
                    self.block_retry,
                    tuple(self.block_comments),
                    data.encode("utf-8", errors="surrogatepass"),
                )
            )
        # 7. "Set the data buffer and the event type buffer to the empty string."
        self.clear_buffers()

    def set_last_event_id(self) -> None:
        self.last_event_id = self.last_event_id_buffer

    def has_event(self) -> bool:
        return self.data_buffer != ""

    def strip_line_feed(self, data: str) -> str:
        return data.removesuffix("\n")

    def event_type(self) -> str:
        return self.event_type_buffer or "message"

    def clear_buffers(self) -> None:
        self.data_buffer = self.event_type_buffer = ""
        self.block_comments = []
        self.block_retry = None

    def end_of_file(self, pending: str, flush: bool) -> None:
        # "Once the end of the file is reached, any pending data must be discarded. (If the file ends in the middle of
        # an event, before the final empty line, the incomplete event is not dispatched.)"
        if flush:  # ours: the unterminated line is processed, then the unterminated event dispatched
            if pending:
                self.process_line(pending)
            self.dispatch()


class OctetReading(EventStreamReading):
    """The same, one character per byte: all syntax is ASCII, so this reading tells the bytes of each event."""

    BOM = "\xef\xbb\xbf"

    def decode(self, stream: bytes) -> str:
        return stream.decode("latin-1")


def read_events(stream: bytes, *, flush: bool = False) -> EventStreamOutcome:
    """The outcome of a whole stream, with the bytes of each event's data as they came."""
    outcome = EventStreamReading().read(stream, flush=flush)
    octets = OctetReading().read(stream, flush=flush)
    events = (
        event._replace(data_bytes=octet.data.encode("latin-1"))
        for event, octet in zip(outcome.events, octets.events, strict=True)
    )
    return outcome._replace(events=tuple(events))


def byte_lines(stream: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """(offset, line, whether it ended) of every line of a stream after its BOM."""
    start = 3 if stream.startswith(b"\xef\xbb\xbf") else 0
    for match in re.finditer(rb"([^\r\n]*)(\r\n|\r|\n|\Z)", stream[start:]):
        yield start + match.start(), match[1], match[2] != b""


def first_over_limit(stream: bytes, max_event_size: int, max_event_lines: int) -> int | None:
    """Ours: the offset of the first byte over a limit, or None.

    The size of a block is its open line without the terminator, its data lines with one LF each, and the texts of its
    comments. Every line that is not blank counts once it has ended; the offset is then that of its first byte.
    """
    held = lines = 0
    for offset, line, ended in byte_lines(stream):
        if held + len(line) > max_event_size:
            return offset + max_event_size - held
        if not line:
            held = lines = 0
            continue
        lines += ended
        if lines > max_event_lines:
            return offset
        field, _, value = line.partition(b":")
        if line.startswith(b":"):
            held += len(line) - 1
        elif field == b"data":
            held += len(value.removeprefix(b" ")) + 1
    return None


def read_limited_events(stream: bytes, max_event_size: int, max_event_lines: int) -> EventStreamOutcome:
    """The outcome of a whole stream under limits: what stands before the first byte over one has been read."""
    offset = first_over_limit(stream, max_event_size, max_event_lines)
    if offset is None:
        return read_events(stream)
    return read_events(stream[:offset])._replace(error=("limit", offset))


# == RFC 9112 7.1 ====================================================================================================

HEXDIG = frozenset(b"0123456789ABCDEFabcdef")
WSP = frozenset(b" \t")
CR, LF = frozenset(b"\r"), frozenset(b"\n")
TCHAR = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")  # RFC 9110 5.6.2
FIELD_BYTE = frozenset([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])  # RFC 9110 5.5: HTAB, SP, VCHAR, obs-text


class ChunkedOutcome(NamedTuple):
    """All that can be seen of one chunked body; `error` is (kind, offset of the first wrong byte)."""

    body: bytes
    at_end: bool
    trailers: tuple[tuple[bytes, bytes], ...]
    unused_data: bytes
    error: tuple[str, int] | None


class EndOfInput(Exception):
    """The input stops inside the body: not an error, more may come."""


class WrongByte(Exception):
    """`kind` "protocol": the byte at `offset` is not allowed there. "limit": it is one too many."""

    def __init__(self, kind: str, offset: int) -> None:
        self.kind = kind
        self.offset = offset


class ChunkedReading:
    """7.1, for a whole input: `ChunkedReading().read(wire)`. The limits are ours."""

    MAX_DIGITS = 16
    MAX_SIZE = 2**53

    def __init__(self, *, max_line: int = 4096, max_extensions: int = 16384, max_trailers: int = 16384) -> None:
        self.max_line = max_line
        self.max_extensions = max_extensions
        self.max_trailers = max_trailers

    def read(self, wire: bytes) -> ChunkedOutcome:
        self.wire = wire
        self.at = 0
        self.body = bytearray()
        self.extensions = 0  # bytes after the digits in all size lines
        self.fields: list[tuple[bytes, bytes]] = []
        at_end = False
        error = None
        try:
            self.chunked_body()
            at_end = True
        except EndOfInput:
            pass
        except WrongByte as wrong:
            error = (wrong.kind, wrong.offset)
        if not at_end:
            return ChunkedOutcome(bytes(self.body), False, (), b"", error)
        return ChunkedOutcome(bytes(self.body), True, tuple(self.fields), self.unused(), None)

    def unused(self) -> bytes:
        return self.wire[self.at :]

    # -- the grammar, rule by rule

    def chunked_body(self) -> None:
        # chunked-body = *chunk last-chunk trailer-section CRLF
        while self.chunk():
            pass
        self.trailer_section()
        self.end_of_line()

    def chunk(self) -> bool:
        # chunk      = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
        # last-chunk = 1*("0") [ chunk-ext ] CRLF
        self.line = self.at
        size = self.chunk_size()
        self.padding()
        if self.peek() not in CR:
            self.chunk_ext()
        self.end_of_line()
        if self.is_last(size):
            return False
        self.chunk_data(size)
        self.end_of_data()
        return True

    def chunk_size(self) -> int:
        # chunk-size = 1*HEXDIG; "Recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing
        # errors due to integer conversion overflows": 16 digits, 2**53
        digits = ""
        while not digits or self.peek() in HEXDIG:
            digits += chr(self.require(HEXDIG))
            if len(digits) > self.MAX_DIGITS or int(digits, 16) > self.MAX_SIZE:
                raise WrongByte("protocol", self.at)
            self.count_line_byte(extension=False)
            self.at += 1
        return int(digits, 16)

    def is_last(self, size: int) -> bool:
        return size == 0

    def padding(self) -> None:
        # BWS before ";" (7.1.1); ours: before CR as well, servers in the wild pad
        while self.peek() in WSP:
            self.count_line_byte(extension=True)
            self.at += 1

    def chunk_ext(self) -> None:
        # chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ); "A recipient MUST ignore
        # unrecognized chunk extensions": ours: any bytes but controls after the first ";"
        self.require(frozenset(b";"))
        while self.peek() not in CR:
            self.require(self.ext_bytes())
            self.count_line_byte(extension=True)
            self.at += 1

    def ext_bytes(self) -> frozenset[int]:
        return FIELD_BYTE

    def chunk_data(self, size: int) -> None:
        # chunk-data = 1*OCTET ; a sequence of chunk-size octets
        self.body += self.wire[self.at : self.at + size]
        self.at += size
        if self.at > len(self.wire):
            raise EndOfInput

    def end_of_data(self) -> None:
        self.end_of_line()

    def trailer_section(self) -> None:
        # trailer-section = *( field-line CRLF )
        self.section = self.at
        while self.peek() not in CR:
            self.field_line()

    def field_line(self) -> None:
        # field-line = field-name ":" OWS field-value OWS (RFC 9112 5); no obs-fold
        name = self.field_name()
        self.take_trailer_byte(frozenset(b":"))
        value = b""
        while self.peek() not in CR:
            value += self.take_trailer_byte(FIELD_BYTE)
        self.take_trailer_byte(CR)
        self.take_trailer_byte(LF)
        self.fields.append((name, self.strip_ows(value)))

    def field_name(self) -> bytes:
        # field-name = token = 1*tchar
        name = self.take_trailer_byte(TCHAR)
        while self.peek() not in frozenset(b":"):
            name += self.take_trailer_byte(TCHAR)
        return name

    def strip_ows(self, value: bytes) -> bytes:
        return value.strip(b" \t")

    def end_of_line(self) -> None:
        self.require(CR)
        self.at += 1
        self.require(LF)
        self.at += 1

    # -- one byte

    def peek(self) -> int:
        if self.at >= len(self.wire):
            raise EndOfInput
        return self.wire[self.at]

    def require(self, allowed: frozenset[int]) -> int:
        byte = self.peek()
        if byte not in allowed:
            raise WrongByte("protocol", self.at)
        return byte

    def take_trailer_byte(self, allowed: frozenset[int]) -> bytes:
        byte = self.require(allowed)
        if self.at - self.section >= self.max_trailers:
            raise WrongByte("limit", self.at)
        self.at += 1
        return bytes([byte])

    def count_line_byte(self, *, extension: bool) -> None:
        if self.at - self.line >= self.max_line:
            raise WrongByte("limit", self.at)
        if extension:
            self.extensions += 1
            if self.extensions > self.extension_allowance():
                raise WrongByte("limit", self.at)

    def extension_allowance(self) -> int:
        return self.max_extensions * (1 + len(self.body) // 2**20)


def read_chunked(wire: bytes, **limits: int) -> ChunkedOutcome:
    """The outcome of a whole chunked body."""
    return ChunkedReading(**limits).read(wire)
