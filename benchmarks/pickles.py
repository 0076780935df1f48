# `python -m benchmarks.pickles [rounds]`: what another process costs a timeline of 100,000 words, in ms of CPU: dumped
# by pickle's highest protocol and loaded, beside the same words as objects.
#
# Knows: how words are read from a result file, rounds. Must not know: what a pickle holds (tests/test_pickles.py does).

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

from . import own
from .corpus import result_file
from .report import number
from .rows import timed_words
from .timing import OWN, Contest, Line, Path, repeated, run

AT_MOST = 5  # ms for 100,000 words, as it was agreed on


def contest(words: int) -> Contest:
    file = result_file(words)

    def path(read: Callable[[bytes], Any]) -> Path:
        value = read(file.data)
        return repeated(lambda: _again(value), 1000, lambda: timed_words(_again(value)))  # of us, a thousand: in ms

    def paths() -> Iterator[tuple[str, Path]]:
        yield OWN, path(own.timeline)
        from .typed import msgspec_words, orjson_words

        yield "slots dataclasses", path(orjson_words)
        yield "msgspec Structs", path(msgspec_words)

    return Contest([*file.words], paths)


def _again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def report(lines: dict[str, Line]) -> list[str]:
    """A line for each path; that of asrwire with its bound."""
    said = [f"{name:<18} {number(line.cost):>6} ms  {number(line.ratio):>6}x" for name, line in lines.items()]
    return [f"{said[0]}  at most {AT_MOST} ms", *said[1:]]


if __name__ == "__main__":
    found = run(contest(100_000), int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    print("\n".join(report(found)))
    sys.exit(found[OWN].cost > AT_MOST or not all(line.same for line in found.values()))
