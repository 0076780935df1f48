# `python -m benchmarks.counted [loop ...] [--quick] [--record FILE | --compare FILE]`: instructions, not seconds.
#
# Each core loop runs in a process of its own under `valgrind --tool=callgrind`, at sizes n, 2n and 4n. What starting up
# costs is in all three, so the differences show the work alone: the second of them must be twice the first (growth is
# linear), and it is the price of a unit, the same on every run of one build. Knows: the loops, and how work is counted.
# Must not know: peers, clocks. Input is rendered beforehand and read from a file; the garbage collector is off, since
# when it runs depends on all else that lives in the process; PYTHONHASHSEED is 0. What valgrind cannot do in seconds is
# scaled down: 100 k partials and finals to 4n of what the table says.

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import corpus

TOLERANCE = 0.05
# Large buffers always grow by remapping (glibc would copy some of them, in steps), and memory is always copied by the
# same loop (glibc changes to another, counted in another way, at sizes that depend on the machine).
TUNABLES = ":".join([
    "glibc.malloc.mmap_threshold=131072", "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff",
    "glibc.cpu.x86_rep_stosb_threshold=0x7fffffff", "glibc.cpu.x86_non_temporal_threshold=0x7fffffff",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loop:
    """``render(n)``: the input of n units; ``run(data)``: the work; ``units(n)``: what is counted of it."""

    name: str
    unit: str
    size: int
    render: Callable[[int], bytes]
    run: Callable[[bytes], object]
    units: Callable[[int], int] = int


# -- input -------------------------------------------------------------------------------------------------------------


def line(kib: int) -> bytes:
    return b"data:" + b"x" * (1024 * kib - 7) + b"\n\n"


def text(kib: int) -> bytes:
    head, tail = b'{"output":{"text":"', b'"}}'
    return head + b"x" * (1024 * kib - len(head) - len(tail)) + tail


def one_byte_chunks(count: int) -> bytes:
    return b"1\r\nx\r\n" * count + b"0\r\n\r\n"


def blocks(line: bytes) -> Callable[[int], bytes]:
    return lambda count: (line * 50 + line[-1:]) * (count // 50)


def partials(count: int) -> bytes:
    return b"".join([event.wire for event in corpus.fun_asr(-(-count // 20)).events])


def one_sentence(count: int) -> bytes:
    """Partials of one sentence that never ends: 24 words, of which the last changes each time."""
    said = [_word(i, b"w%d" % i) for i in range(23)]
    events = [
        _event(i, b'"sentence_id":1,"begin_time":0,"end_time":null,"text":"%b","sentence_end":false,"words":[%b]'
               % (b" ".join([b"w%d" % j for j in range(23)] + [b"x%07d" % i]),
                  b",".join([*said, _word(23, b"x%07d" % i)])))
        for i in range(count)
    ]  # fmt: skip
    return b"".join(events)


def _word(i: int, text: bytes) -> bytes:
    return b'{"begin_time":%d,"end_time":%d,"text":"%b","punctuation":"","fixed":true}' % (100 * i, 100 * i + 90, text)


def _event(number: int, sentence: bytes) -> bytes:
    return (
        b"id:%d\nevent:result\n:HTTP_STATUS/200\n"
        b'data:{"output":{"sentence":{%b}},"request_id":"%b"}\n\n' % (number, sentence, corpus.REQUEST_ID.encode())
    )


def _final(number: int, begin: int, words: range, more: bytes = b"", key: bytes = b"sentence_id") -> bytes:
    said = b",".join([_word(i, b"w%07d" % i) for i in words])
    spoken = b" ".join([b"w%07d" % i for i in words])
    return _event(number, b'"%b":%d,"begin_time":%d,"end_time":%d,"text":"%b","sentence_end":true,"words":[%b]%b'
                  % (key, number, begin, 100 * words[-1] + 90, spoken, said, more))  # fmt: skip


def finals(more: bytes = b"", key: bytes = b"sentence_id") -> Callable[[int], bytes]:
    """Finals of four words each, one after the other in time."""
    return lambda count: b"".join([_final(i, 400 * i, range(4 * i, 4 * i + 4), more, key) for i in range(count)])


def cumulative(count: int) -> bytes:
    """In tens: each final repeats all before it that began where it did, under another id."""
    return b"".join([_final(i + 1, 100 * (i - i % 10), range(i - i % 10, i + 1)) for i in range(count)])


def same_begin(count: int) -> bytes:
    """Finals of a server that knows no times: all begin at 0 and no two are alike."""
    return b"".join([
        _event(i, b'"sentence_id":%d,"begin_time":0,"end_time":0,"text":"%07d","sentence_end":true'
               % (i, i * 7919 % 10**7))
        for i in range(1, count + 1)
    ])  # fmt: skip


def repeated(count: int) -> bytes:
    """Every final comes again at once, and once more at the end."""
    events = [_final(i, 400 * i, range(4 * i, 4 * i + 2)) for i in range(1, count // 3 + 1)]
    return b"".join([event + event for event in events] + events)


def channels(count: int) -> bytes:
    """Partials and finals of 16 channels in turn; of a multiple of 64 events, none is open in the end."""
    events = []
    for i in range(count):
        final = i // 16 % 4 == 3
        events.append(_event(i, b'"sentence_id":%d,"channel_id":%d,"begin_time":%d,"end_time":%d,"text":"%07d",'
                                b'"sentence_end":%b,"words":[%b]'
                             % (i // 64 + 1, i % 16, i // 64 * 100, i // 64 * 100 + 90, i,
                                b"true" if final else b"false", _word(i // 64, b"%07d" % i))))  # fmt: skip
    return b"".join(events)


def open_channels(count: int) -> bytes:
    """Three events a channel, none of them the last: one begins its sentence; when all have begun, another follows in
    each, and then a heartbeat."""
    begun, said = (
        [_event(i, b'"sentence_id":1,"channel_id":%d,"begin_time":10,"end_time":null,"text":"%b","sentence_end":false'
                % (i, text)) for i in range(count // 3)]
        for text in (b"a", b"a b")
    )  # fmt: skip
    beat = _event(0, b'"sentence_id":0,"begin_time":0,"end_time":0,"text":"","heartbeat":true,"sentence_end":false')
    return b"".join(begun + [event + beat for event in said])


def result_file(count: int) -> bytes:
    sentences = []
    for i in range(count // 10):
        words = range(10 * i, 10 * i + 10)
        said, spoken = b",".join([_word(j, b"w%d " % j) for j in words]), b"".join([b"w%d " % j for j in words])
        sentences.append(b'{"sentence_id":%d,"begin_time":%d,"end_time":%d,"text":"%b","words":[%b]}'
                         % (i, 1000 * i, 1000 * i + 990, spoken, said))  # fmt: skip
    return b'{"file_url":"u","transcripts":[{"channel_id":0,"text":"","sentences":[%b]}]}' % b",".join(sentences)


# -- work --------------------------------------------------------------------------------------------------------------


def reads(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def parse(size: int) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        from asrwire._sse import EventStreamParser

        parser, seen = EventStreamParser(max_event_size=2**26, max_event_lines=2**30), 0
        for read in reads(data, size):
            seen += len(parser.feed(read))
        return seen

    return run


def dechunk(size: int) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        from asrwire._chunked import ChunkedDecoder

        decoder, seen = ChunkedDecoder(), 0
        for read in reads(data, size):
            seen += len(decoder.feed(read))
        assert decoder.at_end
        return seen

    return run


def understand(partials: bool, size: int = 65536) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        from asrwire._limits import Limits
        from asrwire._stream import ResultStream

        stream, seen = ResultStream(partials, limits=Limits(event_size=2**26)), 0
        for read in reads(data, size):
            seen += len(stream.receive_data(read))
        return seen + len(stream.receive_eof())

    return run


def read_file(data: bytes) -> object:
    from asrwire._files import read_result

    (transcript,) = read_result(data).transcripts
    return transcript.words.locate(1000)


ESCAPED = b"sentence\\u005fid"  # a key that is only read the long way

LOOPS = {loop.name: loop for loop in (
    Loop("one line, 1 KiB reads", "KiB", 4096, line, parse(1024)),
    Loop("one JSON body, 1 KiB reads", "KiB", 2048, text, understand(True, 1024)),
    Loop("one-byte chunks, 64 KiB reads", "chunk", 250_000, one_byte_chunks, dechunk(65536)),
    Loop("one-byte chunks, one-byte reads", "chunk", 10_000, one_byte_chunks, dechunk(1)),
    Loop("CR only, 64 KiB reads", "line", 200_000, blocks(b"data:x\r"), parse(65536)),
    Loop("comments, 64 KiB reads", "line", 100_000, blocks(b":x\n"), parse(65536)),
    Loop("empty data lines, 64 KiB reads", "line", 100_000, blocks(b"data\n"), parse(65536)),
    Loop("one block of comments", "line", 100_000, lambda count: b":x\n" * count + b"data\n\n", parse(65536)),
    Loop("partials, one-byte reads", "byte", 80, partials, understand(True, 1), lambda n: len(partials(n))),
    Loop("partials", "event", 1000, partials, understand(True), lambda n: n // 20 * 21),
    Loop("partials skipped", "event", 2000, partials, understand(False), lambda n: n // 20 * 21),
    Loop("partials of one sentence", "event", 1000, one_sentence, understand(True)),
    Loop("partials of one sentence, skipped", "event", 2000, one_sentence, understand(False)),
    Loop("channels in turn", "event", 2048, channels, understand(True)),
    Loop("channels in turn, partials skipped", "event", 2048, channels, understand(False)),
    Loop("channels all open, partials skipped", "event", 2400, open_channels, understand(False), lambda n: n // 3 * 3),
    Loop("finals", "event", 2000, finals(), understand(True)),
    Loop("finals, the long way", "event", 1000, finals(key=ESCAPED), understand(True)),
    Loop("finals with a stash", "event", 1000, finals(b',"stash":{"text":"","words":[]}'), understand(True)),
    Loop("finals without ids", "event", 1000, finals(key=b"id"), understand(True)),
    Loop("finals, cumulative in tens", "event", 1000, cumulative, understand(True)),
    Loop("finals that begin together", "event", 1000, same_begin, understand(True)),
    Loop("finals that come again", "event", 999, repeated, understand(True), lambda n: n // 3 * 3),
    Loop("result file", "word", 5000, result_file, read_file),
)}  # fmt: skip


# -- counting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """Instructions at n, 2n and 4n units."""

    units: tuple[int, ...]
    instructions: tuple[int, ...]

    def _price(self, i: int) -> float:
        return (self.instructions[i + 1] - self.instructions[i]) / (self.units[i + 1] - self.units[i])

    @property
    def price(self) -> float:
        """Instructions a unit."""
        return self._price(1)

    @property
    def growth(self) -> float:
        """Of the price, from the first doubling to the second: 1 is linear."""
        return self._price(1) / self._price(0)


def count(loop: Loop, scale: int, valgrind: str, folder: str) -> Count:
    """``folder``: for the input, and for compiled modules, so that compiling is not counted."""
    instructions = []
    environ = {**os.environ, "PYTHONHASHSEED": "0", "GLIBC_TUNABLES": TUNABLES, "PYTHONPYCACHEPREFIX": folder,
               "PYTHONDONTWRITEBYTECODE": ""}  # fmt: skip
    child = [sys.executable, "-c", "import sys; from benchmarks.counted import work; work(*sys.argv[1:])", loop.name]
    path = Path(folder, "input")
    sizes = [loop.size * times // scale for times in (1, 2, 4)]
    for size in sizes:
        path.write_bytes(loop.render(size))
        if not instructions:
            subprocess.run([*child, str(path)], env=environ, check=True)
        done = subprocess.run(
            [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *child, str(path)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or found is None:
            sys.exit(f"{loop.name}: {done.stderr[-2000:]}")
        instructions.append(int(found[1]))
    return Count(tuple(map(loop.units, sizes)), tuple(instructions))


def work(name: str, path: str) -> None:
    """What runs under valgrind."""
    data = Path(path).read_bytes()
    gc.disable()
    LOOPS[name].run(data)


def build() -> dict[str, str]:
    """What else the counts depend on: compared across these, they are estimates."""
    return {"python": platform.python_version(), "machine": platform.machine(), "libc": " ".join(platform.libc_ver())}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counted", description="Instructions of the core loops.")
    parser.add_argument("loops", nargs="*", metavar="loop", help="a part of a name; all without")
    parser.add_argument("--quick", action="store_true", help="a quarter of the input")
    parser.add_argument("--record", type=Path, metavar="FILE", help="store the counts")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="exit 1 where 5 %% more than stored")
    options = parser.parse_args()
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        parser.exit(2, "valgrind is not on PATH: it counts the instructions (apt install valgrind)\n")
    before: dict[str, Any] = json.loads(options.compare.read_text()) if options.compare else {}
    if before and before["build"] != build():
        print(f"stored on another build: {before['build']}, this is {build()}\n")
    rows = ["| loop | unit | n | instructions a unit | growth |" + (" stored | now/then |" if before else ""),
            "|---|---|---|---|---|" + ("---|---|" if before else "")]  # fmt: skip
    print("\n".join(rows), flush=True)
    counts, wrong = {}, []
    for loop in LOOPS.values():
        if options.loops and not any(name in loop.name for name in options.loops):
            continue
        with tempfile.TemporaryDirectory() as folder:
            counted = count(loop, 4 if options.quick else 1, valgrind, folder)
        counts[loop.name] = {"unit": loop.unit, "price": round(counted.price, 1)}
        row = f"| {loop.name} | {loop.unit} | {counted.units[0]:,} | {counted.price:,.0f} | {counted.growth:.3f} |"
        if abs(counted.growth - 1) > TOLERANCE:
            wrong.append(f"{loop.name}: not linear, {counted.growth:.3f}")
        if then := before.get("loops", {}).get(loop.name):
            ratio = counted.price / then["price"]
            row += f" {then['price']:,.0f} | {ratio:.3f} |"
            if ratio > 1 + TOLERANCE:
                wrong.append(f"{loop.name}: {ratio:.3f} of what it was")
        print(row, flush=True)
        if options.record:
            options.record.write_text(json.dumps({"build": build(), "loops": counts}, indent=1) + "\n")
    print("\n" + ("; ".join(wrong) or f"{len(counts)} loops, all linear within {TOLERANCE:.0%}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
