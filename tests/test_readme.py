# Every Python block of the README runs, against the emulator where it needs a service.

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asrwire.emulator import Emulator

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_block_runs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-test")
        monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
        exec(compile(BLOCKS[number], f"README.md block {number + 1}", "exec"), {"__name__": "readme"})
    if "print" in BLOCKS[number]:
        assert capsys.readouterr().out.strip()


def test_there_are_blocks_and_two_commands() -> None:
    assert len(BLOCKS) >= 5
    commands = re.findall(r"^```bash\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert commands == ["pip install . && asrwire demo", 'pip install -e ".[test]" && pytest']
