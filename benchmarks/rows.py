# The rows: what is measured, beside whom, and what is to be reached. The one declaration that runs, prints, writes the
# README's table and tests it.
#
# Knows: which path of `own` stands beside which of `peers` and `clients`, on which part of the corpus. Must not know:
# how anything is timed or shown. asrwire's path comes first and needs no peer installed; peers are imported after it.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from . import held, own
from .corpus import READ, ChunkedBody, EventStream, ResultFile, chunked, fun_asr, openai, result_file
from .corpus import framing as framed
from .listening import asynchronous, blocking, one
from .replay import Plan
from .timing import OWN, Contest, Path, repeated

RATE = 100.0  # live events a second and stream


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times asrwire's speed a peer's cost is to be, at least, and at best."""

    least: float
    stretch: float


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run: the corpus divided by ``divisor``, a result file of so many ``words``, so many live
    ``streams`` of so many ``events``."""

    divisor: int
    words: int
    streams: int
    events: int


FULL, QUICK, TINY = Scale(1, 150_000, 100, 210), Scale(10, 30_000, 100, 21), Scale(200, 100, 3, 21)


@dataclass(frozen=True, slots=True)
class Row:
    """One line, or one a peer, of the tables.

    Attributes:
        name: on the command line.
        label: in the tables.
        unit: of the costs.
        peers: whom the README names beside asrwire, with what is to be reached (None: nothing was promised). A contest
            may have more paths.
        contest: makes it.
        in_memory: no sockets, no processes: a round is short, and there can be many.
        live: events are to come one by one, each with a wake-up of its own.
    """

    name: str
    label: str
    unit: str
    peers: Mapping[str, Goal | None]
    contest: Callable[[Scale], Contest]
    in_memory: bool = True
    live: bool = False


Paths = Iterator[tuple[str, Path]]


# == in memory =========================================================================================================


