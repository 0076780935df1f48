# Plot: the words of a stream over time: when each was first shown, settled, was final, or was taken back.
#
# Knows: updates, colours, matplotlib (asrwire[plot], imported here only). Must not know: where updates come from.

from __future__ import annotations

import re
import statistics
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from .._assembler import Update
from .._errors import ConfigError
from .._model import Amended, Partial, TextDelta
from .._model import Final as FinalUpdate
from .._timeline import needs_space
from ..capture import STALL, Capture, Ledger

_INK, _FAINT, _GRID, _BAND = "#1f2933", "#7b8794", "#e4e7eb", "#f5f7fa"
_OPEN, _STABLE, _FINAL, _CHANGED, _STALLED = "#bcd3f2", "#4c86d8", "#17376b", "#e8702a", "#f6c7b0"
_ROW: Final = 0.235  # inches
_TALLEST: Final = 45.0  # inches; where there are more words than fit, they lose their names
# With Han and kana, if they are installed; an .svg leaves that to whoever looks at it.
_FONTS: Final = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans SC", "Source Han Sans SC",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei",
    "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
_PIECES: Final = re.compile(r"\s+|\S+\s*")
_WORD: Final = re.compile(r"\w+")


@dataclass(slots=True)
class Run:
    """Characters that came together. Times are ms; None where that did not happen."""

    text: str
    shown: float
    settled: float | None = None
    final: float | None = None
    changed: float | None = None


@dataclass(slots=True)
class Lane:
    """One sentence: every run of characters it ever had, in reading order, and of those, the ones that stand."""

    runs: list[Run] = field(default_factory=list)
    standing: list[Run] = field(default_factory=list)

    def update(self, text: str, ms: float) -> None:
        """The sentence says `text` now. Words are whole: one that changed inside is another, one that grew is not."""
        before = "".join([run.text for run in self.standing])
        kept = next(
            (i for i, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), min(len(before), len(text))
        )
        grown = _WORD.match(text, kept) if kept == len(before) and _inside_word(text, kept) else None
        if grown:
            self.standing[-1].text += grown[0]
            kept = grown.end()
        while not grown and (_inside_word(before, kept) or _inside_word(text, kept)):
            kept -= 1
        self._take_back(kept, ms)
        for fresh in _PIECES.findall(text[kept:]):
            if any(map(str.isalnum, fresh)) or not self.standing:
                self.standing.append(Run(fresh, ms))
                self.runs.append(self.standing[-1])
            else:  # what is no word goes with the one before it
                self.standing[-1].text += fresh

    def settle(self, stable: int, ms: float) -> None:
        at = 0
        for run in self.standing:
            if at + len(run.text.rstrip()) <= stable and run.settled is None:
                run.settled = ms
            at += len(run.text)

    def finish(self, ms: float) -> None:
        for run in self.standing:
            run.final = ms if run.final is None else run.final

    def _take_back(self, kept: int, ms: float) -> None:
        lost: list[Run] = []
        while self.standing and (size := sum(len(run.text) for run in self.standing)) > kept:
            last = self.standing.pop()
            left = kept - (size - len(last.text))
            if left > 0:  # of characters that came together, without spaces: the row of what is lost keeps all of them
                whole = Run(last.text, last.shown, last.settled, last.final)
                last.text = last.text[:left]
                self.standing.append(last)
                if any(map(str.isalnum, whole.text[left:])):
                    self.runs.insert(next(i for i, run in enumerate(self.runs) if run is last) + 1, whole)
                last = whole
            lost.append(last)
        for run in lost:
            run.changed = ms


