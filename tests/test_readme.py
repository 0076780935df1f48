# Every Python block of the README runs, and every Python and shell block of the pages in docs/, against the emulator
# where it needs a service. Where a block of text follows, that is what it printed.
#
# In the README each block stands alone. A page is read from top to bottom: its blocks share their names and a folder,
# which has a recording, talk.wav, and a block that begins with a file's name in a comment is that file. What the
# recipes need is not installed here: tests/interop runs those.

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

import asrwire
from asrwire.emulator import DEFAULT_SCRIPT, Emulator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
DOCS = ROOT / "docs"
PAGES = {
    str(path.relative_to(DOCS)): re.findall(
        r"^```(python|bash)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", path.read_text(), re.MULTILINE | re.DOTALL
    )
    for path in sorted(DOCS.rglob("*.md"))
    if path.parent.name != "recipes"
}


def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-test")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_block_runs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        service(emulator, monkeypatch)
        exec(compile(BLOCKS[number], f"README.md block {number + 1}", "exec"), {"__name__": "readme"})
    if "print" in BLOCKS[number]:
        assert capsys.readouterr().out.strip()


def test_there_are_blocks_and_two_commands() -> None:
    assert len(BLOCKS) >= 5
    commands = re.findall(r"^```bash\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert commands == ["pip install . && asrwire demo", 'pip install -e ".[test]" && pytest']


def test_the_picture_shows_what_the_demo_shows() -> None:
    picture = re.sub(r"<[^>]+>", "", (DOCS / "captions.svg").read_text())
    assert [sentence.text for sentence in DEFAULT_SCRIPT.sentences if sentence.text not in picture] == []


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    assert {*re.findall(r"^::: asrwire\.(\w+)$", pages, re.MULTILINE), "Update"} >= set(asrwire.__all__)


def test_every_command_is_in_the_reference() -> None:
    listed = re.findall(r"^\| `asrwire (\w+)`", (DOCS / "reference" / "command-line.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(re.findall(r"^    (\w+)  ", shell("asrwire --help"), re.MULTILINE))


def shell(block: str) -> str:
    """What the commands print, run with the `asrwire` and `pytest` of this environment."""
    bash = shutil.which("bash")
    assert bash is not None
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", block], capture_output=True, text=True, check=False, env=environ, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if PAGES[page]])
def test_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with wave.open("talk.wav", "wb") as talk:
        talk.setparams((1, 2, 16000, 0, "NONE", ""))
        talk.writeframes(bytes(32000))
    names = {"__name__": "page"}
    with Emulator(queue_time=0, run_time=0) as emulator:
        service(emulator, monkeypatch)
        for number, (language, block, said) in enumerate(PAGES[page], 1):
            file = re.match(r"# (\w+\.py)$", block, re.MULTILINE)
            if file is not None:
                Path(file[1]).write_text(block)
                printed = ""
            elif language == "bash":
                printed = shell(block)
            else:
                exec(compile(block, f"{page} block {number}", "exec"), names)
                printed = capsys.readouterr().out
            if said:
                assert printed == said, f"block {number}"


def test_every_page_that_shows_how_has_blocks() -> None:
    assert {page for page in PAGES if PAGES[page]} >= {"tutorial.md"} | {p for p in PAGES if p.startswith("how-to/")}
