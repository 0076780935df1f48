# Requests about file tasks: literal against the documented samples, per region and workspace; options, URLs, ids.

from __future__ import annotations

import json
import pathlib
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asrwire._errors import ConfigError, DecodeError
from asrwire._options import FAMILIES, FILE_FAMILIES, FileOptions
from asrwire._requests import (
    Endpoints,
    Request,
    file_family,
    resolve,
    result_file,
    submission,
    task_cancel,
    task_list,
    task_query,
    urls_per_task,
)

SAMPLES = pathlib.Path(__file__).parent / "samples"
WELCOME = "https://dashscope.oss-cn-beijing.aliyuncs.com/audios/welcome.mp3"
HELLO = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
BEIJING = resolve(environ={})

ACCEPT = [("Accept", "application/json"), ("Accept-Encoding", "identity")]
JSON = ("Content-Type", "application/json")
ASYNC = ("X-DashScope-Async", "enable")


def submit(model: str = "fun-asr", urls: Any = HELLO, *, endpoints: Endpoints = BEIJING, **options: Any) -> Request:
    family, extra = options.pop("family", None), options.pop("extra", None)
    return submission(endpoints, urls, model=model, family=family, extra=extra, options=options)


def body(*args: Any, **kwargs: Any) -> Any:
    return json.loads(submit(*args, **kwargs).body)


# == the samples ====================================================================================================

SUBMISSIONS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "filetrans_submit_request": ("qwen3-asr-flash-filetrans", WELCOME, {"channel_id": [0], "enable_itn": False}),
    "funasr_submit_request": ("fun-asr", [HELLO], {"channel_id": [0]}),
}

HOSTS = [
    ({}, "dashscope.aliyuncs.com"),
    ({"region": "ap-southeast-1"}, "dashscope-intl.aliyuncs.com"),
    ({"region": "us-east-1"}, "dashscope-us.aliyuncs.com"),
    ({"region": "cn-hongkong"}, "cn-hongkong.dashscope.aliyuncs.com"),
    ({"workspace": "llm-1a2b"}, "llm-1a2b.cn-beijing.maas.aliyuncs.com"),
    ({"workspace": "llm-1a2b", "region": "ap-southeast-1"}, "llm-1a2b.ap-southeast-1.maas.aliyuncs.com"),
]


def test_every_sample_of_a_submission_has_a_call() -> None:
    assert {path.stem for path in SAMPLES.glob("*submit_request.json")} == SUBMISSIONS.keys()


@pytest.mark.parametrize(("arguments", "host"), HOSTS)
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_samples(name: str, arguments: dict[str, Any], host: str) -> None:
    model, urls, options = SUBMISSIONS[name]
    made = submit(model, urls, endpoints=resolve(**arguments, environ={}), **options)
    assert json.loads(made.body) == json.loads((SAMPLES / f"{name}.json").read_bytes())
    assert (made.method, made.url) == ("POST", f"https://{host}/api/v1/services/audio/asr/transcription")
    assert list(made.headers) == [JSON, *ACCEPT, ASYNC]
    assert (made.stream, made.incremental, made.credentials, made.deadline) == (False, None, True, None)


@pytest.mark.parametrize(("arguments", "host"), HOSTS)
def test_queries(arguments: dict[str, Any], host: str) -> None:
    endpoints = resolve(**arguments, environ={})
    query = task_query(endpoints, "8fab76d0-0eed-4d20-929f")
    assert (query.method, query.url, query.body) == ("GET", f"https://{host}/api/v1/tasks/8fab76d0-0eed-4d20-929f", b"")
    assert list(query.headers) == [JSON, *ACCEPT, ASYNC]
    cancel = task_cancel(endpoints, "8fab76d0")
    assert (cancel.method, cancel.url, cancel.body) == ("POST", f"https://{host}/api/v1/tasks/8fab76d0/cancel", b"")
    assert list(cancel.headers) == ACCEPT
    listed = task_list(endpoints)
    assert (listed.method, listed.url, listed.body) == (
        "GET",
        f"https://{host}/api/v1/tasks/?page_no=1&page_size=100",
        b"",
    )
    assert list(listed.headers) == [*ACCEPT, ASYNC]


