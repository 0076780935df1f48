# Hostile Fun-ASR streams and result files, seeded: what services send, then bent in every way we could think of.
#
# Knows: the services' JSON (wire facts) and how to spoil it. Must not know: asrwire. All is bytes pasted together from
# rendered pieces, because a million payloads with json.dumps would take longer than reading them. A number is a
# case: the same seed makes the same bytes on every Python (only Random.random and what is built on it in this file).

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")
Member = tuple[bytes, bytes]  # a key with its quotes, a value

REQUEST = b'"5b1c2d3e-0000-4000-8000-00000000abcd"'

# -- values, rendered --------------------------------------------------------------------------------------------------

HAN = [word.encode() for word in ("你好", "今天", "我们", "讨论", "语音", "识别", "的", "结果", "𠮷", "é", "🎉", "，")]
LATIN = [b"w1", b" two", b" three", b"four ", b" don't", b" 1,000", b" a/b", b" x"]
ESCAPED = [
    b"\\u4f60\\u597d", b"\\u0041", b"\\ud83d\\ude00", b"\\n", b" \\\"q\\\" ", b"\\\\", b"\\/", b"\\u0000",
    b"\\t\\b\\f\\r",
    b"\\uD834\\uDD1E", b"\\\\\\\"", b"\\u00e9", b"\\uffff", b"\\u005f",
]  # fmt: skip
LOOKALIKE = [
    b'\\"sentence_end\\":true', b'\\",\\"sentence_end\\":true,\\"', b'{\\"sentence\\":{', b"}]}", b"]}}", b"[{",
    b"\\\\", b'\\\\\\",', b"sentence_end", b'\\"words\\":[',
]  # fmt: skip
LONE = [b"\\ud83d", b"\\udc00", b"\\ud83d\\ud83d\\ude00", b"\\ud83dx", b"\\ude00\\ud83d", b"\\\\ud83d"]
RAW = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x8e", b"\xc0\xaf", b"\x01", b"\x1f", b"\x7f", b"\xe2\x80\xa8",
       b"\xf4\x90\x80\x80", b"\x00", b"\t"]  # fmt: skip
BROKEN = [b"\\x", b"\\u12", b"\\u00zz", b"\\", b"\\U0041", b"\\'"]
TEXTS = [*HAN, *LATIN, *ESCAPED, *LOOKALIKE]

INNER = (
    b'{"sentence":{"sentence_id":9,"begin_time":1,"text":"x","sentence_end":true,"words":[]}}',
    b'{"sentence_end":true}', b'{"output":{"sentence":{"sentence_end":true,"text":"y"}}}', b'{"words":[{"text":"z"}]}',
)  # fmt: skip
DEEP = b"[" * 40 + b"{}" + b"]" * 40
VALID_ANY = (
    b"null", b"true", b"false", b"0", b"-1", b"1.5", b"1e3", b"-0", b'""', b'"x"', b"[]", b"{}", b"[[],{}]", DEEP,
    b'"\\"sentence_end\\":true"', b'"}]}"', b'["]"]', b'{"a":{"b":[1,2,{"sentence_end":true}]}}', *INNER,
    b'"\\ud83d\\ude00"', b"12345678901234567890", b"-9223372036854775808", b"0.1e-7", b'{"a":1,"a":2}', b'"\\\\"',
    b'"0123456789abcdef0123456789abcde\\""', b'"' + b"long " * 60 + b'"', b"1E400" * 0 + b"1e300",
)  # fmt: skip
INVALID_ANY = (
    b"nul", b"True", b"tru", b"truee", b"falsey", b"01", b"+1", b".5", b"1.", b"1e", b"--1", b"NaN", b"Infinity",
    b"'x'",
    b'"', b'"\\x"', b'"\\u00g0"', b"[1,]", b"[,1]", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"]", b"}", b"", b"1 2",
    b'"a" "b"', b"[1 2]", b'{"a" 1}', b'"\x01"', b'"\xff"', b'"\\ud83d"', b"-", b"0x10", b"\x00", b"/**/1", b"{]",
    b"[}",
    b"[" * 1100 + b"]" * 1100, b"1e400", b"-1e999", b'"\n"',
)  # fmt: skip

TIMES = (b"0", b"-1", b"null", b"740", b"740.0", b"1e3", b"2147483647", b"-0", b"-0.0", b"0.0", b"1E2", b"12e1",
         b"-1.0",
         b"100e-2", b"2147483647.0", b"0e0", b"0.740e3")  # fmt: skip
BAD_TIMES = (b"2147483648", b"-2", b"1.5", b"true", b'"1"', b"[]", b"{}", b"99999999999999999999", b"1e10", b"false",
             b"-2147483648", b"4294967296", b"4294967297", b"18446744073709551617", b"0.5e-1")  # fmt: skip
