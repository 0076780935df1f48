# Audio: what a caller hands in (URL, path, bytes) becomes what a request carries (a URL or a data URI).
#
# Knows: file signatures, media types, data URIs (RFC 2397), the services' size limits. Must not know models, requests.
# No error or repr here shows audio, a URL's query or its user information: signed URLs are secrets.

from __future__ import annotations

import base64
import binascii
import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urlsplit

from ._errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Documented for one synchronous call: 10 MB. Measured: the service takes up to 20 MiB before base64, then refuses.
DOCUMENTED_SIZE = 10 * 2**20
LARGEST_SIZE = 20 * 2**20

_HEAD = 8192  # bytes looked at to recognise a format; only ASF needs more than 64

#: format -> media type: the containers the services document, and headerless pcm, which no signature can show.
_MEDIA_TYPES = {
    "aac": "audio/aac", "amr": "audio/amr", "avi": "video/x-msvideo", "flac": "audio/flac", "flv": "video/x-flv",
    "m4a": "audio/mp4", "mkv": "video/x-matroska", "mov": "video/quicktime", "mp3": "audio/mpeg", "mp4": "video/mp4",
    "mpeg": "video/mpeg", "ogg": "audio/ogg", "opus": "audio/opus", "pcm": "audio/pcm", "wav": "audio/wav",
    "webm": "video/webm", "wma": "audio/x-ms-wma", "wmv": "video/x-ms-wmv",
}  # fmt: skip
_FORMATS = {media_type: name for name, media_type in _MEDIA_TYPES.items()} | {
    "audio/aacp": "aac", "audio/m4a": "m4a", "audio/mp3": "mp3", "audio/vnd.wave": "wav", "audio/wave": "wav",
    "audio/webm": "webm", "audio/x-flac": "flac", "audio/x-m4a": "m4a", "audio/x-wav": "wav",
}  # fmt: skip
_SUFFIXES = {name: name for name in _MEDIA_TYPES} | {"mpg": "mpeg", "oga": "ogg", "wave": "wav"}

# What a file of one format, and of no other, begins with.
_MARKS = {b"fLaC": "flac", b"#!AMR": "amr", b"FLV\x01": "flv", b"\0\0\x01\xba": "mpeg", b"\0\0\x01\xb3": "mpeg"}
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


@dataclass(frozen=True, slots=True, repr=False)
class Audio:
    """Audio as a request carries it; made by `load`.

    Attributes:
        source: ``"url"`` (the service fetches it) or ``"data"`` (it travels in the request).
        value: the URL, or the data URI.
        format: ``"wav"``, ``"mp3"``, ...: from the content, then the suffix or media type; None where neither tells.
        size: bytes before base64; None for a URL.
    """

    source: Literal["url", "data"]
    value: str
    format: str | None = None
    size: int | None = None

    def __repr__(self) -> str:
        data = self.source == "data"
        shown = self.value[: self.value.find(",") + 1] + "..." if data else shown_url(self.value)
        return f"Audio(source={self.source!r}, value={shown!r}, format={self.format!r}, size={self.size!r})"


def load(audio: str | os.PathLike[str] | os.PathLike[bytes] | Buffer) -> Audio:
    """Make an `Audio` of a URL (str: ``http:// https:// oss:// data:``), a path, or bytes. Reads the file: blocking.

    Warns (UserWarning) above the documented 10 MB. Raises ConfigError for any other str, a URL that is not one, a file
    that cannot be read, no audio at all, and more than 20 MiB; TypeError for any other type.
    """
    if isinstance(audio, str):
        return _from_data_uri(audio) if audio[:5].lower() == "data:" else _from_url(audio)
    if isinstance(audio, os.PathLike):
        path = os.fsdecode(audio)
        return _from_bytes(_read(path), _suffix(path))
    try:
        view = memoryview(audio)
    except TypeError:
        message = f"audio is a URL (str), a path (os.PathLike) or bytes-like, not {type(audio).__name__}"
        raise TypeError(message) from None
    with view:
        _check_size(view.nbytes)
        return _from_bytes(view.tobytes(), None)


