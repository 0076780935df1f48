# `asrwire inspect`: what a capture holds: the exchange, its latency, how steady the text was, what was unusual.
#
# Knows: how a ledger reads. Must not know: the file's format (capture), what is measured (the ledger), drawing (_plot).

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

import orjson

from .._errors import ASRWireError
from .._model import Sentence
from .._transcript import Transcript
from ..capture import Capture, Ledger, SentenceTimes
from ..formats import columns
from . import _terminal
from ._captions import finished, time_range
from ._replay import load

_NOTES = (
    "Times are ms since the request had left.",
    "lag: from when a sentence's words last changed to when it was final.",
    "behind: from its end in the audio, had that begun with the request, to when it was final.",
    "rev: updates that took back characters shown. flicker: the share of the characters shown that were changed.",
)


def run(args: argparse.Namespace) -> int:
    """Say what ``args.file`` holds; draw it into ``args.plot``. Returns 0 whatever became of the recorded stream."""
    capture = load(args.file)
    replay, trail = capture.replay(), None
    if args.plot is not None:
        from ._plot import Trail

        trail = Trail()
    error: ASRWireError | None = None
    try:
        for update in replay:
            if trail is not None:
                trail.take(update, replay.ms)
    except ASRWireError as ended:
        error = ended
    transcript, ledger = replay.transcript, replay.ledger
    if trail is not None:
        from ._plot import draw

        if not draw(args.plot, trail, capture, ledger):
            print("asrwire: no font here has all of the characters; an .svg takes those of its viewer", file=sys.stderr)
    if args.json:
        print(orjson.dumps(_fields(capture, ledger, transcript, error)).decode(), flush=True)
    else:
        said = "\n".join(report(capture, ledger, transcript, error, _terminal.width(sys.stdout)))
        print(_terminal.harmless(said) if sys.stdout.isatty() else said, flush=True)
    return 0


def _fields(capture: Capture, ledger: Ledger, transcript: Transcript, error: ASRWireError | None) -> dict[str, Any]:
    return {
        "version": 1,
        "recorded": capture.recorded,
        "attempts": capture.attempts,
        "request": capture.request,
        "response": capture.response,
        "end": capture.end,
        "complete": transcript.complete,
        "incomplete_reason": transcript.incomplete_reason,
        "error": None if error is None else {"kind": error.kind, "code": error.code, "message": str(error)},
        "ledger": ledger.to_dict(),
    }


# == as text ===========================================================================================================


def report(
    capture: Capture, ledger: Ledger, transcript: Transcript, error: ASRWireError | None, width: int | None
) -> list[str]:
    """All of it as lines of at most ``width`` columns, or as long as they are."""
    parts = [
        ("Exchange", _exchange(capture, transcript, error)),
        ("Latency", _latency(ledger)),
        ("Received", _received(ledger)),
        ("Text", _text(ledger, transcript)),
        ("Anomalies", [(name, f"{count}") for name, count in sorted(ledger.issues.items())] or [("none", "")]),
    ]
    lines: list[str] = []
    for title, rows in parts:
        lines += [title, *(line for name, value in rows for line in _row(name, value, width)), ""]
    lines += _sentences(ledger, transcript, width)
    return [*lines, "", *(line for note in _NOTES for line in _indented(note, width))]


def _row(name: str, value: str, width: int | None) -> list[str]:
    if not value:
        return [f"  {name}"]
    return finished([(f"  {name:<22}  ", "")], value, width)


def _indented(text: str, width: int | None) -> list[str]:
    return ["  " + line for line in finished([], text, None if width is None else width - 2)]


def _exchange(capture: Capture, transcript: Transcript, error: ASRWireError | None) -> list[tuple[str, str]]:
    request, response = capture.request, capture.response
    state = "complete" if transcript.complete else f"incomplete: {transcript.incomplete_reason}"
    rows = [
        ("recorded", capture.recorded or ""),
        ("model", request.model or "" if request else ""),
        ("request", f"{request.method} {request.url}" if request else ""),
        ("attempts", f"{capture.attempts}" if capture.attempts > 1 else ""),
        ("response", " ".join(filter(None, (str(response.status), response.content_type))) if response else ""),
        ("request id", transcript.request_id or ""),
        ("result", state),
        ("error", f"{error.kind}: {error}" if error else ""),
    ]
    return [(name, " ".join(value.split())) for name, value in rows if value]


def _latency(ledger: Ledger) -> list[tuple[str, str]]:
    lags = [one.lag for one in ledger.sentences if one.lag is not None]
    sending = "-" if ledger.sending is None else f"{_ms(ledger.sending)}, before 0"
    rows = [
        ("response head", ledger.head),
        ("first byte", ledger.first_byte),
        ("first partial", ledger.first_partial),
        ("end", ledger.ended),
    ]
    told = [("connecting, sending", sending), *((name, "-" if ms is None else _ms(ms)) for name, ms in rows)]
    middle = f"median {_ms(statistics.median(lags))}, longest {_ms(max(lags))}" if lags else "-"
    return [*told, ("finalisation lag", middle)]


def _received(ledger: Ledger) -> list[tuple[str, str]]:
    stalls = [f"{_ms(stall.duration)} from {_ms(stall.ms)} on" for stall in ledger.stalls]
    return [
        ("reads", f"{ledger.reads}"),
        ("bytes", f"{ledger.bytes}"),
        ("events", f"{ledger.events}"),
        ("stalls", "; ".join(stalls) or "none"),
    ]


def _text(ledger: Ledger, transcript: Transcript) -> list[tuple[str, str]]:
    usage = transcript.usage
    changed = f"{ledger.characters_changed} of {ledger.characters_shown} characters shown"
    return [
        ("sentences", f"{sum(sentence.final for sentence in transcript.sentences)} final"),
        ("words", f"{len(transcript.words)}"),
        ("revisions", f"{ledger.revisions} of {ledger.updates} updates"),
        ("flicker", f"{ledger.flicker:.1%}, {changed}"),
        ("billed", "-" if usage is None or usage.seconds is None else f"{usage.seconds:g} s"),
    ]


def _sentences(ledger: Ledger, transcript: Transcript, width: int | None) -> list[str]:
    times = {one.index: one for one in ledger.sentences}
    rows = [("audio", "shown", "final", "lag", "behind", "rev", "text")]
    rows += [_cells(one, times.get(one.index, SentenceTimes(one.index))) for one in transcript.sentences]
    widths = [max(columns(row[n]) for row in rows) for n in range(6)]
    lines = ["Sentences"]
    for audio, *cells, text in rows:
        aligned = [audio.ljust(widths[0]), *(cell.rjust(wide) for cell, wide in zip(cells, widths[1:], strict=True))]
        before = "  ".join(aligned) + "  "
        lines += ["  " + line for line in finished([(before, "")], text, None if width is None else width - 2)]
    return lines


def _cells(sentence: Sentence, times: SentenceTimes) -> tuple[str, str, str, str, str, str, str]:
    text = sentence.text if sentence.final else f"{sentence.text} [incomplete]".lstrip()
    told = (_number(ms) for ms in (times.shown, times.final, times.lag, times.behind))
    shown, final, lag, behind = told
    return time_range(sentence), shown, final, lag, behind, f"{times.revisions}", " ".join(text.split())


def _number(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f}"


def _ms(ms: float) -> str:
    return f"{ms:.0f} ms"