def test_a_workspace_beside_a_base_url_is_a_header() -> None:
    endpoints = resolve(workspace="ws", base_url="https://gateway.example/api/v1", environ={})
    for made in (submit(endpoints=endpoints), task_query(endpoints, "t"), task_cancel(endpoints, "t")):
        assert made.headers[-1] == ("X-DashScope-WorkSpace", "ws")
        assert made.url.startswith("https://gateway.example/api/v1/")


# == models and their shapes ========================================================================================

FAMILY = [
    ("qwen3-asr-flash-filetrans", "qwen3-asr-flash-filetrans"),
    ("qwen3-asr-flash-filetrans-2025-11-17", "qwen3-asr-flash-filetrans"),
    ("fun-asr", "fun-asr"),
    ("fun-asr-2025-11-07", "fun-asr"),
    ("fun-asr-mtl", "fun-asr"),
    ("fun-asr-mtl-2025-08-25", "fun-asr"),
    ("paraformer-v2", "paraformer"),
    ("paraformer-8k-v2", "paraformer"),
    ("qwen-audio-3.0-asr-flash-filetrans", "qwen-audio-filetrans"),
    ("qwen-audio-3.1-asr-flash-filetrans-2026-09-01", "qwen-audio-filetrans"),
    ("qwen3-asr-flash", None),
    ("fun-asr-flash-2026-06-15", None),
    ("fun-asr-realtime", None),
    ("paraformer-realtime-v2", None),
    ("whisper-1", None),
]


@pytest.mark.parametrize(("model", "family"), FAMILY)
def test_families(model: str, family: str | None) -> None:
    assert file_family(model) == family
    if family is None:
        with pytest.raises(ConfigError, match="not known as a file-task model"):
            submit(model)
        return
    one = {"file_url": HELLO} if family == "qwen3-asr-flash-filetrans" else {"file_urls": [HELLO]}
    assert body(model) == {"model": model, "input": one, "parameters": {}}
    assert submit(model).family == family


def test_a_family_for_a_model_not_known_here() -> None:
    assert body("whisper-1", family="fun-asr")["input"] == {"file_urls": [HELLO]}
    assert file_family("fun-asr", "fun-asr-flash") is None
    with pytest.raises(ConfigError, match="no model family is called 'fun-as'; did you mean 'fun-asr'"):
        submit(family="fun-as")
    with pytest.raises(TypeError, match="model must be a str"):
        submit(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("family", "most"), [(f, 1 if "filetrans" in f else 100) for f in FILE_FAMILIES])
def test_how_many_files(family: str, most: int) -> None:
    assert urls_per_task(family) == most
    urls = [f"https://a.example/{i}.wav" for i in range(most + 1)]
    sent = body("m", urls[:most], family=family)["input"]
    assert list(sent.values()) == ([urls[0]] if family == "qwen3-asr-flash-filetrans" else [urls[:most]])
    with pytest.raises(ConfigError, match=rf"takes {most} URLs?, not {most + 1}: client\.transcribe_files"):
        submit("m", urls, family=family)


# == options ========================================================================================================

FILTER = {"filter_with_signed": {"word_list": ["test"]}, "system_reserved_filter": True}
QWEN = ["qwen3-asr-flash-filetrans"]
OTHERS = ["fun-asr", "paraformer", "qwen-audio-filetrans"]
GOOD: list[tuple[str, Any, Any, list[str]]] = [
    ("channel_id", [0], [0], QWEN + OTHERS),
    ("channel_id", (1, 0), [1, 0], QWEN + OTHERS),
    ("language", "zh", "zh", QWEN),
    ("enable_itn", True, True, QWEN),
    ("enable_words", False, False, QWEN),
    ("text", "Doris Jackson", "Doris Jackson", QWEN),
    ("language_hints", ["zh", "en"], ["zh", "en"], OTHERS),
    ("vocabulary_id", "vocab-1", "vocab-1", OTHERS),
    ("special_word_filter", FILTER, FILTER, OTHERS),
    ("special_word_filter", json.dumps(FILTER), json.dumps(FILTER), OTHERS),
    ("diarization_enabled", True, True, OTHERS),
    ("speaker_count", 2, 2, OTHERS),
    ("speaker_count", 100, 100, OTHERS),
    ("speech_noise_threshold", -0.25, -0.25, OTHERS),
    ("speech_noise_threshold", 1, 1.0, OTHERS),
]


