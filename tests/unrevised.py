"""What a stream without partials must agree on with one that has them: all but how often a sentence was revised or
repeated, which counts the states handed out, `kept`, which is relative to them, and which of two partials that say the
same is kept in `raw`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from asrwire._assembler import Update
from asrwire._model import Amended, Final, Incomplete, Sentence
from asrwire._transcript import Transcript


def unrevised(sentence: Sentence) -> Sentence:
    values = [getattr(sentence, name) for name in Sentence.__match_args__]
    values[Sentence.__match_args__.index("revision")] = 0
    if not sentence.final:
        values[Sentence.__match_args__.index("raw")] = None
    return Sentence(*values)


def whole(transcript: Transcript) -> Transcript:
    sentences = tuple(map(unrevised, transcript.sentences))
    issues = Counter({name: count for name, count in transcript.issues.items() if count and name != "repeated_partial"})
    return replace(transcript, sentences=sentences, text="", channels=(), issues=issues)


def without_partials(updates: list[Update]) -> list[tuple[object, ...]]:
    """Updates of either stream, without partials."""
    return [
        (
            type(update), unrevised(update.sentence), getattr(update, "usage", None), getattr(update, "reason", None),
            tuple(map(unrevised, getattr(update, "replaced", ()))),
        )
        for update in updates
        if isinstance(update, (Final, Amended, Incomplete))
    ]  # fmt: skip
