# Pickles: every public value comes back equal, by every protocol and by copying; what holds a place or a connection
# refuses; a damaged pickle is an error and never a crash. What extensions declare is what was tested.
#
# Knows: the public names, what each value is made of. Must not know: how values come to be.

from __future__ import annotations

import copy
import functools
import pickle
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import asrwire
from asrwire import (
    Amended,
    ASRWireError,
    AsyncClient,
    Client,
    FileFailed,
    FileResult,
    Final,
    Finding,
    Incomplete,
    Limits,
    NoTimes,
    Partial,
    Progress,
    Sentence,
    Subtask,
    Task,
    TextDelta,
    Timeouts,
    Transcript,
    Usage,
    Word,
    WordTimeline,
    formats,
    read_result,
)
from asrwire.batch import Item

ROOT = Path(__file__).parent.parent
WORD = Word(100, None, "你好", "，", True, "B")
SAID = Sentence(0, 1, 0, 100, 900, "你好，", (WORD, Word(None, 3)), "zh", "happy", 2, True, "sentence_end", 1, b"{}")
USAGE = Usage(1.5, 1, 2, 3, 4, {"duration": 1.5})
SPOKEN = Transcript(sentences=(SAID,), usage=USAGE, request_id="r", issues=Counter(gap=1), language="zh")
FILE = read_result((Path(__file__).parent / "samples" / "funasr_result.json").read_bytes(), keep_raw=True)
TASK = Task("t", "SUCCEEDED", subtasks=(Subtask("https://a/b", "SUCCEEDED"),), usage=USAGE, raw={"a": 1})
VALUES: list[Any] = [
    WORD, SAID, USAGE, Partial(SAID, 1, 2), Final(SAID, USAGE, 3), Amended(SAID, (SAID, SAID)),
    Incomplete(SAID, "cut", 1), TextDelta("a", 3), SPOKEN, replace(SPOKEN), Finding("overlap", 1, 2, 30, 4, 5),
    WordTimeline.from_sentences([SAID]), WordTimeline.from_sentences([]), FILE, FILE.transcripts[0].words[1:],
    FileResult(), FileFailed(file_url="https://a/b", code="C", message="m", task_id="t"), TASK, TASK.subtasks[0],
    Progress(1, 2, 0, TASK, "https://a/b", "SUCCEEDED"), Timeouts(connect=1), Limits(redirects=0),
    formats.Layout(max_chars=20), Item("https://a/b", "b", "fun-asr", "{}"),
]  # fmt: skip
TAKEN: dict[str, Callable[[Any], Any]] = {
    **{f"protocol {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n)) for n in range(2, 6)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_equal(value: Any, taken: str) -> None:
    again = TAKEN[taken](value)
    assert type(again) is type(value)
    assert again == value
    assert repr(again) == repr(value)


def test_every_public_value_is_here() -> None:
    others = {"EventStreamParser", "ChunkedDecoder", "ResultStream", "Client", "AsyncClient", "Stream", "AsyncStream"}
    others |= {"ServerSentEvent"}  # of bytes: its values are in the results
    kinds = {name: getattr(asrwire, name) for name in asrwire.__all__}
    errors = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, ASRWireError)}
    options = {name for name in kinds if name.endswith("Options")}  # dicts
    types = {name for name, kind in kinds.items() if isinstance(kind, type)}
    assert types - others - errors - options == {type(v).__name__ for v in VALUES} - {"Layout", "Item"}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("name", [name for name in asrwire.__all__ if "Error" in name or hasattr(NoTimes, name)])
def test_an_error_comes_back_with_all_it_says(name: str, taken: str) -> None:
    error = getattr(asrwire, name)("said", phase="head", sent="partial", code="C", partial=SPOKEN, offset=3, task=TASK)
    again = TAKEN[taken](error)
    assert type(again) is type(error)
    assert (again.args, vars(again)) == (error.args, vars(error))


def test_a_failed_file_comes_back_with_its_error() -> None:
    again = pickle.loads(pickle.dumps(FileFailed(code="C", error=NoTimes("none", code="C"))))
    assert (again.error.kind, again.error.code, str(again.error)) == ("no_times", "C", "none")


