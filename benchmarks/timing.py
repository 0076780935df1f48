# Contests: each path once per round, one after the other (A B C A B C ...), so that what disturbs the machine disturbs
# all of them; ratios are made round by round, and their median and quartiles are told. The garbage collector is on, as
# users have it; what one path leaves behind is collected before the next is timed, and what was there before (modules,
# corpus) is frozen, so that nobody's collections walk through another's objects.
#
# Knows: clocks, rounds, medians. Must not know: what is measured.

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

SLICE = 0.02  # seconds that work in memory runs per round, at least
OWN = "asrwire"  # the first path of a contest


@dataclass(frozen=True, slots=True)
class Sample:
    """What one unit took in one round. ``cost`` is what is compared; ``notes`` are told beside it."""

    cost: float
    notes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Path:
    """One way to do the work. ``sample`` does it once and says what it took; ``outcome`` says what it finds; ``work``
    is what is timed, where that is one call."""

    sample: Callable[[], Sample]
    outcome: Callable[[], object]
    work: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """Paths that must all find ``expected``.

    ``paths`` makes them anew, asrwire's first: what the others need is only imported when they are asked for.
    """

    expected: object
    paths: Callable[[], Iterator[tuple[str, Path]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A path's medians. ``ratio`` and its quartiles: its cost over asrwire's, round by round."""

    cost: float
    notes: dict[str, float]
    ratio: float
    low: float
    high: float
    same: bool


class Watch:
    """While it is entered: seconds of CPU of this process and of the clock on the wall, and how often it was woken."""

    def __enter__(self) -> Watch:
        self._start = self._now()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu, self.wall, self.wakes = (b - a for a, b in zip(self._start, self._now(), strict=True))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        woken = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        return time.process_time(), time.perf_counter(), woken

    def sample(self, count: int, **notes: float) -> Sample:
        """Microseconds per unit, of `count` units."""
        return Sample(self.cpu / count * 1e6, {"wall": self.wall / count * 1e6, **notes})


def repeated(work: Callable[[], object], count: int, outcome: Callable[[], object]) -> Path:
    """`work`, which works off `count` units, called as often as fills a slice."""
    calls = 0

    def sample() -> Sample:
        nonlocal calls
        if not calls:
            work()
            with Watch() as once:
                work()
            calls = max(1, round(SLICE / max(once.wall, 1e-6)))
        with Watch() as watch:
            for _ in range(calls):
                work()
        return watch.sample(count * calls)

    return Path(sample, outcome, work)


def run(contest: Contest, rounds: int, progress: Callable[[str], None] = lambda said: None) -> dict[str, Line]:
    """The lines of a contest, asrwire's first."""
    paths: dict[str, Path] = {}
    same: dict[str, bool] = {}
    for name, path in contest.paths():
        progress(f"{name}: outcome")
        paths[name], same[name] = path, path.outcome() == contest.expected
    samples: dict[str, list[Sample]] = {name: [] for name in paths}
    gc.collect()
    gc.freeze()
    try:
        for number in range(1, rounds + 1):
            for name, path in paths.items():
                progress(f"round {number} of {rounds}: {name}")
                gc.collect()
                samples[name].append(path.sample())
    finally:
        gc.unfreeze()
    own = [sample.cost for sample in next(iter(samples.values()))]
    return {name: line(of, own, same[name]) for name, of in samples.items()}


def line(samples: Sequence[Sample], own: Sequence[float], same: bool) -> Line:
    """What is told of one path, beside asrwire's costs in the same rounds."""
    ratios = [sample.cost / base for sample, base in zip(samples, own, strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    notes = {name: median(sample.notes[name] for sample in samples) for name in samples[0].notes}
    return Line(median(sample.cost for sample in samples), notes, middle, low, high, same)