@pytest.mark.parametrize(("name", "value", "sent", "families"), GOOD)
@pytest.mark.parametrize("family", FILE_FAMILIES)
def test_options(name: str, value: Any, sent: Any, families: list[str], family: str) -> None:
    if family in families:
        assert body("m", family=family, **{name: value})["parameters"] == {name: sent}
        assert body("m", family=family, **{name: None})["parameters"] == {}
    else:
        with pytest.raises(ConfigError, match=f"{family} has no option '{name}'"):
            submit("m", family=family, **{name: value})


def test_a_phrase_list_is_a_resource() -> None:
    made = body("paraformer-v1", phrase_id="p-1", channel_id=[0])
    assert made["resources"] == [{"resource_id": "p-1", "resource_type": "asr_phrase"}]
    assert made["parameters"] == {"channel_id": [0]}


def test_every_option_has_a_case_and_a_description() -> None:
    assert {name for name, *_ in GOOD} | {"phrase_id"} == FileOptions.__optional_keys__
    assert set().union(*FILE_FAMILIES.values()) == FileOptions.__optional_keys__
    assert not FAMILIES.keys() & FILE_FAMILIES.keys()
    for name in FileOptions.__optional_keys__:
        assert name in (FileOptions.__doc__ or "")


BAD_OPTIONS: list[tuple[str, Any, type[Exception], str]] = [
    ("channel_id", 0, TypeError, "sequence of track numbers, not int"),
    ("channel_id", "0", TypeError, "sequence of track numbers, not str"),
    ("channel_id", [], ConfigError, "channel_id is empty"),
    ("channel_id", ["0"], TypeError, r"channel_id\[0\] must be an int, not str"),
    ("channel_id", [0, True], TypeError, r"channel_id\[1\] must be an int, not bool"),
    ("channel_id", [0, -1], ConfigError, r"channel_id\[1\] must be 0 to"),
    ("channel_id", [0, 0], ConfigError, "names a track twice"),
    ("speaker_count", 1, ConfigError, "speaker_count must be 2 to 100"),
    ("speaker_count", 101, ConfigError, "speaker_count must be 2 to 100"),
    ("speaker_count", 2.0, TypeError, "speaker_count must be an int, not float"),
    ("speaker_count", True, TypeError, "speaker_count must be an int, not bool"),
    ("speech_noise_threshold", "0.5", TypeError, "must be a number, not str"),
    ("speech_noise_threshold", float("nan"), ConfigError, "must be finite"),
    ("special_word_filter", ["x"], TypeError, "mapping, or the JSON of one"),
    ("special_word_filter", {"x": float("inf")}, ConfigError, r"special_word_filter\['x'\] is not a finite number"),
    ("diarization_enabled", 1, TypeError, "must be a bool, not int"),
    ("language_hints", "zh", TypeError, "sequence of language codes"),
    ("language_hints", [], ConfigError, "is empty"),
    ("vocabulary_id", "", ConfigError, "must not be empty"),
    ("phrase_id", "a b", ConfigError, "white space"),
    ("enable_word", True, ConfigError, "no option 'enable_word'"),
    ("context", "x", ConfigError, "no option 'context'"),
]