IDS = (b"0", b"1", b"2", b"3", b"9", b"-3", b"null", b'"2"', b'"007"', b"9223372036854775807", b"-0",
       b"-9223372036854775808", b'"999999999999999999"', b'"\\u0032"')  # fmt: skip
BAD_IDS = (b"1.0", b"true", b'"x"', b'""', b"9223372036854775808", b'"9999999999999999999"', b"[]", b"1e0", b'"-1"',
           b'" 1"',
           b'"\xef\xbc\x91"', b"{}", b"-9223372036854775809", b"18446744073709551616",
           b"18446744073709551617")  # fmt: skip
BOOLS = (b"true", b"false", b"null")
BAD_BOOLS = (b"0", b"1", b'"true"', b"[]", b"{}", b'""')
STRINGS = (b'""', b'"x"', b"null", b'"\\u4f60"', b'"\xe4\xbd\xa0\xe5\xa5\xbd"', b'" "', b'"a\\"b"', b'"\\\\"',
           b'"' + b"\xe4\xbd\xa0" * 300 + b'"', b'"\\ud83d\\ude00"', b'"\xc3\xa9"', b'"\xf0\x9f\x8e\x89"')  # fmt: skip
BAD_STRINGS = (b"1", b"true", b"[]", b"{}", b'["x"]')
SPEAKERS = (b"0", b"1", b"null", b'"1"', b'"a"', b'""', b"-5", b'"\\u0031"', b"9007199254740993")
BAD_SPEAKERS = (b"1.5", b"true", b"[]", b"1e1", b"9223372036854775808")
WORDS = (b"[]", b"null", b'[{"text":"a"}]', b'[{"text":"a","begin_time":0,"end_time":1},{"text":"b"}]', b"[{}]", b"[ ]",
         b'[{"text":"a"},{"text":"a"}]')  # fmt: skip
BAD_WORDS = (b"{}", b'"x"', b"[null]", b"[1]", b"[[]]", b"[{},]", b"true", b'[{"text":1}]', b'[{"begin_time":"x"}]')
STASHES = (
    b"null", b"{}", b'{"sentence_id":2,"text":"","begin_time":1640,"current_time":1640,"words":[]}',
    b'{"sentence_id":3,"text":"\xe5\x97\xaf","begin_time":1640,"words":[{"text":"\xe5\x97\xaf","begin_time":1640}]}',
    b'{"text":"st","sentence_end":true}', b'{"sentence_id":1,"text":"old","sentence_end":true,"end_time":9}',
    b'{"sentence_id":4,"text":"n","stash":{"text":"deeper"}}', b'{"text":"a","text":""}',
)  # fmt: skip
BAD_STASHES = (b"[]", b'"x"', b'{"text":1}', b'{"words":{}}', b'{"begin_time":1.5}')
USAGES = (b"null", b'{"duration":3}', b'{"seconds":2.5}', b'{"duration":1,"input_tokens":7,"total_tokens":9}', b"{}",
          b'{"duration":1,"duration":9}', b'{"x":{"sentence_end":true}}')  # fmt: skip
BAD_USAGES = (b"[]", b"1", b'{"duration":-1}', b'{"duration":"x"}', b'{"seconds":true}')

