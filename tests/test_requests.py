# Request: literal against the documented samples; endpoints, keys, families and options as tables; secrets never shown.

from __future__ import annotations

import collections
import inspect
import json
import math
import pathlib
import traceback
import types
from collections.abc import Mapping
from typing import Any

import pytest

from asrwire._audio import Audio, load
from asrwire._errors import ConfigError
from asrwire._options import FAMILIES, FunASRFlashOptions, FunASRRealtimeOptions, QwenOptions
from asrwire._requests import Endpoints, Request, api_key, resolve, transcription

SAMPLES = pathlib.Path(__file__).parent / "samples"
BEIJING = resolve(environ={})
US = resolve("us-east-1", environ={})
WELCOME = "https://dashscope.oss-cn-beijing.aliyuncs.com/audios/welcome.mp3"
HELLO = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
BASE64 = "data:audio/wav;base64,{BASE64_ENCODED_DATA}"
CONTEXT = [("user", "你好啊"), ("assistant", "你好啊，我是通义千问，有什么可以帮助你的？")]

OPENAI_URL = "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"
NATIVE_URL = "https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation"
JSON_HEADERS = [("Content-Type", "application/json"), ("Accept", "application/json"), ("Accept-Encoding", "identity")]
SSE_HEADERS = [("Content-Type", "application/json"), ("Accept", "text/event-stream"), ("Accept-Encoding", "identity")]


def request(
    model: str,
    audio: str | bytes = HELLO,
    *,
    endpoints: Endpoints = BEIJING,
    stream: bool = False,
    protocol: str | None = None,
    family: str | None = None,
    extra: Mapping[str, object] | None = None,
    **options: object,
) -> Request:
    return transcription(
        endpoints,
        load(audio),
        model=model,
        protocol=protocol,
        family=family,
        stream=stream,
        extra=extra,
        options=options,
    )


def body(*args: Any, **kwargs: Any) -> dict[str, Any]:
    decoded = json.loads(request(*args, **kwargs).body)
    assert isinstance(decoded, dict)
    return decoded


# == the samples ====================================================================================================

Call = tuple[str, str, dict[str, Any]]
CALLS: dict[str, Call] = {
    "qwen_asr_openai_request": ("qwen3-asr-flash", WELCOME, {"enable_itn": False}),
    "qwen_asr_dashscope_request": (
        "qwen3-asr-flash",
        WELCOME,
        {"protocol": "dashscope", "context": "", "enable_itn": False},
    ),
    "funasr_flash_request": ("fun-asr-flash-2026-06-15", HELLO, {"sample_rate": 16000}),
    "funasr_flash_request_context": (
        "fun-asr-flash-2026-06-15",
        BASE64,
        {"sample_rate": "16000", "context": CONTEXT},
    ),
    "funasr_realtime_http_request": ("fun-asr-realtime", "https://example.com/audio/sample.mp3", {}),
    "funasr_realtime_http_request_base64": ("fun-asr-realtime", BASE64, {"vad_enabled": True}),
}


def test_every_sample_of_a_synchronous_request_has_a_call() -> None:
    samples = {path.stem for path in SAMPLES.glob("*request*.json")}
    assert samples - {"filetrans_submit_request", "funasr_submit_request"} == CALLS.keys()


def sse(model: str, protocol: str, stream: bool) -> list[tuple[str, str]]:
    if stream:
        return [*SSE_HEADERS, *([("X-DashScope-SSE", "enable")] if protocol == "dashscope" else [])]
    return [*JSON_HEADERS, *([] if model == "qwen3-asr-flash" else [("X-DashScope-SSE", "disable")])]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_samples(name: str, stream: bool) -> None:
    model, audio, arguments = CALLS[name]
    made = request(model, audio, stream=stream, **arguments)
    expected = json.loads((SAMPLES / f"{name}.json").read_bytes())
    openai = name == "qwen_asr_openai_request"
    if openai:
        expected["stream"] = stream
    if name == "qwen_asr_dashscope_request":  # the documents leave it out, the service's own SDKs always send it
        expected["parameters"]["result_format"] = "message"
    assert json.loads(made.body) == expected
    assert made.method == "POST"
    assert made.url == (OPENAI_URL if openai else NATIVE_URL)
    assert list(made.headers) == sse(model, "openai" if openai else "dashscope", stream)
    assert made.stream is stream
    assert made.incremental is None


# == endpoints ======================================================================================================