@pytest.mark.parametrize(("name", "value", "kind", "message"), BAD_OPTIONS)
def test_bad_options(name: str, value: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        submit("fun-asr", **{name: value})


def test_an_option_of_another_family_says_whose_it_is() -> None:
    with pytest.raises(ConfigError, match="which is for qwen3-asr-flash-filetrans"):
        submit("fun-asr", enable_words=True)
    with pytest.raises(ConfigError, match="which is for fun-asr and paraformer and qwen-audio-filetrans"):
        submit("qwen3-asr-flash-filetrans", speaker_count=2)


def test_extra_is_merged_into_parameters() -> None:
    extra = {"special_word_filter": {"system_reserved_filter": False}, "timestamp_alignment_enabled": True}
    made = body("paraformer-v2", special_word_filter=FILTER, extra=extra)
    assert made["parameters"] == {
        "special_word_filter": {**FILTER, "system_reserved_filter": False},
        "timestamp_alignment_enabled": True,
    }
    with pytest.raises(TypeError, match="extra must be a mapping"):
        submit(extra=[1])


# == URLs ===========================================================================================================


def test_oss_urls_need_a_header() -> None:
    resolved = ("X-DashScope-OssResourceResolve", "enable")
    assert resolved in submit(urls=[HELLO, "oss://bucket/key.wav"]).headers
    assert resolved in submit(urls="OSS://bucket/key.wav").headers
    assert resolved not in submit().headers


BAD_URLS: list[tuple[Any, type[Exception], str]] = [
    ([], ConfigError, "urls is empty"),
    ("data:audio/wav;base64,SECRET", ConfigError, "neither local files nor data URIs"),
    ("SECRET.wav", ConfigError, "neither local files nor data URIs"),
    ("/home/SECRET.wav", ConfigError, "neither local files nor data URIs"),
    ("file:///SECRET.wav", ConfigError, "must begin with http://, https:// or oss://"),
    ("", ConfigError, "must begin with"),
    ([HELLO, "ftp://SECRET.example/a"], ConfigError, r"urls\[1\] must begin with"),
    ("https://a.example/SECRET\r\nX: 1", ConfigError, "line break"),
    ("https://a.example/SECRET b", ConfigError, "space"),
    ("https://a.example/你SECRET", ConfigError, "percent-encode"),
    ("https://:SECRET@/", ConfigError, "host"),
    (pathlib.Path("/SECRET.wav"), TypeError, "not PosixPath"),
    (b"https://SECRET.example/a.wav", TypeError, "not bytes"),
    ([HELLO, pathlib.Path("/SECRET.wav")], TypeError, r"urls\[1\] must be a str, not PosixPath: .* by URL"),
    ({HELLO: 1}, TypeError, "not dict"),
    (None, TypeError, "not NoneType"),
]


@pytest.mark.parametrize(("urls", "kind", "message"), BAD_URLS)
def test_bad_urls(urls: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        submit(urls=urls)
    assert "SECRET" not in "".join(traceback.format_exception_only(caught.value))


def test_no_repr_shows_a_query() -> None:
    assert repr(result_file("https://a.example/r.json?Signature=SECRET")) == "<Request GET https://a.example/r.json>"


# == lists ==========================================================================================================


def test_list_filters() -> None:
    made = task_list(
        BEIJING,
        start_time="20251027000000",
        end_time=datetime(2025, 10, 27, 1, tzinfo=UTC),  # 9 o'clock where the service is
        model_name="fun-asr",
        status="SUCCEEDED",
        page_no=2,
        page_size=10,
    )
    assert made.url == (
        "https://dashscope.aliyuncs.com/api/v1/tasks/?start_time=20251027000000&end_time=20251027090000"
        "&model_name=fun-asr&status=SUCCEEDED&page_no=2&page_size=10"
    )
    assert "start_time=20251027130000" in task_list(BEIJING, start_time=datetime(2025, 10, 27, 13)).url
    assert "model_name=a%26b%3D" in task_list(BEIJING, model_name="a&b=").url


BAD_LISTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"start_time": "2025-10-27"}, ConfigError, "start_time must be 14 digits"),
    ({"end_time": "20251399000000"}, ConfigError, "end_time must be 14 digits"),
    ({"start_time": 1745568428109}, TypeError, "start_time must be a datetime, a str or None, not int"),
    ({"start_time": "20251027000000", "end_time": "20251028000001"}, ConfigError, "0 to 24 hours"),
    ({"start_time": "20251027000001", "end_time": "20251027000000"}, ConfigError, "0 to 24 hours"),
    ({"status": "RUNNING\r\n"}, ConfigError, "status is 1 to 256 printable"),
    ({"model_name": ""}, ConfigError, "model_name is 1 to 256 printable"),
    ({"model_name": 1}, TypeError, "model_name must be a str or None"),
    ({"page_size": 0}, ConfigError, "page_size must be at least 1"),
    ({"page_size": True}, TypeError, "page_size must be an int"),
    ({"page_no": "1"}, TypeError, "page_no must be an int"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD_LISTS)