VALID: dict[bytes, Sequence[bytes]] = {
    b'"sentence_id"': IDS, b'"channel_id"': (b"0", b"1", b"null", b"2", b"-1"), b'"begin_time"': TIMES,
    b'"end_time"': TIMES, b'"text"': STRINGS, b'"punctuation"': STRINGS, b'"fixed"': BOOLS, b'"speaker_id"': SPEAKERS,
    b'"sentence_end"': BOOLS, b'"sentence_begin"': BOOLS, b'"heartbeat"': BOOLS, b'"words"': WORDS,
    b'"stash"': STASHES, b'"usage"': USAGES, b'"language"': STRINGS, b'"emotion"': STRINGS,
    b'"request_id"': (REQUEST, b'"other"', b"null", b'""', b"5"), b'"output"': (b"null", b"{}", *INNER),
    b'"sentence"': (b"null", b"[]", b"{}", *INNER, b'[{"sentence_id":1,"text":"l"}]'),
    b'"sentences"': (b"null", b"[]", b'[{"sentence_id":1,"text":"s","sentence_end":true}]', b'[{"sentence_id":2}]'),
    b'"transcripts"': (b"[]", b"null", b'[{"text":"x","sentences":[]}]'), b'"transcript"': STRINGS,
    b'"content_duration_in_milliseconds"': TIMES, b'"content_duration"': TIMES, b'"channels"': (b"[0]", b"[]", b"null",
    b"[0,1]"), b'"original_duration_in_milliseconds"': TIMES, b'"original_sampling_rate"': (b"16000", b"null"),
    b'"sample_rate"': (b"8000", b"null", b"-1"), b'"format"': STRINGS, b'"audio_format"': STRINGS,
    b'"file_url"': STRINGS, b'"properties"': (b"null", b"{}"), b'"audio_info"': (b"null", b"{}"),
}  # fmt: skip
INVALID: dict[bytes, Sequence[bytes]] = {
    b'"sentence_id"': BAD_IDS, b'"channel_id"': BAD_IDS, b'"begin_time"': BAD_TIMES, b'"end_time"': BAD_TIMES,
    b'"text"': BAD_STRINGS, b'"punctuation"': BAD_STRINGS, b'"fixed"': BAD_BOOLS, b'"speaker_id"': BAD_SPEAKERS,
    b'"sentence_end"': BAD_BOOLS, b'"sentence_begin"': BAD_BOOLS, b'"heartbeat"': BAD_BOOLS, b'"words"': BAD_WORDS,
    b'"stash"': BAD_STASHES, b'"usage"': BAD_USAGES, b'"language"': BAD_STRINGS, b'"emotion"': BAD_STRINGS,
    b'"output"': (b"[]", b'"x"', b"1"), b'"sentence"': (b'"x"', b"1", b"[1]"), b'"sentences"': (b"{}", b"[1]"),
    b'"transcripts"': (b"{}", b"[null]", b"[1]", b"1"),
}  # fmt: skip
UNKNOWN = (
    b'"emo_tag"', b'"vad_pre_end"', b'"x"', b'""', b'"Sentence_end"', b'"sentence_end "', b'"sentence_ende"',
    b'"output"',
    b'"sentence"', b'"sentence_end"', b'"words"', b'"code"', b'"message"', b'"sentences"', b'"error"', b'"header"',
    b'"payload"', b'"choices"', b'"language"', b'"emotion"', b'"sentence_begin"', b'"heartbeat"', b'"stash"',
    b'"usage"',
    b'"request_id"', b'"text"', b'"model"', b'"created"', b'"\xe4\xbd\xa0"', b'"a\\"b"', b'"event"', b'"status_code"',
    b'"id"', b'"object"', b'"finish_reason"', b'"speaker_id"', b'"channel_id"', b'"current_time"', b'"transcripts"',
)  # fmt: skip
MEANING = (
    b'"code"', b'"message"', b'"error"', b'"sentences"', b'"text"', b'"choices"', b'"header"', b'"payload"',
    b'"output"',
    b'"sentence"', b'"request_id"', b'"model"', b'"created"', b'"usage"', b'"object"', b'"id"', b'"finish_reason"',
)  # fmt: skip
TOKENS = (
    b'"sentence_end":true,', b'"sentence_end":false,', b",", b"{", b"}", b"[", b"]", b'"', b"\\", b":", b"null",
    b"true",
    b"\x00", b"\xff", b"\xed\xa0\x80", b"1", b"-", b".", b"e", b" ", b"\t", b"\n", b"\r", b"\\u", b"\\ud83d", b"\\\"",
    b'"words":[', b'"output":{', b'"sentence":{', b'{"output":', b"}}", b"\xef\xbb\xbf", b"//", b"0" * 30, b"\x1f",
    b"\x7f",
    b"\xc2\x80", b'"":', b'"x":1,', b",,", b"[DONE]",
)  # fmt: skip
BLANKS = (b" ", b"\t", b"  ", b" \t ", b"\n", b"\r\n")


def pick(rng: Random, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]


def below(rng: Random, bound: int) -> int:
    return int(rng.random() * bound)


def shuffle(rng: Random, items: list[T]) -> None:
    for i in range(len(items) - 1, 0, -1):
        j = below(rng, i + 1)
        items[i], items[j] = items[j], items[i]


# -- objects -----------------------------------------------------------------------------------------------------------


def spaced(rng: Random, members: list[Member]) -> bytes:
    def blank() -> bytes:
        return pick(rng, BLANKS) if rng.random() < 0.5 else b""

    parts = [b"%b%b%b:%b%b%b" % (blank(), key, blank(), blank(), value, blank()) for key, value in members]
    return b"{" + b",".join(parts) + b"}" if parts else b"{ }"


def compact(members: list[Member]) -> bytes:
    return b"{" + b",".join([key + b":" + value for key, value in members]) + b"}"


def doc(members: list[Member]) -> bytes:  # as json.dumps writes it
    return b"{" + b", ".join([key + b": " + value for key, value in members]) + b"}"


def escaped_key(rng: Random, key: bytes) -> bytes:
    # One character spelled in hexadecimal; whoever compares keys by their bytes does not see them.
    at = 1 + below(rng, max(1, len(key) - 2))
    if len(key) < 3 or key[at] >= 0x80 or key[at] == 0x5C or key[at - 1] == 0x5C:
        return key
    return b"%b\\u%04x%b" % (key[:at], key[at], key[at + 1 :])


