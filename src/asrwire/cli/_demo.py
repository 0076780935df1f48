# `asrwire demo`: the emulator, the real client and a socket between them; live captions, then results and files.
#
# Knows: what is played, what is measured and how it reads. Must not know: the wire, control codes (_captions).
# Captions go to stderr, results to stdout. Nothing is taken from the caller's environment: no key, region or proxy.

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path

from .. import formats
from .._assembler import Update
from .._client import Client
from .._model import Amended, Final, Partial, Sentence, TextDelta
from .._transcript import Transcript
from ..emulator import DEFAULT_SCRIPT, Emulator, Script
from ..formats import columns
from . import _terminal
from ._captions import Span, finished, speaker, time_range
from ._live import Show, captions, interrupted

MODEL = "fun-asr-realtime"
SCRIPT = DEFAULT_SCRIPT
SPEED = 4.0  # times as fast as the audio
FILES = ("demo.srt", "demo.vtt", "demo.json")
EMOTIONAL_MODEL = "qwen3-asr-flash"
EMOTIONAL_SCRIPT = Script.from_texts(["That was quick, thank you!"], languages=["en"], emotions=["happy"])


@dataclass(slots=True)
class Run:
    """What was seen of one stream.

    Attributes:
        speed: times as fast as the audio; None: at once.
        partials, finals: updates received; one per event.
        payload: bytes of JSON they came in.
        first_partial: ms from sending the request to the first words, or None.
        lags: ms from where each sentence ends in the audio, played at `speed`, to the arrival of its final result;
            empty without a speed.
        receiving: ms from the response head to the end.
        interrupted: it was ended by Ctrl-C.
        transcript: as of then.
    """

    speed: float | None
    partials: int = 0
    finals: int = 0
    payload: int = 0
    first_partial: float | None = None
    lags: list[float] = field(default_factory=list)
    receiving: float = 0.0
    interrupted: bool = False
    transcript: Transcript = field(default_factory=Transcript)

    def take(self, update: Update, now: float) -> None:
        """Count an update that came ``now``: ms after the request."""
        if isinstance(update, TextDelta):
            return
        sentence = update.sentence
        self.payload += len(sentence.raw or b"")
        if isinstance(update, Partial):
            self.partials += 1
        elif isinstance(update, Final | Amended):
            self.finals += 1
        if self.first_partial is None and sentence.text:
            self.first_partial = now
        if isinstance(update, Final) and self.speed is not None and sentence.end_time is not None:
            self.lags.append(now - sentence.end_time / self.speed)


def run(args: argparse.Namespace) -> int:
    """Play the demo: ``args.fast``, ``args.out``. Returns 0, or 130 where it was interrupted."""
    out, speed = args.out, None if args.fast else SPEED
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass  # a directory that takes no files says so now, not when all has been played
    audio = silence()
    with Emulator(SCRIPT, speed=speed) as emulator:
        pace = "at full speed" if speed is None else f"{speed:g} times as fast as real time"
        print(
            f"{MODEL}, emulated at {emulator.base_url}\nno key, no network, no bill; {pace}\n",
            file=sys.stderr,
            flush=True,
        )
        with captions(live=speed is not None) as show:
            seen = play(emulator.base_url, audio, speed, show)
    print(file=sys.stderr, flush=True)
    paths = _write(out, seen.transcript)
    wide = _terminal.width(sys.stdout)
    print("\n".join(report(seen, wide)))
    if not seen.interrupted:
        print("\n".join(["", *_emotional_call(audio, wide)]))
    print("\n".join(["", "Files", *(f"  {path}" for path in paths)]), flush=True)
    return 130 if seen.interrupted else 0