def test_bad_lists(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        task_list(BEIJING, **arguments)


def test_a_whole_day_can_be_listed() -> None:
    start = datetime(2025, 10, 27)
    assert task_list(BEIJING, start_time=start, end_time=start + timedelta(days=1))


BAD_IDS = ["", "../tasks", "a/b", "a%2fb", "a b", "a\r\nX: 1", "a?b", "a#b", "ä", "x" * 129, "..", "a.b"]


@pytest.mark.parametrize("task_id", BAD_IDS)
def test_ids_that_could_lead_elsewhere(task_id: str) -> None:
    for make in (task_query, task_cancel):
        with pytest.raises(ConfigError, match="a task id is 1 to 128"):
            make(BEIJING, task_id)
    with pytest.raises(TypeError, match=r"asrwire\.Task or its id"):
        task_query(BEIJING, 7)  # type: ignore[arg-type]


# == result files ===================================================================================================

RESULTS = [
    ("https://a.example/r.json?Expires=1&Signature=x%3D", "https://a.example/r.json?Expires=1&Signature=x%3D"),
    ("http://a.example/r.json?s=x%2F", "https://a.example/r.json?s=x%2F"),
    ("http://a.example:80/r", "https://a.example/r"),
    ("http://a.example:8080/r", "https://a.example:8080/r"),
    ("HTTP://A.example/R", "https://a.example/R"),
    ("http://[2001:db8::1]/r", "https://[2001:db8::1]/r"),
    ("http://127.0.0.1:8000/r?x", "http://127.0.0.1:8000/r?x"),
    ("http://localhost/r", "http://localhost/r"),
    ("http://[::1]:8000/r", "http://[::1]:8000/r"),
    ("https://a.example/r#fragment", "https://a.example/r"),
    ("http://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/...",
     "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/..."),
]  # fmt: skip


@pytest.mark.parametrize(("url", "target"), RESULTS)
def test_result_files(url: str, target: str) -> None:
    made = result_file(url)
    assert (made.method, made.url, made.body, made.credentials) == ("GET", target, b"", False)
    assert made.headers == (("Accept", "*/*"), ("Accept-Encoding", "identity"))


BAD_RESULTS = [
    "", "file:///etc/SECRET", "ftp://a.example/SECRET", "//a.example/SECRET", "SECRET", "https:///SECRET",
    "https://user:SECRET@a.example/", "https://SECRET@a.example/", "https://a.example/SECRET\r\nX: 1",
    "https://a.example/SECRET b", "https://a.example/你SECRET", "https://a.example:SECRET/", "https://a.example:0/SECRET",
    "https://a{b}.example/SECRET", "javascript:SECRET", "data:text/plain,SECRET", "http://a.example\\@SECRET/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_RESULTS)
def test_result_files_not_to_be_followed(url: str) -> None:
    with pytest.raises(DecodeError) as caught:
        result_file(url)
    assert caught.value.path == "transcription_url"
    assert caught.value.__context__ is None
    assert "SECRET" not in "".join(traceback.format_exception_only(caught.value))
