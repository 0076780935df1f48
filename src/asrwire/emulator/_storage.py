# Result files: what a transcription_url answers, in both schemas, and the object storage that serves them.
#
# Knows: the members of a result file, how a script becomes one, signed URLs, the storage's XML errors.
# Must not know: tasks and their states, sockets, keys of the API: it refuses every request that carries one.

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

import orjson

from .._errors import ConfigError
from .._model import Sentence, Word
from ._answers import Answer, Event
from ._schema import Refusal
from ._script import Sample, Script
from ._server import RawRequest
from ._submissions import Submission

#: What becomes of a file: what is said in it, a literal result file, or the code of the error it ends in.
Outcome: TypeAlias = Script | Sample | str
Files: TypeAlias = Mapping[str, Outcome | bytes] | Callable[[str], Outcome | bytes | None]

DAY = 24 * 60 * 60 * 1000  # ms that finished tasks and their result files are kept
BEIJING = timezone(timedelta(hours=8))  # the services' local time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY_ID = "asrwire-emulator"
_FORMATS = {"wav": "pcm_s16le", "": "pcm_s16le"}  # Fun-ASR names the codec, filetrans the container


def local_time(ms: int) -> datetime:
    """ms since the epoch as the services' wall clock."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(BEIJING)


# == what becomes of a file ============================================================================================


class Outcomes:
    """Finds the outcome of a URL: an exact entry of `files`, else the first pattern that fits, else `default`."""

    def __init__(self, files: Files | None, default: Script | Sample) -> None:
        self._default = default
        self._call: Callable[[str], Any] | None = None
        self._table: dict[str, Outcome] = {}
        if callable(files):
            self._call = files
        elif isinstance(files, Mapping):
            self._table = {url: _check_outcome(outcome, url) for url, outcome in files.items()}
        elif files is not None:
            raise TypeError(f"files is a mapping, a callable or None, not {type(files).__name__}")

    def of(self, url: str) -> Outcome:
        if self._call is not None:
            try:
                outcome = self._call(url)
                return self._default if outcome is None else _check_outcome(outcome, url)
            except Exception as error:  # the caller's own code: say so in the answer, not in a thread nobody watches
                message = f"files({url!r}) failed: {type(error).__name__}: {error}"
                raise Refusal("", message, status=500, code="InternalError") from error
        if url in self._table:
            return self._table[url]
        return next((end for pattern, end in self._table.items() if fnmatchcase(url, pattern)), self._default)


def _check_outcome(outcome: object, url: object) -> Outcome:
    if not isinstance(url, str):
        raise TypeError(f"files maps URLs, which are str, not {type(url).__name__}")
    match outcome:
        case Script() | Sample():
            return outcome
        case bytes():
            return Sample(outcome)
        case str():
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", outcome):
                raise ConfigError(f"files[{url!r}]: a str is an error code such as 'FILE_404_NOT_FOUND'")
            return outcome
    raise TypeError(f"files[{url!r}] is a Script, a Sample, bytes or a code, not {type(outcome).__name__}")


# == result files ======================================================================================================


def result_file(submission: Submission, url: str, script: Script) -> bytes:
    """The result file of one audio file: one transcript per channel that was asked for.

    A channel says the script's sentences of that channel, or the whole script where it has none of them.
    """
    build = _filetrans_file if submission.family == "filetrans" else _fun_asr_file
    return orjson.dumps(build(submission, url, script))


def billed_seconds(submission: Submission, outcome: Script | Sample) -> int:
    """Seconds of audio (filetrans) or of speech (the others), each channel counted; 1 for a literal result file."""
    if isinstance(outcome, Sample):
        return 1
    channels = [_of_channel(outcome, channel) for channel in submission.channels]
    if submission.family == "filetrans":
        return sum(-(-_ms(sentences[-1].end_time) // 1000) for sentences in channels)
    return sum(-(-_speech(sentences) // 1000) for sentences in channels)


def _of_channel(script: Script, channel: int) -> tuple[Sentence, ...]:
    return tuple(one for one in script.sentences if one.channel_id == channel) or script.sentences


def _speech(sentences: tuple[Sentence, ...]) -> int:
    return sum(_ms(one.end_time) - _ms(one.begin_time) for one in sentences)


def _ms(time: int | None) -> int:
    assert time is not None  # Script has checked it
    return time


def _suffix(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).suffix.removeprefix(".").lower()


def _words(words: tuple[Word, ...], *, keep_space: bool) -> list[dict[str, Any]]:
    """The words with the space between two at the end of the first, as result files have it.

    Fun-ASR writes it behind punctuation too, so that the words spell the sentence; filetrans does not.
    """
    bodies = []
    for word, after in zip(words, [*words[1:], None], strict=True):
        space = " " if after is not None and after.text.startswith(" ") else ""
        text, punctuation = word.text.lstrip(" "), word.punctuation
        if not punctuation:
            text += space
        elif keep_space:
            punctuation += space
        times = {"begin_time": word.begin_time, "end_time": word.end_time}
        bodies.append({**times, "text": text, "punctuation": punctuation})
    return bodies


def _fun_asr_file(submission: Submission, url: str, script: Script) -> dict[str, Any]:
    transcripts = []
    for channel in submission.channels:
        sentences = _of_channel(script, channel)
        bodies: list[dict[str, Any]] = []
        for number, sentence in enumerate(sentences, 1):
            times = {"begin_time": sentence.begin_time, "end_time": sentence.end_time}
            speaker = {"speaker_id": sentence.speaker_id or 0} if submission.diarization else {}
            words = _words(sentence.words, keep_space=True)
            bodies.append({**times, "text": sentence.text, "sentence_id": number, **speaker, "words": words})
        transcripts.append(
            {
                "channel_id": channel,
                "content_duration_in_milliseconds": _speech(sentences),
                "text": Script(sentences).text,
                "sentences": bodies,
            }
        )
    suffix = _suffix(url)
    properties = {
        "audio_format": _FORMATS.get(suffix, suffix),
        "channels": list(range(max(submission.channels) + 1)),
        "original_sampling_rate": 16000,
        "original_duration_in_milliseconds": script.duration,
    }
    return {"file_url": url, "properties": properties, "transcripts": transcripts}


def _filetrans_file(submission: Submission, url: str, script: Script) -> dict[str, Any]:
    transcripts = []
    for channel in submission.channels:
        sentences = _of_channel(script, channel)
        bodies: list[dict[str, Any]] = []
        for number, sentence in enumerate(sentences):
            spoken = sentence.language or submission.language or ("en" if sentence.text.isascii() else "zh")
            body: dict[str, Any] = {
                "sentence_id": number,
                "begin_time": sentence.begin_time,
                "end_time": sentence.end_time,
                "language": spoken,
                "emotion": sentence.emotion or "neutral",
                "text": sentence.text,
            }
            if submission.words:
                body["words"] = _words(sentence.words, keep_space=False)
            bodies.append(body)
        transcripts.append({"channel_id": channel, "text": Script(sentences).text, "sentences": bodies})
    audio_info = {"format": _suffix(url) or "wav", "sample_rate": 16000}
    return {"file_url": url, "audio_info": audio_info, "transcripts": transcripts}


# == the storage =======================================================================================================


class Storage:
    """Objects behind signed URLs, as the services keep their result files.

    Args:
        secret: key of the signatures.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._objects: dict[str, tuple[Submission, str, Script | Sample]] = {}
        self.origin = ""  # scheme, host and port; set when the port is known

    def put(self, name: str, at: int, submission: Submission, url: str, outcome: Script | Sample) -> str:
        """Keep the result of the audio file `url` from `at` (ms) for a day; returns its signed URL."""
        path = f"/pre/filetrans-16k/{local_time(at):%Y%m%d/%H%%3A%M}/{name}"
        self._objects[path] = (submission, url, outcome)
        expires = str((at + DAY) // 1000)
        signature = quote(self._sign(path, expires), safe="")
        return f"{self.origin}{path}?Expires={expires}&OSSAccessKeyId={_KEY_ID}&Signature={signature}"

    def _sign(self, path: str, expires: str) -> str:
        mac = hmac.digest(self._secret, f"GET\n\n\n{expires}\n{path}".encode(), "sha1")
        return base64.b64encode(mac).decode()

    def answer(self, raw: RawRequest, request_id: str, now: int) -> Answer:
        """The object; XML with 404 for an unknown one, with 403 for credentials, a wrong or an old signature."""
        path, _, query = raw.target.partition("?")
        if raw.method not in ("GET", "HEAD"):
            return xml_error(request_id, 405, "MethodNotAllowed", "The specified method is not allowed here.")
        for name in raw.headers:
            if name in ("authorization", "cookie") or name.startswith("x-dashscope-"):
                return xml_error(request_id, 403, "AccessDenied", f"A signed URL is fetched without {name}.")
        if path not in self._objects:
            return xml_error(request_id, 404, "NoSuchKey", "The specified key does not exist.")
        fields = {name: values[-1] for name, values in parse_qs(query).items()}
        expires, signature = fields.get("Expires", ""), fields.get("Signature", "")
        signed = hmac.compare_digest(signature.encode(), self._sign(path, expires).encode())
        if not signed or fields.get("OSSAccessKeyId") != _KEY_ID:
            message = "The request signature we calculated does not match the signature you provided."
            return xml_error(request_id, 403, "SignatureDoesNotMatch", message)
        if now >= int(expires) * 1000:
            return xml_error(request_id, 403, "AccessDenied", "Request has expired.")
        submission, url, outcome = self._objects[path]
        if isinstance(outcome, Sample):
            content_type = outcome.content_type or "application/json"
            return Answer(request_id, outcome.status, content_type, [Event(0, outcome.body)] if outcome.body else [])
        body = result_file(submission, url, outcome)
        return Answer(request_id, 200, "application/json", [Event(0, body)], label="result file")


def xml_error(request_id: str, status: int, code: str, message: str) -> Answer:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error>\n  <Code>{code}</Code>\n  <Message>{message}</Message>\n  <RequestId>{request_id}</RequestId>\n"
        "  <HostId>dashscope-result-emulator</HostId>\n</Error>\n"
    )
    return Answer(request_id, status, "application/xml", [Event(0, body.encode())])