def split_url(url: str, what: str, schemes: Collection[str]) -> SplitResult:
    """Split a URL that is safe to send as it is; ConfigError, without its text, otherwise. `what` names it."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{what} holds a space, a line break, a control character or a character outside ASCII: percent-encode it"
        )
    parts = _split(url)
    if parts is not None and parts.scheme not in schemes:
        raise ConfigError(f"{what} must begin with {' or '.join(scheme + '://' for scheme in schemes)}")
    if parts is None or not parts.hostname or "\\" in parts.netloc:
        raise ConfigError(f"{what} is not a URL with a host and a valid port")
    return parts


def shown_url(url: str) -> str:
    """A URL as texts may show it: without user information, query and fragment."""
    parts = _split(url)
    return "..." if parts is None else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def sniff(data: bytes) -> str | None:
    """Recognise a format by the first bytes of its content; None if no signature fits."""
    start = 0
    while data.startswith(b"ID3", start) and len(data) >= start + 10:
        # ID3v2.4 3.1: ten bytes, the last four the size, 7 bits each
        size = data[start + 6] << 21 | data[start + 7] << 14 | data[start + 8] << 7 | data[start + 9]
        start += 10 + size
    found = _signature(data[start : start + _HEAD])
    return "mp3" if start and found is None else found


def _signature(head: bytes) -> str | None:
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return {b"M4A ": "m4a", b"M4B ": "m4a", b"qt  ": "mov"}.get(head[8:12], "mp4")
    if head.startswith(b"OggS"):
        return "opus" if b"OpusHead" in head[:128] else "ogg"
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML; DocType is among the first elements of its header
        return "webm" if b"webm" in head[:64] else "mkv"
    if head.startswith(_ASF_HEADER):
        return "wmv" if _ASF_VIDEO in head else "wma"
    for signature, name in _MARKS.items():
        if head.startswith(signature):
            return name
    if len(head) >= 4 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0 and head[2] & 0x3C < 0x34:  # ADTS: layer 0, a sampling rate that exists
            return "aac"
        # MPEG audio layer III: a version, a bitrate and a sampling rate that exist
        version = head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
        if version and head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C:
            return "mp3"
    return None


def _from_url(url: str) -> Audio:
    if url.partition("://")[0].lower() not in ("http", "https", "oss"):
        raise ConfigError(
            "audio given as a str must be a URL (http://, https://, oss:// or data:); "
            "for a file use pathlib.Path(...), for audio itself use bytes"
        )
    parts = split_url(url, "the audio URL", ("http", "https", "oss"))
    return Audio("url", url, _suffix(parts.path), None)


def _from_data_uri(uri: str) -> Audio:
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        raise ConfigError("the audio data URI holds white space, a line break or a character base64 does not have")
    header, comma, payload = uri.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise ConfigError("the audio data URI must look like data:<media type>;base64,<data>")
    size = len(payload.rstrip("=")) * 3 // 4
    _check_size(size, warn=True)
    try:
        found = sniff(base64.b64decode(payload[: _HEAD // 3 * 4]))
    except binascii.Error:
        found = None
    media_type = header[5:].partition(";")[0].lower()
    return Audio("data", uri, found or _FORMATS.get(media_type), size)


def _from_bytes(data: bytes, suffix: str | None) -> Audio:
    _check_size(len(data), warn=True)
    found = sniff(data) or suffix
    media_type = _MEDIA_TYPES[found] if found else "application/octet-stream"
    return Audio("data", f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}", found, len(data))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for pipes and devices
            data = b"" if size > LARGEST_SIZE else file.read(LARGEST_SIZE + 1)
    except (OSError, ValueError) as error:  # ValueError: the path holds NUL
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the audio file {path!r}: {reason}") from None
    _check_size(max(size, len(data)))
    return data


def _check_size(size: int, warn: bool = False) -> None:
    if size == 0:
        raise ConfigError("the audio is empty")
    if size > LARGEST_SIZE:
        raise ConfigError(
            f"the audio has {size:,} bytes, and the service takes at most {LARGEST_SIZE:,} (20 MiB) in a request: give "
            f"it as a URL to a file-task model (client.transcribe_files, client.tasks.submit)"
        )
    if warn and size > DOCUMENTED_SIZE:
        message = f"the audio has {size:,} bytes; the documented limit of a synchronous call is 10 MB"
        warnings.warn(message, UserWarning, stacklevel=4)


def _suffix(path: str) -> str | None:
    return _SUFFIXES.get(os.path.splitext(path)[1][1:].lower())


def _split(url: str) -> SplitResult | None:
    # Not raised from here: urllib's messages hold parts of the URL, and __context__ would keep them.
    try:
        parts = urlsplit(url)
        return None if parts.port == 0 else parts
    except ValueError:
        return None