def silence() -> bytes:
    """A WAV file of one second: the emulator plays its script whatever the audio."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000)
    return buffer.getvalue()


def _client(base_url: str) -> Client:
    return Client("demo-key", region="cn-beijing", workspace="demo", base_url=base_url)


def play(base_url: str, audio: bytes, speed: float | None, show: Show) -> Run:
    """Stream the audio through a client, showing each update as it comes; Ctrl-C ends it and keeps what has come."""
    seen = Run(speed)
    with _client(base_url) as client:
        begin = time.perf_counter()
        with client.stream(audio, model=MODEL) as stream:
            head = time.perf_counter()
            try:
                for update in stream:
                    seen.take(update, (time.perf_counter() - begin) * 1000)
                    show(update)
            except KeyboardInterrupt:
                seen.interrupted = True
        seen.receiving = (time.perf_counter() - head) * 1000
    seen.transcript = stream.transcript
    interrupted(show, seen.transcript.incomplete)
    return seen


def _write(out: Path, transcript: Transcript) -> list[Path]:
    finals = [sentence for sentence in transcript.sentences if sentence.final]
    contents = (formats.to_srt(finals), formats.to_vtt(finals), transcript.to_json() + "\n")
    paths = [out / name for name in FILES]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, encoding="utf-8", newline="\n")
    return paths


# == results ===========================================================================================================


def report(seen: Run, width: int | None) -> list[str]:
    """The table of sentences and the summary, as lines of at most ``width`` columns, or as long as they are."""
    return [*_table(seen, width), "", *_summary(seen, width)]


def _table(seen: Run, width: int | None) -> list[str]:
    sentences = seen.transcript.sentences
    rows = [("time", "speaker", "emotion", "text")] + [_row(sentence) for sentence in sentences]
    widths = [max(columns(row[n]) for row in rows) for n in range(3)]
    lines = ["Sentences" + (", interrupted" if seen.interrupted else "")]
    for *cells, text in rows:
        before = "  ".join(cell + " " * (wide - columns(cell)) for cell, wide in zip(cells, widths, strict=True))
        lines += _indented([(before + "  ", "")], text, width)
    return lines


def _row(sentence: Sentence) -> tuple[str, str, str, str]:
    text = sentence.text if sentence.final else f"{sentence.text} [interrupted]".lstrip()
    return time_range(sentence), speaker(sentence), sentence.emotion or "", text


def _summary(seen: Run, width: int | None) -> list[str]:
    transcript = seen.transcript
    finals = sum(sentence.final for sentence in transcript.sentences)
    usage = transcript.usage
    rows = [
        ("events", f"{seen.partials + seen.finals}", f"{seen.partials} partial, {seen.finals} final"),
        ("sentences", f"{finals}", ""),
        ("words", f"{len(transcript.words)}", ""),
        ("time to first partial", _ms(seen.first_partial), ""),
        ("median finalisation lag", _ms(statistics.median(seen.lags) if seen.lags else None), ""),
        ("billed", "-" if usage is None or usage.seconds is None else f"{usage.seconds:g} s", ""),
    ]
    if seen.speed is None:
        rows.append(("throughput", f"{seen.payload / 1000 / seen.receiving:.1f} MB/s", "of JSON"))
    lines = ["Summary" + (", interrupted" if seen.interrupted else "")]
    lines += [f"  {name:<23}  {value:>9}  {note}".rstrip() for name, value, note in rows]
    notes = ["First partial: from the request to the first words."]
    if seen.speed is None:
        notes.append("Lag: not measured where everything is sent at once.")
        notes.append("Throughput: the emulator's, which writes event by event.")
    else:
        notes.append(
            f"Lag: from a sentence's end in the audio, which starts with the request and plays {seen.speed:g} times as "
            "fast, to the arrival of its final result."
        )
    notes.append("Billed: as the service counts; the emulator bills nobody.")
    return lines + [line for note in notes for line in _indented([], note, width)]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _emotional_call(audio: bytes, width: int | None) -> list[str]:
    """Another service through the same client: OpenAI-compatible, in one piece, with language and emotion."""
    with Emulator(EMOTIONAL_SCRIPT) as emulator, _client(emulator.base_url) as client:
        heard = client.transcribe(audio, model=EMOTIONAL_MODEL)
    line = f"{heard.language}, {heard.emotion}: {heard.text}"
    return [f"{EMOTIONAL_MODEL}, in one piece, without times", *_indented([], line, width)]


def _indented(before: list[Span], text: str, width: int | None) -> list[str]:
    return ["  " + line for line in finished(before, text, None if width is None else width - 2)]
