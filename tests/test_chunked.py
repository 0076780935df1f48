# ChunkedDecoder: the case table in every feeding, limits, misuse, buffers.
#
# Knows: the public names of asrwire._chunked. Must not know: how the decoder does it.

from __future__ import annotations

import array
import copy
import pickle
import tracemalloc

import pytest

from asrwire._chunked import ChunkedDecoder
from asrwire._errors import ASRWireError, ConfigError, LimitExceeded, ProtocolError
from tests.cases import BYTES_LIKE, feedings, observe_chunked, pieces
from tests.cases.chunked import CASES, END, HELLO, MIB, RULES, Case
from tests.mutants import CHUNKED_MUTANTS
from tests.reference import ChunkedOutcome, ChunkedReading, read_chunked

KINDS = {"protocol": ProtocolError, "limit": LimitExceeded}
WRONG = [case for case in CASES if case.error]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
each_wrong_case = pytest.mark.parametrize("case", WRONG, ids=[case.name for case in WRONG])


def expected(case: Case) -> ChunkedOutcome:
    return ChunkedOutcome(case.body, case.at_end, case.trailers, case.unused_data, case.error)


# == the table


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_case_names_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@each_case
def test_reference_agrees(case: Case) -> None:
    assert read_chunked(case.wire, **case.limits) == expected(case)


@each_case
def test_every_feeding(case: Case) -> None:
    for feeding, reads in feedings(case.wire):
        decoder = ChunkedDecoder(**case.limits)
        assert observe_chunked(decoder, reads) == expected(case), feeding
        if case.error is None:
            assert decoder.offset == len(case.wire) - len(case.unused_data)


@each_case
@pytest.mark.parametrize("kind", BYTES_LIKE)
def test_every_kind_of_input(case: Case, kind: type[bytes | bytearray | memoryview]) -> None:
    for size in (3 if len(case.wire) < 2**15 else 4099, 2**16, 2**22):
        reads = [kind(read) for read in pieces(case.wire, size)]
        assert observe_chunked(ChunkedDecoder(**case.limits), reads) == expected(case)


@each_case
def test_bytes_after_the_end_are_unused_and_after_an_error_unread(case: Case) -> None:
    for tail in (b"\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
        if case.at_end:
            outcome = expected(case)._replace(unused_data=case.unused_data + tail)
        elif case.error:
            outcome = expected(case)
        else:
            continue
        for reads in ([case.wire + tail], [case.wire[:-1], case.wire[-1:] + tail], pieces(case.wire + tail, 7919)):
            assert observe_chunked(ChunkedDecoder(**case.limits), reads) == outcome


@each_case
def test_twice_through_one_decoder(case: Case) -> None:
    decoder = ChunkedDecoder(**case.limits)
    for _ in range(2):
        assert observe_chunked(decoder, [case.wire]) == expected(case)
        decoder.reset()
    state = (decoder.at_end, decoder.unused_data, decoder.trailers, decoder.offset)
    assert state == (False, b"", [], 0)


@each_wrong_case
def test_error_says_what_and_where_and_comes_again_until_reset(case: Case) -> None:
    assert case.error is not None
    kind, offset = case.error
    decoder = ChunkedDecoder(**case.limits)
    with pytest.raises(KINDS[kind]) as first:
        decoder.feed(case.wire)
    assert type(first.value) is KINDS[kind]
    assert (first.value.kind, first.value.offset, first.value.output) == (kind, offset, case.body)
    assert str(offset) in str(first.value)
    for data in (b"", END, case.wire):
        with pytest.raises(KINDS[kind]) as again:
            decoder.feed(data)
        assert (str(again.value), again.value.offset, again.value.output) == (str(first.value), offset, b"")
    assert (decoder.at_end, decoder.unused_data) == (False, b"")
    decoder.reset()
    assert decoder.feed(b"1\r\na\r\n" + END) == b"a"


@each_wrong_case
def test_error_comes_with_the_wrong_byte_and_not_before(case: Case) -> None:
    assert case.error is not None
    kind, offset = case.error
    decoder = ChunkedDecoder(**case.limits)
    assert decoder.feed(case.wire[:offset]) == case.body
    with pytest.raises(KINDS[kind]) as raised:
        decoder.feed(case.wire[offset : offset + 1])
    assert (raised.value.offset, raised.value.output) == (offset, b"")


@pytest.mark.parametrize("mutant", CHUNKED_MUTANTS)
def test_a_case_catches_each_mutant(mutant: type[ChunkedReading]) -> None:
    assert any(mutant(**case.limits).read(case.wire) != expected(case) for case in CASES)


# == state between feeds


def test_body_comes_with_the_bytes_that_carry_it() -> None:
    decoder = ChunkedDecoder()
    reads = [b"5", b"\r\nhe", b"l", b"", b"lo\r\n2\r\n! \r\n1\r\nx", b"\r\n0\r\n\r\n"]
    assert [decoder.feed(read) for read in reads] == [b"", b"he", b"l", b"", b"lo! x", b""]
    assert (decoder.at_end, decoder.offset) == (True, 28)


def test_unused_data_grows_and_offset_stays() -> None:
    decoder = ChunkedDecoder()
    assert (decoder.at_end, decoder.unused_data, decoder.trailers, decoder.offset) == (False, b"", [], 0)
    assert decoder.feed(HELLO + END + b"ab") == b"hello"
    assert (decoder.at_end, decoder.unused_data, decoder.offset) == (True, b"ab", 15)
    assert decoder.feed(b"\0\r\n") == b""
    assert decoder.feed(b"") == b""
    assert (decoder.at_end, decoder.unused_data, decoder.offset) == (True, b"ab\0\r\n", 15)


def test_types() -> None:
    decoder = ChunkedDecoder()
    assert type(decoder.feed(bytearray(HELLO))) is bytes
    decoder.feed(bytearray(b"0\r\nA: b\r\n\r\nrest"))
    assert type(decoder.unused_data) is bytes
    assert [(type(name), type(value)) for name, value in decoder.trailers] == [(bytes, bytes)]


def test_output_outlives_its_input() -> None:
    buffer = bytearray(HELLO)
    body = ChunkedDecoder().feed(buffer)
    buffer[:] = b"\0" * len(buffer)
    assert body == b"hello"


def test_empty_outputs_stay_apart() -> None:
    # b"" and one-byte objects are shared by the interpreter: a decoder that cuts its output in place must not cut them.
    decoder = ChunkedDecoder()
    for byte in b"1\r\na\r\n1\r\nb\r\n" * 50:
        decoder.feed(bytes([byte]))
    assert bytes(0) == b""
    assert [bytes([value]) for value in (97, 98, 13)] == [b"a", b"b", b"\r"]


# == growth: memory, not seconds


def test_a_huge_chunk_size_reserves_nothing() -> None:
    tracemalloc.start()
    try:
        decoder = ChunkedDecoder()
        assert decoder.feed(b"20000000000000\r\n") == b""
        for _ in range(1000):
            assert decoder.feed(b"x" * 1000) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(60)
def test_a_million_tiny_chunks_in_one_read() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"1\r\na\r\n" * MIB + END) == b"a" * MIB
    assert decoder.at_end


