# Audio: formats by content, data URIs, sizes, and that nothing private is ever shown.

from __future__ import annotations

import array
import base64
import os
import pathlib
import traceback
from typing import Any

import pytest

from asrwire._audio import Audio, load, sniff
from asrwire._errors import ConfigError

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(16)
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(64)
ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
EBML = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82"
ID3 = b"ID3\x04\0\0\0\0\x01\x01" + bytes(129)  # size 0x01 << 7 | 0x01 = 129

CONTENT = [
    ("wav", WAV, "wav"),
    ("wav over 4 GiB (RF64)", b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
    ("avi", b"RIFF\x24\0\0\0AVI LIST", "avi"),
    ("another RIFF", b"RIFF\x24\0\0\0WEBPVP8 ", None),
    ("flac", b"fLaC\0\0\0\x22", "flac"),
    ("ogg vorbis", b"OggS\0\x02" + bytes(22) + b"\x01vorbis", "ogg"),
    ("opus", b"OggS\0\x02" + bytes(22) + b"OpusHead\x01\x02", "opus"),
    ("m4a", b"\0\0\0\x20ftypM4A \0\0\0\0", "m4a"),
    ("audio book", b"\0\0\0\x20ftypM4B \0\0\0\0", "m4a"),
    ("mp4", b"\0\0\0\x20ftypisom\0\0\x02\0", "mp4"),
    ("mov", b"\0\0\0\x14ftypqt  \0\0\0\0", "mov"),
    ("amr", b"#!AMR\n\x3c", "amr"),
    ("amr wide band", b"#!AMR-WB\n\x3c", "amr"),
    ("webm", EBML + b"\x84webm", "webm"),
    ("matroska", EBML + b"\x88matroska", "mkv"),
    ("flv", b"FLV\x01\x05\0\0\0\x09", "flv"),
    ("wma", ASF, "wma"),
    ("wmv", ASF + ASF_VIDEO, "wmv"),
    ("mpeg program stream", b"\0\0\x01\xba\x44", "mpeg"),
    ("mpeg video", b"\0\0\x01\xb3\x16", "mpeg"),
    ("mp3, MPEG 1 layer III with CRC", b"\xff\xfa\x90\x64", "mp3"),
    ("mp3, MPEG 1 layer III", b"\xff\xfb\x90\x64", "mp3"),
    ("mp3, MPEG 2 layer III", b"\xff\xf3\x40\xc4", "mp3"),
    ("mp3, MPEG 2.5 layer III", b"\xff\xe3\x18\xc4", "mp3"),
    ("layer III, reserved version", b"\xff\xeb\x90\x64", None),
    ("layer III, bad bitrate", b"\xff\xfb\xf0\x64", None),
    ("layer III, free bitrate", b"\xff\xfb\x00\x64", None),
    ("layer III, reserved sampling rate", b"\xff\xfb\x9c\x64", None),
    ("aac, ADTS without CRC", b"\xff\xf1\x50\x80", "aac"),
    ("aac, ADTS MPEG 2 with CRC", b"\xff\xf8\x50\x80", "aac"),
    ("ADTS, reserved sampling rate", b"\xff\xf1\x74\x80", None),
    ("ID3, nothing after it", ID3, "mp3"),
    ("ID3, then layer III", ID3 + b"\xff\xfb\x90\x64", "mp3"),
    ("ID3, then ADTS", ID3 + b"\xff\xf1\x50\x80", "aac"),
    ("ID3, then flac", ID3 + b"fLaC\0\0\0\x22", "flac"),
    ("a thousand empty ID3 tags", b"ID3\x04\0\0\0\0\0\0" * 1000, "mp3"),
    ("silence in pcm", bytes(64), None),
    ("minus one in pcm", b"\xff" * 64, None),
    ("one byte", b"\xff", None),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in CONTENT], ids=[row[0] for row in CONTENT])
def test_format_from_content(data: bytes, expected: str | None) -> None:
    assert sniff(data) == expected


DATA_URIS = [
    (WAV, "data:audio/wav;base64,", "wav"),
    (b"\xff\xfb\x90\x64", "data:audio/mpeg;base64,", "mp3"),
    (b"fLaC\0\0\0\x22", "data:audio/flac;base64,", "flac"),
    (b"\0\0\0\x20ftypM4A \0\0\0\0", "data:audio/mp4;base64,", "m4a"),
    (b"\0\0\0\x20ftypisom\0\0\x02\0", "data:video/mp4;base64,", "mp4"),
    (b"who knows", "data:application/octet-stream;base64,", None),
]


