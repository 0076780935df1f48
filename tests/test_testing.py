# asrwire.testing as a suite meets it: small suites, run by pytest itself.
#
# Knows: the fixtures' names, pytester. Must not know: how the fixtures are made.

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from asrwire.capture import Capture

pytest_plugins = ["pytester"]
SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite that asks for the fixtures, and is as strict as ours."""
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n")
    pytester.makeconftest('pytest_plugins = ["asrwire.testing"]')
    return pytester


def ran(suite: pytest.Pytester, test: str, **outcomes: int) -> pytest.RunResult:
    suite.makepyfile(test)
    result = suite.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**outcomes)
    return result


def test_nobody_has_the_fixtures_who_does_not_ask(pytester: pytest.Pytester) -> None:
    result = ran(pytester, "def test_it(asr_emulator): ...", errors=1)
    result.stdout.fnmatch_lines("*fixture 'asr_emulator' not found*")


@pytest.mark.transport
def test_an_emulator_runs_and_is_closed_after_the_test(suite: pytest.Pytester) -> None:
    ran(
        suite,
        """
        import socket
        from urllib.parse import urlsplit
        import asrwire

        urls = []

        def test_one(asr_emulator):
            urls.append(asr_emulator.base_url)
            with asrwire.Client("any-key", base_url=asr_emulator.base_url) as client:
                transcript = client.transcribe("https://example.com/a.wav", model="qwen3-asr-flash")
            assert transcript.complete and transcript.text
            assert len(asr_emulator.requests) == 1

        def test_two(asr_emulator):
            assert asr_emulator.requests == []
            try:
                socket.create_connection(("127.0.0.1", urlsplit(urls[0]).port), timeout=5).close()
            except ConnectionRefusedError:
                return
            assert asr_emulator.base_url == urls[0]  # the port was given out again
        """,
        passed=2,
    )


@pytest.mark.transport
def test_the_marker_has_the_arguments(suite: pytest.Pytester) -> None:
    shutil.copy(SAMPLES / "funasr_flash_stream.sse", suite.mkdir("data") / "answer.sse")
    ran(
        suite,
        """
        import pathlib
        import pytest
        import asrwire
        from asrwire.emulator import Script

        pytestmark = pytest.mark.asr_emulator(Script.from_texts(["Of the module."]), seed=1)
        MODEL = "fun-asr-flash-2026-06-15"

        def said(emulator):
            with asrwire.Client("any-key", base_url=emulator.base_url) as client:
                with client.stream("https://example.com/a.wav", model=MODEL) as stream:
                    for update in stream:
                        pass
            return stream.transcript.text

        def test_of_the_module(asr_emulator):
            assert said(asr_emulator) == "Of the module."

        @pytest.mark.asr_emulator("data/answer.sse")
        def test_a_path_is_looked_for_beside_the_test(asr_emulator, monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
            assert said(asr_emulator) == "Hello World，这里是阿里巴巴语音实验室。"

        @pytest.mark.asr_emulator(transcript=pathlib.Path("data", "answer.sse"))
        def test_a_path_by_name(asr_emulator):
            assert said(asr_emulator) == "Hello World，这里是阿里巴巴语音实验室。"

        @pytest.mark.asr_emulator(faults=["cut:events=3"], seed=7)
        def test_faults(asr_emulator):
            with pytest.raises(asrwire.Truncated):
                said(asr_emulator)

        @pytest.mark.asr_emulator(clock="virtual", envelope="public")
        def test_more(asr_emulator):
            asr_emulator.advance(1.0)
            assert said(asr_emulator)

        ids = {}

        @pytest.mark.parametrize("n", [0, 1])
        @pytest.mark.parametrize("seed", [pytest.param(i, marks=pytest.mark.asr_emulator(seed=i)) for i in (0, 5)])
        def test_seeds(asr_emulator, seed, n):
            said(asr_emulator)
            assert ids.setdefault(seed, asr_emulator.sent[0].request_id) == asr_emulator.sent[0].request_id
            assert len(set(ids.values())) == len(ids)
        """,
        passed=9,
    )


def test_captures_are_loaded_from_beside_the_test(suite: pytest.Pytester) -> None:
    capture = Capture.load(SAMPLES / "funasr_realtime_http_stream.sse")
    replace(capture, end=None).save(suite.path / "field.asrcap")
    shutil.copy(SAMPLES / "funasr_flash_stream.sse", suite.mkdir("data") / "answer.sse")
    shutil.copy(SAMPLES / "funasr_flash_response.json", suite.path / "data" / "answer.json")
    ran(
        suite,
        """
        import pytest
        import asrwire

        @pytest.fixture(autouse=True)
        def elsewhere(monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)

        @pytest.mark.parametrize("seed", [None, 1, 2])
        @pytest.mark.parametrize("name", ["data/answer.sse", "data/answer.json"])
        def test_bodies(asr_capture, name, seed):
            *_, last = asr_capture(name).replay(seed=seed)
            assert isinstance(last, asrwire.Final)
            assert last.sentence.text == "Hello World，这里是阿里巴巴语音实验室。"

        def test_a_recording_that_was_cut_off(asr_capture):
            with pytest.raises(asrwire.Truncated):
                list(asr_capture("field.asrcap").replay())

        def test_nothing_there(asr_capture):
            with pytest.raises(asrwire.ConfigError, match="nothing.asrcap"):
                asr_capture("nothing.asrcap")
        """,
        passed=8,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("colour=1", "*unexpected keyword argument 'colour'*"),
        ("'nothing.sse'", "*ConfigError: *nothing.sse*"),
        ("faults=['nothing']", "*ConfigError: there is no fault 'nothing'*"),
    ],
)
def test_a_marker_that_is_wrong(suite: pytest.Pytester, arguments: str, line: str) -> None:
    test = f"import pytest\n@pytest.mark.asr_emulator({arguments})\ndef test_it(asr_emulator): ..."
    ran(suite, test, errors=1).stdout.fnmatch_lines(line)


def test_the_marker_is_documented(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("--markers").stdout.fnmatch_lines("@pytest.mark.asr_emulator(...)*")
    suite.runpytest_subprocess("--fixtures").stdout.fnmatch_lines(["asr_emulator*", "*127.0.0.1*", "asr_capture*"])
