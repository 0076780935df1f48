# The emulator from outside: raw sockets and httpcore against real ports, answers compared with the literal samples.
# Nothing here uses this library's own client or decoder.

from __future__ import annotations

import asyncio
import copy
import json
import logging
import socket
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trio

from asrwire import ConfigError, Sentence, Word
from asrwire._errors import Closed
from asrwire.emulator import DEFAULT_SCRIPT, Emulator, Sample, Script, _server

SAMPLES = Path(__file__).parent / "samples"
GENERATION = "/services/aigc/multimodal-generation/generation"
PLAIN = Script.from_texts(["欢迎使用阿里云。", "Hello world, this is a test.", "再见。"])
KEY = "sk-very-secret"

MODELS = {
    "openai": "qwen3-asr-flash",
    "qwen": "qwen3-asr-flash",
    "flash": "fun-asr-flash-2026-06-15",
    "realtime": "fun-asr-realtime",
    "qwen-audio-3.0": "qwen-audio-3.0-asr-flash",
    "qwen-audio-3.1": "qwen-audio-3.1-asr-flash",
}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def request_body(kind: str, *, stream: bool = False) -> dict[str, Any]:
    names = {"openai": "qwen_asr_openai", "qwen": "qwen_asr_dashscope", "realtime": "funasr_realtime_http"}
    body = sample(names.get(kind, "funasr_flash") + "_request.json")
    body["model"] = MODELS[kind]
    if kind == "openai":
        body["stream"] = stream
    return body


def request_headers(kind: str, *, stream: bool = False) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if kind != "openai":
        headers["X-DashScope-SSE"] = "enable" if stream else "disable"
    return headers


def url(emulator: Emulator, kind: str) -> str:
    if kind == "openai":
        return emulator.compatible_base_url + "/chat/completions"
    return emulator.base_url + GENERATION


def send(emulator: Emulator, where: str, headers: dict[str, str], body: Any, method: str = "POST") -> httpcore.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with httpcore.ConnectionPool(ssl_context=emulator.ssl_context) as pool:
        return pool.request(method, where, headers=headers, content=content)


def ask(emulator: Emulator, kind: str, *, stream: bool = False, body: Any = None) -> httpcore.Response:
    body = request_body(kind, stream=stream) if body is None else body
    response = send(emulator, url(emulator, kind), request_headers(kind, stream=stream), body)
    assert response.status == 200, response.content
    return response


def header(response: httpcore.Response, name: bytes) -> bytes | None:
    return next((value for key, value in response.headers if key.lower() == name), None)


def payloads(stream: bytes) -> list[Any]:
    """The JSON of each event; the framing must be exactly the documents'."""
    events = stream.decode().split("\n\n")
    assert events.pop() == ""
    found = []
    for number, event in enumerate(events, 1):
        lines = event.split("\n")
        if lines[0].startswith("data: "):
            assert len(lines) == 1
            if lines[0] == "data: [DONE]":
                assert number == len(events)
            else:
                found.append(json.loads(lines[0].removeprefix("data: ")))
        else:
            assert lines[:3] == [f"id:{number}", "event:result", ":HTTP_STATUS/200"]
            assert len(lines) == 4
            assert lines[3].startswith("data:{")
            found.append(json.loads(lines[3].removeprefix("data:")))
    return found


def shape(value: Any, *, ordered: bool) -> Any:
    """Keys and types without values; of an array, the shapes of its elements, each once."""
    if isinstance(value, dict):
        pairs = [(key, shape(inner, ordered=ordered)) for key, inner in value.items()]
        return pairs if ordered else dict(pairs)
    if isinstance(value, list):
        shapes: list[Any] = []
        for item in value:
            if shape(item, ordered=ordered) not in shapes:
                shapes.append(shape(item, ordered=ordered))
        return shapes
    return type(value).__name__


def sample_events(name: str) -> list[Any]:
    return payloads((SAMPLES / name).read_bytes())


# == requests the documents allow ======================================================================================


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("qwen_asr_openai_request.json", "openai"),
        ("qwen_asr_dashscope_request.json", "qwen"),
        ("funasr_flash_request.json", "flash"),
        ("funasr_flash_request_context.json", "flash"),
        ("funasr_realtime_http_request.json", "realtime"),
        ("funasr_realtime_http_request_base64.json", "realtime"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_documented_requests_are_accepted(name: str, kind: str, stream: bool) -> None:
    body = sample(name)
    if kind == "openai":
        body["stream"] = stream
    with Emulator(PLAIN) as emulator:
        response = ask(emulator, kind, stream=stream, body=body)
        [request] = emulator.requests
    assert header(response, b"content-type") == (b"text/event-stream;charset=UTF-8" if stream else b"application/json")
    assert (request.method, request.json) == ("POST", body)
    assert request.path == ("/compatible-mode/v1/chat/completions" if kind == "openai" else "/api/v1" + GENERATION)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(request)


FLASH_AUDIO = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "https://a.test/a.wav"}}]}
USER_TURN = {"role": "user", "content": [{"type": "input_text", "text": "hi"}]}
ASSISTANT_TURN = {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}


def changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    """The documented request with one member set; ``...`` removes it."""
    body = copy.deepcopy(request_body(kind))
    target: Any = body
    *inner, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in inner:
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return body


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("openai", "asr_options/language", "fil"),
        ("openai", "messages",
         [{"role": "system", "content": [{"text": "names"}]}, *request_body("openai")["messages"]]),
        ("openai", "messages",
         [{"role": "system", "content": [{"type": "text", "text": "names"}]}, *request_body("openai")["messages"]]),
        ("openai", "model", "qwen3-asr-flash-2026-02-10"),
        ("qwen", "model", "qwen3-asr-flash-us"),
        ("qwen", "model", "qwen3-asr-flash-2025-09-08-us"),
        ("qwen", "parameters", ...),
        ("qwen", "parameters/result_format", "message"),
        ("qwen", "parameters/incremental_output", True),
        ("flash", "model", "fun-asr-flash"),
        ("flash", "parameters/language_hints", ["zh", "en"]),
        ("flash", "parameters/vocabulary_id", "vocab-1"),
        ("flash", "input/messages", [USER_TURN, ASSISTANT_TURN] * 5 + [FLASH_AUDIO]),
        ("flash", "input/messages", [USER_TURN, FLASH_AUDIO]),
        ("flash", "input/messages/0/content/0/input_audio/data", "data:audio/mpeg;base64,SUQz"),
        ("flash", "input/messages/0/content/0/input_audio/data", "DATA:audio/mpeg;base64,SUQz"),
        ("flash", "input/messages/0/content/0/input_audio/data", "HTTPS://a.test/a.wav"),
        ("qwen-audio-3.0", "parameters/vocabulary", {"张三": 5, "李四": 50}),
        ("qwen-audio-3.1", "parameters/speaker_diarization_enabled", True),
        ("qwen-audio-3.1", "parameters/keep_dialect", True),
        ("qwen-audio-3.1", "model", "qwen-audio-3.1-asr-flash-2026-08-01"),
        ("realtime", "model", "fun-asr-realtime-2026-02-28"),
        ("realtime", "input", ...),
        ("realtime", "resources", ...),
        ("realtime", "parameters/vad_enabled", False),
    ],
)  # fmt: skip
def test_what_the_tables_allow(kind: str, path: str, value: Any) -> None:
    with Emulator(PLAIN) as emulator:
        ask(emulator, kind, body=changed(kind, path, value))


