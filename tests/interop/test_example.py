# The vendor's own example of the one call its SDK has no resource for (asr_http_stream.py, which reads the events with
# httpx-sse), run as it is published and with its import of httpx-sse replaced: by ours, the same transcript.
#
# Knows: where the SDK's source distribution has the example, and its command line. Must not know: what it does inside.

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import wave
from importlib.metadata import version
from pathlib import Path

import pytest

from asrwire.emulator import Emulator, Sample
from tests.interop import KEY, SCRIPT, URL, WHOLE

THEIRS = "from httpx_sse import EventSource"
OURS = "from asrwire.integrations.httpx_sse import EventSource"
MODULES = ("audio.asr_http_stream", "audio.direct_call.asr_http_stream")
SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK's source distribution, of the version that is installed; its wheel has no examples."""
    folder = tmp_path_factory.mktemp("source")
    name = f"dashscope=={version('dashscope')}"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "dashscope", "-d", folder, name],
        check=True,
    )
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def run(source: Path, module: str, ours: bool, emulator: Emulator, folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of the example, and the transcript it wrote."""
    path = source / "examples" / "01_atomic_capabilities" / Path(*module.split(".")).with_suffix(".py")
    text = path.read_text()
    if ours:
        assert text.count(THEIRS) == text.count("httpx") == 1
        text = text.replace(THEIRS, OURS)
    copy = path.with_name(f"asr_http_stream_{'ours' if ours else 'theirs'}.py")
    copy.write_text(text)
    transcript = folder / f"{copy.stem}.txt"
    name = f"examples.01_atomic_capabilities.{module.rpartition('.')[0]}.{copy.stem}"
    environ = {**os.environ, "DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": emulator.base_url}
    done = subprocess.run(
        [sys.executable, "-m", name, "--transcript", transcript, *arguments],
        cwd=source,
        env=environ,
        timeout=60,
        check=False,
    )
    return done.returncode, transcript.read_text()


@pytest.mark.parametrize("module", MODULES)
def test_the_example_runs_with_only_its_import_replaced(module: str, source: Path, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "audio.wav"), "wb") as audio:
        audio.setparams((1, 2, 16000, 1600, "NONE", ""))
        audio.writeframes(bytes(3200))
    events = [tmp_path / "theirs.jsonl", tmp_path / "ours.jsonl"]
    for ours, path in enumerate(events):
        with Emulator(SCRIPT) as emulator:
            arguments = ("--file", str(tmp_path / "audio.wav"), "--events", str(path))
            assert run(source, module, bool(ours), emulator, tmp_path, *arguments) == (0, WHOLE)
            [request] = emulator.requests
            assert request.json["parameters"] == {"format": "wav", "sample_rate": "16000"}
    assert events[0].read_bytes() == events[1].read_bytes()
    assert events[0].read_bytes().count(b"\n") > len(WHOLE) / 4


# What the replaced import mends: a byte order mark costs httpx-sse the first event, here the only one.
def test_ours_reads_what_theirs_cannot(source: Path, tmp_path: Path) -> None:
    lines = (SAMPLES / "funasr_flash_stream.sse").read_bytes().splitlines()
    body = "\ufeff".encode() + next(line for line in lines if line.startswith(b"data:")) + b"\n\n"
    with Emulator(Sample(body)) as emulator:
        theirs, ours = (run(source, MODULES[0], ours, emulator, tmp_path, "--url", URL) for ours in (False, True))
    assert theirs == (1, "")
    assert ours == (0, "Hello World，这里是阿里巴巴语音实验室。")
