# Clients nobody here wrote, against the emulator: what the vendor's and OpenAI's libraries get is what asrwire gets.
#
# Knows: what is said, and asrwire's answer from an emulator. Must not know: any other client. Run by itself, in an
# environment with the dependency group `interop`: `pytest tests/interop`.

from __future__ import annotations

from typing import Any

from asrwire import Client, Transcript
from asrwire.emulator import Emulator, Script

KEY = "sk-0123456789abcdef"
URL = "https://example.com/audio.wav"
DATA = "data:audio/wav;base64,UklGRiQAAABXQVZF"

TEXTS = ["欢迎使用阿里云。", "Hello world, this is a test.", "再见，谢谢！", "See you!"]
WHOLE = "欢迎使用阿里云。Hello world, this is a test.再见，谢谢！See you!"
SCRIPT = Script.from_texts(TEXTS, languages=("zh", "en"), emotions=("neutral", "happy"))


def transcribed(emulator: Emulator, audio: str = URL, **options: Any) -> Transcript:
    """What asrwire gets in one piece."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return client.transcribe(audio, **options)


def streamed(emulator: Emulator, audio: str = URL, **options: Any) -> Transcript:
    """What asrwire gets as a stream."""
    with Client(KEY, base_url=emulator.base_url) as client, client.stream(audio, **options) as stream:
        for _ in stream:
            pass
        return stream.transcript