# == and those they do not =============================================================================================


MANY = {f"word{n}": 50 for n in range(51)}
BAD_DATA = "input/messages/0/content/0/input_audio/data"
REFUSED = [
    # unknown and misplaced fields, at every level
    ("openai", "temperature", 0, "temperature"),
    ("openai", "input", {}, "input"),
    ("openai", "parameters", {"asr_options": {}}, "parameters"),
    ("openai", "language", "zh", "language"),
    ("openai", "asr_options/itn", True, "asr_options.itn"),
    ("openai", "messages/0/name", "x", "messages[0].name"),
    ("openai", "messages/0/content/0/format", "wav", "messages[0].content[0].format"),
    ("openai", "messages/0/content/0/input_audio/format", "wav", "messages[0].content[0].input_audio.format"),
    ("openai", "stream_options/usage", True, "stream_options.usage"),
    ("qwen", "asr_options", {}, "asr_options"),
    ("qwen", "messages", [], "messages"),
    ("qwen", "stream", True, "stream"),
    ("qwen", "input/audio", "https://a.test/a.wav", "input.audio"),
    ("qwen", "parameters/language", "zh", "parameters.language"),
    ("qwen", "parameters/format", "wav", "parameters.format"),
    ("qwen", "parameters/asr_options/format", "wav", "parameters.asr_options.format"),
    ("flash", "format", "wav", "format"),
    ("flash", "parameters/asr_options", {}, "parameters.asr_options"),
    ("flash", "parameters/vad_enabled", True, "parameters.vad_enabled"),
    ("flash", "parameters/audio_address", "https://a.test/a.wav", "parameters.audio_address"),
    ("flash", "parameters/vocabulary", {"a": 1}, "parameters.vocabulary"),
    ("flash", "parameters/speaker_diarization_enabled", True, "parameters.speaker_diarization_enabled"),
    ("flash", "resources", [], "resources"),
    ("qwen-audio-3.0", "parameters/speaker_diarization_enabled", True, "parameters.speaker_diarization_enabled"),
    ("qwen-audio-3.0", "parameters/keep_dialect", True, "parameters.keep_dialect"),
    ("realtime", "parameters/vocabulary", {"a": 1}, "parameters.vocabulary"),
    ("realtime", "audio_address", "https://a.test/a.wav", "audio_address"),
    ("realtime", "resources", [{}], "resources"),
    # what is missing
    ("openai", "messages", ..., "messages"),
    ("openai", "messages", [], "messages"),
    ("openai", "messages/0/content", ..., "messages[0].content"),
    ("openai", "messages/0/role", ..., "messages[0].role"),
    ("openai", "messages/0/content/0/type", ..., "messages[0].content[0].type"),
    ("openai", "messages/0/content/0/input_audio", ..., "messages[0].content[0].input_audio"),
    ("openai", "messages/0/content/0/input_audio/data", ..., "messages[0].content[0].input_audio.data"),
    ("qwen", "model", ..., "model"),
    ("qwen", "input", ..., "input"),
    ("qwen", "input/messages", ..., "input.messages"),
    ("qwen", "input/messages/1/content", [], "input.messages[1].content"),
    ("qwen", "input/messages/1/content", [{}], "input.messages[1].content[0].audio"),
    ("flash", "parameters", ..., "parameters"),
    ("flash", "parameters/format", ..., "parameters.format"),
    ("qwen-audio-3.1", "parameters/format", ..., "parameters.format"),
    ("realtime", "parameters", ..., "parameters"),
    ("realtime", "parameters/format", ..., "parameters.format"),
    ("realtime", "parameters/audio_address", ..., "parameters.audio_address"),
    # wrong types
    ("openai", "model", 3, "model"),
    ("openai", "messages", {}, "messages"),
    ("openai", "messages", ["hi"], "messages[0]"),
    ("openai", "stream", "true", "stream"),
    ("openai", "asr_options", [], "asr_options"),
    ("openai", "asr_options/enable_itn", 1, "asr_options.enable_itn"),
    ("qwen", "input", [], "input"),
    ("qwen", "parameters", None, "parameters"),
    ("qwen", "parameters/incremental_output", "true", "parameters.incremental_output"),
    ("qwen", "input/messages/1/content/0/audio", 1, "input.messages[1].content[0].audio"),
    ("flash", "parameters/sample_rate", 16000, "parameters.sample_rate"),
    ("flash", "parameters/language_hints", "zh", "parameters.language_hints"),
    ("flash", "input/messages/0/role", 1, "input.messages[0].role"),
    ("qwen-audio-3.1", "parameters/vocabulary", ["a"], "parameters.vocabulary"),
    ("qwen-audio-3.1", "parameters/vocabulary", {"a": True}, "parameters.vocabulary.a"),
    ("qwen-audio-3.1", "parameters/keep_dialect", "yes", "parameters.keep_dialect"),
    # values outside the documented ranges
    ("openai", "asr_options/language", "klingon", "asr_options.language"),
    ("qwen", "parameters/asr_options/language", "tl", "parameters.asr_options.language"),
    ("qwen", "parameters/result_format", "text", "parameters.result_format"),
    ("flash", "parameters/format", "wave", "parameters.format"),
    ("flash", "parameters/sample_rate", "16k", "parameters.sample_rate"),
    ("flash", "parameters/language_hints", ["yue"], "parameters.language_hints[0]"),
    ("flash", "parameters/vocabulary_id", "", "parameters.vocabulary_id"),
    ("qwen-audio-3.0", "parameters/vocabulary", {"a": 6}, "parameters.vocabulary.a"),
    ("qwen-audio-3.0", "parameters/vocabulary", {"a": 0}, "parameters.vocabulary.a"),
    ("qwen-audio-3.0", "parameters/vocabulary", MANY, "parameters.vocabulary"),
    # the other families' audio
    ("openai", "messages/0/content", [{"audio": "https://a.test/a.wav"}], "messages[0].content[0].audio"),
    ("qwen", "input/messages/1", FLASH_AUDIO, "input.messages[1].content[0].input_audio"),
    ("flash", "input/messages/0/content", [{"audio": "https://a.test/a.wav"}], "input.messages[0].content[0].audio"),
    ("realtime", "input/messages", [FLASH_AUDIO], "input.messages[0].content[0].input_audio"),
    # what audio looks like
    ("flash", BAD_DATA, "/tmp/a.wav", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "file:///tmp/a.wav", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "SUQz", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:audio/wav,SUQz", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:;base64,SUQz", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:audio/wav;base64,", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:audio/wav;base64,SUQ", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:audio/wav;base64,S-_z", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "data:audio/wav;base64,SUQz\n", "input.messages[0].content[0].input_audio.data"),
    ("flash", BAD_DATA, "oss://bucket/a.wav", "X-DashScope-OssResourceResolve"),
    ("realtime", "parameters/audio_address", "oss://bucket/a.wav", "X-DashScope-OssResourceResolve"),
    ("realtime", "parameters/audio_address", "data:audio/wav;base64,SUQz", "parameters.audio_address"),
    ("realtime", "input/messages", [{"role": "user", "content": [{"audio": "https://a.test/a.wav"}]}],
     "input.messages[0].content[0].audio"),
    ("realtime", "input/messages", [{"role": "user", "content": [{"audio": "data:audio/wav;base64,SUQz"}]}],
     "parameters.audio_address"),
    # messages: who speaks, in which order, how often
    ("openai", "messages/0/role", "assistant", "messages[0].role"),
    ("openai", "messages", request_body("openai")["messages"] * 2, "messages[0].role"),
    ("openai", "messages/0/content", request_body("openai")["messages"][0]["content"] * 2, "messages[0].content"),
    ("openai", "messages", [{"role": "system", "content": [{"text": ""}]}], "messages[0].role"),
    ("qwen", "input/messages", request_body("qwen")["input"]["messages"][::-1], "input.messages[1].role"),
    ("qwen", "input/messages", request_body("qwen")["input"]["messages"][:1] * 2, "input.messages[1].role"),
    ("qwen", "input/messages",
     request_body("qwen")["input"]["messages"][:1] * 2 + request_body("qwen")["input"]["messages"][1:],
     "input.messages[1].role"),
    ("flash", "input/messages/0/role", "system", "input.messages[0].role"),
    ("flash", "input/messages", [USER_TURN], "input.messages[0].content[0].type"),
    ("flash", "input/messages", [FLASH_AUDIO, USER_TURN], "input.messages[0].content[0].type"),
    ("flash", "input/messages", [FLASH_AUDIO, FLASH_AUDIO], "input.messages[0].content[0].type"),
    ("flash", "input/messages/0/content", FLASH_AUDIO["content"] * 2, "input.messages[0].content"),
    ("flash", "input/messages", [ASSISTANT_TURN, USER_TURN, FLASH_AUDIO], "input.messages[0].role"),
    ("flash", "input/messages", [USER_TURN] * 6 + [FLASH_AUDIO], "input.messages[5]"),
    ("flash", "input/messages", [USER_TURN, ASSISTANT_TURN] * 6 + [FLASH_AUDIO], "input.messages[10]"),
    ("flash", "input/messages", [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, FLASH_AUDIO],
     "input.messages[0].content[0].type"),
    # stream_options belongs to streams
    ("openai", "stream_options", {"include_usage": True}, "stream_options"),
]  # fmt: skip


def refused(response: httpcore.Response, kind: str) -> tuple[int, str, str]:
    """status, code, message; the body has the documented members and no others."""
    body = json.loads(response.content)
    assert header(response, b"content-type") == b"application/json"
    assert body["request_id"].encode() == header(response, b"x-request-id")
    if kind == "openai":
        assert body.keys() == sample("qwen_asr_openai_error.json").keys()
        body = body["error"]
        assert body.keys() == sample("qwen_asr_openai_error.json")["error"].keys()
        assert body["type"] == "invalid_request_error"
    else:
        assert body.keys() == sample("error_native_429.json").keys()
    return response.status, body["code"], body["message"]


def test_refused_requests_name_the_field() -> None:
    with Emulator(PLAIN) as emulator:
        for kind, path, value, named in REFUSED:
            response = send(emulator, url(emulator, kind), request_headers(kind), changed(kind, path, value))
            status, code, message = refused(response, kind)
            case = f"{kind} {path} {value!r:.60}: {message}"
            assert (status, code) == (400, "invalid_parameter_error" if kind == "openai" else "InvalidParameter"), case
            assert message.startswith(f"{named}: "), case
        assert [sent.status for sent in emulator.sent] == [400] * len(REFUSED)
        assert {sent.model for sent in emulator.sent} == {None}


def test_a_misplaced_field_is_told_where_it_belongs() -> None:
    with Emulator(PLAIN) as emulator:
        body = changed("qwen", "parameters/language", "zh")
        _, _, message = refused(send(emulator, url(emulator, "qwen"), request_headers("qwen"), body), "qwen")
    assert message == "parameters.language: belongs at parameters.asr_options.language"


@pytest.mark.parametrize(
    ("kind", "headers", "status", "code", "named"),
    [
        ("flash", {"X-DashScope-SSE": None}, 400, "InvalidParameter", "X-DashScope-SSE"),
        ("realtime", {"X-DashScope-SSE": None}, 400, "InvalidParameter", "X-DashScope-SSE"),
        ("qwen-audio-3.1", {"X-DashScope-SSE": None}, 400, "InvalidParameter", "X-DashScope-SSE"),
        ("flash", {"X-DashScope-SSE": "true"}, 400, "InvalidParameter", "X-DashScope-SSE"),
        ("qwen", {"X-DashScope-SSE": ""}, 400, "InvalidParameter", "X-DashScope-SSE"),
        ("flash", {"Content-Type": None}, 400, "InvalidParameter", "Content-Type"),
        ("openai", {"Content-Type": "text/plain"}, 400, "invalid_parameter_error", "Content-Type"),
        ("qwen", {"Authorization": None}, 401, "InvalidApiKey", "API-key"),
        ("qwen", {"Authorization": ""}, 401, "InvalidApiKey", "API-key"),
        ("qwen", {"Authorization": "Bearer"}, 401, "InvalidApiKey", "API-key"),
        ("qwen", {"Authorization": KEY}, 401, "InvalidApiKey", "API-key"),
        ("openai", {"Authorization": None}, 401, "invalid_api_key", "API-key"),
    ],
)
def test_refused_headers(kind: str, headers: dict[str, str | None], status: int, code: str, named: str) -> None:
    given = {name: value for name, value in (request_headers(kind) | headers).items() if value is not None}
    with Emulator(PLAIN) as emulator:
        response = send(emulator, url(emulator, kind), given, request_body(kind))
    assert refused(response, kind)[:2] == (status, code)
    assert named in refused(response, kind)[2]


def test_headers_that_may_be_left_out_or_spelled_otherwise() -> None:
    with Emulator(PLAIN) as emulator:
        headers = request_headers("qwen") | {"Content-Type": "application/json; charset=utf-8"}
        del headers["X-DashScope-SSE"]
        assert send(emulator, url(emulator, "qwen"), headers, request_body("qwen")).status == 200
        headers = request_headers("flash") | {"X-DashScope-OssResourceResolve": "enable"}
        body = changed("flash", BAD_DATA, "oss://bucket/a.wav")
        assert send(emulator, url(emulator, "flash"), headers, body).status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b'{"model": "\xff"}'])
