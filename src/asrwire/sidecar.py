# The live sidecar: a file beside a stream that holds what is final so far.
#
# Knows: which updates settle a sentence, how a file is replaced. Must not know: streams, how formats are spelled.

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ._assembler import Update
from ._errors import ConfigError
from ._model import Amended, Final, Incomplete, Sentence
from ._transcript import FORMATS, Transcript
from .formats import LAYOUT, SUBTITLES, Cue, Layout, Track, cut


class Sidecar:
    """A file of one of `FORMATS` that is whole and valid at every moment of a stream:

        with Sidecar("talk.vtt") as sidecar:
            for update in stream:
                sidecar.take(update)

    It is there from the start, without cues, and has every sentence as soon as it is final (or `Incomplete`, at the
    end of a stream that was cut); `Amended` takes back what it replaces. It holds what `Transcript.to_format` makes of
    these sentences. No format is appended to: each time a new file (``talk.vtt.part``) takes the place of the old one,
    so that whoever reads it, or finds it when the process was killed, sees one or the other whole.

    What is written grows with the square of the sentences: 1 GB in all for the 5,000 of twelve hours. Subtitles are
    otherwise only added to; txt, json and ndjson are made anew each time, which for hours of speech is better left to
    the end. Writing blocks, for as long as the disk takes; on Windows it fails while a reader holds the file open.

    Args:
        path: the file; replaced if it exists.
        format: one of `FORMATS`; None: what the path's suffix says.
        layout: of subtitles.

    Raises:
        ConfigError: there is no such format.
        NoTimes: from `take`, for subtitles of a sentence without times. The file stays as it was.
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], format: str | None = None, layout: Layout = LAYOUT) -> None:
        self.path = Path(path)
        self.format = self.path.suffix[1:].lower() if format is None else format
        if self.format not in FORMATS:
            raise ConfigError(f"there is no format {self.format!r}; there are {', '.join(FORMATS)}")
        self._layout = layout
        self._subtitles = SUBTITLES.get(self.format)
        self._sentences: dict[int, Sentence] = {}
        self._cuts: dict[int, list[Cue]] = {}
        self._clear()

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._part.unlink(missing_ok=True)

    def take(self, update: Update) -> None:
        """Write what is new in an update; partial results change nothing."""
        if not isinstance(update, Final | Amended | Incomplete):
            return
        sentence = update.sentence
        index, again = sentence.index, sentence.index in self._sentences
        found = cut(sentence, self._layout, self._subtitles.unit) if self._subtitles else []
        for old in update.replaced if isinstance(update, Amended) else ():
            self._sentences.pop(old.index, None)
            self._cuts.pop(old.index, None)
            again = True
        self._sentences[index], self._cuts[index] = sentence, found
        if again or not self._track.takes(found):
            self._clear()
            found = [cue for i in sorted(self._cuts) for cue in self._cuts[i]]
            found.sort(key=lambda cue: cue.begin_time)
        for cue in self._track.add(found):
            self._settled.append(self._spell(cue))
        self._write()

    def finish(self, transcript: Transcript) -> None:
        """Write the file a last time, from the transcript: json has what only the end knows, such as ``usage``."""
        self._replace(transcript.to_format(self.format, self._layout))

    def _clear(self) -> None:
        self._track = Track(self._layout, self._subtitles.unit if self._subtitles else 1)
        self._settled: list[str] = []

    def _write(self) -> None:
        if self._subtitles is None:
            said = tuple([self._sentences[i] for i in sorted(self._sentences)])
            transcript = Transcript(sentences=said, complete=False, incomplete_reason="open_sentence")
            self._replace(transcript.to_format(self.format))
        else:
            self._replace("".join([self._subtitles.head, *self._settled, *map(self._spell, self._track.last())]))

    def _spell(self, cue: Cue) -> str:
        assert self._subtitles is not None
        return self._subtitles.spell(len(self._settled) + 1, cue)

    @property
    def _part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    def _replace(self, content: str) -> None:
        self._part.write_text(content, encoding="utf-8", newline="\n")
        self._part.replace(self.path)
