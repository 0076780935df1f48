"""The values handed out: `Word`, `Sentence`, `Usage` and the updates that carry sentences.

All are immutable, compare by value, hash and pickle. Times are milliseconds from the start of the audio, or None where
the service sent none (never -1).
"""

from typing import Any, ClassVar, Literal, Self, final
from typing import Final as Fixed

__pyx_capi__: dict[str, object]  # what the other extensions call

class _Value:
    __match_args__: ClassVar[tuple[str, ...]]
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Word(_Value):
    """One word as the service sent it.

    Attributes:
        begin_time, end_time: ms, or None.
        text: the word, with the white space the service put around it.
        punctuation: what follows it, or "".
        fixed: the service says its times will not move; None where it says nothing. Not a mark of finality.
        speaker_id: as given, int or str; numbering holds within one request only.
    """

    __match_args__: ClassVar[tuple[str, ...]]
    begin_time: Fixed[int | None]
    end_time: Fixed[int | None]
    text: Fixed[str]
    punctuation: Fixed[str]
    fixed: Fixed[bool | None]
    speaker_id: Fixed[int | str | None]
    def __init__(
        self,
        begin_time: int | None = None,
        end_time: int | None = None,
        text: str = "",
        punctuation: str = "",
        fixed: bool | None = None,
        speaker_id: int | str | None = None,
    ) -> None: ...

@final
class Sentence(_Value):
    """A sentence in one state.

    Attributes:
        index: ours, from 0; the same for every state of this sentence.
        sentence_id, channel_id: the service's; an id may be missing, a missing channel is 0.
        begin_time, end_time: ms, or None; a cumulative sentence's new part begins with its first word, or None.
        text: the sentence's text. Replaced by the next state, never appended to.
        words: tuple of `Word`; empty where the service sent none.
        language, emotion, speaker_id: as sent, or None.
        final: this is what the service stands by; only an `Amended` update may change it.
        finality: how that is known: "sentence_end", or "end_time" where a whole body has no such key; None otherwise.
        revision: 0 for the first state, higher for each later one.
        raw: the JSON of the event as received, with every field not known here; None in files unless asked for.
    """

    __match_args__: ClassVar[tuple[str, ...]]
    index: Fixed[int]
    sentence_id: Fixed[int | None]
    channel_id: Fixed[int]
    begin_time: Fixed[int | None]
    end_time: Fixed[int | None]
    text: Fixed[str]
    words: Fixed[tuple[Word, ...]]
    language: Fixed[str | None]
    emotion: Fixed[str | None]
    speaker_id: Fixed[int | str | None]
    final: Fixed[bool]
    finality: Fixed[str | None]
    revision: Fixed[int]
    raw: Fixed[bytes | None]
    def __init__(
        self,
        index: int,
        sentence_id: int | None = None,
        channel_id: int = 0,
        begin_time: int | None = None,
        end_time: int | None = None,
        text: str = "",
        words: tuple[Word, ...] = (),
        language: str | None = None,
        emotion: str | None = None,
        speaker_id: int | str | None = None,
        final: bool = False,
        finality: str | None = None,
        revision: int = 0,
        raw: bytes | None = None,
    ) -> None: ...
    def spans(self) -> tuple[tuple[int, int] | None, ...]:
        """Where each word stands in ``text``: (start, stop) in characters, or None where they do not line up.

        Words are placed from the front and, past the first that is not there (a rewritten number, a masked word), from
        the back; no word is ever guessed into place.
        """

@final
class Usage(_Value):
    """What the request is billed by, as the service counts it: cumulative, so the largest seen, never a sum.

    Attributes:
        seconds: ``seconds`` or ``duration`` of audio.
        input_tokens, audio_tokens, output_tokens, total_tokens: in either dialect's spelling, or None.
        raw: the object as received.
    """

    __match_args__: ClassVar[tuple[str, ...]]
    seconds: Fixed[float | None]
    input_tokens: Fixed[float | None]
    audio_tokens: Fixed[float | None]
    output_tokens: Fixed[float | None]
    total_tokens: Fixed[float | None]
    raw: Fixed[dict[str, Any] | None]
    def __new__(
        cls,
        seconds: float | None = None,
        input_tokens: float | None = None,
        audio_tokens: float | None = None,
        output_tokens: float | None = None,
        total_tokens: float | None = None,
        raw: dict[str, Any] | None = None,
    ) -> Self: ...

@final
class Partial(_Value):
    """A sentence that may still change.

    Attributes:
        sentence: its present state.
        stable: leading characters that will not change, by our reckoning (`fixed` words, or words that two events in a
            row agree on). A reckoning: the service gives no promise.
        kept: leading characters equal to the last update of the same ``sentence.index``, so that a caption is always
            ``previous[:kept] + text[kept:]``.
    """

    __match_args__: ClassVar[tuple[Literal["sentence"], Literal["stable"], Literal["kept"]]]
    sentence: Fixed[Sentence]
    stable: Fixed[int]
    kept: Fixed[int]
    def __init__(self, sentence: Sentence, stable: int = 0, kept: int = 0) -> None: ...

@final
class Final(_Value):
    """A sentence that is final. ``usage``: what its event said of the bill, or None. ``kept``: as in `Partial`."""

    __match_args__: ClassVar[tuple[Literal["sentence"], Literal["usage"], Literal["kept"]]]
    sentence: Fixed[Sentence]
    usage: Fixed[Usage | None]
    kept: Fixed[int]
    def __init__(self, sentence: Sentence, usage: Usage | None = None, kept: int = 0) -> None: ...

@final
class Amended(_Value):
    """Text already final changed: ``sentence`` stands for all of ``replaced`` and keeps the first one's index."""

    __match_args__: ClassVar[tuple[Literal["sentence"], Literal["replaced"]]]
    sentence: Fixed[Sentence]
    replaced: Fixed[tuple[Sentence, ...]]
    def __new__(cls, sentence: Sentence, replaced: tuple[Sentence, ...]) -> Self: ...

@final
class Incomplete(_Value):
    """The stream ended with this sentence open.

    Attributes:
        reason: as `Transcript.incomplete_reason`.
        kept: as in `Partial`.
    """

    __match_args__: ClassVar[tuple[Literal["sentence"], Literal["reason"], Literal["kept"]]]
    sentence: Fixed[Sentence]
    reason: Fixed[str]
    kept: Fixed[int]
    def __new__(cls, sentence: Sentence, reason: str, kept: int = 0) -> Self: ...

@final
class TextDelta(_Value):
    """Text-only dialects: the text is now ``text_so_far[:offset] + text``."""

    __match_args__: ClassVar[tuple[Literal["text"], Literal["offset"]]]
    text: Fixed[str]
    offset: Fixed[int]
    def __new__(cls, text: str, offset: int = 0) -> Self: ...
