# What the emulator says: a transcript with times, written down once, or a literal body to be repeated byte for byte.
#
# Knows: sentences, words, how to give plain text believable times, the built-in conversation, sample files.
# Must not know: JSON layouts, requests, sockets.

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._errors import ConfigError
from .._model import Sentence, Word

_HAN = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
_TOKEN = re.compile(rf"(?P<text>\s*[^\w\s]*(?:{_HAN}{{1,2}}|(?:(?!{_HAN})\w)+(?:['’-]\w+)*))(?P<punctuation>[^\w\s]*)")
# White space, Han, kana and full-width forms stand next to each other without a space.
_NO_SPACE = re.compile(r"[\s\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]")

_HAN_MS, _LETTER_MS, _WORD_MS, _PAUSE_MS, _GAP_MS = 200, 50, 160, 200, 600


def separator(left: str, right: str) -> str:
    """What stands between two texts that follow one another: a space between Latin ones, nothing otherwise."""
    if not left or not right or _NO_SPACE.match(left[-1]) or _NO_SPACE.match(right[0]):
        return ""
    return " "


@dataclass(frozen=True, slots=True)
class Script:
    """A transcript for the emulator to send.

    Attributes:
        sentences: what is said, in order and one after the other. Each needs ``begin_time``, ``end_time`` (ms) and
            timed words whose text and punctuation spell the sentence's text. ``speaker_id``, ``language`` and
            ``emotion`` are sent as members of the sentence where they are not None, also by models whose documents
            do not print them; leave them None to get the documented members and no others.

    Raises:
        ConfigError: a sentence that cannot be sent, with its index.
    """

    sentences: tuple[Sentence, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.sentences, tuple) or not all(isinstance(one, Sentence) for one in self.sentences):
            raise TypeError("Script.sentences is a tuple of Sentence")
        if not self.sentences:
            raise ConfigError("a Script needs at least one sentence")
        clock = 0
        for index, sentence in enumerate(self.sentences):
            clock = _check_sentence(sentence, clock, f"sentences[{index}]")

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        *,
        speakers: Sequence[int | None] = (None,),
        languages: Sequence[str | None] = (None,),
        emotions: Sequence[str | None] = (None,),
    ) -> Script:
        """A script of plain sentences with made-up times, the same at every call.

        Args:
            texts: one string per sentence. Latin words keep their leading space, Han and kana come two characters to
                a word, punctuation belongs to the word before it.
            speakers: speaker ids, taken in turn; likewise ``languages`` and ``emotions``.
        """
        if isinstance(texts, str):
            raise TypeError("texts is a sequence of sentences, not one str")
        if not (speakers and languages and emotions):
            raise ConfigError("speakers, languages and emotions need at least one item; (None,) sends none")
        sentences: list[Sentence] = []
        clock = 200
        for index, text in enumerate(texts):
            words = _timed_words(text, clock, f"texts[{index}]")
            end = words[-1].end_time
            assert end is not None
            sentences.append(
                Sentence(
                    index,
                    sentence_id=index + 1,
                    begin_time=clock,
                    end_time=end,
                    text="".join(word.text + word.punctuation for word in words),
                    words=words,
                    language=languages[index % len(languages)],
                    emotion=emotions[index % len(emotions)],
                    speaker_id=speakers[index % len(speakers)],
                    final=True,
                    finality="sentence_end",
                )
            )
            clock = end + _GAP_MS
        return cls(tuple(sentences))

    @property
    def text(self) -> str:
        """The whole transcript: the sentences joined as a service joins them."""
        text = ""
        for sentence in self.sentences:
            text += separator(text, sentence.text) + sentence.text
        return text

    @property
    def duration(self) -> int:
        """Where the last sentence ends, in ms."""
        end = self.sentences[-1].end_time
        assert end is not None
        return end


