# Plots of the ratios, one bar a line of the README's table: as text, and with matplotlib as SVG.
#
# Knows: results. Must not know: how they were measured. The axis is logarithmic, for ratios; a bar begins at 1x.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from textwrap import wrap

from .report import Result, number
from .rows import Goal

WIDTH = 44  # columns of the text plot's axis


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``what`` is empty where it is what the bar above has."""

    what: str
    beside: str
    ratio: float
    goal: Goal | None


def bars(results: Sequence[Result]) -> list[Bar]:
    made = []
    for result in results:
        what = result.row.label.partition(";")[0]
        for name, line, goal in result.peers:
            if name in result.row.peers:
                made.append(Bar(what, name, line.ratio, goal))
                what = ""
    return made


def ends(made: Sequence[Bar]) -> tuple[float, float]:
    """Of an axis that has room for all of them."""
    values = [1.0, *(bar.ratio for bar in made), *(bar.goal.stretch for bar in made if bar.goal)]
    return min(values) / 1.15, max(values) * 1.15


def text(results: Sequence[Result]) -> str:
    """Bars of block characters; ``|`` is the goal, ``:`` the stretch."""
    made = bars(results)
    low, high = ends(made)

    def column(ratio: float) -> int:
        return round(log(ratio / low) / log(high / low) * (WIDTH - 1))

    lines = []
    for bar in made:
        axis = [" "] * WIDTH
        begin, end = sorted((column(1.0), column(bar.ratio)))
        axis[begin : end + 1] = ["█" if bar.ratio >= 1 else "░"] * (end + 1 - begin)
        for mark, value in ((":", bar.goal and bar.goal.stretch), ("|", bar.goal and bar.goal.least)):
            if value is not None:
                axis[column(value)] = mark
        lines.append(f"{bar.what:52.52}  {bar.beside:>26.26}  {''.join(axis)} {number(bar.ratio)}x")
    return "\n".join([*lines, f"{'':82}bars from 1x, logarithmic; | goal, : stretch, ░ slower than the peer"])


def svg(results: Sequence[Result], path: Path, caption: str) -> None:
    """Horizontal bars with their goals marked, the lines of a row together. Needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    made = bars(results)
    low, high = ends(made)
    ahead, behind, ink, faint = "#1f6f8b", "#c9a58c", "#222222", "#767676"
    places, at = [], 0.0
    for bar in made:
        at -= 1.45 if bar.what else 1.0  # a gap before each row
        places.append(at)
    inches = 0.25 * -at
    style = {"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "asrwire"}
    with pyplot.rc_context(style):
        figure = pyplot.figure(figsize=(11, inches + 1.5))
        axes = figure.add_axes((0.52, 0.85 / (inches + 1.5), 0.46, inches / (inches + 1.5)))
        for bar, at in zip(made, places, strict=True):
            axes.barh(at, bar.ratio - 1, left=1, height=0.66, color=ahead if bar.ratio >= 1 else behind, zorder=2)
            right = max(bar.ratio, 1.0)
            if bar.goal is not None:
                axes.plot([bar.goal.least] * 2, [at - 0.42, at + 0.42], color=ink, lw=1.8, zorder=4)
                axes.plot([bar.goal.stretch] * 2, [at - 0.42, at + 0.42], color=ink, lw=1, ls=(0, (2, 1.2)), zorder=4)
                right = max(right, bar.goal.stretch)
            said = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
            axes.annotate(f"{number(bar.ratio)}x", (right, at), (5, 0), color=ink, **said)
            side = axes.get_yaxis_transform()
            axes.annotate(bar.beside, (0, at), (-8, 0), xycoords=side, ha="right", color=faint, **said)
            axes.annotate(bar.what, (-1.1, at), (0, 0), xycoords=side, color=ink, **said)
        axes.set_xscale("log")
        axes.set_xlim(low, high * 1.7)
        axes.set_ylim(places[-1] - 0.8, -0.6)
        axes.xaxis.set_major_locator(LogLocator(base=10))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axes.xaxis.grid(True, color="#e0e0e0", lw=0.8, zorder=0)
        axes.axvline(1, color=ink, lw=1, zorder=3)
        axes.tick_params(length=0, colors=ink)
        axes.set_yticks([])
        axes.set_frame_on(False)
        top = 1 - 0.12 / (inches + 1.5)
        title = "asrwire beside its peers: their CPU time, or memory, over asrwire's"
        figure.text(0.014, top, title, fontsize=12.5, color=ink, va="top")
        marks = "solid mark: goal · dashed mark: stretch · logarithmic axis · pale bars: asrwire is slower"
        notes = "\n".join([marks, *wrap(caption, 190)])
        figure.text(0.014, 0.1 / (inches + 1.5), notes, color=faint, fontsize=7.5, va="bottom", linespacing=1.4)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)
