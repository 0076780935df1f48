# Many streams in one process: what one more costs to open, what an event costs, what an idle one holds, from 100 to
# 5,000 of them, on asyncio and on uvloop, over TCP and over TLS.
#
# `python -m benchmarks.streams [--most N] [--loops asyncio uvloop] [--rounds R] [--rate E] [--plot FILE.svg]` prints a
# table and its curves, and exits with 1 where a bound is missed. The server is a process of its own (`replay`).
#
# Knows: asrwire's client, event loops, what is agreed on. Must not know: how the client does it.

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

from asrwire import AsyncClient, AsyncStream, Limits, Timeouts

from .__main__ import progress
from .held import uss
from .own import CALL, KEY
from .replay import Plan, Replay
from .report import environment, number
from .timing import Watch

COUNTS = (100, 300, 1000, 2500, 5000)
TLS_COUNTS = (100, 300, 1000)
EVENTS = 6000  # at least, of all streams together; and three of each
SOME = 100  # streams: the first and the last of them are compared
LONG = Timeouts(connect=120, write=120, head=600, idle=600, pool=120)

OPENING, EVENT = 1.5, 1.3  # at most so many times what the first cost, or what an event costs among the fewest
HELD = {False: 25.0, True: 80.0}  # kB that an idle stream holds at most; with TLS


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found with so many streams.

    Attributes:
        first, last: CPU of the client, in us, to open one of the first or of the last 100 and to read its first event.
        event: CPU, in us, of one event more.
        wakes: how often the process was woken for each: about 1, they came one by one.
        held: kB that the process has more for each stream, all of them idle (Linux: the private pages; elsewhere nan).
    """

    first: float
    last: float
    event: float
    wakes: float
    held: float

    @classmethod
    def middle(cls, found: Sequence[Figures]) -> Figures:
        return cls(*(median(getattr(one, name) for one in found) for name in cls.__slots__))


@dataclass(frozen=True, slots=True)
class Curve:
    """The figures of one way to have streams, by how many there are."""

    loop: str
    tls: bool
    points: dict[int, Figures]

    @property
    def name(self) -> str:
        return f"{self.loop}{', TLS' * self.tls}"

    @property
    def missed(self) -> list[str]:
        """What was agreed on and is not so."""
        fewest, found = min(self.points), []
        for count, one in self.points.items():
            for what, value, most in (
                ("opening the last costs", one.last / one.first, OPENING),
                ("an event costs", one.event / self.points[fewest].event, EVENT),
            ):
                if value > most:
                    found.append(f"{self.name}, {count:,} streams: {what} {number(value)}x, at most {most}x")
        most_streams = max(self.points)
        held = self.points[most_streams].held
        if held > HELD[self.tls]:
            found.append(f"{self.name}, {most_streams:,} streams: {number(held)} kB each, at most {HELD[self.tls]:g}")
        return found


def event(index: int) -> bytes:
    """A chunk with a partial result."""
    data = (
        f'id:{index}\nevent:result\n:HTTP_STATUS/200\ndata:{{"output":{{"sentence":{{"sentence_id":1,'
        f'"begin_time":0,"end_time":null,"text":"word after word {index:04}","words":[],"sentence_end":false}}}},'
        f'"request_id":"r"}}\n\n'
    ).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def measured(base_url: str, context: ssl.SSLContext | None, count: int, events: int) -> Figures:
    """Opens the streams one after another, then reads so many events of each, then lets them be idle."""
    limits = Limits(connections=count + 1, keepalive=600)
    async with AsyncClient(KEY, base_url=base_url, ssl_context=context, timeouts=LONG, limits=limits) as client:
        streams: list[AsyncStream] = []
        costs: list[float] = []

        async def opened() -> None:
            stream = await client.stream(**CALL).__aenter__()  # type: ignore[arg-type]
            await anext(stream)
            streams.append(stream)

        async def read(stream: AsyncStream) -> None:
            for _ in range(events):
                await anext(stream)

        await opened()  # whatever is done once
        before = uss()
        for start in range(0, count, SOME):
            with Watch() as watch:
                for _ in range(min(SOME, count - start)):
                    await opened()
            costs.append(watch.cpu / min(SOME, count - start) * 1e6)
        tasks = [asyncio.ensure_future(read(stream)) for stream in streams]
        await asyncio.sleep(0)  # each of them waits
        with Watch() as watch:
            await asyncio.gather(*tasks)
        del tasks
        held = (uss() - before) / count / 1000
        for stream in streams:
            await stream.aclose()
    heard = (count + 1) * events
    return Figures(costs[0], costs[-1], watch.cpu / heard * 1e6, watch.wakes / heard, held)


def certificates() -> tuple[bytes, ssl.SSLContext]:
    """A server's key and certificates, as PEM, and the context of a client that trusts them."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return certificate.private_key_and_cert_chain_pem.bytes(), context


def sample(loop: str, tls: bool, count: int, rate: float) -> Figures:
    """In a fresh process: what an earlier one has given back to its allocators would look like nothing held."""
    asked = [str(value) for value in (loop, int(tls), count, rate, EVENTS)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "benchmarks.streams", "--sample", *asked]
    return Figures(*json.loads(subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout))


