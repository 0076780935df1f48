# EventStreamParser and ServerSentEvent: the case table in every feeding, limits, misuse, buffers.
#
# Knows: the public names of asrwire._sse. Must not know: how the parser does it.

from __future__ import annotations

import array
import copy
import pickle
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from asrwire._errors import ASRWireError, Closed, ConfigError, DecodeError, LimitExceeded
from asrwire._sse import EventStreamParser, ServerSentEvent
from tests.cases import BYTES_LIKE, as_event, feedings, observe_events, pieces
from tests.cases.sse import CASES, RULES, Case
from tests.mutants import EVENT_STREAM_MUTANTS
from tests.reference import EventStreamOutcome, EventStreamReading, read_events, read_limited_events

MIB = 2**20
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def expected(case: Case) -> EventStreamOutcome:
    return EventStreamOutcome(case.events, case.last_event_id, case.reconnection_time, case.comments_seen)


# == the table


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_case_names_differ() -> None:
    assert len(CASES) >= 250
    assert len({case.name for case in CASES}) == len(CASES)


@each_case
def test_reference_agrees(case: Case) -> None:
    assert read_events(case.wire) == expected(case)
    assert read_events(case.wire, flush=True).events == case.events + case.flushed


@each_case
def test_every_feeding(case: Case) -> None:
    for feeding, reads in feedings(case.wire):
        assert observe_events(EventStreamParser(), reads) == expected(case), feeding


@each_case
def test_every_feeding_flushed(case: Case) -> None:
    outcome = read_events(case.wire, flush=True)
    assert outcome.events == case.events + case.flushed
    for feeding, reads in feedings(case.wire):
        assert observe_events(EventStreamParser(), reads, flush=True) == outcome, feeding


@each_case
@pytest.mark.parametrize("kind", BYTES_LIKE)
def test_every_kind_of_input(case: Case, kind: type[bytes | bytearray | memoryview]) -> None:
    for size in (1, 5, 100_000):
        reads = [kind(read) for read in pieces(case.wire, size)]
        assert observe_events(EventStreamParser(), reads) == expected(case)


@each_case
def test_twice_through_one_parser(case: Case) -> None:
    # reset() leaves nothing of the stream before: not its BOM, ids, open lines, comments or a CR at its end.
    parser = EventStreamParser()
    for before in (case.wire, b"\xef\xbb", b"data:x\r", b":c\nid:9\nevent:e\nretry:8\ndata:x"):
        parser.feed(before)
        parser.reset()
        assert observe_events(parser, [case.wire]) == expected(case)
        parser.reset()


@each_case
def test_events_come_with_the_byte_that_ends_them(case: Case) -> None:
    # No event waits for a byte that is not part of it, and none comes before its blank line has begun to end.
    parser = EventStreamParser()
    for read in range(1, len(case.wire) + 1):
        new = len(parser.feed(case.wire[read - 1 : read]))
        assert new == len(read_events(case.wire[:read]).events) - len(read_events(case.wire[: read - 1]).events)


def seen_by(reading: type[EventStreamReading], case: Case) -> object:
    try:
        whole, flushed = reading().read(case.wire), reading().read(case.wire, flush=True)
    except ValueError as raised:
        return str(raised)
    # data_bytes are a matter of octets, not of the reading
    return [event[:5] for event in whole.events], whole[1:], [event[:5] for event in flushed.events]


@pytest.mark.parametrize("mutant", EVENT_STREAM_MUTANTS)
def test_a_case_catches_each_mutant(mutant: type[EventStreamReading]) -> None:
    assert any(seen_by(mutant, case) != seen_by(EventStreamReading, case) for case in CASES)


# == state between feeds


def test_state_before_anything() -> None:
    parser = EventStreamParser()
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("", None, 0)
    assert parser.feed(b"") == []
    assert parser.close() == []


def test_state_moves_with_the_bytes() -> None:
    parser = EventStreamParser()
    parser.feed(b":a\nid: 1\nretry: 5")
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("", None, 1)
    parser.feed(b"\n")
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("", 5, 1)
    parser.feed(b"\n:b")
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("1", 5, 1)
    parser.feed(b"\r")
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("1", 5, 2)
    parser.close()
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("1", 5, 2)
    parser.reset()
    assert (parser.last_event_id, parser.reconnection_time, parser.comments_seen) == ("", None, 0)


