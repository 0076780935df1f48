# Live: the updates of a stream as captions on stderr, and what becomes of them on Ctrl-C.
#
# Knows: who draws captions (_captions) and where they go (_terminal). Must not know: where updates come from.

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .._assembler import Update
from .._model import Incomplete, Sentence
from . import _terminal
from ._captions import Captions

Show = Callable[[Update], None]


@contextmanager
def captions(live: bool, asking: str = "") -> Iterator[Show]:
    """What shows an update on stderr.

    ``live``: the open sentence too, redrawn, where the terminal can. ``asking``: the model of a call: there is a line
    that says so until the first update comes, and the call, which is paid for, goes on where nobody looks any more.
    """
    drawn = Captions(live and _terminal.takes_control_codes(sys.stderr))

    def write(text: str) -> None:
        if text:
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except OSError:
                if not asking:
                    raise
                _terminal.drop(sys.stderr)

    try:
        if asking:
            write(drawn.first(f"asking {asking} ...", _terminal.width(sys.stderr)))
        yield lambda update: write(drawn.show(update, _terminal.width(sys.stderr)))
    finally:
        write(drawn.end())


def interrupted(show: Show, open_sentences: Iterable[Sentence]) -> None:
    """Show the sentences that Ctrl-C left open, marked."""
    for sentence in open_sentences:
        show(Incomplete(sentence, "interrupted"))
