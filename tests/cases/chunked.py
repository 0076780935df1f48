# The cases of RFC 9112 7.1: chunked wire bytes, and what a strict decoder has found at the end of them.
#
# Knows: the rules of the RFC and our limits (RULES), and literal outcomes worked out from their text by hand.
# Must not know: any decoder. An error is (kind, offset of the first wrong byte); what stands before it still counts.

from __future__ import annotations

from typing import NamedTuple

RULES = {
    "chunked-body": "chunked-body = *chunk last-chunk trailer-section CRLF",
    "chunk-size": "chunk-size = 1*HEXDIG",
    "overflow": "Recipients MUST prevent parsing errors due to overflows. (ours: 16 digits, at most 2**53)",
    "padding": "ours: BWS after the digits, before ';' or CR; nowhere else",
    "chunk-ext": "A recipient MUST ignore unrecognized chunk extensions. (ours: any bytes but controls after ';')",
    "size-line-end": "A chunk-size line ends with CRLF, not LF, not CR.",
    "chunk-data": "chunk-data = chunk-size octets, whatever they are",
    "data-end": "chunk-data is followed by CRLF and nothing else.",
    "last-chunk": "last-chunk = 1*('0') [ chunk-ext ] CRLF",
    "trailer": "trailer-section = *( field-line CRLF ); values without the optional white space around them",
    "trailer-name": "field-name = token, the colon at once after it",
    "trailer-value": "field-value: HTAB, SP, VCHAR, obs-text; no obs-fold",
    "trailer-end": "A field line ends with CRLF, not LF, not CR.",
    "body-end": "The body ends with CRLF, not LF, not CR.",
    "unused": "Bytes after the body are not part of it.",
    "max-line": "ours: bytes of a size line without its CRLF <= max_line",
    "max-extensions": "ours: bytes after the digits of all size lines <= max_extensions, once more per MiB of body",
    "max-trailers": "ours: bytes of all field lines with their CRLFs <= max_trailers",
}


class Case(NamedTuple):
    name: str
    rule: str
    wire: bytes
    body: bytes
    at_end: bool
    trailers: tuple[tuple[bytes, bytes], ...]
    unused_data: bytes
    error: tuple[str, int] | None
    limits: dict[str, int]


def good(
    name: str,
    rule: str,
    wire: bytes,
    body: bytes = b"",
    *trailers: tuple[bytes, bytes],
    unused: bytes = b"",
    **limits: int,
) -> Case:
    """The wire holds a whole body."""
    return Case(name, rule, wire, body, True, trailers, unused, None, limits)


def more(name: str, rule: str, wire: bytes, body: bytes = b"", **limits: int) -> Case:
    """The wire is right as far as it goes, and stops inside the body."""
    return Case(name, rule, wire, body, False, (), b"", None, limits)


def wrong(name: str, rule: str, wire: bytes, offset: int, body: bytes = b"", **limits: int) -> Case:
    """The byte at `offset` is not allowed there."""
    return Case(name, rule, wire, body, False, (), b"", ("protocol", offset), limits)


def over(name: str, rule: str, wire: bytes, offset: int, body: bytes = b"", **limits: int) -> Case:
    """The byte at `offset` is one too many."""
    return Case(name, rule, wire, body, False, (), b"", ("limit", offset), limits)


END = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n"
MIB = 2**20
ONE_MIB = b"100000\r\n" + b"x" * MIB + b"\r\n"