def test_lf_of_a_crlf_cut_in_two_is_swallowed_even_after_empty_feeds() -> None:
    parser = EventStreamParser()
    assert [event.data for event in parser.feed(b"data:a\r\n\r")] == ["a"]
    assert parser.feed(b"") == []
    assert parser.feed(b"\ndata:b\r") == []
    assert [event.data for event in parser.feed(b"\n\n")] == ["b"]


def test_many_events_of_one_feed_keep_their_order() -> None:
    wire = b"".join(b"id:%d\ndata:%d\n\n" % (number, number) for number in range(10_000))
    events = EventStreamParser().feed(wire)
    assert [(event.id, event.data) for event in events] == [(str(number), str(number)) for number in range(10_000)]


def test_lines_of_buffer_sizes() -> None:
    # Around every power of two a buffer may have, in one feed and in three.
    for power in range(4, 18):
        for size in (2**power - 1, 2**power, 2**power + 1):
            text = b"x" * size
            whole = EventStreamParser().feed(b"data:" + text + b"\ndata:" + text + b"\n\n")
            parser = EventStreamParser()
            parts = [parser.feed(b"data:" + text[:7]), parser.feed(text[7:] + b"\ndata:" + text), parser.feed(b"\n\n")]
            assert [len(part) for part in parts] == [0, 0, 1]
            assert [event.data_bytes for event in whole + parts[2]] == [text + b"\n" + text] * 2


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_of_every_length_end_where_the_standard_says(end: bytes) -> None:
    # Longer ones are looked at 16, then 64 bytes at a time; bytes that look like half an end are none.
    for size in range(200):
        wire = b"data:" + (b"\x0b\x0c\x0e\x8a\x8d" * 40)[:size] + end + b"id:" + b"7" * size + end + end
        wire += b"data:x" + end + end
        read, expected = EventStreamParser().feed(wire), read_events(wire).events
        assert [(event.id, event.data_bytes) for event in read] == [(event.id, event.data_bytes) for event in expected]


# == events


def one(wire: bytes) -> ServerSentEvent:
    (event,) = EventStreamParser().feed(wire)
    return event


def test_event_attributes_have_these_types() -> None:
    event = one(b":c\nretry:5\nid:1\nevent:e\ndata:x\n\n")
    assert as_event(event) == ("e", "x", "1", 5, ("c",), b"x")
    assert [type(value) for value in as_event(event)] == [str, str, str, int, tuple, bytes]


def test_event_attributes_are_read_only() -> None:
    event = one(b"data:x\n\n")
    for name in ("event", "data", "data_bytes", "id", "retry", "comments"):
        with pytest.raises(AttributeError):
            setattr(event, name, None)


def test_data_is_built_once() -> None:
    event = one(b"data:some text\n\n")
    assert event.data is event.data


def test_events_outlive_their_parser_and_its_input() -> None:
    parser = EventStreamParser()
    buffer = bytearray(b":c\nid:1\nevent:e\ndata:abc\n\n")
    (event,) = parser.feed(buffer)
    buffer[:] = b"\0" * len(buffer)
    parser.feed(b"data:zzzzzzzz\nid:2\n\n")
    parser.reset()
    del parser
    assert as_event(event) == ("e", "abc", "1", None, ("c",), b"abc")


def test_event_without_a_parser_is_refused_or_empty() -> None:
    # Only a parser makes events; an empty one must at least read no foreign memory.
    try:
        event = ServerSentEvent.__new__(ServerSentEvent)
    except TypeError:
        return
    assert (event.data, event.id) == ("", "")
    with pytest.raises((DecodeError, TypeError)):
        event.json()


def test_event_is_not_pickled_empty() -> None:
    event = one(b"data:x\n\n")
    try:
        copied = pickle.loads(pickle.dumps(event))
    except TypeError:
        return
    assert as_event(copied) == as_event(event)