HOSTS = [
    ({}, "https://dashscope.aliyuncs.com", None, "cn-beijing"),
    ({"region": "cn-beijing"}, "https://dashscope.aliyuncs.com", None, "cn-beijing"),
    ({"region": "ap-southeast-1"}, "https://dashscope-intl.aliyuncs.com", None, "ap-southeast-1"),
    ({"region": "us-east-1"}, "https://dashscope-us.aliyuncs.com", None, "us-east-1"),
    ({"region": "cn-hongkong"}, "https://cn-hongkong.dashscope.aliyuncs.com", None, "cn-hongkong"),
    ({"workspace": "llm-1a2b"}, "https://llm-1a2b.cn-beijing.maas.aliyuncs.com", None, "cn-beijing"),
    (
        {"workspace": "ws", "region": "ap-southeast-1"},
        "https://ws.ap-southeast-1.maas.aliyuncs.com",
        None,
        "ap-southeast-1",
    ),
    ({"workspace": "ws", "region": "eu-central-1"}, "https://ws.eu-central-1.maas.aliyuncs.com", None, "eu-central-1"),
    (
        {"workspace": "a.b_c", "base_url": "https://gateway.example/asr/api/v1"},
        "https://gateway.example/asr",
        "a.b_c",
        "cn-beijing",
    ),
    ({"base_url": "https://dashscope-us.aliyuncs.com/api/v1"}, "https://dashscope-us.aliyuncs.com", None, "us-east-1"),
    (
        {"base_url": "https://ws.ap-southeast-1.maas.aliyuncs.com:443/api/v1/"},
        "https://ws.ap-southeast-1.maas.aliyuncs.com:443",
        None,
        "ap-southeast-1",
    ),
    (
        {"base_url": "https://dashscope-us.aliyuncs.com/api/v1", "region": "x"},
        "https://dashscope-us.aliyuncs.com",
        None,
        "x",
    ),
    ({"base_url": "HTTPS://Gateway.example/api/v1"}, "https://Gateway.example", None, "cn-beijing"),
    ({"base_url": "https://[2001:db8::1]:8443/api/v1"}, "https://[2001:db8::1]:8443", None, "cn-beijing"),
    ({"base_url": "http://127.0.0.1:8000/api/v1"}, "http://127.0.0.1:8000", None, "cn-beijing"),
    ({"base_url": "http://127.9.9.9/api/v1"}, "http://127.9.9.9", None, "cn-beijing"),
    ({"base_url": "http://[::1]:8000/api/v1"}, "http://[::1]:8000", None, "cn-beijing"),
    ({"base_url": "http://localhost/api/v1/"}, "http://localhost", None, "cn-beijing"),
    ({"base_url": "http://10.0.0.1/api/v1", "allow_http": True}, "http://10.0.0.1", None, "cn-beijing"),
]


@pytest.mark.parametrize(("arguments", "root", "workspace", "region"), HOSTS)
def test_endpoints(arguments: dict[str, Any], root: str, workspace: str | None, region: str) -> None:
    expected = Endpoints(root + "/api/v1", root + "/compatible-mode/v1", workspace, region)
    assert resolve(**arguments, environ={}) == expected


@pytest.mark.parametrize(("arguments", "root", "workspace", "region"), HOSTS)
def test_urls_and_workspace_header(arguments: dict[str, Any], root: str, workspace: str | None, region: str) -> None:
    endpoints = resolve(**arguments, environ={})
    native = request("fun-asr-flash", endpoints=endpoints)
    assert native.url == root + "/api/v1/services/aigc/multimodal-generation/generation"
    default = request("qwen3-asr-flash", endpoints=endpoints)
    if region == "us-east-1":
        assert default.url == native.url
    else:
        assert default.url == root + "/compatible-mode/v1/chat/completions"
    for made in (native, default):
        assert dict(made.headers).get("X-DashScope-WorkSpace") == workspace


def at(host: str, workspace: str | None = None, region: str = "cn-beijing") -> Endpoints:
    return Endpoints(f"https://{host}/api/v1", f"https://{host}/compatible-mode/v1", workspace, region)


ENVIRONMENTS = [
    ("region", {}, {"DASHSCOPE_REGION": "cn-hongkong"}, at("cn-hongkong.dashscope.aliyuncs.com", None, "cn-hongkong")),
    ("workspace", {}, {"DASHSCOPE_WORKSPACE": "ws"}, at("ws.cn-beijing.maas.aliyuncs.com")),
    ("base_url", {}, {"DASHSCOPE_BASE_URL": "https://a.example/api/v1"}, at("a.example")),
    ("base_url of 1.x", {}, {"DASHSCOPE_HTTP_BASE_URL": "https://b.example/api/v1"}, at("b.example")),
    (
        "the new name wins",
        {},
        {"DASHSCOPE_HTTP_BASE_URL": "https://b.example/api/v1", "DASHSCOPE_BASE_URL": "https://a.example/api/v1"},
        at("a.example"),
    ),
    ("empty is unset", {}, {"DASHSCOPE_BASE_URL": "", "DASHSCOPE_REGION": ""}, at("dashscope.aliyuncs.com")),
    (
        "an argument wins",
        {"base_url": "https://c.example/api/v1", "workspace": "mine", "region": "r"},
        {"DASHSCOPE_BASE_URL": "https://a.example/api/v1", "DASHSCOPE_WORKSPACE": "ws", "DASHSCOPE_REGION": "s"},
        at("c.example", "mine", "r"),
    ),
    (
        "workspace as a header beside base_url",
        {},
        {"DASHSCOPE_BASE_URL": "https://a.example/api/v1", "DASHSCOPE_WORKSPACE": "ws"},
        at("a.example", "ws"),
    ),
    (
        "the compatible root of 1.x",
        {},
        {"DASHSCOPE_COMPATIBLE_BASE_URL": "https://d.example/v1/"},
        Endpoints("https://dashscope.aliyuncs.com/api/v1", "https://d.example/v1", None, "cn-beijing"),
    ),
    (
        "the compatible root does not outlive a base_url argument",
        {"base_url": "http://127.0.0.1:1/api/v1"},
        {"DASHSCOPE_COMPATIBLE_BASE_URL": "https://dashscope.aliyuncs.com/compatible-mode/v1"},
        Endpoints("http://127.0.0.1:1/api/v1", "http://127.0.0.1:1/compatible-mode/v1", None, "cn-beijing"),
    ),
    (
        "both roots as arguments",
        {"base_url": "https://a.example/api/v1", "compatible_base_url": "https://d.example"},
        {},
        Endpoints("https://a.example/api/v1", "https://d.example", None, "cn-beijing"),
    ),
    (
        "the compatible root and a workspace",
        {"compatible_base_url": "https://d.example/v1", "workspace": "ws"},
        {},
        Endpoints("https://ws.cn-beijing.maas.aliyuncs.com/api/v1", "https://d.example/v1", "ws", "cn-beijing"),
    ),
]


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"), [row[1:] for row in ENVIRONMENTS], ids=[row[0] for row in ENVIRONMENTS]
)
def test_environment(arguments: dict[str, Any], environ: dict[str, str], expected: Endpoints) -> None:
    assert resolve(**arguments, environ=environ) == expected