class Bent:
    """Bends members of one object; ``gentle``: what comes out is JSON with members of the right types (nearly)."""

    def __init__(self, rng: Random, gentle: bool) -> None:
        self.rng = rng
        self.gentle = gentle

    def bend(self, members: list[Member]) -> None:
        self.KINDS[int(self.rng.random() * len(self.KINDS))](self, members)

    def value(self, key: bytes) -> bytes:
        rng = self.rng
        if self.gentle:
            return pick(rng, VALID.get(key, VALID_ANY))
        if key in INVALID and rng.random() < 0.7:
            return pick(rng, INVALID[key])
        return pick(rng, VALID_ANY if rng.random() < 0.4 else INVALID_ANY)

    def other_value(self, members: list[Member]) -> None:
        if members:
            at = below(self.rng, len(members))
            key = members[at][0]
            members[at] = key, self.value(key)

    def missing(self, members: list[Member]) -> None:
        if members:
            del members[below(self.rng, len(members))]

    def doubled(self, members: list[Member]) -> None:
        if members:
            rng = self.rng
            key, value = pick(rng, members)
            if rng.random() < 0.7:
                value = self.value(key)
            if rng.random() < 0.3:
                key = escaped_key(rng, key)
            members.insert(below(rng, len(members) + 1), (key, value))

    def escaped(self, members: list[Member]) -> None:
        if members:
            at = below(self.rng, len(members))
            members[at] = escaped_key(self.rng, members[at][0]), members[at][1]

    def unknown(self, members: list[Member]) -> None:
        rng = self.rng
        key = pick(rng, UNKNOWN[:3] if self.gentle and rng.random() < 0.6 else UNKNOWN)
        value = self.value(b"") if rng.random() < 0.7 else pick(rng, INNER)
        members.insert(below(rng, len(members) + 1), (key, value))

    def order(self, members: list[Member]) -> None:
        shuffle(self.rng, members)

    def known(self, members: list[Member]) -> None:
        # A member that services send now and then.
        rng = self.rng
        key = pick(rng, (b'"stash"', b'"heartbeat"', b'"sentence_begin"', b'"language"', b'"emotion"', b'"usage"'))
        members.insert(below(rng, len(members) + 1), (key, self.value(key)))

    def meaning(self, members: list[Member]) -> None:
        # A member that changes what the whole body means.
        rng = self.rng
        key = pick(rng, MEANING)
        values = (b'"Throttling"', b'"x"', b'"OK"', b"200", b'"200"', b"0", b'""', b"null", b"true", *INNER)
        value = pick(rng, VALID[key]) if key in VALID and rng.random() < 0.6 else pick(rng, values)
        members.insert(below(rng, len(members) + 1), (key, value))

    def odd_text(self, members: list[Member]) -> None:
        rng = self.rng
        pools: tuple[list[bytes], ...] = (ESCAPED, LOOKALIKE, LONE) if self.gentle else (LONE, RAW, BROKEN, LOOKALIKE)
        text = b"".join([pick(rng, pick(rng, pools)) for _ in range(1 + below(rng, 3))])
        for i, (key, value) in enumerate(members):
            if key in (b'"text"', b'"punctuation"') and value[:1] == b'"':
                members[i] = key, value[:-1] + text + b'"' if rng.random() < 0.5 else b'"' + text + value[1:]
                return

    KINDS: tuple[Callable[[Bent, list[Member]], None], ...] = (
        other_value, other_value, other_value, missing, doubled, escaped, unknown, unknown, order, known, odd_text,
    )  # fmt: skip


# -- bytes -------------------------------------------------------------------------------------------------------------


def flipped(rng: Random, data: bytes, _: bytes) -> bytes:
    at = below(rng, len(data))
    return b"%b%c%b" % (data[:at], data[at] ^ (1 << below(rng, 8)), data[at + 1 :])


def inserted(rng: Random, data: bytes, _: bytes) -> bytes:
    at = below(rng, len(data) + 1)
    return data[:at] + pick(rng, TOKENS) + data[at:]


def deleted(rng: Random, data: bytes, _: bytes) -> bytes:
    at = below(rng, len(data))
    return data[:at] + data[at + 1 + (below(rng, 12) if rng.random() < 0.3 else 0) :]


def truncated(rng: Random, data: bytes, _: bytes) -> bytes:
    return data[: below(rng, len(data))]


def spliced(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: below(rng, len(data))] + other[below(rng, len(other)) :] if other else data


def repeated(rng: Random, data: bytes, _: bytes) -> bytes:
    start = below(rng, len(data))
    stop = min(len(data), start + 1 + below(rng, 60))
    return data[:stop] + data[start:]