def test_repr_says_what_the_event_is() -> None:
    text = repr(one(b":c\nretry:5\nid:17\nevent:result\ndata:some text\n\n"))
    for part in ("ServerSentEvent", "result", "some text", "17", "5"):
        assert part in text


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b'data: {"a": [1, 2.5, null, true, "\xe5\x85\xa5"]}\n\n', {"a": [1, 2.5, None, True, "入"]}),
        (b'data: {\ndata: "a": 1\ndata: }\n\n', {"a": 1}),
        (b"data: 5\n\n", 5),
        (b'data: "a\\u2028b"\n\n', "a\u2028b"),
    ],
)
def test_json(wire: bytes, value: object) -> None:
    assert one(wire).json() == value


@pytest.mark.parametrize("data", [b"[DONE]", b"", b"{", b"{'a': 1}", b"NaN", b'{"a": 1} x', b"\xff", b"[" * 5000])
def test_json_that_is_none(data: bytes) -> None:
    event = one(b"data:" + data + b"\n\n")
    with pytest.raises(DecodeError) as raised:
        event.json()
    assert raised.value.kind == "decode"
    assert isinstance(raised.value, ValueError)


def test_json_with_bad_utf8_has_replacement_characters() -> None:
    event = one(b'data: {"a": "\xe5\x85"}\n\n')
    assert event.json() == {"a": "\ufffd"}


# == limits


def outcome_under(limits: tuple[int, int], wire: bytes) -> EventStreamOutcome:
    """The outcome under (max_event_size, max_event_lines), which must be the same in every feeding."""
    outcomes = {feeding: observe_events(EventStreamParser(*limits), reads) for feeding, reads in feedings(wire)}
    (outcome,) = set(outcomes.values())
    return outcome


@pytest.mark.parametrize(
    ("size", "wire", "offset"),
    [
        (6, b"data:a\n\n", None),
        (5, b"data:a\n\n", 5),
        (5, b"data:a", 5),
        (5, b"data:", None),
        (5, b"\xef\xbb\xbfdata:a\n\n", 8),
        (2, b"\xef\xbb\xbf\n\n", None),
        (1, b"\xef\xbbx", 1),
        (2, b"\xef\xbbx", 2),
        (2, b"\xef\xbb\n", None),
        (1, b"\xef\xbb\n", 1),
        (8, b"data:a\ndata:b\n\n", None),
        (7, b"data:a\ndata:b\n\n", 12),
        (7, b"data:a\r\ndata:b\r\n\r\n", 13),
        (8, b"data\ndata\ndata\n\n", None),
        (5, b"data\ndata\ndata\n\n", 13),
        (6, b"data: a\n\n", 6),
        (7, b"data: a\ndata:\n\n", None),
        (6, b"data:\ndata:a\n\n", 11),
        (7, b"data:\ndata:a\n\n", None),
        (3, b":ab\n\n", None),
        (3, b":abc\n\n", 3),
        (6, b":abc\n:ab\n\n", None),
        (5, b":abc\n:ab\n\n", 7),
        (4, b":abc\n\n:abc\n\n:abc\n\n", None),
        (4, b":\n:\n:\n:\n:abcd\n", 12),
        (9, b":abc\ndata:x\n\n", None),
        (8, b":abc\ndata:x\n\n", 10),
        (6, b"data:a\n\ndata:b\n\ndata:c\n\n", None),
        (6, b"data:a\n\ndata:b\n\ndata:cd\n\n", 22),
        (7, b"id:1\nid:2\nid:3\nevent:a\nretry:5\n\n", None),
        (6, b"id:1\nid:2\nid:3\nevent:a\n\n", 21),
        (3, b"xyz\nxyz\nxyz\n\n", None),
        (3, b"xyz\nwxyz\n\n", 7),
        (1, b"\n\r\r\n\n", None),
        (4, "data:入\n\n".encode(), 4),
        (7, "data:入\n\n".encode(), 7),
        (8, "data:入\n\n".encode(), None),
    ],
)
def test_event_size(size: int, wire: bytes, offset: int | None) -> None:
    outcome = outcome_under((size, 65536), wire)
    assert outcome.error == (None if offset is None else ("limit", offset))
    assert outcome == read_limited_events(wire, size, 65536)