BAD_ENDPOINTS = [
    ({"base_url": "https://SECRET.example"}, "base_url must end in /api/v1"),
    ({"base_url": "https://SECRET.example/api/v1//"}, "must end in /api/v1"),
    ({"base_url": "https://SECRET.example/compatible-mode/v1"}, "must end in /api/v1"),
    ({"base_url": "SECRET.example/api/v1"}, "must begin with https://"),
    ({"base_url": "ftp://SECRET.example/api/v1"}, "must begin with https://"),
    ({"base_url": ""}, "must begin with https://"),
    ({"base_url": "https:///api/v1"}, "host"),
    ({"base_url": "https://example.com:SECRET/api/v1"}, "port"),
    ({"base_url": "https://[::SECRET]/api/v1"}, "host"),
    ({"base_url": "https://exa{SECRET}mple.com/api/v1"}, "host name"),
    ({"base_url": "https://user:SECRET@example.com/api/v1"}, "user information"),
    ({"base_url": "https://example.com/api/v1?key=SECRET"}, "query"),
    ({"base_url": "https://example.com/api/v1?"}, "query"),
    ({"base_url": "https://example.com/api/v1#SECRET"}, "fragment"),
    ({"base_url": "https://example.com/SECRET\r\nX: 1/api/v1"}, "line break"),
    ({"base_url": "https://example.com/api/v1\nSECRET"}, "line break"),
    ({"base_url": "https://example.com/api/v1\n"}, "line break"),
    ({"base_url": "https://example.com/\0SECRET/api/v1"}, "control character"),
    ({"base_url": "https://example.com/SECRET /api/v1"}, "space"),
    ({"base_url": "https://example.com/你SECRET/api/v1"}, "ASCII"),
    ({"base_url": "https://example.com/<SECRET>/api/v1"}, "a path cannot have"),
    ({"base_url": "http://SECRET.example/api/v1"}, "allow_http"),
    ({"base_url": "http://10.0.0.1/api/v1"}, "allow_http"),
    ({"base_url": "http://localhost.SECRET.example/api/v1"}, "allow_http"),
    ({"base_url": "http://127.0.0.1.SECRET.example/api/v1"}, "allow_http"),
    ({"compatible_base_url": "http://SECRET.example/v1"}, "compatible_base_url must be https"),
    ({"workspace": "SECRET\r\nX: 1"}, "workspace is 1 to 128"),
    ({"workspace": "ws\n"}, "workspace is 1 to 128"),
    ({"workspace": "a/SECRET"}, "workspace is 1 to 128"),
    ({"workspace": ""}, "workspace is 1 to 128"),
    ({"workspace": "w" * 129}, "workspace is 1 to 128"),
    ({"workspace": "SECRET.evil"}, "part of a host name"),
    ({"workspace": "SECRET_1"}, "part of a host name"),
    ({"region": "SECRET"}, "region is 1 to 64"),
    ({"region": "cn-beijing\n"}, "region is 1 to 64"),
    ({"region": ""}, "region is 1 to 64"),
    ({"region": "us-east"}, "no public host.*did you mean 'us-east-1'.*cn-hongkong"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ENDPOINTS)
def test_bad_endpoints(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(**arguments, environ={})
    assert_silent(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DASHSCOPE_BASE_URL", "https://example.com"),
        ("DASHSCOPE_HTTP_BASE_URL", "https://example.com"),
        ("DASHSCOPE_COMPATIBLE_BASE_URL", "example.com"),
        ("DASHSCOPE_WORKSPACE", "a b"),
        ("DASHSCOPE_REGION", "A"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{variable} "):
        resolve(environ={variable: value})


@pytest.mark.parametrize("name", ["region", "workspace", "base_url", "compatible_base_url"])
def test_endpoint_types(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a str or None, not bytes"):
        resolve(**{name: b"x"}, environ={})  # type: ignore[arg-type]


def test_a_traceback_with_locals_shows_no_key_of_the_environment() -> None:
    environ = collections.UserDict({"DASHSCOPE_API_KEY": "sk-SECRET"})
    for arguments, error in (({"region": "A"}, ConfigError), ({"workspace": 1}, TypeError)):
        with pytest.raises(error) as caught:
            resolve(**arguments, environ=environ)  # type: ignore[arg-type]
        frames = caught.value.__traceback__.tb_next if caught.value.__traceback__ else None  # without this test's own
        shown = traceback.TracebackException(error, caught.value, frames, capture_locals=True).format()
        assert "SECRET" not in "".join(shown)


# == keys ===========================================================================================================


def test_key_sources(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbf sk-file\r\n")
    environ = {"DASHSCOPE_API_KEY_FILE_PATH": str(file)}
    assert api_key(None, environ) == "sk-file"
    environ["DASHSCOPE_API_KEY"] = "sk-environ"
    assert api_key(None, environ) == "sk-environ"
    assert api_key("sk-argument", environ) == "sk-argument"
    tokens = iter(["st-1", "st-2"])
    assert [api_key(lambda: next(tokens), environ) for _ in range(2)] == ["st-1", "st-2"]
    assert api_key("sk-\xe9~!", {}) == "sk-\xe9~!"


def test_no_key() -> None:
    for environ in ({}, {"DASHSCOPE_API_KEY": "", "DASHSCOPE_API_KEY_FILE_PATH": ""}):
        with pytest.raises(ConfigError, match=r"DASHSCOPE_API_KEY.*DASHSCOPE_API_KEY_FILE_PATH"):
            api_key(None, environ)


@pytest.mark.parametrize("value", ["", lambda: ""])
def test_empty_keys(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^api_key is empty$"):
        api_key(value, {"DASHSCOPE_API_KEY": "sk-unused"})


BAD_KEYS = ["SECRET\r\nX: 1", "SECRET\n", " SECRET", "SE CRET", "Bearer SECRET", "SECRET\t", "SECRET\0", "SECRET\x7f"]
BAD_KEYS += ["SECRET\x85", "SECRET\xa0", "SECRET\u2028", "SECRET你"]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("how", ["argument", "callable", "environment"])
def test_bad_keys(key: str, how: str) -> None:
    name = "DASHSCOPE_API_KEY" if how == "environment" else "api_key"
    argument: Any = {"argument": key, "callable": lambda: key, "environment": None}[how]
    with pytest.raises(ConfigError, match=f"^{name} holds white space") as caught:
        api_key(argument, {"DASHSCOPE_API_KEY": key})
    assert_silent(caught.value)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert frames
    assert "SECRET" not in repr([frame.f_locals for frame in frames])


def test_key_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"SECRET\xff\xfe")
    (tmp_path / "lines").write_text("SECRET\nSECRET\n")
    for name, message in [
        ("missing", "No such file or directory"),
        ("binary", "not text"),
        ("nul\0", "not text"),
        ("empty", "is empty"),
        ("lines", "holds white space"),
        (".", "Is a directory"),
    ]:
        with pytest.raises(ConfigError, match=f"file of DASHSCOPE_API_KEY_FILE_PATH.*{message}") as caught:
            api_key(None, {"DASHSCOPE_API_KEY_FILE_PATH": str(tmp_path / name)})
        assert_silent(caught.value)


@pytest.mark.parametrize("value", [b"SECRET", 1, lambda: None, lambda: b"SECRET"])
def test_key_types(value: object) -> None:
    with pytest.raises(TypeError, match="api_key must be a str or a callable") as caught:
        api_key(value, {"DASHSCOPE_API_KEY": "sk-unused"})  # type: ignore[arg-type]
    assert "SECRET" not in str(caught.value)


def assert_silent(error: BaseException) -> None:
    assert "SECRET" not in "".join(traceback.format_exception_only(error))
    assert error.__context__ is None
    assert error.__cause__ is None


# == models, families, protocols ====================================================================================

MODELS = [
    ("qwen3-asr-flash", "qwen3-asr-flash"),
    ("qwen3-asr-flash-2025-09-08", "qwen3-asr-flash"),
    ("qwen3-asr-flash-us", "qwen3-asr-flash"),
    ("qwen3-asr-flash-2025-09-08-us", "qwen3-asr-flash"),
    ("fun-asr-flash", "fun-asr-flash"),
    ("fun-asr-flash-2026-06-15", "fun-asr-flash"),
    ("fun-asr-realtime", "fun-asr-realtime"),
    ("fun-asr-realtime-2026-02-28", "fun-asr-realtime"),
    ("qwen-audio-3.0-asr-flash", "qwen-audio"),
    ("qwen-audio-3.1-asr-flash", "qwen-audio"),
    ("qwen-audio-3.1-asr-flash-2026-09-01", "qwen-audio"),
]


@pytest.mark.parametrize(("model", "family"), MODELS)
def test_families(model: str, family: str) -> None:
    made = request(model)
    openai = family == "qwen3-asr-flash" and not model.endswith("-us")
    assert (made.family, made.url) == (family, OPENAI_URL if openai else NATIVE_URL)
    assert json.loads(made.body)["model"] == model
    assert request(model, protocol="dashscope").url == NATIVE_URL
    assert request(model, endpoints=US).url == NATIVE_URL.replace("dashscope.", "dashscope-us.")


REFUSED_MODELS = [
    *(
        (model, "is a file-task model: it takes URLs through client.tasks")
        for model in (
            "qwen3-asr-flash-filetrans",
            "qwen3-asr-flash-filetrans-2025-11-17",
            "fun-asr",
            "fun-asr-2025-11-07",
            "fun-asr-mtl",
            "fun-asr-mtl-2025-08-25",
            "paraformer-v2",
            "paraformer-8k-v2",
            "qwen-audio-3.0-asr-flash-filetrans",
        )
    ),
    *(
        (model, "is served over WebSocket")
        for model in (
            "qwen3-asr-flash-realtime",
            "qwen3-asr-flash-realtime-2025-10-27",
            "qwen-audio-3.0-asr-flash-streaming",
            "qwen-audio-3.1-asr-flash-message",
            "fun-asr-flash-8k-realtime",
            "paraformer-realtime-v2",
        )
    ),
    *(
        (model, "is not known: .*protocol= and family=.*fun-asr-flash.*qwen3-asr-flash")
        for model in ("qwen3-asr", "qwen3-asr-flashy", "whisper-1", "qwen-audio-2.0-asr-flash", "my-realtime")
    ),
    ("qwen-3-asr-flash", "did you mean 'qwen3-asr-flash'"),
    *((model, "model is 1 to 256 printable") for model in ("", "a b", "qwen3-asr-flash\n", "模型", "m" * 257)),
]


@pytest.mark.parametrize(("model", "message"), REFUSED_MODELS)
def test_refused_models(model: str, message: str) -> None:
    for given in ({}, {"protocol": "dashscope"}, {"family": "fun-asr-flash"}):
        with pytest.raises(ConfigError, match=message):
            request(model, **given)


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr-next", "qwen3-asr-flash-realtime", "x/y:z"])
def test_protocol_and_family_admit_any_model(model: str) -> None:
    made = request(model, protocol="dashscope", family="qwen-audio", vocabulary={"a": 1})
    assert (made.family, made.url) == ("qwen-audio", NATIVE_URL)
    assert request(model, protocol="openai", family="qwen3-asr-flash").url == OPENAI_URL


def test_a_family_given_wins_over_the_name() -> None:
    assert request("fun-asr-flash-next", family="qwen-audio", vocabulary={"a": 5}).family == "qwen-audio"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "fun-asr-flash", "protocol": "openai"}, "not offered for fun-asr-flash"),
        ({"model": "fun-asr-realtime", "protocol": "openai"}, "not offered for fun-asr-realtime"),
        ({"model": "qwen-audio-3.0-asr-flash", "protocol": "openai"}, "not offered for qwen-audio"),
        ({"model": "qwen3-asr-flash", "protocol": "openai", "endpoints": US}, "not offered for the region us-east-1"),
        ({"model": "qwen3-asr-flash-us", "protocol": "openai"}, "not offered for the region us-east-1"),
        ({"model": "qwen3-asr-flash", "protocol": "open-ai"}, "did you mean 'openai'"),
        ({"model": "qwen3-asr-flash", "protocol": ""}, "known: dashscope, openai"),
        ({"model": "qwen3-asr-flash", "family": "qwen"}, "known: fun-asr-flash, fun-asr-realtime, qwen-audio"),
    ],
)
def test_refused_protocols_and_families(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(**arguments)


@pytest.mark.parametrize("name", ["model", "protocol", "family"])
def test_names_are_str(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a str, not int"):
        request(**{"model": "qwen3-asr-flash", name: 0})  # type: ignore[arg-type]


# == bodies =========================================================================================================


def test_oss_urls_are_resolved_by_a_header() -> None:
    for model in ("qwen3-asr-flash", "fun-asr-flash", "fun-asr-realtime"):
        made = request(model, "oss://bucket/a.wav")
        assert dict(made.headers)["X-DashScope-OssResourceResolve"] == "enable"
        assert b"oss://bucket/a.wav" in made.body
        assert "X-DashScope-OssResourceResolve" not in dict(request(model).headers)


def test_qwen_openai() -> None:
    user = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": HELLO}}]}
    assert body("qwen3-asr-flash") == {"model": "qwen3-asr-flash", "messages": [user], "stream": False}
    assert body("qwen3-asr-flash", context="Wakefield", language="en", include_usage=True, stream=True) == {
        "model": "qwen3-asr-flash",
        "messages": [{"role": "system", "content": [{"text": "Wakefield"}]}, user],
        "stream": True,
        "stream_options": {"include_usage": True},
        "asr_options": {"language": "en"},
    }
    assert "stream_options" not in body("qwen3-asr-flash", include_usage=False, stream=True)
    assert body("qwen3-asr-flash", include_usage=False, context=None, language=None) == body("qwen3-asr-flash")
    with pytest.raises(ConfigError, match="include_usage is for streams"):
        request("qwen3-asr-flash", include_usage=True)


MESSAGE = {"result_format": "message"}


def test_qwen_native() -> None:
    user = {"role": "user", "content": [{"audio": HELLO}]}
    made = request("qwen3-asr-flash", protocol="dashscope")
    assert json.loads(made.body) == {"model": "qwen3-asr-flash", "input": {"messages": [user]}, "parameters": MESSAGE}
    assert body("qwen3-asr-flash-us", endpoints=US, context="c", language="en", enable_itn=True) == {
        "model": "qwen3-asr-flash-us",
        "input": {"messages": [{"role": "system", "content": [{"text": "c"}]}, user]},
        "parameters": {"asr_options": {"language": "en", "enable_itn": True}, **MESSAGE},
    }
    with pytest.raises(ConfigError, match="DashScope always sends usage"):
        request("qwen3-asr-flash", protocol="dashscope", stream=True, include_usage=True)


@pytest.mark.parametrize("incremental", [True, False])
def test_incremental_output(incremental: bool) -> None:
    extra = {"incremental_output": incremental}
    made = request("qwen3-asr-flash", protocol="dashscope", stream=True, extra=extra)
    assert made.incremental is incremental
    assert json.loads(made.body)["parameters"] == extra | MESSAGE
    assert request("fun-asr-flash", stream=True, extra=extra).incremental is None
    with pytest.raises(TypeError, match="must be a bool"):
        request("qwen3-asr-flash", protocol="dashscope", extra={"incremental_output": "true"})


def test_flash_with_everything() -> None:
    made = body(
        "qwen-audio-3.0-asr-flash",
        b"\xff\xfb\x90\x64",
        context=[{"role": "user", "text": "a"}, {"role": "assistant", "content": "b"}],
        sample_rate=8000,
        language_hints=("zh", "en"),
        vocabulary_id="vocab-1",
        vocabulary={"阿里": 50, "云": 1},
    )
    assert made == {
        "model": "qwen-audio-3.0-asr-flash",
        "input": {
            "messages": [
                {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "data:audio/mpeg;base64,//uQZA=="}}],
                },
            ]
        },
        "parameters": {
            "format": "mp3",
            "sample_rate": "8000",
            "language_hints": ["zh", "en"],
            "vocabulary_id": "vocab-1",
            "vocabulary": {"阿里": 50, "云": 1},
        },
    }


def test_realtime_with_everything() -> None:
    made = body(
        "fun-asr-realtime",
        format="pcm",
        sample_rate="16000",
        vad_enabled=False,
        language_hints=["zh"],
        vocabulary_id="vocab-1",
    )
    assert made == {
        "model": "fun-asr-realtime",
        "input": {"messages": []},
        "parameters": {
            "format": "pcm",
            "sample_rate": "16000",
            "vad_enabled": False,
            "language_hints": ["zh"],
            "vocabulary_id": "vocab-1",
            "audio_address": HELLO,
        },
        "resources": [],
    }


@pytest.mark.parametrize("model", ["fun-asr-flash", "qwen-audio-3.1-asr-flash", "fun-asr-realtime"])
def test_format_is_required(model: str) -> None:
    with pytest.raises(ConfigError, match="give format="):
        request(model, b"who knows")
    assert body(model, b"who knows", format="pcm")["parameters"]["format"] == "pcm"
    assert body(model, b"who knows", extra={"format": "speex"})["parameters"]["format"] == "speex"
    assert body(model, HELLO, format="mp3")["parameters"]["format"] == "mp3"  # what the caller says wins


SHAPED: dict[str, object] = {"role": "user", "content": [{"type": "input_text", "text": "a", "new": [1, None]}], "n": 1}
CONTEXTS = [
    ("a turn in the service's own shape", [SHAPED], [SHAPED]),
    ("lists as pairs", [["user", "a"]], [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]),
    ("an empty text", [("assistant", "")], [{"role": "assistant", "content": [{"type": "text", "text": ""}]}]),
    ("no turns", [], []),
    ("a read-only mapping", (types.MappingProxyType(SHAPED),), [SHAPED]),
]


@pytest.mark.parametrize(("context", "expected"), [row[1:] for row in CONTEXTS], ids=[row[0] for row in CONTEXTS])
def test_context_turns(context: object, expected: list[object]) -> None:
    assert body("fun-asr-flash", context=context)["input"]["messages"][:-1] == expected


def test_turns_are_counted_per_role() -> None:
    five = [("user", "a"), ("assistant", "b")] * 5
    assert len(body("fun-asr-flash", context=five)["input"]["messages"]) == 11
    for role in ("user", "assistant"):
        with pytest.raises(ConfigError, match=f"more than 5 turns of the {role}"):
            request("fun-asr-flash", context=[*five, (role, "c")])


def test_long_turns_warn() -> None:
    request("fun-asr-flash", context=[("user", "你" * 400)])
    with pytest.warns(UserWarning, match=r"context\[1\] has 401 characters; the service cuts it after 400"):
        made = body("fun-asr-flash", context=[("user", "a"), ("assistant", "b" * 401)])
    assert made["input"]["messages"][1]["content"][0]["text"] == "b" * 401


def test_extra_is_merged_last_and_deep() -> None:
    assert body("qwen3-asr-flash", enable_itn=True, extra={"asr_options": {"new": 1}, "temperature": 0.5}) == {
        **body("qwen3-asr-flash"),
        "asr_options": {"enable_itn": True, "new": 1},
        "temperature": 0.5,
    }
    made = body("fun-asr-flash", sample_rate=16000, extra={"keep_dialect": True, "sample_rate": 8000, "x": (1, [None])})
    assert made["parameters"] == {"format": "wav", "sample_rate": 8000, "keep_dialect": True, "x": [1, [None]]}
    made = body("qwen3-asr-flash", protocol="dashscope", extra={"asr_options": 1, "result_format": "text"})
    assert made["parameters"] == {"asr_options": 1, "result_format": "text"}
    options = {"include_usage": True, "new": 1}
    assert body("qwen3-asr-flash", stream=True, extra={"stream_options": options})["stream_options"] == options


def test_nothing_of_the_caller_is_changed() -> None:
    extra: dict[str, object] = {"vocabulary": {"b": 2}}
    vocabulary = {"a": 1}
    made = body("qwen-audio-3.0-asr-flash", vocabulary=vocabulary, extra=extra)
    assert made["parameters"]["vocabulary"] == {"a": 1, "b": 2}
    assert (vocabulary, extra) == ({"a": 1}, {"vocabulary": {"b": 2}})


def test_extremes_that_are_allowed() -> None:
    deep: object = 1
    for _ in range(63):
        deep = [deep]
    extra = {"most": 2**64 - 1, "least": -(2**63), "deep": deep}
    assert body("fun-asr-flash", extra=extra)["parameters"] == {"format": "wav", **extra}
    weights = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 50}
    assert body("qwen-audio-3.1-asr-flash", vocabulary=weights)["parameters"]["vocabulary"] == weights
    for rate in (1, 9999999, "48000"):
        assert body("fun-asr-flash", sample_rate=rate)["parameters"]["sample_rate"] == str(rate)