def test_a_body_that_is_no_json_object(body: bytes) -> None:
    with Emulator(PLAIN) as emulator:
        response = send(emulator, url(emulator, "flash"), request_headers("flash"), body)
    assert refused(response, "flash") == (400, "InvalidParameter", "body: must be a JSON object")


@pytest.mark.parametrize(
    ("kind", "model", "code"),
    [
        ("openai", "fun-asr-flash-2026-06-15", "model_not_supported"),
        ("openai", "qwen-audio-3.1-asr-flash", "model_not_supported"),
        ("openai", "qwen3-asr-flash-us", "model_not_supported"),
        ("openai", "gpt-4o-transcribe", "model_not_supported"),
        ("qwen", "qwen3-asr-flash-filetrans", "ModelNotFound"),
        ("qwen", "qwen3-asr-flash-realtime", "ModelNotFound"),
        ("qwen", "fun-asr", "ModelNotFound"),
        ("qwen", "fun-asr-flash-8k-realtime", "ModelNotFound"),
        ("qwen", "qwen-audio-3.1-asr-flash-filetrans", "ModelNotFound"),
    ],
)
def test_models_served_elsewhere(kind: str, model: str, code: str) -> None:
    with Emulator(PLAIN) as emulator:
        response = send(emulator, url(emulator, kind), request_headers(kind), changed(kind, "model", model))
    status, got, message = refused(response, kind)
    assert (status, got) == (404, code)
    assert model in message


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/tasks/a/b", "/compatible-mode/v1/models"])
def test_unknown_paths(path: str) -> None:
    with Emulator(PLAIN) as emulator:
        origin = emulator.base_url.removesuffix("/api/v1")
        response = send(emulator, origin + path, request_headers("qwen"), b"", "GET")
        assert send(emulator, origin + path, request_headers("qwen"), b"", "HEAD").content == b""
    assert refused(response, "qwen") == (404, "NotFound", f"there is no {path} here")