@pytest.mark.parametrize(("data", "prefix", "expected"), DATA_URIS)
def test_bytes_become_a_data_uri(data: bytes, prefix: str, expected: str | None) -> None:
    assert load(data) == Audio("data", prefix + base64.b64encode(data).decode(), expected, len(data))


@pytest.mark.parametrize(
    "audio",
    [
        bytearray(WAV),
        memoryview(WAV),
        memoryview(bytes(b for pair in zip(WAV, WAV, strict=True) for b in pair))[::2],
        array.array("H", WAV),
    ],
    ids=["bytearray", "memoryview", "strided", "array"],
)
def test_everything_bytes_like(audio: bytearray | memoryview | array.array[int]) -> None:
    assert load(audio) == load(WAV)


def test_a_bytearray_is_not_held() -> None:
    audio = bytearray(WAV)
    load(audio)
    audio.clear()  # BufferError while a view of it lives


FILES = [
    ("a.wav", WAV, "wav", "audio/wav"),
    ("content wins.mp3", WAV, "wav", "audio/wav"),
    ("suffix.pcm", bytes(8), "pcm", "audio/pcm"),
    ("CAPITALS.MP3", bytes(8), "mp3", "audio/mpeg"),
    ("alias.mpg", bytes(8), "mpeg", "video/mpeg"),
    ("unknown.xyz", bytes(8), None, "application/octet-stream"),
    ("no suffix", bytes(8), None, "application/octet-stream"),
]


@pytest.mark.parametrize(("name", "data", "expected", "media_type"), FILES)
def test_files(tmp_path: pathlib.Path, name: str, data: bytes, expected: str | None, media_type: str) -> None:
    (tmp_path / name).write_bytes(data)
    uri = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    assert load(tmp_path / name) == Audio("data", uri, expected, len(data))


def test_a_path_may_be_bytes(tmp_path: pathlib.Path) -> None:
    class BytesPath:
        def __fspath__(self) -> bytes:
            return os.fsencode(tmp_path / "a.wav")

    (tmp_path / "a.wav").write_bytes(WAV)
    assert load(BytesPath()) == load(WAV)