@pytest.mark.parametrize(
    ("lines", "wire", "offset"),
    [
        (1, b"data:a\n\n", None),
        (1, b"data:a\ndata:b\n\n", 7),
        (1, b"data:a\r\ndata:b\r\n\r\n", 8),
        (2, b"data:a\ndata:b\n\n", None),
        (2, b"data:a\ndata:b\ndata:c\n\n", 14),
        (2, b":a\n:b\n:c\n\n", 6),
        (2, b":a\n:b\n\n:c\n:d\n\n", None),
        (2, b"id:1\nevent:e\nretry:5\n\n", 13),
        (2, b"x\ny\nz\n", 4),
        (2, b"\n\n\n\n\r\r\r\r\r\n\r\n", None),
        (2, b"\xef\xbb\xbfx\ny\nz\n", 7),
        (1, b"x\n\ny\n\nz\nz\n", 8),
        (2, b"x\ny\nz", None),
    ],
)
def test_event_lines(lines: int, wire: bytes, offset: int | None) -> None:
    outcome = outcome_under((8 * MIB, lines), wire)
    assert outcome.error == (None if offset is None else ("limit", offset))
    assert outcome == read_limited_events(wire, 8 * MIB, lines)


def test_default_limits() -> None:
    fits = b"data:" + b"x" * (8 * MIB - 5)
    assert len(EventStreamParser().feed(fits + b"\n\n")) == 1
    with pytest.raises(LimitExceeded) as raised:
        EventStreamParser().feed(fits + b"x")
    assert raised.value.offset == 8 * MIB
    assert len(EventStreamParser().feed(b"data\n" * 65536 + b"\n")) == 1
    with pytest.raises(LimitExceeded) as raised:
        EventStreamParser().feed(b"data\n" * 65537)
    assert raised.value.offset == 5 * 65536


def test_limit_counts_when_flushed() -> None:
    for lines, events in ((2, 1), (1, 0)):
        parser = EventStreamParser(max_event_lines=lines)
        parser.feed(b"data:a\ndata:b")
        if events:
            assert [event.data for event in parser.close(flush=True)] == ["a\nb"]
        else:
            with pytest.raises(LimitExceeded) as raised:
                parser.close(flush=True)
            assert (raised.value.offset, raised.value.output) == (7, [])


def test_limit_error_says_what_and_where_and_carries_the_events_of_its_call() -> None:
    parser = EventStreamParser(max_event_size=10)
    assert [event.data for event in parser.feed(b"data:a\n\n")] == ["a"]
    with pytest.raises(LimitExceeded) as raised:
        parser.feed(b"data:b\n\ndata:c\n\ndata:too long\n\ndata:d\n\n")
    assert [event.data for event in raised.value.output] == ["b", "c"]
    assert raised.value.offset == 34
    assert raised.value.kind == "limit"
    assert "max_event_size" in str(raised.value)
    assert "10" in str(raised.value)
    assert "34" in str(raised.value)


def test_lines_error_names_its_limit() -> None:
    with pytest.raises(LimitExceeded, match=r"max_event_lines.*2"):
        EventStreamParser(max_event_lines=2).feed(b"data\ndata\ndata\n")


def test_after_an_error_everything_raises_it_until_reset() -> None:
    parser = EventStreamParser(max_event_size=5)
    with pytest.raises(LimitExceeded) as first:
        parser.feed(b"data\n\n123456")
    assert len(first.value.output) == 1
    calls: list[Callable[[], object]] = [
        lambda: parser.feed(b"data\n\n"),
        lambda: parser.feed(b""),
        lambda: parser.close(),
        lambda: parser.close(flush=True),
    ]
    for call in calls:
        with pytest.raises(LimitExceeded) as raised:
            call()
        assert (str(raised.value), raised.value.offset) == (str(first.value), first.value.offset)
        assert raised.value.output == []
    assert len(first.value.output) == 1
    parser.reset()
    assert len(parser.feed(b"data\n\n")) == 1


# == growth: memory, not seconds