def test_only_post() -> None:
    with Emulator(PLAIN) as emulator:
        response = send(emulator, url(emulator, "qwen"), request_headers("qwen"), b"", "GET")
    assert refused(response, "qwen")[:2] == (405, "MethodNotAllowed")
    assert header(response, b"allow") == b"POST"


# == shapes: the samples' own ==========================================================================================


@pytest.mark.parametrize(
    ("kind", "envelope", "name"),
    [
        ("openai", "doc", "qwen_asr_openai_response.json"),
        ("openai", "public", "qwen_asr_openai_response.json"),
        ("qwen", "doc", "qwen_asr_dashscope_response.json"),
        ("qwen", "workspace", "qwen_asr_dashscope_response.json"),
        ("flash", "doc", "funasr_flash_response.json"),
        ("realtime", "doc", "funasr_realtime_http_response.json"),
        ("qwen-audio-3.0", "doc", "funasr_flash_response.json"),
        ("flash", "public", "flash_envelope_public_host.json"),
        ("realtime", "public", "flash_envelope_public_host.json"),
        ("qwen-audio-3.0", "public", "flash_envelope_public_host.json"),
        ("flash", "workspace", "flash_envelope_workspace_host.json"),
        ("realtime", "workspace", "flash_envelope_workspace_host.json"),
        ("qwen-audio-3.0", "workspace", "flash_envelope_workspace_host.json"),
    ],
)
def test_json_bodies_have_the_samples_members(kind: str, envelope: Any, name: str) -> None:
    with Emulator(PLAIN, envelope=envelope) as emulator:
        response = ask(emulator, kind)
        [sent] = emulator.sent
    body = json.loads(response.content)
    assert shape(body, ordered=False) == shape(sample(name), ordered=False)
    assert int(header(response, b"content-length") or b"") == len(response.content)
    text = "欢迎使用阿里云。Hello world, this is a test.再见。"
    assert (sent.text, sent.events, sent.stream, sent.complete, sent.model) == (text, 1, False, True, MODELS[kind])
    assert text in response.content.decode()
    if kind in ("openai", "qwen"):
        assert sent.sentences == ()
    else:
        [sentence] = sent.sentences
        assert (sentence.text, sentence.begin_time, sentence.end_time) == (text, 200, PLAIN.duration)


@pytest.mark.parametrize("envelope", ["doc", "public", "workspace"])
def test_diarization_adds_the_parts(envelope: Any) -> None:
    script = Script.from_texts(["第1段。", "第2段。", "第3段。"], speakers=(0, 1))
    with Emulator(script, envelope=envelope) as emulator:
        body = changed("qwen-audio-3.1", "parameters/speaker_diarization_enabled", True)
        response = ask(emulator, "qwen-audio-3.1", body=body)
        [sent] = emulator.sent
    answer = json.loads(response.content)
    if envelope == "workspace":
        expected = sample("qwen_audio_31_diarized_workspace.json")
        assert shape(answer, ordered=False) == shape(expected, ordered=False)
    node = {"doc": answer["output"], "public": answer["output"].get("output"), "workspace": answer}[envelope]
    assert [part["text"] for part in node["sentences"]] == ["第1段。", "第2段。", "第3段。"]
    assert [part["speaker_id"] for part in node["sentences"]] == [0, 1, 0]
    assert [word["speaker_id"] for word in node["sentence"]["words"]] == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert [sentence.text for sentence in sent.sentences] == ["第1段。", "第2段。", "第3段。"]


