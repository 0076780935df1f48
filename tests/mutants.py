# Deliberate mistakes: readings of the standards with exactly one rule wrong, most of them made by some real client.
#
# Knows: the hooks of tests/reference.py. Must not know: the cases. A mistake that no case of the tables catches is a
# hole in the tables, and a test says so.

from __future__ import annotations

import re

from tests.reference import FIELD_BYTE, HEXDIG, LF, TCHAR, WSP, ChunkedReading, EventStreamReading

# == WHATWG HTML 9.2 =================================================================================================


class BOMKept(EventStreamReading):
    def strip_bom(self, text: str) -> str:
        return text


class BOMStrippedTwice(EventStreamReading):
    def strip_bom(self, text: str) -> str:
        return text.removeprefix(self.BOM).removeprefix(self.BOM)


class BOMStrippedEverywhere(EventStreamReading):
    def strip_bom(self, text: str) -> str:
        return text.replace(self.BOM, "")


class BOMOfLatin1(EventStreamReading):
    def strip_bom(self, text: str) -> str:
        return text.removeprefix(self.BOM).removeprefix("ï»¿")


class UnicodeLines(EventStreamReading):
    def split(self, text: str) -> tuple[list[str], str]:
        *lines, pending = (text + "|").splitlines()
        return lines, pending[:-1]


class LFOnly(EventStreamReading):
    def split(self, text: str) -> tuple[list[str], str]:
        *lines, pending = text.split("\n")
        return lines, pending


class CRIsData(EventStreamReading):
    def split(self, text: str) -> tuple[list[str], str]:
        *lines, pending = re.split("\r\n|\n", text)
        return lines, pending


class CRLFTwice(EventStreamReading):
    def split(self, text: str) -> tuple[list[str], str]:
        *lines, pending = re.split("[\r\n]", text)
        return lines, pending


class FinalCRHeldBack(EventStreamReading):
    def split(self, text: str) -> tuple[list[str], str]:
        return super().split(text.removesuffix("\r"))


class BlankLinesOfSpace(EventStreamReading):
    def process_line(self, line: str) -> None:
        super().process_line("" if line.isspace() else line)