def _sample(loop: str, tls: bool, count: int, rate: float, most: int) -> Figures:
    factory: Any = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    pem, context = certificates() if tls else (b"", None)
    events = max(3, most // count)
    writes = tuple(event(index) for index in range(1 + events))
    plan = Plan(writes, streams=count + 1, rate=rate / (count + 1), at_once=1, pem=pem)
    with Replay(plan) as url, asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(measured(url, context, count, events))


def curves(
    loops: Sequence[str], counts: Sequence[int], tls_counts: Sequence[int], rounds: int, rate: float
) -> list[Curve]:
    """Each point of each curve once per round, one after another."""
    plans = [(loop, tls, n) for tls, of in ((False, counts), (True, tls_counts)) for n in of for loop in loops]
    found: dict[tuple[str, bool, int], list[Figures]] = {plan: [] for plan in plans}
    for turn in range(1, rounds + 1):
        for loop, tls, count in plans:
            progress(f"round {turn} of {rounds}", f"{count:,} streams on {loop}{' over TLS' * tls}")
            found[loop, tls, count].append(sample(loop, tls, count, rate))
    progress("done", f"{len(plans)} points", end="\n")
    ways = dict.fromkeys((loop, tls) for loop, tls, _ in plans)
    return [
        Curve(loop, tls, {n: Figures.middle(of) for (a, b, n), of in found.items() if (a, b) == (loop, tls)})
        for loop, tls in ways
    ]


def table(made: Sequence[Curve]) -> str:
    """All figures, as Markdown."""
    head = "| | streams | open the first, us | the last | | event, us | | wake-ups an event | idle, kB |"
    lines = [head, "|---|" + "---:|" * 8]
    for curve in made:
        base = curve.points[min(curve.points)]
        for count, one in curve.points.items():
            figures = (
                number(one.first), number(one.last), f"{number(one.last / one.first)}x", number(one.event),
                f"{number(one.event / base.event)}x", number(one.wakes), number(one.held),
            )  # fmt: skip
            lines.append(f"| {curve.name} | {count:,} | {' | '.join(figures)} |")
    return "\n".join(lines)


PANELS = (
    ("to open the last 100, us each", "last"),
    ("an event, us", "event"),
    ("held by an idle stream, kB", "held"),
)


def text(made: Sequence[Curve]) -> str:
    """Bars of block characters, each panel to a scale of its own."""
    lines = []
    for title, name in PANELS:
        longest = max(getattr(one, name) for curve in made for one in curve.points.values())
        lines.append(f"{title}:")
        for curve in made:
            for count, one in curve.points.items():
                value = getattr(one, name)
                bar = "█" * max(1, round(50 * value / longest)) if value == value else ""
                lines.append(f"  {curve.name:>12} {count:6,}  {bar} {number(value)}")
    return "\n".join(lines)


def svg(made: Sequence[Curve], path: Path, caption: str) -> None:
    """The same as curves. Needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    counts = sorted({count for curve in made for count in curve.points})
    style = {"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "asrwire"}
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(1, len(PANELS), figsize=(11, 3.6), layout="constrained")
        for axes, (title, name) in zip(panels, PANELS, strict=True):
            for curve, color in zip(made, ("#1f6f8b", "#c9a58c", "#0b3c4d", "#8a5a3c"), strict=False):
                values = [getattr(one, name) for one in curve.points.values()]
                dashes = "--" if curve.tls else "-"
                axes.plot(list(curve.points), values, dashes, marker="o", ms=3.5, color=color, label=curve.name)
            axes.set_title(title, loc="left", fontsize=10)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(FixedLocator(counts))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.grid(True, color="#e0e0e0", lw=0.8)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_xlabel("streams in one process")
        panels[-1].legend(frameon=False)
        figure.supxlabel(fill(caption, 170), fontsize=7.5, color="#767676", x=0.01, ha="left")
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def room(streams: int) -> None:
    """Lets this process, and those it starts, have so many sockets. Exits with what to do where it must not."""
    wanted = streams + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            allowed = f"this system allows {hard:,}: give --most {hard - 100}"
            sys.exit(f"{streams:,} streams need {wanted:,} open files, and {allowed}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description="Many streams in one process.")
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="streams (default %(default)s; over TLS 1,000)")
    parser.add_argument("--loops", nargs="+", choices=["asyncio", "uvloop"], default=["asyncio", "uvloop"])
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are told (default %(default)s)")
    parser.add_argument("--rate", type=float, default=4000.0, help="events a second, in all (default %(default)g)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the curves")
    parser.add_argument("--sample", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sample:
        loop, tls, count, rate, most = options.sample
        print(json.dumps(astuple(_sample(loop, tls == "1", int(count), float(rate), int(most)))))
        return 0
    room(options.most)
    counts, tls_counts = (sorted({min(count, options.most) for count in of}) for of in (COUNTS, TLS_COUNTS))
    made = curves(options.loops, counts, tls_counts, options.rounds, options.rate)
    caption = f"{environment()}; {options.rate:,.0f} events a second; medians of {options.rounds}"
    print(f"{caption}.\n\n{table(made)}\n\n{text(made)}\n")
    missed = [line for curve in made for line in curve.missed]
    bounds = f"opening {OPENING}x, event {EVENT}x, {HELD[False]:g} kB, over TLS {HELD[True]:g} kB"
    print(*missed or [f"all within their bounds: {bounds}"], sep="\n")
    if options.plot:
        svg(made, options.plot, caption)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