@pytest.mark.parametrize("kind", ["flash", "realtime"])
def test_sentence_events_are_the_samples(kind: str) -> None:
    begin, partial, _, final = sample_events("funasr_realtime_http_stream.sse")
    with Emulator(PLAIN) as emulator:
        events = payloads(ask(emulator, kind, stream=True).content)
        [sent] = emulator.sent
    expected = [shape(event, ordered=True) for event in (begin, partial, final)]
    assert all(shape(event, ordered=True) in expected for event in events)
    sentences = [event["output"]["sentence"] for event in events]
    begins = [sentence for sentence in sentences if "sentence_begin" in sentence]
    finals = [sentence for sentence in sentences if sentence["sentence_end"]]
    assert [sentence["sentence_id"] for sentence in begins] == [1, 2, 3]
    assert [sentence["text"] for sentence in begins] == ["", "", ""]
    assert [sentence["sentence_id"] for sentence in finals] == [1, 2, 3]
    assert [sentence["text"] for sentence in finals] == [sentence.text for sentence in PLAIN.sentences]
    assert [event["usage"]["duration"] for event in events if "usage" in event] == [2, 5, 6]
    assert all(word["fixed"] == sentence["sentence_end"] for sentence in sentences for word in sentence["words"])
    assert events[-1]["output"]["text"] == PLAIN.text == sent.text
    assert list(sent.sentences) == list(PLAIN.sentences)
    assert sent.events == len(events)


@pytest.mark.parametrize("kind", ["flash", "realtime"])
@pytest.mark.parametrize("envelope", ["public", "workspace"])
def test_sentence_events_in_the_other_envelopes(kind: str, envelope: Any) -> None:
    name = {"public": "flash_envelope_public_host.json", "workspace": "flash_envelope_workspace_host.json"}[envelope]
    final = shape(sample(name), ordered=False)
    with Emulator(PLAIN) as emulator:
        plain = payloads(ask(emulator, kind, stream=True).content)
    with Emulator(PLAIN, envelope=envelope) as emulator:
        events = payloads(ask(emulator, kind, stream=True).content)
    assert len(events) == len(plain)
    for event, bare in zip(events, plain, strict=True):
        node = bare["output"]
        if "usage" in bare:
            assert shape(event, ordered=False) == final
        if envelope == "public":
            assert event["output"]["output"] == node
            usage = {"usage": bare["usage"]} if "usage" in bare else {}
            assert event == {"output": {**node, **usage, "output": node}, **usage, "request_id": event["request_id"]}
        else:
            mirrored = {**node, "request_id": event["request_id"]}
            assert event == {**{key: bare[key] for key in bare if key == "usage"}, **mirrored, "output": mirrored}


@pytest.mark.parametrize("kind", ["qwen-audio-3.0", "qwen-audio-3.1"])
@pytest.mark.parametrize("envelope", ["doc", "public", "workspace"])
def test_qwen_audio_streams_one_growing_text(kind: str, envelope: Any) -> None:
    with Emulator(PLAIN, envelope=envelope) as emulator:
        events = payloads(ask(emulator, kind, stream=True).content)
        [sent] = emulator.sent
    nodes = []
    for event in events:
        usage = {"usage"} & event.keys()
        if envelope == "doc":
            assert event.keys() == {"output", "request_id"} | usage
            nodes.append(event["output"])
        elif envelope == "public":
            assert event["output"].keys() == {"text", "output"} | usage
            nodes.append(event["output"]["output"])
        else:
            assert event.keys() == {"text", "output", "request_id"} | usage
            assert event["output"] == {"text": event["text"], "request_id": event["request_id"]}
            nodes.append({"text": event["text"]})
    assert all(node.keys() == {"text"} for node in nodes)
    assert nodes[-1]["text"] == PLAIN.text == sent.text
    assert sent.sentences == ()
    expected = {"duration"} if kind.endswith("3.0") else {"duration", "input_tokens", "output_tokens", "total_tokens"}
    assert events[-1]["usage"].keys() == expected


@pytest.mark.parametrize("incremental", [False, True])
def test_qwen_frames_are_the_samples(incremental: bool) -> None:
    name = f"qwen_asr_dashscope_stream_{'incremental' if incremental else 'cumulative'}.sse"
    expected = sample_events(name)
    with Emulator(PLAIN) as emulator:
        body = changed("qwen", "parameters/incremental_output", incremental)
        events = payloads(ask(emulator, "qwen", stream=True, body=body).content)
        [sent] = emulator.sent
    for event in events[:-1]:
        assert shape(event, ordered=True) == shape(expected[0], ordered=True)
    assert shape(events[-1], ordered=True) == shape(expected[-1], ordered=True)
    choices = [event["output"]["choices"][0] for event in events]
    assert {choice["finish_reason"] for choice in choices[:-1]} == {"null"}
    assert choices[-1]["finish_reason"] == "stop"
    texts = ["".join(part["text"] for part in choice["message"]["content"]) for choice in choices]
    if incremental:
        assert "".join(texts) == PLAIN.text
    else:
        assert all(later.startswith(text) for text, later in pairwise(texts))
        assert texts[-1] == PLAIN.text
    assert sent.text == PLAIN.text


@pytest.mark.parametrize("include_usage", [None, False, True])
def test_openai_chunks_are_the_samples(include_usage: bool | None) -> None:
    expected = sample_events("qwen_asr_openai_stream_include_usage.sse")
    body = request_body("openai", stream=True)
    if include_usage is not None:
        body["stream_options"] = {"include_usage": include_usage}
    with Emulator(PLAIN) as emulator:
        response = ask(emulator, "openai", stream=True, body=body)
        [sent] = emulator.sent
    assert response.content.endswith(b"}\n\ndata: [DONE]\n\n")
    chunks = payloads(response.content)
    if include_usage:
        assert shape(chunks.pop(), ordered=True) == shape(expected[-1], ordered=True)
    assert shape(chunks[0], ordered=True) == shape(expected[0], ordered=True)
    for chunk in chunks[1:-1]:
        assert shape(chunk, ordered=True) == shape(expected[1], ordered=True)
    assert shape(chunks[-1], ordered=True) == shape(expected[-2], ordered=True)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == PLAIN.text
    assert sent.text == PLAIN.text
    assert sent.events == len(chunks) + bool(include_usage) + 1


def test_annotations_follow_the_request_and_the_script() -> None:
    with Emulator() as emulator:
        answer = json.loads(ask(emulator, "openai").content)
        assert answer["choices"][0]["message"]["annotations"] == [
            {"type": "audio_info", "language": "zh", "emotion": "neutral"}
        ]
        body = changed("openai", "asr_options/language", "yue")
        answer = json.loads(ask(emulator, "openai", body=body).content)
        assert answer["choices"][0]["message"]["annotations"][0]["language"] == "yue"


def test_the_built_in_script_tells_speaker_language_and_emotion() -> None:
    with Emulator() as emulator:
        events = payloads(ask(emulator, "realtime", stream=True).content)
        [sent] = emulator.sent
    finals = [event["output"]["sentence"] for event in events if event["output"]["sentence"]["sentence_end"]]
    assert len(finals) == 8
    assert {sentence["speaker_id"] for sentence in finals} == {0, 1}
    assert {sentence["language"] for sentence in finals} == {"zh", "en"}
    assert {sentence["emotion"] for sentence in finals} == {"neutral", "happy", "surprised"}
    assert sent.sentences == DEFAULT_SCRIPT.sentences
    assert 28_000 <= DEFAULT_SCRIPT.duration <= 32_000