def peak_of(parser: EventStreamParser, reads: list[bytes]) -> tuple[int, int]:
    """(events, peak of traced Python memory in bytes) of feeding `reads`, events thrown away at once."""
    events = 0
    tracemalloc.start()
    try:
        for read in reads:
            events += len(parser.feed(read))
        return events, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_line_in_small_reads_makes_no_python_objects() -> None:
    # What a read adds to an open line goes to one growing buffer: nothing is joined, nothing kept per read.
    events, peak = peak_of(EventStreamParser(), [b"data:"] + [b"x" * 1024] * 8191)
    assert events == 0
    assert peak < 64 * 1024


@pytest.mark.timeout(60)
def test_a_long_line_byte_by_byte_ends() -> None:
    # 2 MiB in 2 M reads: a parser that scans or copies its open line at each read would take hours.
    parser = EventStreamParser()
    parser.feed(b"data:")
    for _ in range(2 * MIB):
        parser.feed(b"x")
    (event,) = parser.feed(b"\n\n")
    assert event.data_bytes == b"x" * (2 * MIB)


@pytest.mark.timeout(60)
def test_a_stream_of_cr_only_lines_ends() -> None:
    # Each kind of line end is looked for once: with one LF at the far end, every line would search for it again.
    wire = b"data:x\r" * 300_000 + b"\n" + b"\r"
    parser = EventStreamParser(max_event_lines=400_000)
    (event,) = parser.feed(wire)
    assert event.data_bytes == b"x\n" * 299_999 + b"x"


@pytest.mark.timeout(60)
def test_a_stream_of_lf_lines_with_one_cr_far_away_ends() -> None:
    wire = b"data:x\n\n" * 300_000 + b"\r"
    assert len(EventStreamParser().feed(wire)) == 300_000


def test_many_data_lines_hold_their_bytes_once() -> None:
    line = b"data:" + b"x" * 1019 + b"\n"
    events, peak = peak_of(EventStreamParser(), [line] * 8000)
    assert events == 0
    assert peak < 64 * 1024


def test_endless_comment_blocks_hold_nothing() -> None:
    events, peak = peak_of(EventStreamParser(), [b": ping %d\n\n" % number for number in range(20_000)])
    assert events == 0
    assert peak < 64 * 1024


def test_events_hold_no_more_than_their_data() -> None:
    events, peak = peak_of(EventStreamParser(), [b"id:1\nevent:result\ndata:" + b"x" * 60_000 + b"\n\n"] * 200)
    assert events == 200
    assert peak < 200_000


# == misuse


@pytest.mark.parametrize("value", ["data:a\n\n", None, 5, 1.5, [100], object()])
def test_feed_takes_bytes_like_objects_only(value: object) -> None:
    parser = EventStreamParser()
    parser.feed(b"data:a\n")
    with pytest.raises(TypeError):
        parser.feed(value)  # type: ignore[arg-type]
    assert [event.data for event in parser.feed(b"\n")] == ["a"], "a refused argument changes nothing"


def test_feed_takes_other_buffers() -> None:
    assert [event.data for event in EventStreamParser().feed(array.array("B", b"data:a\n\n"))] == ["a"]
    assert [event.data for event in EventStreamParser().feed(memoryview(b"xxdata:a\n\nxx")[2:-2])] == ["a"]
    wide = memoryview(b"data:a\n\n").cast("I")
    assert [event.data for event in EventStreamParser().feed(wide)] == ["a"]


def test_feed_refuses_memory_that_is_not_contiguous() -> None:
    parser = EventStreamParser()
    with pytest.raises((BufferError, TypeError)):
        parser.feed(memoryview(b"d-a-t-a-\n-\n-")[::2])
    assert len(parser.feed(b"data\n\n")) == 1


def test_a_parser_in_use_refuses_a_second_use() -> None:
    # From 3.12 on an argument can run code (PEP 688) while the parser is at work; before, it is no buffer.
    parser = EventStreamParser()
    uses: list[Callable[[], object]] = [lambda: parser.feed(b"data\n\n"), parser.close, parser.reset]

    class Reentrant:
        refused = 0

        def __buffer__(self, flags: int) -> memoryview:
            for use in uses:
                with pytest.raises(Closed):
                    use()
                self.refused += 1
            return memoryview(b"data:a\n\n")

    data = Reentrant()
    try:
        events = parser.feed(data)  # type: ignore[arg-type, unused-ignore]
    except TypeError:
        assert data.refused == 0
        events = parser.feed(b"data:a\n\n")
    else:
        assert data.refused == len(uses)
    assert [event.data for event in events] == ["a"]