class Trail:
    """What became of every word that was shown."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}

    @property
    def lanes(self) -> list[Lane]:
        """The sentences that had a word, in their order."""
        return [self._lanes[index] for index in sorted(self._lanes) if self._lanes[index].runs]

    def take(self, update: Update, ms: float) -> None:
        """An update that came at ``ms``."""
        if isinstance(update, TextDelta):
            lane = self._lane(0)
            said = "".join([run.text for run in lane.standing])
            lane.update(said[: update.offset] + update.text, ms)
            return
        lane, text = self._lane(update.sentence.index), update.sentence.text
        if isinstance(update, Amended):
            for replaced in update.replaced[1:]:
                other = self._lanes.pop(replaced.index, Lane())
                lane.runs += other.runs
                lane.standing += other.standing
        lane.update(text, ms)
        if isinstance(update, Partial):
            lane.settle(update.stable, ms)
        elif isinstance(update, FinalUpdate | Amended):
            lane.finish(ms)

    def _lane(self, index: int) -> Lane:
        return self._lanes.setdefault(index, Lane())


# == drawing ===========================================================================================================


def draw(path: Path, trail: Trail, capture: Capture, ledger: Ledger) -> bool:
    """Draw it as an image of the kind that the path's suffix names. Returns whether the fonts here have all of its
    characters. Raises ConfigError."""
    try:
        matplotlib, figures, fonts = (import_module(f"matplotlib{part}") for part in ("", ".figure", ".font_manager"))
    except ImportError:
        raise ConfigError("--plot needs matplotlib: pip install 'asrwire[plot]'") from None
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png", ".pdf"):
        raise ConfigError(f"--plot draws .svg, .png and .pdf, not {suffix or 'a file without a suffix'}")
    installed = set(fonts.fontManager.get_font_names())
    settings = {
        "font.family": [name for name in _FONTS if name in installed] or ["sans-serif"],
        "font.size": 9,
        "text.color": _INK,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _FAINT,
        "xtick.color": _FAINT,
        "ytick.color": _FAINT,
        "svg.fonttype": "none",
        "svg.hashsalt": "asrwire",
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        figure = _figure(figures.Figure, trail, capture, ledger)
        try:
            figure.savefig(path, dpi=150, facecolor="white", metadata={"Date": None} if suffix == ".svg" else None)
        except OSError as error:
            raise ConfigError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    return suffix == ".svg" or not any("missing from" in str(warning.message) for warning in warned)


def _figure(kind: Any, trail: Trail, capture: Capture, ledger: Ledger) -> Any:
    lanes = trail.lanes
    count = sum(len(lane.runs) for lane in lanes)
    words = min(_TALLEST, max(2.0, count * _ROW))
    top, strip, bottom = 1.0, 0.45, 0.55
    height = top + words + 0.12 + strip + bottom
    figure = kind(figsize=(11.5, height))
    left, wide = 0.045, 0.925
    main = figure.add_axes((left, (bottom + strip + 0.12) / height, wide, words / height))
    reads = figure.add_axes((left, bottom / height, wide, strip / height), sharex=main)
    known = [ms for ms in (ledger.head, ledger.ended, *(read.ms for read in capture.reads[-1:])) if ms is not None]
    end: float = max([1.0, *known])
    unit, name = (1000.0, "s") if end >= 2000 else (1.0, "ms")
    main.set_xlim(-0.06 * end / unit, 1.02 * end / unit)
    main.set_ylim(max(count, 1) - 0.2, -0.8)
    _draw_words(main, lanes, end, unit, named=words >= count * _ROW * 0.7)
    _draw_reads(reads, capture, unit)
    for axes in (main, reads):
        for stall in ledger.stalls:
            axes.axvspan(
                stall.ms / unit, (stall.ms + stall.duration) / unit, color=_STALLED, alpha=0.45, lw=0, zorder=0.5
            )
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0)
        axes.set_yticks([])
        axes.set_axisbelow(True)
        axes.grid(axis="x", color=_GRID, lw=0.7)
    main.tick_params(labelbottom=False)
    reads.set_xlabel(f"{name} since the request had left", loc="right")
    _draw_head(figure, height, left, wide, capture, ledger)
    return figure


def _draw_words(axes: Any, lanes: list[Lane], end: float, unit: float, named: bool) -> None:
    row = 0
    for number, lane in enumerate(lanes):
        if number % 2 == 0:
            axes.axhspan(row - 0.5, row + len(lane.runs) - 0.5, color=_BAND, lw=0, zorder=0)
        for y, run in enumerate(lane.runs, row):
            _draw_run(axes, run, y, end, unit, named)
        final = max((run.final for run in lane.standing if run.final is not None), default=None)
        if final is not None:
            axes.plot([final / unit] * 2, [row - 0.4, row + len(lane.runs) - 0.6], color=_FINAL, lw=1.1, zorder=3)
        row += len(lane.runs)


def _draw_run(axes: Any, run: Run, y: int, end: float, unit: float, named: bool) -> None:
    stops = [ms for ms in (run.changed, run.final) if ms is not None]
    stop = min(stops) if stops else end
    settled = stop if run.settled is None else min(run.settled, stop)
    taken = run.changed is not None
    line: dict[str, Any] = {"lw": 5.0 if named else 2.0, "solid_capstyle": "butt", "zorder": 2}
    axes.plot(
        [run.shown / unit, settled / unit],
        [y, y],
        color=_CHANGED if taken else _OPEN,
        alpha=0.55 if taken else 1,
        **line,
    )
    axes.plot([settled / unit, stop / unit], [y, y], color=_CHANGED if taken else _STABLE, **line)
    if run.changed is not None:
        axes.plot([run.changed / unit], [y], marker="x", color=_CHANGED, ms=5.5, mew=1.8, zorder=4)
    elif run.final is not None:
        axes.plot([run.final / unit], [y], marker="o", color=_FINAL, ms=4.2 if named else 2, mew=0, zorder=4)
    else:
        axes.plot([stop / unit], [y], marker="o", mfc="white", mec=_STABLE, ms=4.2, mew=1.2, zorder=4)
    if named:
        text = " ".join(run.text.split())
        shown = text if len(text) <= 48 else text[:47] + "…"
        axes.annotate(
            shown.replace("$", r"\$"), (run.shown / unit, y), (-5, 0), textcoords="offset points", ha="right",
            va="center_baseline", fontsize=8.5, color=_CHANGED if taken else _INK, annotation_clip=False,
        )  # fmt: skip


def _draw_reads(axes: Any, capture: Capture, unit: float) -> None:
    times = [read.ms / unit for read in capture.reads]
    most = max((len(read.data) for read in capture.reads), default=1)
    axes.vlines(times, 0, [max(0.12, len(read.data) / most) for read in capture.reads], color=_FAINT, lw=1.0)
    axes.set_ylim(0, 1.25)
    axes.text(0, 0.5, "reads ", transform=axes.transAxes, ha="right", va="center", fontsize=8, color=_FAINT)


def _draw_head(figure: Any, height: float, left: float, wide: float, capture: Capture, ledger: Ledger) -> None:
    line2d = import_module("matplotlib.lines").Line2D
    request = capture.request
    title = (request.model if request else None) or "Recognition stream"
    lags = [one.lag for one in ledger.sentences if one.lag is not None]
    facts = [
        f"first partial {ledger.first_partial:.0f} ms" if ledger.first_partial is not None else "",
        f"median finalisation lag {statistics.median(lags):.0f} ms" if lags else "",
        f"{_count(ledger.revisions, 'revision')}, flicker {ledger.flicker:.1%}",
        f"{_count(len(ledger.stalls), 'stall')} over {STALL / 1000:g} s" if ledger.stalls else "",
        f"ended by {ledger.end}" if ledger.end not in (None, "eof") else "",
        "cut off" if capture.end is None else "",
    ]
    figure.text(left, 1 - 0.36 / height, title, fontsize=14, weight="bold")
    figure.text(left, 1 - 0.62 / height, " · ".join(filter(None, facts)), fontsize=9.5, color=_FAINT)
    line: dict[str, Any] = {"lw": 5, "solid_capstyle": "butt"}
    keys = [
        (line2d([], [], color=_OPEN, **line), "shown"),
        (line2d([], [], color=_STABLE, **line), "settled"),
        (line2d([], [], color=_FINAL, marker="o", ms=4.5, lw=0), "final"),
        (line2d([], [], color=_CHANGED, marker="x", ms=6, mew=1.8, lw=0), "taken back"),
    ]
    if ledger.stalls:
        keys.append((line2d([], [], color=_STALLED, **line), "nothing came"))
    figure.legend(
        *zip(*keys, strict=True), loc="upper right", bbox_to_anchor=(left + wide, 1 - 0.2 / height), ncols=len(keys),
        frameon=False, handlelength=1.4, columnspacing=1.3, fontsize=9,
    )  # fmt: skip


def _inside_word(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    return left.isalnum() and right.isalnum() and needs_space(left, right)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
