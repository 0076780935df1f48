# `asrwire convert`: what it reads, what it writes and where, its exit codes.

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from asrwire import Transcript, read_result
from asrwire._transcript import FORMATS
from asrwire.cli import main
from asrwire.cli._tasks import result_fields

SAMPLES = Path(__file__).parent / "samples"
RESULT = SAMPLES / "funasr_result.json"
STREAM = SAMPLES / "funasr_realtime_http_stream_two_sentences.sse"
TEXT_ONLY = SAMPLES / "qwen_asr_openai_stream.sse"
SRT = "1\n00:00:00,160 --> 00:00:01,680\n欢迎使用阿里云。\n\n2\n00:00:02,120 --> 00:00:02,680\n再见。\n"
NO_TIMES = "this service sends text without times, and subtitles need them"


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        ("funasr_result.json", "Hello world, 这里是阿里巴巴语音实验室。"),
        ("funasr_realtime_http_stream_two_sentences.sse", "欢迎使用阿里云。再见。"),
        ("funasr_flash_response.json", "Hello World，这里是阿里巴巴语音实验室。"),
        ("qwen_asr_openai_stream.sse", "欢迎使用阿里云。"),
    ],
)
def test_whatever_a_service_answers_is_read(sample: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(SAMPLES / sample)]) == 0
    assert capsys.readouterr() == (f"{text}\n", "")


def test_what_this_program_writes_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = read_result(RESULT.read_bytes())
    written = {
        "transcript.json": result.transcripts[0].to_json(),
        "with-bom.json": "\ufeff" + result.transcripts[0].to_json(),
        "result.json": json.dumps(result_fields(result)),
    }
    for name, content in written.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert main(["convert", str(tmp_path / name), "--to", "vtt"]) == 0
        assert capsys.readouterr().out == result.transcripts[0].to_vtt()


def test_several_channels_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.json"
    path.write_text(
        '{"transcripts":[{"channel_id":0,"sentences":[{"begin_time":9,"end_time":10,"text":"b"}]},'
        '{"channel_id":1,"sentences":[{"begin_time":1,"end_time":2,"text":"a"}]}]}'
    )
    assert main(["convert", str(path), "-f", "tsv"]) == 0
    assert capsys.readouterr().out == "start\tend\tspeaker\ttext\n1\t2\t\ta\n9\t10\t\tb\n"


def test_layouts(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--max-chars", "8", "--max-lines", "1", "--gap", "80", "--min-duration", "600", "--max-duration", "0",
               "--max-cps", "20", "--speakers"]  # fmt: skip
    assert main(["convert", str(STREAM), "--format", "tsv", *options]) == 0
    expected = ["160\t800\t\t欢迎使用", "880\t1680\t\t阿里云。", "2120\t2720\t\t再见。"]
    assert capsys.readouterr().out.splitlines()[1:] == expected
    assert main(["convert", str(STREAM), "--format", "tsv", "--max-chars", "0"]) == 2
    assert capsys.readouterr() == ("", "asrwire: max_chars is 0, must be at least 1\n")


# == where to ==========================================================================================================


def test_the_suffix_says_the_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "talk.SRT"
    assert main(["convert", str(STREAM), "-o", str(path)]) == 0
    assert capsys.readouterr() == (f"{path}\n", "")
    assert path.read_text(encoding="utf-8") == SRT
    assert main(["convert", str(STREAM), "-o", str(path), "--format", "vtt"]) == 0
    assert path.read_text(encoding="utf-8").startswith("WEBVTT")


def test_a_directory_takes_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(STREAM), "-o", str(tmp_path), "--to", "srt"]) == 0
    assert (tmp_path / f"{STREAM.stem}.srt").read_text(encoding="utf-8") == SRT
    assert main(["convert", str(STREAM), "-o", str(tmp_path)]) == 0
    assert (tmp_path / f"{STREAM.stem}.txt").read_text(encoding="utf-8") == "欢迎使用阿里云。再见。\n"