def _check_sentence(sentence: Sentence, clock: int, where: str) -> int:
    begin, end = sentence.begin_time, sentence.end_time
    if begin is None or end is None or begin < clock or end < begin:
        raise ConfigError(f"{where}: begin_time and end_time must be ms, in order, and follow the sentence before")
    if not sentence.words:
        raise ConfigError(f"{where}: has no words")
    clock = begin
    for index, word in enumerate(sentence.words):
        if word.begin_time is None or word.end_time is None or not clock <= word.begin_time <= word.end_time <= end:
            raise ConfigError(f"{where}.words[{index}]: times must be ms, in order, and lie within the sentence")
        clock = word.end_time
    if "".join(word.text + word.punctuation for word in sentence.words) != sentence.text:
        raise ConfigError(f"{where}: the words do not spell the text")
    for value in (sentence.text, sentence.language, sentence.emotion, sentence.speaker_id):
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise ConfigError(f"{where}: holds a lone surrogate, which UTF-8 cannot encode")
    return end


def _timed_words(text: str, clock: int, where: str) -> tuple[Word, ...]:
    if not isinstance(text, str):
        raise TypeError(f"{where} is a str, not {type(text).__name__}")
    words = []
    stop = 0
    text = " ".join(text.split())
    for token in _TOKEN.finditer(text):
        spoken = token["text"].strip()
        han = len(re.findall(_HAN, spoken))
        end = clock + (han * _HAN_MS if han else _WORD_MS + _LETTER_MS * len(spoken))
        words.append(Word(clock, end, token["text"], token["punctuation"], True))
        clock = end + (_PAUSE_MS if token["punctuation"] else 0)
        stop = token.end()
    if not words or stop != len(text):
        raise ConfigError(f"{where}: {text!r} is not a sentence of words")
    return tuple(words)


DEFAULT_SCRIPT = Script.from_texts(
    [
        "大家早上好，今天的周会现在开始。",
        "Good morning, I can hear you well.",
        "先看上周的转写数据，准确率提高了百分之三。",
        "Three percent is more than we expected, how did that happen?",
        "主要是新的热词表，还有更好的断句。",
        "Then let us ship it to everyone on Thursday.",
        "好的，我来更新发布说明。",
        "Thank you all, see you next week!",
    ],
    speakers=(0, 1),
    languages=("zh", "en"),
    emotions=("neutral", "happy", "neutral", "surprised", "happy", "neutral", "neutral", "happy"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A literal answer, sent byte for byte to every accepted request of any model.

    Attributes:
        body: the bytes of the response body.
        status: HTTP status.
        content_type: by default ``application/json`` where the body starts with ``{`` or ``[``, else
            ``text/event-stream;charset=UTF-8``.
    """

    body: bytes
    status: int = 200
    content_type: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.body, bytes):
            raise TypeError(f"Sample.body is bytes, not {type(self.body).__name__}")
        if isinstance(self.status, bool) or not isinstance(self.status, int):
            raise TypeError(f"Sample.status is an int, not {type(self.status).__name__}")
        if not 200 <= self.status <= 599:
            raise ConfigError("Sample.status must be 200 to 599")
        if self.body and self.status in (204, 205, 304):
            raise ConfigError(f"a response of status {self.status} has no body (RFC 9110)")
        if not isinstance(self.content_type, str | None):
            raise TypeError(f"Sample.content_type is a str or None, not {type(self.content_type).__name__}")
        if self.content_type is not None and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", self.content_type):
            raise ConfigError("Sample.content_type must be printable ASCII")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Sample:
        """Read a ``.sse`` or ``.json`` file; ``http400`` in its name makes the status 400.

        Raises:
            ConfigError: another suffix, or the file cannot be read.
        """
        path = Path(path)
        types = {".sse": "text/event-stream;charset=UTF-8", ".json": "application/json"}
        if path.suffix not in types:
            raise ConfigError(f"a sample is a .sse or a .json file, not {path.name}")
        try:
            body = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read the sample {path}: {error.strerror}") from None
        status = re.search(r"http(\d{3})", path.stem)
        return cls(body, int(status[1]) if status else 200, types[path.suffix])


def read_transcript(transcript: object) -> Script | Sample:
    """What `Emulator` was given to say."""
    match transcript:
        case None:
            return DEFAULT_SCRIPT
        case Script() | Sample():
            return transcript
        case bytes():
            return Sample(transcript)
        case str() | os.PathLike():
            return Sample.from_file(transcript)
    raise TypeError(f"transcript is a Script, a Sample, bytes, a path or None, not {type(transcript).__name__}")
