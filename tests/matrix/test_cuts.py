# A stream cut at every byte: exactly the finals whose last byte arrived, and `Truncated`, or complete where what
# arrived is itself a whole stream.

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any, NamedTuple

import httpcore
import pytest

from asrwire import Final, Incomplete, Limits, ProtocolError, Truncated
from tests.matrix import heard
from tests.servers import CHUNKED, END, HEAD, Colour, Peer, Server, chunk, replayed

pytestmark = pytest.mark.transport

SAMPLES = Path(__file__).parent.parent / "samples"
TWO_SENTENCES = (SAMPLES / "funasr_realtime_http_stream_two_sentences.sse").read_bytes()
CUMULATIVE = (SAMPLES / "funasr_flash_stream_cumulative_finals.sse").read_bytes()
OPENAI = (SAMPLES / "qwen_asr_openai_stream_include_usage.sse").read_bytes()


def events(body: bytes) -> list[bytes]:
    """The events of a body, each with the blank line that ends it."""
    return re.findall(rb".*?\n\n", body, re.DOTALL)


def chunked(body: bytes) -> bytes:
    """One chunk an event."""
    return b"".join(map(chunk, events(body))) + END


class Stream(NamedTuple):
    """A stream and what is to be had of it.

    Attributes:
        model: that is asked.
        head, body: on the wire, the head without and the body with its framing.
        said: bytes of the body from which on the service has said more, up to the brace that closes an event: the
            finals from there on, and the open sentence.
        whole: bytes of the body that are a whole stream if no more come.
        unframed: those where only the end of the connection says so.
    """

    model: str
    head: bytes
    body: bytes
    said: list[tuple[int, list[str], str | None]]
    whole: list[int]
    unframed: bool


# An event whose JSON is whole is used without the line end and the blank line after it, so each event's end is three
# offsets: after the brace, the line and the blank line.
FIRST, SECOND = "欢迎使用阿里云。", "再见。"
STREAMS = {
    "close-delimited": Stream(
        "fun-asr-realtime",
        HEAD + b"\r\n",
        TWO_SENTENCES,
        [
            (0, [], None), (237, [], ""), (548, [], "欢迎"), (952, [], "欢迎使用"), (1579, [FIRST], None),
            (1845, [FIRST], ""), (2183, [FIRST], "在见"), (2567, [FIRST, SECOND], None),
        ],
        [1579, 1580, 1581, 2567, 2568, 2569],
        True,
    ),
    "chunked": Stream(
        "fun-asr-flash-2026-06-15",
        CHUNKED,
        chunked(CUMULATIVE),
        [
            (0, [], None), (451, ["第一句。"], None), (1098, ["第一句。", "第二句。"], None),
            (1937, ["第一句。", "第二句。", "第三句。"], None),
        ],
        [1946],  # its framing says where it ends, and that is after its last byte
        False,
    ),
    "OpenAI-compatible": Stream(
        "qwen3-asr-flash",
        CHUNKED,
        chunked(OPENAI),
        [
            (0, [], None), (526, [], "欢迎"), (820, [], "欢迎使用"), (1114, [], "欢迎使用阿里"),
            (1405, [], "欢迎使用阿里云"), (1696, [], FIRST), (2282, [FIRST], None),
        ],
        list(range(2282, 2292)),  # from [DONE] on, whatever becomes of the framing
        False,
    ),
    "OpenAI-compatible, close-delimited": Stream(
        "qwen3-asr-flash",
        HEAD + b"\r\n",
        OPENAI,
        [
            (0, [], None), (515, [], "欢迎"), (802, [], "欢迎使用"), (1089, [], "欢迎使用阿里"),
            (1373, [], "欢迎使用阿里云"), (1657, [], FIRST), (2225, [FIRST], None),
        ],
        # The text is whole with finish_reason; what follows may be missing, but not be begun.
        [1874, 1875, 1876, 2211, 2212, 2213, 2225, 2226, 2227],
        True,
    ),
}  # fmt: skip
DONE = b"data: [DONE]"