def partials(emulator: Emulator) -> list[tuple[int, str]]:
    events = payloads(ask(emulator, "realtime", stream=True).content)
    return [(event["output"]["sentence"]["sentence_id"], event["output"]["sentence"]["text"]) for event in events]


def test_partials_grow_and_are_sometimes_taken_back() -> None:
    with Emulator(seed=1) as emulator:
        first, again = partials(emulator), partials(emulator)
    with Emulator(seed=2) as emulator:
        other = partials(emulator)
    assert first == again != other
    taken_back = [
        text for (number, text), (after, later) in pairwise(first)
        if number == after and not later.startswith(text)
    ]  # fmt: skip
    assert 3 <= len(taken_back) <= 20


# == HTTP ==============================================================================================================


def raw_request(kind: str = "realtime", *, stream: bool = True, version: str = "1.1", extra: str = "") -> bytes:
    body = json.dumps(request_body(kind, stream=stream)).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in request_headers(kind, stream=stream).items())
    path = "/compatible-mode/v1/chat/completions" if kind == "openai" else "/api/v1" + GENERATION
    start = f"POST {path} HTTP/{version}\r\nHost: emulator\r\n{head}Content-Length: {len(body)}\r\n{extra}\r\n"
    return start.encode() + body


def connect(emulator: Emulator) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(emulator.base_url.split(":")[2].split("/")[0])), timeout=20)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        part = sock.recv(65536)
        assert part, data
        data += part
    return data


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_every_event_is_a_chunk() -> None:
    with Emulator(PLAIN) as emulator, connect(emulator) as sock:
        sock.sendall(raw_request())
        head, _, body = read_until(sock, b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")
        [sent] = emulator.sent
    assert head.startswith(b"HTTP/1.1 200 \r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    chunks = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    assert chunks.pop() == b""
    assert len(chunks) == sent.events
    assert all(chunk.startswith(b"id:%d\n" % number) and chunk.endswith(b"}\n\n")
               for number, chunk in enumerate(chunks, 1))  # fmt: skip


def test_keep_alive_and_pipelining() -> None:
    with Emulator(PLAIN) as emulator, connect(emulator) as sock:
        sock.sendall(raw_request())
        first = read_until(sock, b"0\r\n\r\n")
        sock.sendall(raw_request(stream=False) + raw_request("openai"))
        rest = read_until(sock, b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert first.count(b"HTTP/1.1 200") == 1
        assert rest.count(b"HTTP/1.1 200") == 2
        assert [sent.stream for sent in emulator.sent] == [True, False, True]


def test_http_10_is_closed_and_not_chunked() -> None:
    with Emulator(PLAIN) as emulator, connect(emulator) as sock:
        sock.sendall(raw_request(version="1.0"))
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert payloads(body)[-1]["output"]["text"] == PLAIN.text


def test_expect_continue() -> None:
    request = raw_request(stream=False, extra="Expect: 100-continue\r\n")
    head, body = request.split(b"\r\n\r\n")
    with Emulator(PLAIN) as emulator, connect(emulator) as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        sock.sendall(body)
        assert read_until(sock, b"}").startswith(b"HTTP/1.1 200 ")


def test_limits_on_what_a_client_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _server.MAX_BODY == 64 * 2**20
    monkeypatch.setattr(_server, "MAX_BODY", 1000)
    start = b"POST /api/v1/x HTTP/1.1\r\nHost: e\r\n"
    cases = [
        (start + b"Content-Length: 1001\r\n\r\n", b"413", b"BadRequest.TooLarge"),
        (start + b"Transfer-Encoding: chunked\r\n\r\n3E9\r\n" + b"x" * 1001, b"413", b"BadRequest.TooLarge"),
        (start + b"X: " + b"x" * 70_000, b"431", b"InvalidParameter"),
        (b"hello\r\n\r\n", b"400", b"InvalidParameter"),
        (start + b"Content-Length: x\r\n\r\n", b"400", b"InvalidParameter"),
    ]
    with Emulator(PLAIN) as emulator:
        for sent, status, code in cases:
            with connect(emulator) as sock:
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)
                answer = read_all(sock)
            assert answer.startswith(b"HTTP/1.1 " + status), answer
            assert b"\r\nConnection: close\r\n" in answer
            assert b'"code":"' + code in answer
        assert emulator.requests == []
        ask(emulator, "qwen")


def test_concurrent_requests() -> None:
    kinds = [*MODELS] * 8
    with Emulator(PLAIN) as emulator, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda kind: ask(emulator, kind, stream=True).content, kinds))
        assert all(sent.complete and sent.text == PLAIN.text for sent in emulator.sent)
        assert sorted(request.json["model"] for request in emulator.requests) == sorted(MODELS[kind] for kind in kinds)
    assert all(answer.endswith(b"\n\n") for answer in answers)
    assert len({sent.request_id for sent in emulator.sent}) == len(kinds)


# == time ==============================================================================================================


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0
        self.wakes: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep_until(self, when: float) -> None:
        assert when >= self.time
        self.time = when
        self.wakes.append(round((when - 1000.0) * 1000, 6))


@pytest.mark.parametrize("speed", [1.0, 4.0, 0.5])
@pytest.mark.parametrize("kind", [*MODELS])
def test_events_leave_at_audio_time(kind: str, speed: float) -> None:
    emulator = Emulator(PLAIN, speed=speed)
    emulator._clock = clock = FakeClock()
    with emulator:
        ask(emulator, kind, stream=True)
    begins = {word.begin_time for sentence in PLAIN.sentences for word in sentence.words}
    ends = {word.end_time for sentence in PLAIN.sentences for word in sentence.words}
    due = [round(wake * speed) for wake in clock.wakes]
    assert set(due) <= begins | ends
    assert due[-1] == PLAIN.duration
    assert len(set(due)) >= len(ends) - len(PLAIN.sentences)


def test_a_json_answer_leaves_when_its_last_event_would() -> None:
    emulator = Emulator(PLAIN, speed=2)
    emulator._clock = clock = FakeClock()
    with emulator:
        ask(emulator, "realtime")
        assert clock.wakes == [PLAIN.duration / 2]