def test_all_is_written_beside_the_file_but_never_over_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "talk.json"
    data = RESULT.read_bytes()
    source.write_bytes(data)
    assert main(["convert", str(source), "--format", "all"]) == 0
    others = [format for format in FORMATS if format != "json"]
    assert capsys.readouterr().out == "".join(f"{tmp_path}/talk.{format}\n" for format in others)
    assert source.read_bytes() == data
    (transcript,) = read_result(data).transcripts
    for format in others:
        assert (tmp_path / f"talk.{format}").read_text(encoding="utf-8") == transcript.to_format(format)
    assert main(["convert", str(source), "-o", str(source), "--format", "srt"]) == 2
    assert capsys.readouterr() == ("", f"asrwire: {source} would be written over\n")
    assert source.read_bytes() == data


def test_all_into_a_directory_that_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made" / "here"
    assert main(["convert", str(RESULT), "--format", "all", "-o", str(out)]) == 0
    assert sorted(os.listdir(out)) == sorted(f"{RESULT.stem}.{format}" for format in FORMATS)


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stdin(monkeypatch, STREAM.read_bytes())
    assert main(["convert", "-", "--to", "srt"]) == 0
    assert capsys.readouterr() == (SRT, "")
    stdin(monkeypatch, STREAM.read_bytes())
    assert main(["convert", "-", "--to", "all"]) == 2
    assert capsys.readouterr().err == "asrwire: --format all writes files: beside none it needs -o DIR\n"
    stdin(monkeypatch, STREAM.read_bytes())
    assert main(["convert", "-", "--to", "all", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "stdin.srt").read_text(encoding="utf-8") == SRT


# == what goes wrong ===================================================================================================


def test_a_text_without_times_is_no_subtitles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(TEXT_ONLY), "--to", "srt"]) == 2
    assert capsys.readouterr() == ("", f"asrwire: {NO_TIMES}\n")
    assert main(["convert", str(TEXT_ONLY), "--to", "all", "-o", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == "".join(f"{tmp_path}/{TEXT_ONLY.stem}.{format}\n" for format in ("txt", "json", "ndjson"))
    assert told.err == "".join(f"asrwire: no {format}: {NO_TIMES}\n" for format in ("srt", "vtt", "ass", "tsv"))


def test_a_stream_that_was_cut_gives_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.sse"
    path.write_bytes(STREAM.read_bytes()[:-100])
    assert main(["convert", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out.startswith("欢迎使用阿里云。")
    assert told.err == f"asrwire: {path} is incomplete: cut\n"


def test_an_error_after_sentences_gives_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "failed.sse"
    path.write_bytes(STREAM.read_bytes() + b'event:error\ndata:{"code":"Throttling","message":"slow down"}\n\n')
    assert main(["convert", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == "欢迎使用阿里云。再见。\n"
    assert "Throttling: slow down" in told.err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the response holds no result"),
        (b'{"asrcap":2}\n', "line 1 of the capture: the format has version 2"),
        (b"hello", "not JSON: unexpected character, expected a JSON value at offset 0; the body begins 'hello'"),
        (b'{"version":2,"sentences":[]}', "version must be 1"),
        (b'{"transcripts":1}', "transcripts is a number, must be an array"),
        (b'data:{"code":"Throttling","message":"slow down"}\n\n', "Throttling: slow down"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, data: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert main(["convert", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err


def test_an_open_sentence_without_times_is_left_out_of_subtitles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.sse"
    path.write_bytes(STREAM.read_bytes() + b'data:{"output":{"sentence":{"sentence_id":9,"text":"open"}}}\n\n')
    assert main(["convert", str(path), "--to", "srt"]) == 1
    printed = capsys.readouterr()
    assert printed.out == SRT
    assert printed.err.splitlines()[-1].endswith("has no begin time, and subtitles need one")
    assert main(["convert", str(path)]) == 1
    assert capsys.readouterr().out == "欢迎使用阿里云。再见。open [open_sentence]\n"


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tmp_path / "none.json")]) == 2
    assert "No such file or directory" in capsys.readouterr().err
    assert main(["convert", str(RESULT), "-o", str(tmp_path / "talk.doc")]) == 2
    assert capsys.readouterr().err.startswith("asrwire: there is no format 'doc'")
    assert main(["convert", str(RESULT), "--format", "doc"]) == 2


def test_the_text_of_a_service_does_not_steer_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.json"
    path.write_text(Transcript(text="a\x1b[2Jb").to_json())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["convert", str(path)]) == 0
    assert capsys.readouterr().out == "a\ufffd[2Jb\n"