class BadBytesDropped(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return stream.decode("utf-8", errors="ignore")


class OneReplacementPerByte(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return re.sub("[\udc80-\udcff]", "\ufffd", stream.decode("utf-8", errors="surrogateescape"))


class OverlongAccepted(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return super().decode(stream.replace(b"\xc0\x8a", b"\n"))


class SurrogateIsOneReplacement(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return super().decode(re.sub(b"\xed[\xa0-\xbf][\x80-\xbf]", b"\xff", stream))


class NonCharactersReplaced(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return re.sub("[\ufffe\uffff]", "\ufffd", super().decode(stream))


class Latin1(EventStreamReading):
    def decode(self, stream: bytes) -> str:
        return stream.decode("latin-1")


class LastColon(EventStreamReading):
    def split_field(self, line: str) -> tuple[str, str]:
        field, _, value = line.rpartition(":")
        return field, value


class AllSpacesStripped(EventStreamReading):
    def strip_space(self, value: str) -> str:
        return value.lstrip(" ")


class BothEndsStripped(EventStreamReading):
    def strip_space(self, value: str) -> str:
        return value.removeprefix(" ").rstrip(" ")


class TabStripped(EventStreamReading):
    def strip_space(self, value: str) -> str:
        return value[1:] if value[:1] in (" ", "\t") else value


class SpaceKept(EventStreamReading):
    def strip_space(self, value: str) -> str:
        return value


class BareNameIgnored(EventStreamReading):
    def field_without_colon(self, line: str) -> None:
        pass


class NamesFolded(EventStreamReading):
    def process_field(self, field: str, value: str) -> None:
        super().process_field(field.lower(), value)


class NamesTrimmed(EventStreamReading):
    def process_field(self, field: str, value: str) -> None:
        super().process_field(field.strip(), value)


class NamesByPrefix(EventStreamReading):
    def process_field(self, field: str, value: str) -> None:
        super().process_field("data" if field.startswith("data") else field, value)


class FirstTypeWins(EventStreamReading):
    def field_event(self, value: str) -> None:
        self.event_type_buffer = self.event_type_buffer or value


class EmptyTypeIsAType(EventStreamReading):
    def field_event(self, value: str) -> None:
        super().field_event(value or "\0")

    def event_type(self) -> str:
        return super().event_type().removeprefix("\0")


class TypeKept(EventStreamReading):
    def clear_buffers(self) -> None:
        kept = self.event_type_buffer
        super().clear_buffers()
        self.event_type_buffer = kept


class TypeKeptWithoutData(EventStreamReading):
    def clear_buffers(self) -> None:
        kept = "" if self.has_event() else self.event_type_buffer
        super().clear_buffers()
        self.event_type_buffer = kept


class LastDataWins(EventStreamReading):
    def field_data(self, value: str) -> None:
        self.data_buffer = value + "\n"


class DataNotJoined(EventStreamReading):
    def field_data(self, value: str) -> None:
        self.data_buffer = self.data_buffer.removesuffix("\n") + value + "\n"


class LineFeedKept(EventStreamReading):
    def strip_line_feed(self, data: str) -> str:
        return data


class AllLineFeedsStripped(EventStreamReading):
    def strip_line_feed(self, data: str) -> str:
        return data.rstrip("\n")


class EmptyDataDropped(EventStreamReading):
    def has_event(self) -> bool:
        return self.data_buffer not in ("", "\n")


class PhantomAfterId(EventStreamReading):
    def has_event(self) -> bool:
        return self.data_buffer != "" or self.last_event_id_buffer != ""


class PhantomAfterType(EventStreamReading):
    def has_event(self) -> bool:
        return self.data_buffer != "" or self.event_type_buffer != ""


class PhantomAfterRetry(EventStreamReading):
    def has_event(self) -> bool:
        return self.data_buffer != "" or self.block_retry is not None


class PhantomAfterComment(EventStreamReading):
    def has_event(self) -> bool:
        return self.data_buffer != "" or self.block_comments != []


class DataKeptAfterDispatch(EventStreamReading):
    def clear_buffers(self) -> None:
        kept = self.data_buffer
        super().clear_buffers()
        self.data_buffer = kept


class IdWithNull(EventStreamReading):
    def field_id(self, value: str) -> None:
        self.last_event_id_buffer = value


class IdUpToNull(EventStreamReading):
    def field_id(self, value: str) -> None:
        self.last_event_id_buffer = value.partition("\0")[0]


class IdOfNullAloneOnly(EventStreamReading):
    def field_id(self, value: str) -> None:
        if value != "\0":
            self.last_event_id_buffer = value


class IdNeverEmptied(EventStreamReading):
    def field_id(self, value: str) -> None:
        if value:
            super().field_id(value)


class IdNotSticky(EventStreamReading):
    def clear_buffers(self) -> None:
        super().clear_buffers()
        self.last_event_id_buffer = ""


class IdAtOnce(EventStreamReading):
    def field_id(self, value: str) -> None:
        super().field_id(value)
        self.set_last_event_id()


class IdOnlyWithData(EventStreamReading):
    def set_last_event_id(self) -> None:
        if self.data_buffer:
            super().set_last_event_id()


class RetryByInt(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        try:
            int(value)
        except ValueError:
            return False
        return True


class RetryByIsdecimal(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return value.isdecimal()


class RetryTrimmed(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return super().is_reconnection_time(value.strip(" "))


class RetryOf32Bits(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return super().is_reconnection_time(value) and int(value) < 2**32


class RetryDigitsCountedWithZeros(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return super().is_reconnection_time(value) and len(value) <= 640


class RetryZeroIgnored(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return super().is_reconnection_time(value) and int(value) > 0


class RetryWithoutBound(EventStreamReading):
    def is_reconnection_time(self, value: str) -> bool:
        return re.fullmatch("[0-9]+", value) is not None


class EmptyRetryIsZero(EventStreamReading):
    def field_retry(self, value: str) -> None:
        super().field_retry(value or "0")


class RetryOctal(EventStreamReading):
    def field_retry(self, value: str) -> None:
        if re.fullmatch("0[0-7]+", value):
            value = str(int(value, 8))
        super().field_retry(value)


class RetryOfTheStream(EventStreamReading):
    def clear_buffers(self) -> None:
        kept = self.block_retry
        super().clear_buffers()
        self.block_retry = kept


class CommentSpaceStripped(EventStreamReading):
    def comment(self, text: str) -> None:
        super().comment(text.removeprefix(" "))


class CommentIsData(EventStreamReading):
    def comment(self, text: str) -> None:
        super().comment(text)
        self.field_data(text)


class CommentEndsBlock(EventStreamReading):
    def comment(self, text: str) -> None:
        super().comment(text)
        self.dispatch()


class CommentsOfEarlierBlocks(EventStreamReading):
    def clear_buffers(self) -> None:
        kept = [] if self.has_event() else self.block_comments
        super().clear_buffers()
        self.block_comments = kept


class CommentsOnce(EventStreamReading):
    def comment(self, text: str) -> None:
        super().comment(text)
        self.block_comments = list(dict.fromkeys(self.block_comments))


class EmptyCommentsNotCounted(EventStreamReading):
    def comment(self, text: str) -> None:
        if text:
            super().comment(text)


class FlushedAtEnd(EventStreamReading):
    def end_of_file(self, pending: str, flush: bool) -> None:
        super().end_of_file(pending, True)


class DispatchedAtEnd(EventStreamReading):
    def end_of_file(self, pending: str, flush: bool) -> None:
        super().end_of_file("", True)


class NeverFlushed(EventStreamReading):
    def end_of_file(self, pending: str, flush: bool) -> None:
        pass


class PendingLineNotFlushed(EventStreamReading):
    def end_of_file(self, pending: str, flush: bool) -> None:
        super().end_of_file("", flush)


EVENT_STREAM_MUTANTS = tuple(kind for kind in EventStreamReading.__subclasses__() if kind.__module__ == __name__)

# == RFC 9112 7.1 ====================================================================================================


class LFEndsLines(ChunkedReading):
    def end_of_line(self) -> None:
        if self.peek() in LF:
            self.at += 1
        else:
            super().end_of_line()

    def padding(self) -> None:
        super().padding()
        if self.peek() in LF:
            self.wire = self.wire[: self.at] + b"\r" + self.wire[self.at :]


class CREndsLines(ChunkedReading):
    def end_of_line(self) -> None:
        self.at += 1
        if self.peek() in LF:
            self.at += 1


class LFEndsData(ChunkedReading):
    def end_of_data(self) -> None:
        if self.peek() in LF:
            self.at += 1
        else:
            super().end_of_data()


class AnyTwoBytesEndData(ChunkedReading):
    def end_of_data(self) -> None:
        self.at += 2


class NothingEndsData(ChunkedReading):
    def end_of_data(self) -> None:
        if self.peek() not in HEXDIG:
            super().end_of_data()


class TwentyDigits(ChunkedReading):
    MAX_DIGITS = 20


class FifteenDigits(ChunkedReading):
    MAX_DIGITS = 15


class SizesOf64Bits(ChunkedReading):
    MAX_SIZE = 2**64 - 1


class SizesBelow(ChunkedReading):
    MAX_SIZE = 2**53 - 1


class SizeWithPrefix(ChunkedReading):
    def chunk_size(self) -> int:
        if self.wire[self.at : self.at + 2] == b"0x":
            self.at += 2
        return super().chunk_size()


class SizeWithSign(ChunkedReading):
    def chunk_size(self) -> int:
        if self.peek() in b"+":
            self.at += 1
        return super().chunk_size()


class SizeAfterSpace(ChunkedReading):
    def chunk_size(self) -> int:
        while self.peek() in WSP:
            self.at += 1
        return super().chunk_size()


class EmptySizeIsZero(ChunkedReading):
    def chunk_size(self) -> int:
        return 0 if self.peek() == 0x0D else super().chunk_size()


class LastChunkIsOneZero(ChunkedReading):
    def is_last(self, size: int) -> bool:
        return size == 0 and self.wire[self.line : self.line + 2] != b"00"


class NoPadding(ChunkedReading):
    def padding(self) -> None:
        pass


class EmptyExtensionRefused(ChunkedReading):
    def chunk_ext(self) -> None:
        start = self.at
        super().chunk_ext()
        if self.at == start + 1:
            self.require(frozenset())


class AnythingInExtensions(ChunkedReading):
    def ext_bytes(self) -> frozenset[int]:
        return frozenset(range(256))


class DELInExtensions(ChunkedReading):
    def ext_bytes(self) -> frozenset[int]:
        return FIELD_BYTE | {0x7F}


class ASCIIExtensions(ChunkedReading):
    def ext_bytes(self) -> frozenset[int]:
        return frozenset(byte for byte in FIELD_BYTE if byte < 0x80)


class NoTabInExtensions(ChunkedReading):
    def ext_bytes(self) -> frozenset[int]:
        return FIELD_BYTE - {0x09}


class ExtensionAfterAnything(ChunkedReading):
    def padding(self) -> None:
        while self.peek() not in b"\r;\n":
            self.at += 1


class EmptyTrailerName(ChunkedReading):
    def field_name(self) -> bytes:
        return b"" if self.peek() in b":" else super().field_name()


class SpaceBeforeColon(ChunkedReading):
    def field_name(self) -> bytes:
        name = self.take_trailer_byte(TCHAR)
        while self.peek() not in b":":
            name += self.take_trailer_byte(TCHAR | WSP)
        return name.rstrip(b" \t")


class AnyTrailerName(ChunkedReading):
    def field_name(self) -> bytes:
        name = b""
        while self.peek() not in b":":
            name += self.take_trailer_byte(FIELD_BYTE)
        return name


class TrailerNamesLowered(ChunkedReading):
    def field_name(self) -> bytes:
        return super().field_name().lower()


class Folding(ChunkedReading):
    def field_line(self) -> None:
        super().field_line()
        while self.peek() in WSP:
            while self.peek() not in b"\r":
                self.take_trailer_byte(FIELD_BYTE)
            self.end_of_line()


class ValuesKeptWhole(ChunkedReading):
    def strip_ows(self, value: bytes) -> bytes:
        return value


class ValuesStrippedOnTheLeft(ChunkedReading):
    def strip_ows(self, value: bytes) -> bytes:
        return value.lstrip(b" \t")


class TabsKeptAroundValues(ChunkedReading):
    def strip_ows(self, value: bytes) -> bytes:
        return value.strip(b" ")


class NoTrailers(ChunkedReading):
    def trailer_section(self) -> None:
        pass


class LastTrailerWins(ChunkedReading):
    def field_line(self) -> None:
        super().field_line()
        self.fields = list(dict(self.fields).items())


class NoFinalCRLF(ChunkedReading):
    def chunked_body(self) -> None:
        while self.chunk():
            pass
        if self.at < len(self.wire):
            self.trailer_section()
            self.end_of_line()


class UnusedDropped(ChunkedReading):
    def unused(self) -> bytes:
        return b""


class UnusedLineEndsDropped(ChunkedReading):
    def unused(self) -> bytes:
        return super().unused().lstrip(b"\r\n")


class LineOneTooLong(ChunkedReading):
    def count_line_byte(self, *, extension: bool) -> None:
        self.line += 1
        super().count_line_byte(extension=extension)
        self.line -= 1


class NoLineLimit(ChunkedReading):
    def count_line_byte(self, *, extension: bool) -> None:
        self.line, start = self.at, self.line
        super().count_line_byte(extension=extension)
        self.line = start


class DigitsAreExtensions(ChunkedReading):
    def count_line_byte(self, *, extension: bool) -> None:
        super().count_line_byte(extension=True)


class PaddingIsNoExtension(ChunkedReading):
    def count_line_byte(self, *, extension: bool) -> None:
        super().count_line_byte(extension=extension and self.peek() not in WSP)


class ExtensionsPerLine(ChunkedReading):
    def chunk_size(self) -> int:
        self.extensions = 0
        return super().chunk_size()


class NoExtensionLimit(ChunkedReading):
    def extension_allowance(self) -> int:
        return 2**62


class AllowanceWithoutBody(ChunkedReading):
    def extension_allowance(self) -> int:
        return self.max_extensions


class AllowanceRoundedUp(ChunkedReading):
    def extension_allowance(self) -> int:
        return self.max_extensions * (2 + len(self.body) // 2**20)


class TrailersOneTooLong(ChunkedReading):
    def field_line(self) -> None:
        self.section += 1
        super().field_line()
        self.section -= 1


class TrailersPerField(ChunkedReading):
    def field_line(self) -> None:
        self.section = self.at
        super().field_line()


class TrailerLineEndsNotCounted(ChunkedReading):
    def field_line(self) -> None:
        super().field_line()
        self.section += 2


CHUNKED_MUTANTS = tuple(ChunkedReading.__subclasses__())