def blanked(rng: Random, data: bytes, _: bytes) -> bytes:
    # White space beside punctuation: inside strings it changes them, elsewhere nothing.
    places = [match.start() for match in re.finditer(rb"[][{}:,]", data)]
    for at in sorted({pick(rng, places) for _ in range(1 + below(rng, 4))}, reverse=True) if places else ():
        at += below(rng, 2)
        data = data[:at] + pick(rng, BLANKS[:4]) + data[at:]
    return data


def swapped_literal(rng: Random, data: bytes, _: bytes) -> bytes:
    literals = list(re.finditer(rb"\b(?:true|false|null|-?\d+)\b", data))
    if not literals:
        return data
    match = pick(rng, literals)
    return data[: match.start()] + pick(rng, VALID_ANY) + data[match.end() :]


def trailed(rng: Random, data: bytes, _: bytes) -> bytes:
    return data + pick(rng, (b" ", b"\t ", b"x", b"}", b",", b"{}", b"\x00", b"null", b"\xc2\xa0", b"  \x0b"))


BYTES = (flipped, inserted, deleted, truncated, spliced, repeated, blanked, blanked, swapped_literal, swapped_literal,
         trailed)  # fmt: skip

# -- streams -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Case:
    """One stream as it is read: payloads and how they are framed and cut. ``mutated`` tells which were bent."""

    payloads: list[bytes]
    frames: list[bytes]
    mutated: list[bool]
    cuts: tuple[int, ...] = ()  # where reads end
    end: int | None = None  # bytes after this never come
    peeks: frozenset[int] = frozenset()  # numbers of reads after which the transcript is looked at

    @property
    def wire(self) -> bytes:
        return b"".join(self.frames)[: self.end]

    def reads(self) -> list[bytes]:
        wire = self.wire
        bounds = [0, *(cut for cut in self.cuts if cut < len(wire)), len(wire)]
        return [wire[start:stop] for start, stop in itertools.pairwise(bounds)]


@dataclass(slots=True)
class _Plan:
    """The habits of one stream's server."""

    envelope: int
    style: Callable[[list[Member]], bytes] | None  # None: white space of all kinds
    order: bool
    ids: bool
    cumulative: bool
    words: bool
    han: bool
    texts: Sequence[bytes]
    ends: bytes | None  # end_time of a partial; None: the time
    fixed: int
    speaker: bytes
    channels: int
    usage: int
    native: bool
    newline: bytes
    bending: float
    gentle: bool


@dataclass(slots=True)
class _Spoken:
    number: int
    channel: int
    begin: int
    words: list[tuple[int, int, bytes, bytes]]
    before: int  # words that are final already, of a cumulative sentence
    shown: int = 0