NESTED: list[object] = []
NESTED.append(NESTED)
BAD_EXTRA: list[tuple[object, type[Exception], str]] = [
    ([("a", 1)], TypeError, "extra must be a mapping, not list"),
    ({1: 2}, TypeError, "a key of extra must be a str, not int"),
    ({"a": [0, {"b": math.nan}]}, ConfigError, r"extra\['a'\]\[1\]\['b'\] is not a finite number"),
    ({"a": math.inf}, ConfigError, "finite"),
    ({"a": 2**64}, ConfigError, "64 bits"),
    ({"a": -(2**63) - 1}, ConfigError, "64 bits"),
    ({"a": b"x"}, TypeError, r"extra\['a'\] is a bytes"),
    ({"a": {1, 2}}, TypeError, "is a set"),
    ({"a": "\ud800"}, ConfigError, "surrogate"),
    ({"\udfff": 1}, ConfigError, "surrogate"),
    ({"a": NESTED}, ConfigError, "64 levels"),
    ({"model": "x"}, ConfigError, "must not hold model"),
    ({"stream": True, "messages": []}, ConfigError, "must not hold messages, stream"),
    ({"stream_options": {"include_usage": True}}, ConfigError, "without stream"),
]


@pytest.mark.parametrize(("extra", "error", "message"), BAD_EXTRA)
def test_bad_extra(extra: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        request("qwen3-asr-flash", extra=extra)


# == options ========================================================================================================

QWEN, FLASH, AUDIO, REALTIME = "qwen3-asr-flash", "fun-asr-flash", "qwen-audio-3.0-asr-flash", "fun-asr-realtime"
BAD_OPTIONS: list[tuple[str, dict[str, object], type[Exception], str]] = [
    (QWEN, {"langauge": "zh"}, ConfigError, "no option 'langauge'; did you mean 'language'.*context, enable_itn"),
    (QWEN, {"sample_rate": 1}, ConfigError, "no option 'sample_rate', which is for fun-asr-flash and qwen-audio"),
    (QWEN, {"vad_enabled": None}, ConfigError, "which is for fun-asr-realtime"),
    (FLASH, {"vocabulary": {"a": 1}}, ConfigError, "no option 'vocabulary', which is for qwen-audio"),
    (FLASH, {"enable_itn": True}, ConfigError, "which is for qwen3-asr-flash"),
    (REALTIME, {"context": []}, ConfigError, "no option 'context'"),
    (REALTIME, {"zzz": 1}, ConfigError, r"no option 'zzz' \(known: format, language_hints, sample_rate, vad_enabled"),
    (QWEN, {"context": [("user", "a")]}, TypeError, "context must be a str, not list"),
    (QWEN, {"context": b"a"}, TypeError, "context must be a str, not bytes"),
    (QWEN, {"context": "SECRET\ud800"}, ConfigError, "context holds a lone surrogate"),
    (QWEN, {"language": ""}, ConfigError, "language must not be empty"),
    (QWEN, {"language": " zh SECRET"}, ConfigError, "language must not be empty or hold white space"),
    (QWEN, {"language": ["zh"]}, TypeError, "language must be a str, not list"),
    (QWEN, {"enable_itn": 1}, TypeError, "enable_itn must be a bool, not int"),
    (QWEN, {"include_usage": "yes"}, TypeError, "include_usage must be a bool, not str"),
    (FLASH, {"format": ""}, ConfigError, "format must not be empty"),
    (FLASH, {"format": 1}, TypeError, "format must be a str"),
    (FLASH, {"sample_rate": 0}, ConfigError, "sample_rate must be a positive"),
    (FLASH, {"sample_rate": -16000}, ConfigError, "positive"),
    (FLASH, {"sample_rate": 10**7}, ConfigError, "below 10,000,000"),
    (FLASH, {"sample_rate": 10**5000}, ConfigError, "positive"),
    (FLASH, {"sample_rate": "16 kHz"}, ConfigError, "positive"),
    (FLASH, {"sample_rate": "１６０００"}, ConfigError, "positive"),
    (FLASH, {"sample_rate": ""}, ConfigError, "positive"),
    (FLASH, {"sample_rate": True}, TypeError, "in Hz, not bool"),
    (FLASH, {"sample_rate": 16000.0}, TypeError, "in Hz, not float"),
    (FLASH, {"language_hints": "zh"}, TypeError, "a sequence of language codes, not str"),
    (FLASH, {"language_hints": {"zh"}}, TypeError, "not set"),
    (FLASH, {"language_hints": []}, ConfigError, "language_hints is empty"),
    (FLASH, {"language_hints": ["zh", ""]}, ConfigError, r"language_hints\[1\] must not be empty"),
    (FLASH, {"language_hints": ["zh", None]}, TypeError, r"language_hints\[1\] must be a str"),
    (FLASH, {"vocabulary_id": ""}, ConfigError, "vocabulary_id must not be empty"),
    (AUDIO, {"vocabulary": [("a", 1)]}, TypeError, "a mapping of hotword to weight, not list"),
    (AUDIO, {"vocabulary": {"SECRET": 6}}, ConfigError, "weight of hotword 0 of vocabulary must be 1 to 5, or 50"),
    (AUDIO, {"vocabulary": {"a": 1, "SECRET": 0}}, ConfigError, "weight of hotword 1"),
    (AUDIO, {"vocabulary": {"SECRET": 49}}, ConfigError, "1 to 5, or 50"),
    (AUDIO, {"vocabulary": {"SECRET": True}}, TypeError, "must be an int, not bool"),
    (AUDIO, {"vocabulary": {"SECRET": 1.0}}, TypeError, "must be an int, not float"),
    (AUDIO, {"vocabulary": {" ": 1}}, ConfigError, "hotword 0 of vocabulary is empty"),
    (AUDIO, {"vocabulary": {1: 1}}, TypeError, "hotword 0 of vocabulary must be a str"),
    (FLASH, {"context": "SECRET"}, TypeError, "takes turns here, .*a plain str is for qwen3-asr-flash"),
    (FLASH, {"context": {"role": "user"}}, TypeError, "a sequence of turns, not dict"),
    (FLASH, {"context": ("user", "SECRET")}, TypeError, r"context\[0\] must be \(role, text\)"),
    (FLASH, {"context": [("user", "SECRET", "b")]}, TypeError, r"context\[0\] must be \(role, text\)"),
    (FLASH, {"context": [("user", "a"), ("system", "SECRET")]}, ConfigError, r"role of context\[1\] must be 'user'"),
    (FLASH, {"context": ["ab"]}, TypeError, r"context\[0\] must be \(role, text\)"),
    (FLASH, {"context": [("user", ["SECRET"])]}, TypeError, r"text of context\[0\] must be a str, not list"),
    (FLASH, {"context": [("user", 1)]}, TypeError, r"text of context\[0\] must be a str, not int"),
    (FLASH, {"context": [{"role": "user"}]}, TypeError, r"text of context\[0\] must be a str, not NoneType"),
    (FLASH, {"context": [{"text": "SECRET"}]}, TypeError, r"role of context\[0\] must be a str"),
    (FLASH, {"context": [{"role": "user", "content": [b"SECRET"]}]}, TypeError, r"context\[0\]\['content'\]\[0\] is a"),
    (REALTIME, {"vad_enabled": 0}, TypeError, "vad_enabled must be a bool, not int"),
]


@pytest.mark.parametrize(("model", "options", "error", "message"), BAD_OPTIONS)
def test_bad_options(model: str, options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        request(model, **options)
    assert_silent(caught.value)


def test_none_is_absent() -> None:
    for model, family in MODELS:
        assert body(model, **dict.fromkeys(FAMILIES[family])) == body(model)


def test_every_option_is_documented_and_bad_values_tested() -> None:
    tested = collections.Counter(name for _, options, *_ in BAD_OPTIONS for name in options)
    for options in (QwenOptions, FunASRFlashOptions, FunASRRealtimeOptions):
        documentation = inspect.getdoc(options) or ""
        for name in options.__annotations__:
            assert f"{name}: " in documentation
            assert tested[name] >= 1


# == secrets ========================================================================================================


def test_repr_of_a_request() -> None:
    made = request("fun-asr-flash", "https://example.com/a.wav?Signature=SECRET", context=[("user", "SECRET")])
    assert repr(made) == str(made) == f"<Request POST {NATIVE_URL}>"
    signed = Request("GET", "https://u:SECRET@example.com/r.json?Signature=SECRET", (), b"SECRET", False, None, "")
    assert repr(signed) == "<Request GET https://example.com/r.json>"


def test_values_are_frozen() -> None:
    made = request("fun-asr-flash")
    for value, name in ((made, "body"), (BEIJING, "base_url"), (load(HELLO), "value")):
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, name, "x")
    assert made == request("fun-asr-flash")
    assert hash(made) == hash(request("fun-asr-flash"))


def test_an_audio_made_by_hand_is_taken() -> None:
    audio = Audio("data", "data:audio/wav;base64,AAAA", "wav", 3)
    made = transcription(BEIJING, audio, model="fun-asr-flash", stream=False, options={})
    assert json.loads(made.body)["parameters"] == {"format": "wav"}