def test_an_event_leaves_before_the_next_is_due() -> None:
    # Real time: the first word is spoken at 200 ms; the last event, half a minute later, is not waited for.
    with Emulator(speed=1.0) as emulator, connect(emulator) as sock:
        sock.sendall(raw_request())
        assert b'"sentence_begin":true' in read_until(sock, b"}\n\n\r\n")
        [sent] = emulator.sent
        assert not sent.complete


# == starting, stopping ================================================================================================


def test_leaving_ends_open_streams() -> None:
    before = set(threading.enumerate())  # some are of earlier tests, and may end meanwhile
    emulator = Emulator(PLAIN, speed=0.001)
    with emulator:
        socks = [connect(emulator) for _ in range(3)]
        for sock in socks[:2]:
            sock.sendall(raw_request("openai"))
            read_until(sock, b"}\n\n\r\n")
        socks[2].sendall(b"POST / HTTP/1.1\r\n")
        assert [sent.events for sent in emulator.sent] == [1, 1]
        origin = ("127.0.0.1", int(emulator.base_url.split(":")[2].split("/")[0]))
    for sock in socks:
        with sock:
            assert ended(sock)
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError), socket.create_connection(origin):
        pass
    assert [(sent.events, sent.complete) for sent in emulator.sent] == [(1, False), (1, False)]
    assert len(emulator.requests) == 2


def test_a_client_that_disconnects_is_no_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script.from_texts(["Some words to fill a socket buffer with."] * 400)
    with Emulator(script) as emulator:
        for _ in range(5):
            with connect(emulator) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
                sock.sendall(raw_request())
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert ask(emulator, "qwen").status == 200
        assert emulator.sent[-1].complete
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not all(sent.complete for sent in emulator.sent)


def test_the_log_has_a_line_per_request_and_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="asrwire.emulator")
    with Emulator(PLAIN) as emulator:
        ask(emulator, "openai")
        send(emulator, url(emulator, "flash") + "?key=" + KEY, request_headers("flash"), b"{}")
    assert caplog.messages == [
        "POST /compatible-mode/v1/chat/completions 200 qwen3-asr-flash, 1 event",
        f"POST /api/v1{GENERATION} 400 refused, 1 event",
    ]


async def asynchronous_case() -> None:
    async with Emulator(PLAIN) as emulator, httpcore.AsyncConnectionPool() as pool:
        response = await pool.request(
            "POST",
            url(emulator, "flash"),
            headers=request_headers("flash", stream=True),
            content=json.dumps(request_body("flash")).encode(),
        )
        assert payloads(response.content)[-1]["output"]["text"] == PLAIN.text


def test_entered_from_asyncio() -> None:
    asyncio.run(asynchronous_case())


def test_entered_from_trio() -> None:
    trio.run(asynchronous_case)


def test_entered_once_and_addressed_only_then() -> None:
    emulator = Emulator(PLAIN)
    with pytest.raises(Closed, match="before it is entered"):
        _ = emulator.base_url
    with emulator:
        assert emulator.base_url.startswith("http://127.0.0.1:")
        assert emulator.base_url.endswith("/api/v1")
        assert emulator.compatible_base_url.endswith("/compatible-mode/v1")
        assert emulator.ssl_context is None
    with pytest.raises(Closed, match="once"):
        emulator.__enter__()


def test_left_before_it_ran() -> None:
    for _ in range(20):
        with Emulator(PLAIN):
            pass


def test_the_port_is_taken() -> None:
    with Emulator(PLAIN) as emulator:
        port = int(emulator.base_url.split(":")[2].split("/")[0])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"), Emulator(PLAIN, port=port):
            pass
    with Emulator(PLAIN, port=port) as emulator:
        assert f":{port}/" in emulator.base_url


@pytest.mark.parametrize("tls", [False, True])
def test_listening_everywhere_the_urls_can_be_reached(tls: bool) -> None:
    with Emulator(PLAIN, host="0.0.0.0", tls=tls) as emulator:
        assert "://127.0.0.1:" in emulator.base_url
        ask(emulator, "qwen")


# == TLS ===============================================================================================================


@pytest.mark.parametrize("kind", [*MODELS])
def test_tls(kind: str) -> None:
    with Emulator(PLAIN, tls=True) as emulator:
        assert emulator.base_url.startswith("https://127.0.0.1:")
        ask(emulator, kind, stream=True)
        assert emulator.sent[0].text == PLAIN.text


def test_tls_clients_that_do_not_get_through(caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(PLAIN, tls=True) as emulator:
        with connect(emulator) as sock:  # plain HTTP
            sock.sendall(raw_request())
            read_all(sock)
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with connect(emulator) as sock, pytest.raises(ssl.SSLCertVerificationError):
            stranger.wrap_socket(sock, server_hostname="127.0.0.1")
        silent = connect(emulator)  # open in the middle of its handshake when the emulator stops
        assert emulator.requests == []
    with silent:
        assert ended(silent)
    assert not caplog.records


def test_leaving_ends_open_tls_streams() -> None:
    with Emulator(PLAIN, tls=True, speed=0.001) as emulator:
        assert emulator.ssl_context is not None
        sock = emulator.ssl_context.wrap_socket(connect(emulator), server_hostname="127.0.0.1")
        sock.sendall(raw_request("openai"))
        read_until(sock, b"}\n\n\r\n")
    with sock:
        assert ended(sock)


def test_tls_without_trustme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigError, match=r"asrwire\[tls-emulator\]"):
        Emulator(tls=True)


# == samples ===========================================================================================================


LITERAL = sorted(path.name for path in SAMPLES.iterdir() if "_request" not in path.name)


@pytest.mark.parametrize("name", LITERAL)
def test_samples_are_answered_verbatim(name: str) -> None:
    with Emulator(SAMPLES / name) as emulator:
        response = send(emulator, url(emulator, "flash"), request_headers("flash", stream=True), request_body("flash"))
        [sent] = emulator.sent
    assert response.content == (SAMPLES / name).read_bytes()
    assert response.status == (400 if "http400" in name else 200)
    media_type = b"text/event-stream;charset=UTF-8" if name.endswith(".sse") else b"application/json"
    assert header(response, b"content-type") == media_type
    assert (sent.complete, sent.text, sent.sentences) == (True, None, ())


def test_a_sample_answers_any_model_but_no_bad_request() -> None:
    with Emulator(b'data: {"text": "x"}\n\ndata: [DONE]\n\n') as emulator:
        for kind in MODELS:
            assert ask(emulator, kind).content == b'data: {"text": "x"}\n\ndata: [DONE]\n\n'
        ask(emulator, "qwen", body=changed("qwen", "model", "qwen9-asr"))
        assert [sent.events for sent in emulator.sent] == [2] * (len(MODELS) + 1)
        body = changed("flash", "parameters/format", ...)
        assert send(emulator, url(emulator, "flash"), request_headers("flash"), body).status == 400
        assert send(emulator, url(emulator, "flash"), {}, body).status == 401