@pytest.mark.timeout(60)
def test_unused_data_in_a_hundred_thousand_reads() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(END)
    for _ in range(100_000):
        decoder.feed(b"0123456789")
    assert decoder.unused_data == b"0123456789" * 100_000


# == misuse


@pytest.mark.parametrize("value", ["5\r\n", None, 5, 1.5, [53], object()])
def test_feed_takes_bytes_like_objects_only(value: object) -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"5\r\nhe")
    with pytest.raises(TypeError):
        decoder.feed(value)  # type: ignore[arg-type]
    assert decoder.feed(b"llo\r\n" + END) == b"llo", "a refused argument changes nothing"


def test_feed_takes_other_buffers() -> None:
    assert ChunkedDecoder().feed(array.array("B", HELLO)) == b"hello"
    assert ChunkedDecoder().feed(memoryview(b"xx" + HELLO)[2:]) == b"hello"
    assert ChunkedDecoder().feed(memoryview(b"8\r\nhello012").cast("B")) == b"hello012"


def test_feed_refuses_memory_that_is_not_contiguous() -> None:
    decoder = ChunkedDecoder()
    with pytest.raises((BufferError, TypeError)):
        decoder.feed(memoryview(b"5-\r-\n-")[::2])
    assert decoder.feed(HELLO) == b"hello"


def test_a_decoder_is_neither_copied_nor_pickled() -> None:
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            take(ChunkedDecoder())


def test_buffers_are_released() -> None:
    decoder = ChunkedDecoder()
    buffer = bytearray(HELLO + END + b"rest")
    decoder.feed(buffer)
    buffer.clear()
    decoder.reset()
    buffer += b"x"
    with pytest.raises(ProtocolError):
        decoder.feed(buffer)
    buffer.clear()
    with pytest.raises(ProtocolError):
        decoder.feed(buffer)
    buffer += b"still free"


@pytest.mark.parametrize("name", ["max_line", "max_extensions", "max_trailers"])
def test_limits_are_integers_above_zero_and_keywords(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ConfigError):
            ChunkedDecoder(**{name: value})
    for wrong in ("5", None, 1.5):
        with pytest.raises(TypeError):
            ChunkedDecoder(**{name: wrong})  # type: ignore[arg-type]
    assert ChunkedDecoder(**{name: 1}).feed(HELLO) == b"hello"


def test_limits_are_not_positional() -> None:
    with pytest.raises(TypeError):
        ChunkedDecoder(4096)  # type: ignore[call-arg]


def test_errors_are_the_library_s() -> None:
    for error in (ProtocolError, LimitExceeded, ConfigError):
        assert issubclass(error, ASRWireError)