CASES = (
    # == chunks
    good("one chunk", "chunked-body", HELLO + END, b"hello"),
    good("two chunks", "chunked-body", HELLO + b"6\r\n world\r\n" + END, b"hello world"),
    good("no chunk", "last-chunk", END),
    good("26 bytes", "chunk-size", b"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n" + END, b"abcdefghijklmnopqrstuvwxyz"),
    good("upper and lower digits", "chunk-size", b"A\r\n0123456789\r\na\r\n0123456789\r\n" + END, b"0123456789" * 2),
    good("digit f", "chunk-size", b"F\r\n0123456789abcde\r\nf\r\n0123456789abcde\r\n" + END, b"0123456789abcde" * 2),
    good("leading zeros", "chunk-size", b"0005\r\nhello\r\n" + END, b"hello"),
    good("15 zeros and a digit", "overflow", b"0000000000000005\r\nhello\r\n" + END, b"hello"),
    good("data of line ends", "chunk-data", b"6\r\n\r\n0\r\n\r\r\n" + END, b"\r\n0\r\n\r"),
    good("data that looks like the end", "chunk-data", b"5\r\n0\r\n\r\n\r\n" + END, END),
    good("data of all bytes", "chunk-data", b"100\r\n" + bytes(range(256)) + b"\r\n" + END, bytes(range(256))),
    good("data of one MiB", "chunk-data", ONE_MIB + END, b"x" * MIB),
    good("chunks of one byte", "chunked-body", b"1\r\na\r\n" * 50 + END, b"a" * 50),
    more("nothing yet", "chunked-body", b""),
    more("cut in the digits", "chunk-size", b"5"),
    more("cut before LF", "size-line-end", b"5\r"),
    more("cut before data", "chunk-data", b"5\r\n"),
    more("cut in data", "chunk-data", b"5\r\nhel", b"hel"),
    more("cut after data", "data-end", b"5\r\nhello", b"hello"),
    more("cut before LF after data", "data-end", b"5\r\nhello\r", b"hello"),
    more("cut between chunks", "chunked-body", HELLO, b"hello"),
    more("cut in last-chunk", "last-chunk", HELLO + b"0\r\n", b"hello"),
    more("cut before the last LF", "body-end", HELLO + b"0\r\n\r", b"hello"),
    more("cut in an extension", "chunk-ext", b"5;a"),
    more("cut in a trailer", "trailer", b"0\r\nA: b"),
    more("cut after a trailer", "trailer", b"0\r\nA: b\r\n"),
    # == chunk-size
    wrong("empty size line", "chunk-size", b"\r\nhello\r\n", 0),
    wrong("size not hexadecimal", "chunk-size", b"g\r\n", 0),
    wrong("letter after digits", "chunk-size", b"5g\r\nhello\r\n", 1),
    wrong("0x", "chunk-size", b"0x5\r\nhello\r\n", 1),
    wrong("plus", "chunk-size", b"+5\r\nhello\r\n", 0),
    wrong("minus", "chunk-size", b"-5\r\nhello\r\n", 0),
    wrong("underscore", "chunk-size", b"1_0\r\n", 1),
    wrong("point", "chunk-size", b"5.0\r\n", 1),
    wrong("NUL after digits", "chunk-size", b"5\0\r\n", 1),
    wrong("full-width digit", "chunk-size", "５\r\n".encode(), 0),
    wrong("characters beside the digits", "chunk-size", b"/", 0),
    wrong("colon is beside the digits", "chunk-size", b"5:\r\n", 1),
    wrong("at sign is beside A", "chunk-size", b"5@\r\n", 1),
    wrong("backtick is beside a", "chunk-size", b"5`\r\n", 1),
    wrong("G is beside F", "chunk-size", b"5G\r\n", 1),
    wrong("quoted", "chunk-size", b'"5"\r\n', 0),
    wrong("extension without digits", "chunk-size", b";a=b\r\n", 0),
    wrong("second chunk without digits", "chunk-size", HELLO + b"\r\n", 10, b"hello"),
    wrong("blank line before last-chunk", "chunk-size", HELLO + b"\r\n" + END, 10, b"hello"),
    wrong("data without chunks", "chunk-size", b"hello", 0),
    wrong("an event stream without chunks", "chunk-size", b"data: {}\n\n", 2),
    more("2**53", "overflow", b"20000000000000\r\nabc", b"abc"),
    more("2**53 with zeros", "overflow", b"0020000000000000\r\nabc", b"abc"),
    wrong("2**53 + 1", "overflow", b"20000000000001\r\nabc", 13),
    wrong("2**53 * 16", "overflow", b"200000000000000\r\nabc", 14),
    more("2**53 - 1", "overflow", b"1FFFFFFFFFFFFF\r\nabc", b"abc"),
    wrong("16 F", "overflow", b"FFFFFFFFFFFFFFFF\r\n", 13),
    wrong("17 F", "overflow", b"FFFFFFFFFFFFFFFFF\r\n", 13),
    wrong("2**64 + 5", "overflow", b"10000000000000005\r\nhello\r\n", 14),
    wrong("17 digits with zeros", "overflow", b"00000000000000005\r\nhello\r\n", 16),
    wrong("17 zeros", "overflow", b"00000000000000000\r\n\r\n", 16),
    good("16 zeros", "overflow", b"0000000000000000\r\n\r\n"),
    # == white space in size lines
    good("space before CR", "padding", b"5 \r\nhello\r\n0 \r\n\r\n", b"hello"),
    good("spaces and tabs before CR", "padding", b"5 \t \r\nhello\r\n" + END, b"hello"),
    good("space before ;", "padding", b"5 ;a=b\r\nhello\r\n" + END, b"hello"),
    good("tab before ;", "padding", b"5\t;a=b\r\nhello\r\n" + END, b"hello"),
    wrong("space before the digits", "padding", b" 5\r\nhello\r\n", 0),
    wrong("tab before the digits", "padding", b"\t5\r\nhello\r\n", 0),
    wrong("space between digits", "padding", b"1 0\r\n", 2),
    wrong("digits, space, letter", "padding", b"5 a\r\nhello\r\n", 2),
    wrong("VT after digits", "padding", b"5\x0b\r\n", 1),
    wrong("FF after digits", "padding", b"5\x0c\r\n", 1),
    wrong("space, then LF", "padding", b"5 \nhello\r\n", 2),
    # == chunk-ext
    good("extension", "chunk-ext", b"5;a=b\r\nhello\r\n" + END, b"hello"),
    good("extension without value", "chunk-ext", b"5;a\r\nhello\r\n" + END, b"hello"),
    good("two extensions", "chunk-ext", b"5;a=b;c\r\nhello\r\n" + END, b"hello"),
    good("quoted extension", "chunk-ext", b'5;a="x;y \\" z"\r\nhello\r\n' + END, b"hello"),
    good("empty extension", "chunk-ext", b"5;\r\nhello\r\n" + END, b"hello"),
    good("extension with spaces and tabs", "chunk-ext", b"5; a\t=\tb \r\nhello\r\n" + END, b"hello"),
    good("extension of high bytes", "chunk-ext", b"5;a=\x80\xff\r\nhello\r\n" + END, b"hello"),
    good("extension of tilde and exclamation mark", "chunk-ext", b"5;~!\r\nhello\r\n" + END, b"hello"),
    good("extension on last-chunk", "chunk-ext", HELLO + b"0;a=b\r\n\r\n", b"hello"),
    good("extension that looks like a size", "chunk-ext", b"5;ff\r\nhello\r\n" + END, b"hello"),
    wrong("extension with LF", "chunk-ext", b"5;a\nb\r\nhello\r\n", 3),
    wrong("extension with NUL", "chunk-ext", b"5;a\0\r\nhello\r\n", 3),
    wrong("extension with DEL", "chunk-ext", b"5;a\x7f\r\nhello\r\n", 3),
    wrong("extension with ESC", "chunk-ext", b"5;\x1b\r\nhello\r\n", 2),
    wrong("extension with US, just below space", "chunk-ext", b"5;\x1f\r\nhello\r\n", 2),
    wrong("extension with CR", "chunk-ext", b"5;a\rb\r\nhello\r\n", 4),
    wrong("extension begins with a comma", "chunk-ext", b"5,a\r\nhello\r\n", 1),
    # == line ends
    wrong("LF after size", "size-line-end", b"5\nhello\r\n", 1),
    wrong("CR after size", "size-line-end", b"5\rhello\r\n", 2),
    wrong("CR CR LF after size", "size-line-end", b"5\r\r\nhello\r\n", 2),
    wrong("LF after extension", "size-line-end", b"5;a\nhello\r\n", 3),
    wrong("LF after last-chunk", "size-line-end", b"0\n\r\n", 1),
    wrong("LF after data", "data-end", b"5\r\nhello\n0\r\n\r\n", 8, b"hello"),
    wrong("CR after data", "data-end", b"5\r\nhello\r0\r\n\r\n", 9, b"hello"),
    wrong("nothing after data", "data-end", b"5\r\nhello0\r\n\r\n", 8, b"hello"),
    wrong("XX after data", "data-end", b"5\r\nhelloXX0\r\n\r\n", 8, b"hello"),
    wrong("CR X after data", "data-end", b"5\r\nhello\rX0\r\n\r\n", 9, b"hello"),
    wrong("data longer than its size", "data-end", b"4\r\nhello\r\n" + END, 7, b"hell"),
    wrong("data shorter than its size", "data-end", b"6\r\nhello\r\n" + END, 9, b"hello\r"),
    wrong("space after data", "data-end", b"5\r\nhello \r\n" + END, 8, b"hello"),
    wrong("wrong after two chunks", "data-end", HELLO + b"1\r\na!", 14, b"helloa"),
    # == last-chunk, end
    good("last-chunk of three zeros", "last-chunk", HELLO + b"000\r\n\r\n", b"hello"),
    good("nothing after the end", "body-end", b"0\r\n\r\n"),
    wrong("LF at the end", "body-end", b"0\r\n\n", 3),
    wrong("CR X at the end", "body-end", b"0\r\n\rX", 4),
    wrong("CR CR at the end", "body-end", b"0\r\n\r\r\n", 4),
    good("bytes after the end", "unused", HELLO + END + b"HTTP/1.1 200\r\n", b"hello", unused=b"HTTP/1.1 200\r\n"),
    good("a second body after the end", "unused", END + HELLO + END, unused=HELLO + END),
    good("line ends after the end", "unused", END + b"\r\n\r\n", unused=b"\r\n\r\n"),
    good("one NUL after the end", "unused", HELLO + END + b"\0", b"hello", unused=b"\0"),
    # == trailers
    good("trailer", "trailer", b"0\r\nX-A: b\r\n\r\n", b"", (b"X-A", b"b")),
    good("trailers in order, names as received", "trailer", HELLO + b"0\r\nb: 2\r\nA: 1\r\nb: 3\r\n\r\n", b"hello",
         (b"b", b"2"), (b"A", b"1"), (b"b", b"3")),
    good("trailer without space", "trailer", b"0\r\nA:b\r\n\r\n", b"", (b"A", b"b")),
    good("trailer with white space around", "trailer", b"0\r\nA: \t b c\t \r\n\r\n", b"", (b"A", b"b c")),
    good("trailer empty", "trailer", b"0\r\nA:\r\n\r\n", b"", (b"A", b"")),
    good("trailer of spaces", "trailer", b"0\r\nA:  \t\r\n\r\n", b"", (b"A", b"")),
    good("trailer value with colons", "trailer", b"0\r\nA: b:c:\r\n\r\n", b"", (b"A", b"b:c:")),
    good("trailer value begins with a colon", "trailer", b"0\r\nA::\r\n\r\n", b"", (b"A", b":")),
    good("trailers, then bytes", "unused", b"0\r\nA: b\r\n\r\nHTTP", b"", (b"A", b"b"), unused=b"HTTP"),
    good("trailer name of all token characters", "trailer-name",
         b"0\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", b"", (b"!#$%&'*+-.^_`|~09azAZ", b"x")),
    good("trailer value of high bytes and tabs", "trailer-value", b"0\r\nA: \x80\t\xff~!\r\n\r\n", b"",
         (b"A", b"\x80\t\xff~!")),
    wrong("trailer name empty", "trailer-name", b"0\r\n: b\r\n\r\n", 3),
    wrong("trailer space before colon", "trailer-name", b"0\r\nA : b\r\n\r\n", 4),
    wrong("trailer tab before colon", "trailer-name", b"0\r\nA\t: b\r\n\r\n", 4),
    wrong("trailer name with space", "trailer-name", b"0\r\nX y: b\r\n\r\n", 4),
    wrong("trailer name with NUL", "trailer-name", b"0\r\nX\0: b\r\n\r\n", 4),
    wrong("trailer name with a separator", "trailer-name", b"0\r\nX(y): b\r\n\r\n", 4),
    wrong("trailer name with a slash", "trailer-name", b"0\r\na/b: c\r\n\r\n", 4),
    wrong("trailer name with high byte", "trailer-name", b"0\r\n\xe9: b\r\n\r\n", 3),
    wrong("trailer without colon", "trailer-name", b"0\r\nABC\r\n\r\n", 6),
    wrong("second trailer without colon", "trailer-name", b"0\r\nA: b\r\nC\r\n\r\n", 10),
    wrong("trailer begins with space", "trailer-name", b"0\r\n A: b\r\n\r\n", 3),
    wrong("trailer folded with space", "trailer-value", b"0\r\nA: b\r\n c\r\n\r\n", 9),
    wrong("trailer folded with tab", "trailer-value", b"0\r\nA: b\r\n\tc\r\n\r\n", 9),
    wrong("trailer value with NUL", "trailer-value", b"0\r\nA: b\0\r\n\r\n", 7),
    wrong("trailer value with DEL", "trailer-value", b"0\r\nA: b\x7f\r\n\r\n", 7),
    wrong("trailer value with ESC", "trailer-value", b"0\r\nA: \x1b\r\n\r\n", 6),
    wrong("trailer with bare LF", "trailer-end", b"0\r\nA: b\n\r\n", 7),
    wrong("trailer with bare CR", "trailer-end", b"0\r\nA: b\rc\r\n\r\n", 8),
    wrong("trailer with CR CR LF", "trailer-end", b"0\r\nA: b\r\r\n\r\n", 8),
    wrong("end with LF after trailer", "body-end", b"0\r\nA: b\r\n\n", 9),
    wrong("next response where the end is missing", "trailer-name", b"0\r\nHTTP/1.1 200 OK\r\n", 7),
    # == limits
    good("size line of max_line", "max-line", b"5;abc\r\nhello\r\n" + END, b"hello", max_line=5),
    over("size line one longer", "max-line", b"5;abcd\r\nhello\r\n", 5, max_line=5),
    over("size line without end", "max-line", b"5;abcdef", 5, max_line=5),
    over("size line of padding", "max-line", b"5      \r\nhello\r\n", 5, max_line=5),
    over("size line of zeros", "max-line", b"000005\r\nhello\r\n", 5, max_line=5),
    over("second size line longer", "max-line", HELLO + b"1;abcd\r\n", 15, b"hello", max_line=5),
    good("each size line has its own bound", "max-line", b"1;abc\r\na\r\n1;abc\r\nb\r\n0;abc\r\n\r\n", b"ab",
         max_line=5),
    good("size line of 4096", "max-line", b"5;" + b"a" * 4094 + b"\r\nhello\r\n" + END, b"hello"),
    over("size line of 4097", "max-line", b"5;" + b"a" * 4095 + b"\r\nhello\r\n" + END, 4096),
    good("extensions at the bound", "max-extensions", b"1;a\r\na\r\n1 ;\r\nb\r\n" + END, b"ab", max_extensions=4),
    over("extensions one over", "max-extensions", b"1;a\r\na\r\n1 ;b\r\nb\r\n", 11, b"a", max_extensions=4),
    over("extensions over on last-chunk", "max-extensions", b"1;a\r\na\r\n0;bc\r\n\r\n", 11, b"a", max_extensions=4),
    over("extensions of padding", "max-extensions", b"1  \r\na\r\n1 \t \r\nb\r\n", 11, b"a", max_extensions=4),
    good("digits are no extensions", "max-extensions", b"0001\r\na\r\n" * 5 + END, b"a" * 5, max_extensions=1),
    over("extensions of many small chunks", "max-extensions", b"1;abc\r\na\r\n" * 9, 51, b"a" * 5, max_extensions=20),
    good("a MiB of body allows as much again", "max-extensions", ONE_MIB + b"1;abcdefg\r\na\r\n" + END,
         b"x" * MIB + b"a", max_extensions=4),
    over("a MiB of body allows no more than that", "max-extensions", ONE_MIB + b"1;abcdefgh\r\na\r\n" + END,
         len(ONE_MIB) + 9, b"x" * MIB, max_extensions=4),
    over("a byte less than a MiB allows nothing", "max-extensions",
         b"fffff\r\n" + b"x" * (MIB - 1) + b"\r\n1;abcd\r\n", len(ONE_MIB) - 2 + 5, b"x" * (MIB - 1), max_extensions=4),
    good("trailers at the bound", "max-trailers", b"0\r\nA: b\r\nC:\r\n\r\n", b"", (b"A", b"b"), (b"C", b""),
         max_trailers=10),
    over("trailers one over", "max-trailers", b"0\r\nA: b\r\nCD:\r\n\r\n", 13, max_trailers=10),
    over("trailers over at CR", "max-trailers", b"0\r\nA: bcd\r\n\r\n", 9, max_trailers=6),
    over("trailers over without end", "max-trailers", b"0\r\nA: bcdefghij", 9, max_trailers=6),
    good("the final CRLF is no trailer", "max-trailers", b"0\r\nA:\r\n\r\n", b"", (b"A", b""), max_trailers=4),
    good("trailers of 16384", "max-trailers", b"0\r\nA:" + b"b" * 16380 + b"\r\n\r\n", b"", (b"A", b"b" * 16380)),
    over("trailers of 16385", "max-trailers", b"0\r\nA:" + b"b" * 16381 + b"\r\n\r\n", 3 + 16384),
)