def test_a_timeline_is_pickled_as_columns() -> None:
    def beside(words: int) -> int:  # the bytes that are not those of columns: times, place, size
        timeline = WordTimeline.from_sentences([Sentence(0, words=(Word(1, 2, "word"),) * words)])
        return len(pickle.dumps(timeline)) - 17 * words

    assert abs(beside(10_000) - beside(1000)) < 100


# == clients ===========================================================================================================


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_says_what_pickles_instead(kind: type[Client] | type[AsyncClient]) -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=rf"functools\.partial\(asrwire\.{kind.__name__}, \.\.\.\) pickles"):
            take(kind())


def test_how_a_client_is_made_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-0123456789")
    make = functools.partial(Client, region="ap-southeast-1", timeouts=Timeouts(total=9), limits=Limits(redirects=1))
    data = pickle.dumps(make)
    assert b"sk-" not in data
    with pickle.loads(data)() as client:
        assert "ap-southeast-1" in repr(client)
        assert (client._timeouts.total, client._limits.redirects, client._key()) == (9, 1, "sk-0123456789")


# == damaged ===========================================================================================================

WRONG = [None, 0, -1, 2**70, "", "x", b"", b"\xff" * 7, (), (None,), ((),), [], {}, 1.5, SAID, WORD]


def use(value: Any) -> None:
    """Everything that reads what a value holds."""
    _ = repr(value), value == copy.copy(value)
    if isinstance(value, Sentence):
        _ = value.spans(), WordTimeline.from_sentences([value])
    elif isinstance(value, WordTimeline):
        _ = list(value), value.text(), value.locate(5), value.channel(0), value[::2], list(value.begin)
        _ = [value.sentence_of(i) for i in range(len(value))], value.to_arrow()
    elif not isinstance(value, Word):
        _ = list(value), value.joined(), value == FILE.transcripts[0].sentences, list(value.columns.kinds)
        _ = value.label_numbers(), Transcript(sentences=value).to_arrow()


def test_a_damaged_pickle_is_an_error_or_can_be_read() -> None:
    refused = 0
    timeline, sentences = FILE.transcripts[0].words, FILE.transcripts[0].sentences
    for whole in (WORD, SAID, timeline._columns):
        make, arguments = whole.__reduce__()[:2]  # type: ignore[misc]
        for i in range(len(arguments)):
            for wrong in WRONG:
                try:
                    value = make(*arguments[:i], wrong, *arguments[i + 1 :])
                    use(value if whole is not timeline._columns else WordTimeline(value))
                except (TypeError, ValueError, AttributeError, OverflowError, IndexError):
                    refused += 1
    make, arguments, state = sentences.__reduce__()  # type: ignore[misc]
    for bad in [(*state[:i], wrong, *state[i + 1 :]) for i in range(len(state)) for wrong in WRONG] + [(), None]:
        made = make(*arguments)
        try:
            made.__setstate__(bad)
            use(made)
        except (TypeError, ValueError, AttributeError, OverflowError, IndexError):
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("name", ["Word", "Sentence", "Partial", "Final"])
def test_a_value_that_was_never_initialised_is_no_crash(name: str) -> None:
    kind = getattr(asrwire, name)
    value = kind.__new__(kind)
    assert [getattr(value, field) for field in kind.__match_args__ if field in ("text", "sentence")] == [None]
    for holder in (value, Sentence(0, text="ab", words=(value,))):
        with pytest.raises((TypeError, AttributeError)):
            Sentence.spans(holder) if isinstance(holder, Sentence) else holder.spans()
        with pytest.raises(TypeError):
            WordTimeline.from_sentences([holder])


@pytest.mark.parametrize("data", [pickle.dumps(value) for value in (SAID, SPOKEN, FILE)])
def test_a_pickle_cut_short_is_an_error(data: bytes) -> None:
    for size in range(0, len(data), 7):
        with pytest.raises((EOFError, pickle.UnpicklingError)):
            pickle.loads(data[:size])


# == free-threaded builds ==============================================================================================


def test_extensions_declare_what_was_tested_and_nothing_more() -> None:
    # Nothing was tested without the global lock or in subinterpreters: an interpreter without it turns it on for them.
    sources = [ROOT / "setup.py", *(ROOT / "ext" / "asrwire").glob("*.p[yx]*")]
    assert len(sources) > 9
    for source in sources:
        assert not re.search("freethreading_compatible|subinterpreters_compatible|Py_MOD_GIL", source.read_text())