def _plan(rng: Random) -> _Plan:
    # Two thirds are what is said to be the ordinary case: readers of their own for it are tried there the most.
    han, plain = rng.random() < 0.5, rng.random() < 0.67
    odd = rng.random()
    return _Plan(
        envelope=pick(rng, (0, 0, 0, 4) if plain else (0, 1, 1, 2, 2, 3, 4)),
        style=pick(rng, (compact, compact, compact, doc, None)),
        order=rng.random() < 0.2, ids=plain or rng.random() < 0.75,
        cumulative=rng.random() < (0.02 if plain else 0.35), words=rng.random() < 0.92,
        han=han, texts=(HAN if han else LATIN) if odd < 0.6 else TEXTS if odd < 0.8 else ESCAPED,
        ends=pick(rng, (b"null", b"null", b"-1", None)), fixed=below(rng, 4),
        speaker=pick(rng, (b"null", b"null", b"0", b"1", b'"A"')),
        channels=pick(rng, (1, 1, 1, 2) if plain else (1, 2, 3)),
        usage=below(rng, 3), native=rng.random() < 0.8,
        newline=pick(rng, (b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r")), bending=pick(rng, (0.1, 0.4, 0.8, 1.0)),
        gentle=rng.random() < 0.6,
    )  # fmt: skip


def stream(seed: int) -> Case:
    """The stream of this number: some 15 to 45 events of several sentences."""
    rng = Random(seed)
    plan = _plan(rng)
    bodies: list[bytes] = []
    mutated: list[bool] = []
    last: dict[int, list[tuple[int, int, bytes, bytes]]] = {}
    talking: list[_Spoken] = []
    number, clock, total = 0, below(rng, 300), 12 + below(rng, 24)
    while len(bodies) < total:
        if (len(talking) < plan.channels and rng.random() < 0.5) or not talking:
            number += 1 if rng.random() < 0.97 else 3
            channel = len({spoken.channel for spoken in talking})
            spoken, clock = _speech(plan, rng, number, channel, clock, last)
            talking.append(spoken)
        spoken = pick(rng, talking)
        left = len(spoken.words) - spoken.shown
        final = (left <= 0 and rng.random() < 0.7) or rng.random() < 0.05
        step = 0 if rng.random() < 0.15 else pick(rng, (1, 1, 2, 3))
        spoken.shown = len(spoken.words) if final else min(len(spoken.words), spoken.shown + step)
        bend = rng.random() < plan.bending
        bodies.append(_payload(plan, rng, spoken, final, bend))
        mutated.append(bend)
        if final:
            last[spoken.channel] = spoken.words
            talking.remove(spoken)
            if rng.random() < 0.1:  # late, or again, or the same final under another number
                spoken.shown = max(1, len(spoken.words) - below(rng, 3))
                spoken.number += below(rng, 2)
                bodies.append(_payload(plan, rng, spoken, rng.random() < 0.5, False))
                mutated.append(True)
        if rng.random() < 0.05:
            bodies.append(pick(rng, bodies))
            mutated.append(True)
    if rng.random() < (0.15 if plan.gentle else 0.4):
        at = len(bodies) - 1 - below(rng, len(bodies)) // pick(rng, (1, 2, 3))
        bodies[at] = pick(rng, BYTES)(rng, bodies[at], pick(rng, bodies)) if bodies[at] else b"{"
        mutated[at] = True
    elif rng.random() < 0.1:
        at = below(rng, len(bodies) + 1) if rng.random() < 0.7 else 0
        bodies.insert(at, pick(rng, SPECIAL))
        mutated.insert(at, True)
    return _read(rng, Case(bodies, _frames(plan, rng, bodies), mutated))


SPECIAL = (
    b"[DONE]", b"[DONE]", b"[DONE]", b"", b" ", b"{}", b'{"output":{}}', b"null", b"[]",
    b'{"code":"Throttling","message":"slow","request_id":"r"}',
    b'{"output":{"text":"only text"}}', b'{"output":{"sentence":{"sentence_id":0,"text":"","heartbeat":true}}}',
    b'{"code":"SUCCESS_WITH_NO_VALID_FRAGMENT","message":""}', b'{"usage":{"duration":4}}',
    b'{"output":{"sentences":[{"sentence_id":1,"text":"a","sentence_end":true},{"sentence_id":2,"text":"b"}]}}',
    b'{"header":{"event":"task-finished"},"payload":{"output":{}}}', b'\xef\xbb\xbf{"output":{}}',
    b'{"header":{"event":"result-generated"},"payload":{"output":{"sentence":{"sentence_id":1,"text":"ws"}}}}',
)  # fmt: skip


def _speech(
    plan: _Plan, rng: Random, number: int, channel: int, clock: int,
    last: dict[int, list[tuple[int, int, bytes, bytes]]],
) -> tuple[_Spoken, int]:  # fmt: skip
    words = []
    if plan.cumulative and channel in last:
        words += last[channel]
        if rng.random() < 0.15:  # rewrites what was final
            at = below(rng, len(words))
            words[at] = (*words[at][:2], pick(rng, plan.texts), words[at][3])
    before = len(words)
    now = clock
    for i in range(1 + below(rng, 6)):
        long = pick(rng, (80, 240, 400, 0))
        comma = b"," if i % 3 == 2 else b""
        words.append((now, now + long, pick(rng, plan.texts), comma))
        now += long
    if rng.random() < 0.01:
        words[-1] = (*words[-1][:2], pick(rng, plan.texts) * 200, words[-1][3])
    begin = words[0][0]
    return _Spoken(number, channel, begin, words, before), now + pick(rng, (0, 60, 400))


def _payload(plan: _Plan, rng: Random, spoken: _Spoken, final: bool, bend: bool) -> bytes:
    shown = spoken.words[: spoken.shown]
    if shown and not final and rng.random() < 0.1:  # revised, or cut into words in another way
        begin, end, text, _ = shown[-1]
        half = (begin + end) // 2
        other = pick(rng, plan.texts)
        shown = shown[:-1] + ([(begin, half, text, b""), (half, end, other, b"")] if rng.random() < 0.5 else
                              [(begin, end, other, b"")])  # fmt: skip
    text = b"".join([word + punctuation for _, _, word, punctuation in shown])
    end = b"%d" % shown[-1][1] if shown and (final or plan.ends is None) else b"null" if final else plan.ends or b"0"
    members: list[Member] = [(b'"sentence_id"', b"%d" % spoken.number)] if plan.ids else []
    members += [
        (b'"begin_time"', b"%d" % spoken.begin), (b'"end_time"', end), (b'"text"', b'"' + text + b'"'),
    ]  # fmt: skip
    if spoken.channel or plan.channels > 1 or plan.envelope == 0:
        members.append((b'"channel_id"', b"%d" % spoken.channel))
    if plan.usage:
        members.append((b'"speaker_id"', plan.speaker))
    members.append((b'"sentence_end"', b"true" if final else b"false"))
    bender = Bent(rng, plan.gentle or rng.random() > 0.2)  # the first harsh blow ends most streams
    if plan.words:
        where = below(rng, len(shown)) if bend and shown and rng.random() < 0.3 else -1
        fixed = plan.fixed
        parts = []
        for i, (begin, stop, word, punctuation) in enumerate(shown):
            settled = b"null" if fixed == 3 else b"true" if (final and fixed != 1) or (fixed == 2 and (
                i + 2 < len(shown))) or (fixed == 0 and rng.random() < 0.1) else b"false"  # fmt: skip
            if i == where:
                inside: list[Member] = [
                    (b'"begin_time"', b"%d" % begin), (b'"end_time"', b"%d" % stop), (b'"text"', b'"' + word + b'"'),
                    (b'"punctuation"', b'"' + punctuation + b'"'), (b'"fixed"', settled), (b'"speaker_id"', b"null"),
                ]  # fmt: skip
                bender.bend(inside)
                parts.append(spaced(rng, inside) if rng.random() < 0.3 else compact(inside))
            elif plan.style is doc:
                parts.append(b'{"begin_time": %d, "end_time": %d, "text": "%b", "punctuation": "%b"}'
                             % (begin, stop, word, punctuation))  # fmt: skip
            else:
                parts.append(b'{"begin_time":%d,"end_time":%d,"text":"%b","punctuation":"%b","fixed":%b,"speaker_id":%b}'
                             % (begin, stop, word, punctuation, settled, plan.speaker))  # fmt: skip
        members.append((b'"words"', b"[" + (b", " if plan.style is doc else b",").join(parts) + b"]"))
        bend = bend and where < 0
    level = below(rng, 3) if bend else -1  # which object is bent: the sentence mostly
    if bend and level:
        bender.bend(members)
        if rng.random() < 0.2:
            bender.bend(members)
    if plan.order or (bend and rng.random() < 0.2):
        shuffle(rng, members)
    return _enveloped(plan, rng, members, text, end if final else b"", bender if level == 0 else None)


def _enveloped(
    plan: _Plan, rng: Random, sentence: list[Member], text: bytes, end: bytes, bender: Bent | None
) -> bytes:
    def write(members: list[Member]) -> bytes:
        return spaced(rng, members) if plan.style is None and rng.random() < 0.3 else (plan.style or compact)(members)

    body: list[Member] = [(b'"sentence"', write(sentence))]
    if plan.envelope != 4 and rng.random() < 0.9:
        body.append((b'"text"', b'"' + text + b'"'))
    copy = body
    if bender and rng.random() < 0.5:
        if rng.random() < 0.3:  # of two copies one says something else
            copy = [(b'"sentence"', pick(rng, VALID[b'"sentence"']))]
        elif rng.random() < 0.4:
            bender.meaning(body)
        else:
            bender.bend(body)
        bender = None
    usage: list[Member] = []
    if end:
        usage.append((b'"usage"', b'{"duration":%b}' % (end if end.isdigit() else b"1")))
    elif plan.usage == 1:
        usage.append((b'"usage"', b"null"))
    request: list[Member] = [(b'"request_id"', REQUEST)]
    if plan.envelope == 0:  # documented
        top = [(b'"output"', write(body)), *usage, *request]
    elif plan.envelope == 1:  # public host
        top = [(b'"output"', write([*copy, (b'"output"', write(body))])), *usage, *request]
    elif plan.envelope == 2:  # workspace host
        top = [*body, *request, (b'"output"', write([*copy, *request])), *usage]
    elif plan.envelope == 3:  # no envelope at all
        top = [*body, *usage]
    else:
        top = [(b'"output"', write(body))]
    if bender:
        (bender.meaning if rng.random() < 0.4 else bender.bend)(top)
    return write(top)


def _frames(plan: _Plan, rng: Random, bodies: list[bytes]) -> list[bytes]:
    newline = plan.newline
    frames = []
    head = newline.join([b"id:%d", b"event:result", b":HTTP_STATUS/200", b"data:"]) if plan.native else b"data: "
    blank = newline if not plan.native or rng.random() < 0.96 else b""  # older gateways leave the blank line out
    for i, body in enumerate(bodies, 1):
        start = head % i if plan.native else head
        if b"\n" in body or b"\r" in body:
            body = re.sub(rb"\r\n|\r|\n", newline + b"data:", body)
        frame = start + body + newline + blank
        if rng.random() < 0.02:
            frame = b":keepalive" + newline + newline + frame
        elif rng.random() < 0.003:
            frame = frame.replace(b"event:result", pick(rng, (b"event:error", b"event:done", b"event:x")))
        frames.append(frame)
    return frames


def _read(rng: Random, case: Case) -> Case:
    frames = case.frames
    size = sum(map(len, frames))
    how = rng.random()
    cuts: set[int] = set()
    if how < 0.35:
        at = 0
        for frame in frames:
            at += len(frame)
            cuts.add(at)
    elif how < 0.65:
        cuts = {1 + below(rng, max(1, size - 1)) for _ in range(1 + below(rng, 12))}
    elif how < 0.67:
        step = 1 + below(rng, 7)
        cuts = set(range(step, size, step))
    case.cuts = tuple(sorted(cuts))
    if rng.random() < 0.4:
        case.end = below(rng, size + 1)
    if rng.random() < 0.2:
        case.peeks = frozenset(below(rng, len(cuts) + 1) for _ in range(3))
    return case


# -- result files ------------------------------------------------------------------------------------------------------


def file(seed: int) -> bytes:
    """The result file of this number, of either schema, bent at one to four places."""
    rng = Random(seed)
    gentle = rng.random() < 0.6
    bender = Bent(rng, gentle)
    # Of what exists once or twice, each kind of object is bent with its own probability.
    bends = [pick(rng, ("top", "entry", "sentence", "sentence", "word", "word", "info"))
             for _ in range(pick(rng, (0, 1, 1, 1, 2, 3, 4)))]  # fmt: skip
    style = pick(rng, (compact, compact, doc, None))
    qwen = rng.random() < 0.5
    texts = pick(rng, (HAN, LATIN, TEXTS, ESCAPED))

    def write(kind: str, members: list[Member]) -> bytes:
        if kind in bends and rng.random() < 0.5:
            bends.remove(kind)
            bender.bend(members)
        return spaced(rng, members) if style is None and rng.random() < 0.3 else (style or compact)(members)

    entries = []
    now = 0
    for channel in range(pick(rng, (1, 1, 1, 2, 3, 0))):
        sentences, whole = [], []
        for number in range(pick(rng, (1, 2, 3, 0, 4))):
            words, said, begin = [], [], now
            for i in range(pick(rng, (1, 2, 3, 5, 0))):
                long, text = pick(rng, (80, 240, 0)), pick(rng, texts)
                punctuation = b"," if i % 3 == 2 else b""
                members = [(b'"begin_time"', b"%d" % now), (b'"end_time"', b"%d" % (now + long)),
                           (b'"text"', b'"' + text + b'"'), (b'"punctuation"', b'"' + punctuation + b'"')]  # fmt: skip
                if not qwen and rng.random() < 0.2:
                    members.append((b'"speaker_id"', pick(rng, SPEAKERS)))
                if rng.random() < 0.1:
                    members.append((b'"fixed"', pick(rng, BOOLS)))
                words.append(write("word", members))
                said.append(text + punctuation)
                now += long
            text = b"".join(said)
            whole.append(text)
            members = [(b'"sentence_id"', b"%d" % (number + (not qwen))), (b'"begin_time"', b"%d" % begin),
                       (b'"end_time"', b"%d" % now), (b'"text"', b'"' + text + b'"')]  # fmt: skip
            if qwen:
                members += [(b'"language"', b'"zh"'), (b'"emotion"', b'"neutral"')]
            elif rng.random() < 0.3:
                members.append((b'"speaker_id"', pick(rng, SPEAKERS)))
            if rng.random() < 0.1:
                members.append((b'"sentence_end"', pick(rng, BOOLS)))
            if words or rng.random() < 0.5:
                members.append((b'"words"', b"[" + b",".join(words) + b"]"))
            sentences.append(write("sentence", members))
            now += pick(rng, (0, 60, 400))
        body = b'"' + b"".join(whole) + b'"'
        members = [(b'"channel_id"', b"%d" % channel), (b'"text"' if qwen or rng.random() < 0.9 else b'"transcript"',
        body),
                   (b'"sentences"', b"[" + b",".join(sentences) + b"]")]  # fmt: skip
        if not qwen:
            members.insert(1, (b'"content_duration_in_milliseconds"', b"%d" % now))
        entries.append(write("entry", members))
    transcripts: Member = (b'"transcripts"', b"[" + b",".join(entries) + b"]")
    if qwen:
        info = write("info", [(b'"format"', b'"wav"'), (b'"sample_rate"', b"16000")])
        top = [(b'"file_url"', b'"https://a/b.wav"'), (b'"audio_info"', info), transcripts]
    else:
        info = write("info", [(b'"audio_format"', b'"pcm_s16le"'), (b'"channels"', b"[0]"),
                              (b'"original_sampling_rate"', b"16000"),
                              (b'"original_duration_in_milliseconds"', b"4726")])  # fmt: skip
        top = [(b'"file_url"', b'"https://a/b.wav"'), (b'"properties"', info), transcripts]
    data = write("top", top)
    if not gentle and rng.random() < 0.5:
        data = pick(rng, BYTES)(rng, data, data)
    if rng.random() < 0.02:
        data = b"\xef\xbb\xbf" + data
    return data