URLS = [
    ("https://example.com/a.wav", "wav"),
    ("http://example.com:8080/a.mp3?Expires=1&Signature=x.ogg", "mp3"),
    ("HTTPS://EXAMPLE.COM/A.FLAC", "flac"),
    ("oss://dashscope-instant/tmp/a.m4a", "m4a"),
    ("https://example.com/%E4%BD%A0.opus", "opus"),
    ("https://example.com/stream", None),
    ("https://example.com", None),
    ("https://[2001:db8::1]/a.aac#t=3", "aac"),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_urls(url: str, expected: str | None) -> None:
    assert load(url) == Audio("url", url, expected, None)


GIVEN_DATA_URIS = [
    (f"data:audio/mpeg;base64,{base64.b64encode(WAV).decode()}", "wav", len(WAV)),
    ("data:audio/x-wav;base64,AAAA", "wav", 3),
    ("data:audio/mp3;codecs=x;base64,AAA=", "mp3", 2),
    ("DATA:AUDIO/FLAC;BASE64,AA==", "flac", 1),
    ("data:;base64,AAAA", None, 3),
    ("data:audio/wav;base64,{BASE64_ENCODED_DATA}", "wav", 15),
]


@pytest.mark.parametrize(("uri", "expected", "size"), GIVEN_DATA_URIS)
def test_data_uris_travel_as_they_are(uri: str, expected: str | None, size: int) -> None:
    assert load(uri) == Audio("data", uri, expected, size)


REFUSED = [
    ("a path", "/srv/SECRET.wav", r"pathlib\.Path"),
    ("a Windows path", r"C:\SECRET.wav", r"pathlib\.Path"),
    ("nothing", "", r"pathlib\.Path"),
    ("another scheme", "file:///SECRET.wav", r"pathlib\.Path"),
    ("no host", "https:///SECRET.wav", "host"),
    ("no host in oss", "oss:///SECRET.wav", "host"),
    ("bad port", "https://example.com:SECRET/a.wav", "port"),
    ("port 0", "https://example.com:0/SECRET", "port"),
    ("bad IPv6", "https://[SECRET/a.wav", "host"),
    ("backslash", "https://example.com\\@SECRET/a.wav", "host"),
    ("CR LF", "https://example.com/a\r\nX-SECRET: 1", "percent-encode"),
    ("a newline at the end", "https://example.com/SECRET\n", "percent-encode"),
    ("NUL", "https://example.com/a\0SECRET", "percent-encode"),
    ("DEL", "https://example.com/a\x7fSECRET", "percent-encode"),
    ("space", "https://example.com/a SECRET.wav", "percent-encode"),
    ("not ASCII", "https://example.com/你SECRET.wav", "percent-encode"),
    ("data URI, not base64", "data:audio/wav,SECRET", "base64"),
    ("data URI without a comma", "data:audio/wav;base64SECRET", "base64"),
    ("data URI in lines", "data:audio/wav;base64,SECRET\nAAAA", "line break"),
    ("data URI with a space", "data:audio/wav;base64,SECRET AAAA", "white space"),
    ("empty data URI", "data:audio/wav;base64,", "empty"),
    ("padding only", "data:audio/wav;base64,==", "empty"),
    ("empty bytes", b"", "empty"),
    ("empty view", memoryview(b""), "empty"),
]


@pytest.mark.parametrize(("audio", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(audio: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(audio)
    assert "SECRET" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.wav").touch()
    for path, message in [
        (tmp_path / "missing.wav", "missing.wav.*No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "a.wav" / "b", "No such file or directory"),
        (tmp_path / "nul\0.wav", "null byte"),
        (tmp_path / "empty.wav", "the audio is empty"),
    ]:
        with pytest.raises(ConfigError, match=message) as caught:
            load(path)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("audio", [None, 1, 1.5, ["https://example.com/a.wav"], object()])
def test_other_types(audio: object) -> None:
    with pytest.raises(TypeError, match=f"not {type(audio).__name__}"):
        load(audio)  # type: ignore[arg-type]


def of_size(size: int, how: str, tmp_path: pathlib.Path) -> bytes | str | pathlib.Path:
    if how == "bytes":
        return bytes(size)
    if how == "data URI":
        return "data:audio/wav;base64," + base64.b64encode(bytes(size)).decode()
    path = tmp_path / "a.wav"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("how", ["bytes", "data URI", "path"])
def test_sizes(tmp_path: pathlib.Path, how: str) -> None:
    assert load(of_size(10 * 2**20, how, tmp_path)).size == 10 * 2**20
    for size in (10 * 2**20 + 1, 20 * 2**20):
        with pytest.warns(UserWarning, match="documented limit of a synchronous call is 10 MB") as caught:
            assert load(of_size(size, how, tmp_path)).size == size
        assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(ConfigError, match=r"20 MiB.*client\.transcribe_files.*tasks\.submit"):
        load(of_size(20 * 2**20 + 1, how, tmp_path))


def test_a_huge_file_is_not_read(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="68,719,476,736 bytes"):
        load(of_size(2**36, "path", tmp_path))


REPRS = [
    (
        Audio("url", "https://user:SECRET@example.com:8443/a.wav?Signature=SECRET#SECRET", "wav"),
        "Audio(source='url', value='https://example.com:8443/a.wav', format='wav', size=None)",
    ),
    (Audio("url", "https://[SECRET", None), "Audio(source='url', value='...', format=None, size=None)"),
    (
        Audio("data", "data:audio/wav;base64,SECRET", "wav", 4),
        "Audio(source='data', value='data:audio/wav;base64,...', format='wav', size=4)",
    ),
]


@pytest.mark.parametrize(("audio", "shown"), REPRS)
def test_repr_shows_no_secret(audio: Audio, shown: str) -> None:
    assert repr(audio) == str(audio) == shown


def test_every_documented_format_is_known() -> None:
    documented = ["aac", "amr", "avi", "flac", "flv", "m4a", "mkv", "mov", "mp3", "mp4", "mpeg", "ogg", "opus", "wav"]
    documented += ["webm", "wma", "wmv"]
    assert [load(f"https://example.com/a.{name}").format for name in documented] == documented
    recognised = {expected for _, _, expected in CONTENT}
    assert recognised == {*documented, None}


def test_many_id3_tags_are_skipped_in_linear_time() -> None:
    audio = Counted(b"ID3\x04\0\0\0\0\0\0" * 1000 + b"fLaC")
    assert sniff(audio) == "flac"
    assert audio.copied <= 8192


class Counted(bytes):
    """Bytes that count how many of them slices copy."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(key, slice):
            self.copied += len(found)
        return found