def framing(scale: Scale, size: int, count: int, read: int | None = READ) -> Contest:
    stream = framed(max(count // scale.divisor, 1), size)
    reads = stream.reads(read)
    count = len(stream.events)

    def path(work: Callable[[], int], events: Callable[[], Any]) -> Path:
        return repeated(work, count, lambda: [(e.event, e.data, e.id) for e in events()])

    def paths() -> Paths:
        yield OWN, path(lambda: own.framed_size(reads), lambda: own.events(reads))
        from .peers import httpx_sse_decoders, httpx_sse_events

        for name, events in (
            ("httpx-sse", lambda: httpx_sse_events(reads)),
            ("httpx-sse, its decoders alone", lambda: httpx_sse_decoders(reads)),
            ("httpx-sse on httpx2", lambda: httpx_sse_events(reads, import_module("httpx2"))),
        ):
            yield name, path(lambda events=events: sum(len(e.data) for e in events()), events)

    return Contest([(e.event, e.data.decode(), e.id) for e in stream.events], paths)


def chunking(scale: Scale, read: int | None = READ) -> Contest:
    body = chunked(max(4000 // scale.divisor, 1))
    reads = body.reads(read)

    def path(data_of: Callable[[list[bytes]], Iterator[bytes]]) -> Path:
        return repeated(lambda: sum(map(len, data_of(reads))), len(body.chunks), lambda: b"".join(data_of(reads)))

    def paths() -> Paths:
        yield OWN, path(own.chunk_data)
        from .peers import h11_data, httptools_data

        yield "h11", path(h11_data)
        yield "httptools", path(httptools_data)

    return Contest(b"".join(body.chunks), paths)


def spoken(sentence: Any, final: bool) -> tuple[object, ...]:
    """A sentence of asrwire, of a typed peer or of the corpus, as a value."""
    words = [(w.begin_time, w.end_time, w.text, w.punctuation, w.fixed) for w in sentence.words]
    return (sentence.sentence_id, sentence.begin_time, sentence.end_time, sentence.text, words, final)


_WORD = ("begin_time", "end_time", "text", "punctuation", "fixed")
_SENTENCE = ("sentence_id", "begin_time", "end_time", "text")


def spoken_dict(sentence: Mapping[str, Any]) -> tuple[object, ...]:
    """The same of a sentence as JSON has it."""
    words = [tuple([word[key] for key in _WORD]) for word in sentence["words"]]
    return (*(sentence[key] for key in _SENTENCE), words, sentence["sentence_end"])


def finals(scale: Scale) -> Contest:
    stream = fun_asr(max(60 // scale.divisor, 1))
    reads = stream.reads()

    def paths() -> Paths:
        yield _final_sentences(stream)
        from . import typed

        for name, decode in typed.DECODERS.items():
            work = partial(lambda decode: typed.finals(own.framed(reads), decode), decode)
            yield name, _finals_path(stream, work, partial(spoken, final=True))

    return Contest([spoken(state, True) for state in stream.finals], paths)


def vendor(scale: Scale) -> Contest:
    """Whole readers, framing and all, as their users get them: dicts, of which the final ones are kept."""
    stream = fun_asr(max(60 // scale.divisor, 1))
    reads, body = stream.reads(), stream.body

    def paths() -> Paths:
        yield _final_sentences(stream)
        import orjson

        from .peers import dashscope_outputs, final_dicts, final_outputs, httpx_sse_data

        for name, work in (
            ("httpx-sse + json", lambda: final_dicts(httpx_sse_data(reads))),
            ("dashscope's stream reader", lambda: final_outputs(dashscope_outputs(body))),
            ("httpx-sse + orjson", lambda: final_dicts(httpx_sse_data(reads), orjson.loads)),
        ):
            yield name, _finals_path(stream, work, spoken_dict)

    return Contest([spoken(state, True) for state in stream.finals], paths)


def _final_sentences(stream: EventStream) -> tuple[str, Path]:
    reads = stream.reads()
    return OWN, _finals_path(stream, lambda: own.finals(reads), partial(spoken, final=True))


def _finals_path(stream: EventStream, work: Callable[[], list[Any]], value: Callable[[Any], object]) -> Path:
    return repeated(work, len(stream.events), lambda: [value(sentence) for sentence in work()])


def partials(scale: Scale) -> Contest:
    stream = fun_asr(max(60 // scale.divisor, 1))
    reads = stream.reads()

    def path(sentences: Callable[[], Iterator[Any]], final: str) -> Path:
        def work() -> int:
            return sum(len(sentence.words) for sentence in sentences())

        return repeated(work, len(stream.events), lambda: [spoken(s, getattr(s, final)) for s in sentences()])

    def paths() -> Paths:
        yield OWN, path(lambda: own.sentences(reads), "final")
        from . import typed

        for name, decode in typed.DECODERS.items():
            said = partial(lambda decode: typed.sentences(own.framed(reads), decode), decode)
            yield name, path(said, "sentence_end")

    return Contest([spoken(state, state.final) for state in stream.states], paths)


def deltas(scale: Scale) -> Contest:
    stream = openai(max(2000 // scale.divisor, 1))
    reads = stream.reads()

    def path(work: Callable[[], str]) -> Path:
        return repeated(work, len(stream.events), work)

    def paths() -> Paths:
        yield OWN, path(lambda: own.text(reads))
        import orjson

        from . import peers

        client = peers.openai_client()
        yield "httpx-sse + json", path(lambda: peers.deltas_text(peers.httpx_sse_data(reads)))
        yield "openai's stream reader", path(lambda: peers.openai_text(reads, client))
        yield "httpx-sse + orjson", path(lambda: peers.deltas_text(peers.httpx_sse_data(reads), orjson.loads))

    return Contest(stream.text, paths)


def timed_words(words: Any) -> list[tuple[int, int, str, str]]:
    return [(word.begin_time, word.end_time, word.text, word.punctuation) for word in words]


@lru_cache(1)
def hours(scale: Scale) -> ResultFile:
    return result_file(scale.words)


def file_time(scale: Scale) -> Contest:
    file = hours(scale)

    def path(read: Callable[[bytes], Any]) -> Path:
        return repeated(lambda: read(file.data), len(file.words), lambda: timed_words(read(file.data)))

    def paths() -> Paths:
        yield OWN, path(own.timeline)
        from .typed import msgspec_words, orjson_words

        yield "orjson + slots dataclasses", path(orjson_words)
        yield "msgspec Structs", path(msgspec_words)

    return Contest([*file.words], paths)


def file_memory(scale: Scale) -> Contest:
    file = hours(scale)

    def path(reader: Callable[[bytes], Any], words: Callable[[Any], Any] = timed_words) -> Path:
        name = f"{reader.__module__}:{reader.__name__}"
        return Path(held.sampler(file, name), lambda: words(reader(file.data)))

    def paths() -> Paths:
        yield OWN, path(own.timeline)
        from .typed import msgspec_words, orjson_words

        yield "orjson + slots dataclasses", path(orjson_words)
        yield "msgspec Structs", path(msgspec_words)
        yield "asrwire, all of the file's result", path(own.result, lambda it: timed_words(it.transcripts[0].words))

    return Contest([*file.words], paths)


# == over sockets ======================================================================================================


def _plan(body: ChunkedBody, streams: int) -> Plan:
    """All at once, or with `streams` each chunk at its own time."""
    return Plan(tuple(body.reads(None)), streams, RATE) if streams else Plan((body.wire,))


def _then(path: Path, value: Callable[[Any], object]) -> Path:
    return Path(path.sample, lambda: value(path.outcome()))


def bulk(scale: Scale) -> Contest:
    body = chunked(max(40_000 // scale.divisor, 10))
    content = b"".join(body.chunks)

    def path(client: Callable[[str], Any]) -> Path:
        return _then(blocking(_plan(body, 0), client, len(body.chunks), len, len(content)), b"".join)

    def paths() -> Paths:
        yield OWN, path(own.client_bytes)
        from .clients import httpcore_bytes

        yield "httpcore", path(httpcore_bytes)
        yield "httpcore2", path(partial(httpcore_bytes, module="httpcore2"))

    return Contest(content, paths)


def transport(scale: Scale, live: bool, loop: str | None = None) -> Contest:
    """asyncio: one stream of 300 B chunks at full speed, or many live ones."""
    streams = scale.streams if live else 0
    body = chunked(scale.events if live else max(40_000 // scale.divisor, 10))
    content = b"".join(body.chunks)
    plan = _plan(body, streams)

    def path(client: Callable[[str], Any]) -> Path:
        run = asynchronous(plan, client, len(body.chunks), len, len(content), _loop(loop))
        return _then(run, lambda found: [b"".join(pieces) for pieces in found])

    def paths() -> Paths:
        yield OWN, path(own.async_client_bytes)
        from .clients import aiohttp_bytes, async_httpcore_bytes

        yield "httpcore", path(async_httpcore_bytes)
        yield "aiohttp", path(aiohttp_bytes)
        if loop is None:
            yield "httpcore2", path(partial(async_httpcore_bytes, module="httpcore2"))

    return Contest([content] * plan.streams, paths)


def whole(scale: Scale) -> Contest:
    stream = fun_asr(max(300 // scale.divisor, 1))
    plan = _plan(ChunkedBody(tuple([event.wire for event in stream.events])), 0)

    def path(client: Callable[[str], Any], value: Callable[[Any], object]) -> Path:
        run = blocking(plan, client, len(stream.events), one, len(stream.finals))
        return _then(run, lambda found: [value(sentence) for sentence in found])

    def paths() -> Paths:
        yield OWN, path(own.client_sentences, partial(spoken, final=True))
        from .clients import httpx_dicts

        yield "httpx + httpx-sse + json", path(httpx_dicts, spoken_dict)
        yield "httpx2 + httpx-sse + json", path(partial(httpx_dicts, module="httpx2"), spoken_dict)

    return Contest([spoken(state, True) for state in stream.finals], paths)


def whole_live(scale: Scale, loop: str | None = None) -> Contest:
    stream = fun_asr(max(scale.events // 21, 1))
    plan = _plan(ChunkedBody(tuple([event.wire for event in stream.events])), scale.streams)

    def path(client: Callable[[str], Any], value: Callable[[Any], object]) -> Path:
        run = asynchronous(plan, client, len(stream.events), one, len(stream.finals), _loop(loop))
        return _then(run, lambda found: [[value(sentence) for sentence in sentences] for sentences in found])

    def paths() -> Paths:
        yield OWN, path(own.async_client_sentences, partial(spoken, final=True))
        from .clients import async_httpx_dicts

        yield "httpx + httpx-sse + json", path(async_httpx_dicts, spoken_dict)
        if loop is None:
            yield "httpx2 + httpx-sse + json", path(partial(async_httpx_dicts, module="httpx2"), spoken_dict)

    return Contest([[spoken(state, True) for state in stream.finals]] * plan.streams, paths)


def _loop(module: str | None) -> Any:
    return None if module is None else import_module(module).new_event_loop


# == what is to be reached =============================================================================================

ROWS = (
    Row("framing", "event-stream framing, 250 B events", "us/event", {"httpx-sse": Goal(11, 14)},
        partial(framing, size=250, count=4000)),
    Row("framing-long", "event-stream framing, 2.5 kB events", "us/event", {"httpx-sse": Goal(11, 14)},
        partial(framing, size=2500, count=1000)),
    Row("chunked", "chunked decoding, 300 B chunks", "us/chunk", {"h11": Goal(250, 300), "httptools": Goal(6, 8)},
        chunking),
    Row("bulk", "bulk transport, 300 B chunks", "us/chunk", {"httpcore": Goal(80, 120)}, bulk, in_memory=False),
    Row("bulk-asyncio", "bulk transport, 300 B chunks, asyncio", "us/chunk", {"httpcore": Goal(35, 50)},
        partial(transport, live=False), in_memory=False),
    Row("live", "live transport, 100 streams, asyncio", "us/event",
        {"httpcore": Goal(3, 4), "aiohttp": Goal(1.1, 1.3)}, partial(transport, live=True), in_memory=False, live=True),
    Row("finals", "body to final sentences, typed; asrwire's framing lent to the peers", "us/event",
        {"orjson + slots dataclasses": Goal(12, 16), "msgspec Structs": Goal(4.5, 6)}, finals),
    Row("partials", "body to all partials and words, typed; asrwire's framing lent to the peers", "us/event",
        {"orjson + slots dataclasses": Goal(5, 7), "msgspec Structs": Goal(1.8, 2.5)}, partials),
    Row("file", "12-hour result file to word timeline", "us/word", {"orjson + slots dataclasses": Goal(15, 20)},
        file_time),
    Row("file-memory", "memory that timeline holds", "B/word", {"orjson + slots dataclasses": Goal(12, 15)},
        file_memory, in_memory=False),
    Row("whole", "socket to final sentences, bulk", "us/event", {"httpx + httpx-sse + json": Goal(15, 20)}, whole,
        in_memory=False),
    Row("whole-live", "socket to final sentences, 100 live streams, asyncio", "us/event",
        {"httpx + httpx-sse + json": Goal(3, 5)}, whole_live, in_memory=False, live=True),
)  # fmt: skip

MORE = (
    Row("framing-single", "event-stream framing, 250 B events, one a read", "us/event", {"httpx-sse": None},
        partial(framing, size=250, count=4000, read=None)),
    Row("chunked-single", "chunked decoding, 300 B chunks, one a read", "us/chunk", {"h11": None, "httptools": None},
        partial(chunking, read=None)),
    Row("live-uvloop", "live transport, 100 streams, uvloop", "us/event", {"httpcore": None, "aiohttp": None},
        partial(transport, live=True, loop="uvloop"), in_memory=False, live=True),
    Row("whole-live-uvloop", "socket to final sentences, 100 live streams, uvloop", "us/event",
        {"httpx + httpx-sse + json": None}, partial(whole_live, loop="uvloop"), in_memory=False,
        live=True),
    Row("vendor", "body to final sentences", "us/event",
        {"httpx-sse + json": None, "dashscope's stream reader": None}, vendor),
    Row("deltas", "body of OpenAI-compatible deltas to text", "us/event",
        {"httpx-sse + json": None, "openai's stream reader": None}, deltas),
)  # fmt: skip