def test_buffers_are_released() -> None:
    parser = EventStreamParser(max_event_size=20)
    buffer = bytearray(b"data:a\n\ndata:b")
    parser.feed(buffer)
    buffer.clear()
    buffer += b"x" * 30
    with pytest.raises(LimitExceeded):
        parser.feed(buffer)
    buffer.clear()
    parser.reset()
    parser.close()
    with pytest.raises(Closed):
        parser.feed(buffer)
    buffer += b"still free"


def test_a_parser_is_neither_copied_nor_pickled() -> None:
    class Derived(EventStreamParser):
        pass

    for parser in (EventStreamParser(), Derived()):
        for take in (copy.copy, copy.deepcopy, *(partial(pickle.dumps, protocol=n) for n in range(6))):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                take(parser)


def test_a_derived_parser_is_a_parser() -> None:
    class Counting(EventStreamParser):
        seen = 0

        def feed(self, data: Any) -> list[ServerSentEvent]:
            events = super().feed(data)
            self.seen += len(events)
            return events

    parser = Counting(max_event_size=10)
    assert [event.data for event in parser.feed(b"data:a\n\ndata:b\n\n")] == ["a", "b"]
    assert parser.seen == 2
    with pytest.raises(LimitExceeded):
        parser.feed(b"data:0123456789")


def test_after_no_memory_a_parser_refuses_input() -> None:
    # What was being read is lost, and with it the place in the stream.
    memory = pytest.importorskip("_testcapi")
    reads = [b"id:\xe4\xbd\xa0\nevent:\xe4\xbd\xa0\n:\xe4\xbd\xa0\ndata:1\ndata:2\n\nda", b"ta:3\n\n", b"data:4\n\n"]
    refused = 0
    for allocations in range(30):
        parser = EventStreamParser()
        try:
            memory.set_nomemory(allocations, allocations + 1)
            try:
                parser.feed(reads[0])
            finally:
                memory.remove_mem_hooks()
        except MemoryError:
            refused += 1
            with pytest.raises(Closed):
                parser.feed(reads[1])
            parser.reset()
            parser.feed(reads[0])
        assert [event.data for read in reads[1:] for event in parser.feed(read)] == ["3", "4"]
    assert refused > 3


def test_after_close() -> None:
    parser = EventStreamParser()
    parser.feed(b"data:a\n\ndata:b\n")
    assert parser.close() == []
    assert parser.close() == []
    assert parser.close(flush=True) == [], "what was dropped does not come back"
    for data in (b"", b"\n", b"data:c\n\n"):
        with pytest.raises(Closed):
            parser.feed(data)
    parser.reset()
    assert [event.data for event in parser.feed(b"data:c\n\n")] == ["c"]


def test_a_second_flush_brings_nothing() -> None:
    parser = EventStreamParser()
    parser.feed(b"data:a")
    assert [event.data for event in parser.close(flush=True)] == ["a"]
    assert parser.close(flush=True) == []


@pytest.mark.parametrize("arguments", [(0,), (-1,), (5, 0), (5, -1)])
def test_limits_below_one_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError):
        EventStreamParser(*arguments)


@pytest.mark.parametrize("arguments", [("5",), (None,), (1.5,), (5, "5"), (5, None), (1, 2, 3)])
def test_limits_are_integers(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        EventStreamParser(*arguments)  # type: ignore[arg-type]


def test_limits_by_name() -> None:
    assert len(EventStreamParser(max_event_size=4, max_event_lines=1).feed(b"data\n\n")) == 1
    with pytest.raises(TypeError):
        EventStreamParser(max_size=4)  # type: ignore[call-arg]


def test_errors_are_the_library_s() -> None:
    for error in (Closed, ConfigError, DecodeError, LimitExceeded):
        assert issubclass(error, ASRWireError)
