# Captions: literal output for literal updates, with and without control codes.

from __future__ import annotations

import pytest

from asrwire import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Update
from asrwire.cli._captions import Captions, finished, first_shown, head, speaker, time_range, wrap

BRIGHT, DIM, CYAN, MAGENTA, OFF, ERASE = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[35m", "\x1b[0m", "\x1b[K"

OPEN = Sentence(3, 4, 0, 11620, None, "Three percent is more", speaker_id=1, emotion="surprised")
DONE = Sentence(
    3, 4, 0, 11620, 15980, "Three percent is more than we expected, how did that happen?",
    speaker_id=1, emotion="surprised", final=True,
)  # fmt: skip
HEAD = f"{DIM}0:11.6–      {OFF}  {MAGENTA}S1{OFF}  {DIM}surprised{OFF}  "
DONE_HEAD = HEAD.replace("–      ", "–0:15.9")


# == the open sentence =================================================================================================


def test_a_partial_is_bright_where_settled_and_dim_behind() -> None:
    shown = Captions(live=True).show(Partial(OPEN, stable=13), 120)
    assert shown == f"\r{HEAD}{BRIGHT}Three percent{OFF}{DIM} is more{OFF}{ERASE}"


@pytest.mark.parametrize(
    ("stable", "text"),
    [
        (0, f"{DIM}Three percent is more{OFF}"),
        (21, f"{BRIGHT}Three percent is more{OFF}"),
    ],
)
def test_nothing_is_painted_that_is_not_there(stable: int, text: str) -> None:
    assert Captions(live=True).show(Partial(OPEN, stable), 120) == f"\r{HEAD}{text}{ERASE}"


def test_a_partial_that_is_too_long_loses_its_front() -> None:
    # 80 columns: 30 stand before the text, 1 stays free, the ellipsis takes 1, 48 are left
    sentence = Sentence(0, begin_time=11620, text=DONE.text, speaker_id=1, emotion="surprised")
    shown = Captions(live=True).show(Partial(sentence, 43), 80)
    assert shown == f"\r{HEAD}{DIM}…{OFF}{BRIGHT}t is more than we expected, how{OFF}{DIM} did that happen?{OFF}{ERASE}"
    assert len("t is more than we expected, how did that happen?") == 48


def test_where_even_the_settled_part_is_cut_off_all_that_is_left_is_dim() -> None:
    shown = Captions(live=True).show(Partial(Sentence(0, text="abcdefghijklmnop"), 3), 10)
    assert shown == f"\r{DIM}…{OFF}{DIM}ijklmnop{OFF}{ERASE}"


def test_in_a_narrow_terminal_the_text_stands_alone() -> None:
    shown = Captions(live=True).show(Partial(OPEN, 13), 60)
    assert shown == f"\r  {BRIGHT}Three percent{OFF}{DIM} is more{OFF}{ERASE}"


def test_wide_characters_take_two_columns() -> None:
    sentence = Sentence(0, text="先看上周的转写数据")
    assert Captions(live=True).show(Partial(sentence, 7), 19) == f"\r{BRIGHT}先看上周的转写{OFF}{DIM}数据{OFF}{ERASE}"
    shown = Captions(live=True).show(Partial(sentence, 7), 18)  # 17 columns: the ellipsis and eight characters
    assert shown == f"\r{DIM}…{OFF}{BRIGHT}看上周的转写{OFF}{DIM}数据{OFF}{ERASE}"
    shown = Captions(live=True).show(Partial(sentence, 7), 17)  # 16: half a character does not fit
    assert shown == f"\r{DIM}…{OFF}{BRIGHT}上周的转写{OFF}{DIM}数据{OFF}{ERASE}"


def test_a_sentence_is_announced_by_its_time() -> None:
    assert Captions(live=True).show(Partial(Sentence(0, begin_time=40)), 120) == f"\r{DIM}0:00.0–      {OFF}  {ERASE}"


def test_text_only_dialects_grow_one_line() -> None:
    captions = Captions(live=True)
    assert captions.show(TextDelta("Good mourning", 0), 120) == f"\r{DIM}Good mourning{OFF}{ERASE}"
    assert captions.show(TextDelta("rning, all", 7), 120) == f"\r{BRIGHT}Good mo{OFF}{DIM}rning, all{OFF}{ERASE}"


# == finished sentences ================================================================================================


def test_a_final_sentence_takes_the_place_of_its_partials() -> None:
    captions = Captions(live=True)
    captions.show(Partial(OPEN, 13), 120)
    assert captions.show(Final(DONE), 120) == f"\r{DONE_HEAD}{DONE.text}{ERASE}\n"
    assert captions.show(Final(DONE), 120) == f"{DONE_HEAD}{DONE.text}\n"  # nothing is drawn any more


def test_a_final_sentence_is_wrapped_beside_its_head() -> None:
    captions = Captions(live=True)
    captions.show(Partial(OPEN, 13), 80)
    assert captions.show(Final(DONE), 80) == (
        f"\r{DONE_HEAD}Three percent is more than we expected, how did{ERASE}\n" + " " * 30 + "that happen?\n"
    )


def test_or_below_it_in_a_narrow_terminal() -> None:
    captions = Captions(live=True)
    captions.show(Partial(OPEN, 13), 60)
    assert captions.show(Final(DONE), 60) == (
        f"\r{DONE_HEAD.rstrip()}{ERASE}\n  Three percent is more than we expected, how did that\n  happen?\n"
    )


def test_an_empty_final_leaves_an_empty_line_to_the_next() -> None:
    captions = Captions(live=True)
    assert captions.show(Final(Sentence(0, final=True)), 120) == ""
    captions.show(Partial(OPEN), 120)
    assert captions.show(Final(Sentence(3, final=True)), 120) == f"\r{ERASE}"
    assert captions.end() == ""


@pytest.mark.parametrize(
    ("update", "line"),
    [
        (Final(DONE), f"0:11.6–0:15.9  S1  surprised  {DONE.text}\n"),
        (Amended(DONE, (DONE,)), f"0:11.6–0:15.9  S1  surprised  {DONE.text} [amended]\n"),
        (Incomplete(OPEN, "interrupted"), "0:11.6–        S1  surprised  Three percent is more [interrupted]\n"),
        (Partial(OPEN, 13), ""),
        (TextDelta("Three percent", 0), ""),
    ],
)
def test_plain_lines_have_no_control_codes_and_no_partials(update: Update, line: str) -> None:
    captions = Captions(live=False)
    assert captions.show(update, None) == line
    assert captions.show(update, 120) == line
    assert captions.end() == ""


def test_an_open_line_is_left_as_it_stands_at_the_end() -> None:
    captions = Captions(live=True)
    assert captions.end() == ""
    captions.show(Partial(OPEN), 120)
    assert captions.end() == "\n"
    assert captions.end() == ""


def test_what_a_service_sends_does_not_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\nc\x9b"
    sentence = Sentence(0, text=hostile, speaker_id="\x07x", emotion="\rsad", final=True)
    assert Captions(live=False).show(Final(sentence), None) == "\ufffdx   sad       a\ufffd[2Jb c\ufffd\n"
    shown = Captions(live=True).show(Partial(Sentence(0, text=hostile), 2), 120)
    assert shown == f"\r{BRIGHT}a\ufffd{OFF}{DIM}[2Jb c\ufffd{OFF}{ERASE}"


# == the head ==========================================================================================================


@pytest.mark.parametrize(
    ("sentence", "plain"),
    [
        (Sentence(0), ""),
        (Sentence(0, begin_time=0, end_time=999), "0:00.0–0:00.9  "),
        (Sentence(0, end_time=61_050), "–1:01.0        "),
        (Sentence(0, begin_time=599_999, end_time=600_000), "9:59.9–10:00.0  "),
        (Sentence(0, begin_time=3_600_000, end_time=43_200_000), "1:00:00.0–12:00:00.0  "),
        (Sentence(0, speaker_id=0), "S0  "),
        (Sentence(0, speaker_id="Ann"), "Ann  "),
        (Sentence(0, emotion="sad"), "sad        "),
    ],
)
def test_the_head_says_what_was_sent_and_no_more(sentence: Sentence, plain: str) -> None:
    assert "".join(text for text, _ in head(sentence)) == plain


def test_speakers_have_colours_of_their_own() -> None:
    def colour(speaker_id: int | str) -> str:
        return head(Sentence(0, speaker_id=speaker_id))[0][1]

    assert [colour(n) for n in range(5)] == [CYAN, MAGENTA, "\x1b[32m", "\x1b[33m", CYAN]
    assert colour("Ann") == colour("Ann")


def test_parts_of_the_head_alone() -> None:
    assert time_range(DONE) == "0:11.6–0:15.9"
    assert time_range(Sentence(0)) == ""
    assert (speaker(DONE), speaker(Sentence(0))) == ("S1", "")


# == wrapping ==========================================================================================================


@pytest.mark.parametrize(
    ("text", "width", "first"),
    [
        ("abcdef", 6, 0),
        ("abcdef", 5, 2),
        ("abcdef", 1, 6),
        ("今天好", 6, 0),
        ("今天好", 5, 1),
        ("今天好", 4, 2),
        ("今天好", 2, 3),
        ("abe\u0301d", 3, 2),
        ("abe\u0301d", 2, 4),  # the accent does not stand without its e
        ("", 0, 0),
    ],
)
def test_first_shown(text: str, width: int, first: int) -> None:
    assert first_shown(text, width) == first


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "two"]),
        ("one  two", 4, ["one", "two"]),
        ("one, two.", 5, ["one,", "two."]),
        ("onetwothree", 4, ["onet", "woth", "ree"]),
        ("a onetwothree b", 4, ["a", "onet", "woth", "ree", "b"]),
        ("今天的周会", 4, ["今天", "的周", "会"]),
        ("今天的周会", 5, ["今天", "的周", "会"]),
        ("今天，好。", 4, ["今", "天，", "好。"]),  # no line begins with a comma
        ("好（今天）", 4, ["好", "（今", "天）"]),  # or ends with an opening bracket
        ("说OK了", 4, ["说OK", "了"]),
        ("说hello了", 6, ["说", "hello", "了"]),
        ("好", 1, ["好"]),  # what cannot fit stands alone
    ],
)
def test_wrap(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width) == lines


def test_finished_without_a_width_is_one_line() -> None:
    assert finished([("x  ", DIM)], "word " * 100, None) == ["x  " + "word " * 100]
    assert finished([("x  ", DIM)], "word", None, paint=True) == [f"{DIM}x  {OFF}word"]
