# The values handed out: equality, hash, printing, pickling, immutability, and where a sentence's words are in its text.
#
# Knows: the public names of asrwire._model. Must not know: how values come to be.

from __future__ import annotations

import copy
import pickle

import pytest

from asrwire._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage, Word

WORD = Word(160, 400, "Hello", "!", True, "B")
SENTENCE = Sentence(3, 1, 0, 160, 400, "Hello!", (WORD,), "en", "happy", "B", True, "sentence_end", 2, b"{}")
USAGE = Usage(1.5, 10, 25, 3, 13, {"duration": 1.5, "details": {"x": [1]}})
VALUES = [
    WORD, SENTENCE, USAGE, Partial(SENTENCE, 2, 1), Final(SENTENCE, USAGE, 4), Amended(SENTENCE, (SENTENCE,)),
    Incomplete(SENTENCE, "cut", 1), TextDelta("more", 7),
]  # fmt: skip
each_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


@each_value
def test_values_are_equal_by_their_fields(value: object) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert again == value
        assert hash(again) == hash(value)
    fields = [getattr(value, name) for name in type(value).__match_args__]  # type: ignore[attr-defined]
    assert type(value)(*fields) == value
    for i, field in enumerate(fields):
        if isinstance(field, (int, str)):
            other = [*fields]
            other[i] = field * 2 + 1 if isinstance(field, int) and not isinstance(field, bool) else type(field)()
            assert type(value)(*other) != value
    assert value != tuple(fields)


def test_usage_with_another_raw_is_another_usage() -> None:
    assert Usage(1.0, raw={"a": [1]}) != Usage(1.0, raw={"a": [2]})
    assert hash(Usage(1.0, raw={"a": [1]})) == hash(Usage(1.0)), "a dict has no hash"


@each_value
def test_values_cannot_be_changed(value: object) -> None:
    for name in (*type(value).__match_args__, "new"):  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            setattr(value, name, None)
    with pytest.raises(TypeError):
        type("Derived", (type(value),), {})


def test_repr_shows_all_but_raw() -> None:
    assert repr(TextDelta("more", 7)) == "TextDelta(text='more', offset=7)"
    assert repr(USAGE) == "Usage(seconds=1.5, input_tokens=10, audio_tokens=25, output_tokens=3, total_tokens=13)"


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("Hello world.", ["Hello ", "world|."], [(0, 5), (6, 11)]),
        ("Hello, world", ["Hello|,", "world"], [(0, 5), (7, 12)]),
        ("你好。再见", ["你好|。", "再见"], [(0, 2), (3, 5)]),
        ("I ate 10 apples today.", ["I", "ate", "ten", "apples", "today|."], [(0, 1), (2, 5), None, (9, 15), (16, 21)]),
        ("nothing fits", ["a", "b"], [None, None]),
        ("ab", ["ab", "ab"], [(0, 2), None]),
        ("ab", [], []),
    ],
)
def test_spans(text: str, said: list[str], expected: list[tuple[int, int] | None]) -> None:
    words = tuple(Word(text=part.partition("|")[0], punctuation=part.partition("|")[2]) for part in said)
    spans = Sentence(0, text=text, words=words).spans()
    assert [span and text[slice(*span)].strip() for span in spans] == [
        span and word.text.strip() for span, word in zip(expected, words, strict=True)
    ]
    assert [span and span[0] for span in spans] == [span and span[0] for span in expected]


@pytest.mark.parametrize("words", [(None,), ("a",), (WORD, None), (None, WORD)])
def test_words_that_are_none_are_a_type_error(words: tuple[Word, ...]) -> None:
    with pytest.raises(TypeError, match="not a Word"):
        Sentence(0, text="Hello! again", words=words).spans()


def test_wrong_types() -> None:
    for make in (
        lambda: Word(text=1),  # type: ignore[arg-type]
        lambda: Sentence(0, words=[WORD]),  # type: ignore[arg-type]
        lambda: Sentence("0"),  # type: ignore[arg-type]
        lambda: Final(None),  # type: ignore[arg-type]
        lambda: Amended(SENTENCE, None),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            make()