def check(stream: Stream, cut: int, updates: list[Any], error: Any, transcript: Any) -> None:
    """What a client made of the first `cut` bytes of the body."""
    finals, left = next((finals, left) for start, finals, left in reversed(stream.said) if start <= cut)
    if cut in stream.whole and not finals:
        finals, left = [left or ""], None  # a text becomes a sentence when the stream is whole
    where = f"at byte {cut}"
    assert [update.sentence.text for update in updates if isinstance(update, Final)] == finals, where
    assert [update.sentence.text for update in updates if isinstance(update, Incomplete)] == (
        [] if left is None else [left]
    ), where
    assert [sentence.text for sentence in transcript.sentences] == [*finals, *([] if left is None else [left])], where
    assert transcript.complete == (error is None) == (cut in stream.whole), where
    if error is None:
        after_done = DONE in stream.body[: cut] and cut >= stream.body.index(DONE) + len(DONE) + 2
        assert transcript.issues["unframed_end"] == (stream.unframed and not after_done), where
    else:
        assert type(error) is Truncated, where
        assert (error.phase, error.sent, error.retry_safe) == ("body", "complete", False), where
        assert error.partial == transcript, where


def test_the_offsets_are_those_of_the_samples() -> None:
    for stream in STREAMS.values():
        ends = [place.end() for place in re.finditer(rb"}(?=\n\n)|\[DONE\]", stream.body)]
        assert {start for start, _, _ in stream.said} <= {0, *ends}
        assert len(stream.body) == stream.whole[-1]


# == every byte =======================================================================================================


class Mocked:
    """A network whose peer sends `wire` and ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = dict(vars(httpcore))
        names["SyncBackend"] = lambda: httpcore.MockBackend([self.wire])
        names["TrioBackend"] = lambda: httpcore.AsyncMockBackend([self.wire])
        self.wire = b""
        self.http = types.SimpleNamespace(**names)

        async def connect(*arguments: Any) -> Any:
            return await replayed(self.wire)()

        monkeypatch.setattr("asrwire._net._backend.connect", connect)


@pytest.mark.parametrize("name", ["close-delimited", "chunked", "OpenAI-compatible"])
@pytest.mark.parametrize("colour", ["sync", "asyncio"])
def test_a_cut_at_every_byte(colour: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, stream = Mocked(monkeypatch), STREAMS[name]

    async def scenario() -> None:
        settings = {"http": network.http, "limits": Limits(keepalive=0)}
        async with Colour(colour).client(base_url="http://127.0.0.1/api/v1", **settings) as client:
            for cut in range(len(stream.head)):
                network.wire = stream.head[:cut]
                updates, error, _ = await heard(client, model=stream.model)
                assert (updates, type(error), error.phase, error.sent) == ([], ProtocolError, "head", "complete")
            for cut in range(len(stream.body) + 1):
                network.wire = stream.head + stream.body[:cut]
                updates, error, listened = await heard(client, model=stream.model)
                check(stream, cut, updates, error, listened.transcript)

    Colour(colour).run(scenario)


# == real sockets =====================================================================================================


def boundaries(stream: Stream) -> set[int]:
    """About every end of a line and of a chunk, and every 16th byte."""
    ends = [place.end() for place in re.finditer(rb"\n", stream.body)]
    near = {end + off for end in [*ends, *stream.whole] for off in (-2, -1, 0, 1)}
    return {cut for cut in near | set(range(0, len(stream.body), 16)) if 0 <= cut <= len(stream.body)}


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_of_a_real_connection(colour: Colour, name: str) -> None:
    stream = STREAMS[name]
    cuts = iter(sorted(boundaries(stream)))

    def answer(peer: Peer) -> None:
        peer.send(stream.head + stream.body[: next(cuts)])

    async def scenario() -> None:
        async with colour.client(server, limits=Limits(keepalive=0)) as client:
            for cut in sorted(boundaries(stream)):
                updates, error, listened = await heard(client, model=stream.model)
                check(stream, cut, updates, error, listened.transcript)

    with Server(answer) as server:
        colour.run(scenario)