def test_sample_status_and_type() -> None:
    with Emulator(Sample(b"<html>", status=502, content_type="text/html")) as emulator:
        response = send(emulator, url(emulator, "qwen"), request_headers("qwen"), request_body("qwen"))
    assert (response.status, response.content, header(response, b"content-type")) == (502, b"<html>", b"text/html")
    with Emulator(b' {"a": 1}') as emulator:
        assert header(ask(emulator, "qwen"), b"content-type") == b"application/json"


@pytest.mark.parametrize(
    "literal", [Sample(b"", content_type="application/json"), Sample(b"", content_type="text/event-stream")]
)
def test_an_answer_without_a_body_is_complete_when_its_head_has_left(literal: Sample) -> None:
    with Emulator(literal) as emulator:
        for _ in range(20):  # the record is read right behind the head
            assert ask(emulator, "qwen").content == b""
            assert emulator.sent[-1].complete
    assert {sent.events for sent in emulator.sent} == {0}


# == scripts and arguments =============================================================================================


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("欢迎使用阿里云。", ["欢迎", "使用", "阿里", "云|。"]),
        ("Hello world.", ["Hello", " world|."]),
        ("It's well-known: ok?", ["It's", " well-known|:", " ok|?"]),
        ('He said "yes".', ["He", " said", ' "yes|".']),
        ("用GPT来转写3次", ["用", "GPT", "来转", "写", "3", "次"]),
        ("  two   spaces ", ["two", " spaces"]),
        ("«Oui», dit-il…", ["«Oui|»,", " dit-il|…"]),
        ("こんにちは世界", ["こん", "にち", "は世", "界"]),
    ],
)
def test_plain_texts_become_words(text: str, words: list[str]) -> None:
    [sentence] = Script.from_texts([text]).sentences
    assert [word.text + ("|" + word.punctuation if word.punctuation else "") for word in sentence.words] == words
    assert sentence.text == " ".join(text.split())
    times = [time for word in sentence.words for time in (word.begin_time, word.end_time)]
    assert times == sorted(times)  # type: ignore[type-var]
    assert (times[0], times[-1]) == (sentence.begin_time, sentence.end_time)


def test_joined_as_a_service_joins() -> None:
    assert Script.from_texts(["One two.", "Three.", "四。", "Five."]).text == "One two. Three.四。Five."


def word(begin: int | None, end: int | None, text: str = "a") -> Word:
    return Word(begin, end, text)


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        (Sentence(0, 1, 0, None, 5, "a", (word(0, 5),)), "begin_time and end_time"),
        (Sentence(0, 1, 0, 5, 4, "a", (word(4, 5),)), "begin_time and end_time"),
        (Sentence(0, 1, 0, 0, 5, "a"), "no words"),
        (Sentence(0, 1, 0, 0, 5, "a", (word(0, 6),)), r"words\[0\]: times"),
        (Sentence(0, 1, 0, 0, 5, "a", (word(None, 5),)), r"words\[0\]: times"),
        (Sentence(0, 1, 0, 0, 5, "aa", (word(2, 5), word(1, 5))), r"words\[1\]: times"),
        (Sentence(0, 1, 0, 0, 5, "b", (word(0, 5),)), "do not spell"),
    ],
)
def test_sentences_that_cannot_be_sent(sentence: Sentence, message: str) -> None:
    with pytest.raises(ConfigError, match=r"sentences\[0\].*" + message):
        Script((sentence,))


def test_a_sentence_must_follow_the_one_before() -> None:
    one = Sentence(0, 1, 0, 0, 5, "a", (word(0, 5),))
    with pytest.raises(ConfigError, match=r"sentences\[1\]"):
        Script((one, one))


def test_one_word_sentences_and_words_without_text() -> None:
    words = (word(0, 5), Word(5, 5, "", "!"), Word(5, 9, "s", "."))
    script = Script((Sentence(0, 1, 0, 0, 9, "a!s.", words), Sentence(1, 2, 0, 9, 12, "b", (word(9, 12, "b"),))))
    for seed in range(8):
        with Emulator(script, seed=seed) as emulator:
            for kind in MODELS:
                ask(emulator, kind, stream=True)
            assert {sent.text for sent in emulator.sent} == {"a!s. b"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"envelope": "bare"}, ConfigError, "envelope is one of doc, public, workspace"),
        ({"clock": 1}, ConfigError, "clock is None or 'virtual', not 1"),
        ({"speed": 0}, ConfigError, "speed must be positive"),
        ({"speed": float("inf")}, ConfigError, "speed must be positive"),
        ({"speed": "fast"}, TypeError, "speed is a number"),
        ({"speed": True}, TypeError, "speed is a number"),
        ({"port": -1}, ConfigError, "port must be 0 to 65535"),
        ({"port": 65536}, ConfigError, "port must be 0 to 65535"),
        ({"port": "80"}, TypeError, "port is an int"),
        ({"host": None}, TypeError, "host is a str"),
        ({"host": ""}, ConfigError, "host is a name or an address"),
        ({"host": "a\0b"}, ConfigError, "host is a name or an address"),
        ({"transcript": 7}, TypeError, "transcript is a Script"),
        ({"transcript": "missing.sse"}, ConfigError, "cannot read the sample missing.sse"),
        ({"transcript": "a.txt"}, ConfigError, "a sample is a .sse or a .json file"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Emulator(**arguments)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Script([]), TypeError),
        (lambda: Script(()), ConfigError),
        (lambda: Script.from_texts("one str"), TypeError),
        (lambda: Script.from_texts([3]), TypeError),
        (lambda: Script.from_texts([]), ConfigError),
        (lambda: Script.from_texts(["..."]), ConfigError),
        (lambda: Script.from_texts([""]), ConfigError),
        (lambda: Script.from_texts(["a"], speakers=()), ConfigError),
        (lambda: Script.from_texts(["a"], languages=()), ConfigError),
        (lambda: Script.from_texts(["a"], emotions=()), ConfigError),
        (lambda: Script.from_texts(["a"], languages=("\ud800",)), ConfigError),
        (lambda: Script((Sentence(0, 1, 0, 0, 5, "\udfff", (word(0, 5, "\udfff"),)),)), ConfigError),
        (lambda: Sample("text"), TypeError),
        (lambda: Sample(b"", status="200"), TypeError),
        (lambda: Sample(b"", status=100), ConfigError),
        (lambda: Sample(b"x", status=204), ConfigError),
        (lambda: Sample(b"x", content_type=b"text/html"), TypeError),
        (lambda: Sample(b"x", content_type="text/html\n"), ConfigError),
    ],
)
def test_wrong_scripts_and_samples(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
