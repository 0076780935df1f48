# The emulator's file tasks from outside: raw requests against real ports on a virtual clock, answers compared with the
# literal samples; the task book alone, at literal times. Nothing here uses this library's own client or decoder.

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import pytest

from asrwire import ConfigError, Sentence, Word
from asrwire._errors import Closed
from asrwire.emulator import Emulator, Sample, Script
from asrwire.emulator._account import Rate
from asrwire.emulator._schema import Refusal
from asrwire.emulator._server import VirtualClock
from asrwire.emulator._storage import Outcomes, Storage
from asrwire.emulator._submissions import Submission
from asrwire.emulator._tasks import TaskBook

SAMPLES = Path(__file__).parent / "samples"
SCRIPT = Script.from_texts(["Hello world, this is a test.", "再见。"], speakers=(0, 1))
SUBMIT = "/services/audio/asr/transcription"
URL = "https://example.com/audio/one.wav"
DAY = 24 * 60 * 60
HEADERS: dict[Any, Any] = {
    "Authorization": "Bearer sk-secret",
    "Content-Type": "application/json",
    "X-DashScope-Async": "enable",
}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def shape(value: Any) -> Any:
    """Keys and types without values; of an array, the shapes of its elements, each once."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for item in value:
            if shape(item) not in shapes:
                shapes.append(shape(item))
        return shapes
    return type(value).__name__


def call(
    emulator: Emulator, method: str, where: str, body: Any = None, headers: Mapping[Any, Any] = HEADERS
) -> httpcore.Response:
    """`where`: a path below the base URL, or a whole URL."""
    content = None if body is None else json.dumps(body).encode()
    where = where if where.startswith("http") else emulator.base_url + where
    with httpcore.ConnectionPool(ssl_context=emulator.ssl_context) as pool:
        return pool.request(method, where, headers=headers, content=content)


def ok(response: httpcore.Response) -> Any:
    assert response.status == 200, response.content
    return json.loads(response.content)


def refusal(response: httpcore.Response) -> tuple[int, str, str]:
    body = json.loads(response.content)
    assert body.keys() == sample("error_native_429.json").keys()
    return response.status, body["code"], body["message"]


def submission(model: str = "fun-asr", urls: list[str] | None = None, **parameters: Any) -> dict[str, Any]:
    urls = [URL] if urls is None else urls
    source = {"file_url": urls[0]} if model.startswith("qwen3") else {"file_urls": urls}
    return {"model": model, "input": source, "parameters": parameters}


def submit(emulator: Emulator, model: str = "fun-asr", urls: list[str] | None = None, **parameters: Any) -> str:
    body = ok(call(emulator, "POST", SUBMIT, submission(model, urls, **parameters)))
    task_id: str = body["output"]["task_id"]
    return task_id


def query(emulator: Emulator, task_id: str) -> Any:
    return ok(call(emulator, "GET", f"/tasks/{task_id}"))


def fetch(emulator: Emulator, url: str) -> httpcore.Response:
    return call(emulator, "GET", url, headers={})


def result_urls(poll: Any) -> list[str]:
    output = poll["output"]
    results = [output["result"]] if "result" in output else output["results"]
    return [result["transcription_url"] for result in results if "transcription_url" in result]


def virtual(**arguments: Any) -> Emulator:
    return Emulator(SCRIPT, clock="virtual", **arguments)


def finished(emulator: Emulator, *arguments: Any, **parameters: Any) -> Any:
    """The last poll of a task just submitted."""
    task_id = submit(emulator, *arguments, **parameters)
    emulator.advance(1.5)
    return query(emulator, task_id)


# == shapes: the samples' own ==========================================================================================

FAILS = {"*/missing.wav": "InvalidFile.DownloadFailed", "*/forbidden.wav": "FILE_403_FORBIDDEN"}
GONE = "https://example.com/missing.wav"


@pytest.mark.parametrize("name", ["filetrans", "funasr"])
def test_documented_submissions(name: str) -> None:
    with virtual() as emulator:
        body = ok(call(emulator, "POST", SUBMIT, sample(f"{name}_submit_request.json")))
        [task] = emulator.tasks
    assert shape(body) == shape(sample(f"{name}_submit_response.json"))
    assert body["output"] == {"task_id": task.id, "task_status": "PENDING"}
    assert task.urls[0].startswith("https://dashscope.oss-cn-beijing.aliyuncs.com/")
    assert task.status == "PENDING"


@pytest.mark.parametrize(
    ("model", "urls", "seconds", "name"),
    [
        ("qwen3-asr-flash-filetrans", [URL], 0, "filetrans_submit_response.json"),
        ("qwen3-asr-flash-filetrans", [URL], 0.5, "filetrans_poll_running.json"),
        ("qwen3-asr-flash-filetrans", [URL], 1.5, "filetrans_poll_succeeded.json"),
        ("qwen3-asr-flash-filetrans-2025-11-17", [URL], 1.5, "filetrans_poll_succeeded.json"),
        ("qwen3-asr-flash-filetrans", ["https://example.com/forbidden.wav"], 1.5, "filetrans_poll_failed.json"),
        ("fun-asr", [URL], 0.499, "funasr_submit_response.json"),
        ("fun-asr", [URL], 1.499, "funasr_poll_running.json"),
        ("fun-asr-mtl-2025-08-25", [URL], 1.5, "funasr_poll_succeeded.json"),
        ("paraformer-v2", [URL], 1.5, "funasr_poll_succeeded.json"),
        ("qwen-audio-3.1-asr-flash-filetrans", [URL], 1.5, "funasr_poll_succeeded.json"),
        ("fun-asr", [URL, GONE], 1.5, "funasr_poll_mixed.json"),
        ("fun-asr", [GONE], 1.5, "funasr_poll_subtask_failed_enveloped.json"),
        ("fun-asr", [GONE], 24 * 60 * 60 + 1.5, "task_unknown.json"),
    ],
)
def test_queries_have_the_samples_members(model: str, urls: list[str], seconds: float, name: str) -> None:
    expected = sample(name)
    with virtual(files=FAILS) as emulator:
        task_id = submit(emulator, model, urls)
        emulator.advance(seconds)
        body = query(emulator, task_id)
        [task] = emulator.tasks
    assert shape(body) == shape(expected)
    assert body["output"]["task_id"] == task_id
    assert body["output"]["task_status"] == expected["output"]["task_status"] == task.status
    assert body["output"].get("task_metrics") == expected["output"].get("task_metrics")
    statuses = [one["subtask_status"] for one in body["output"].get("results", [])]
    assert statuses == [one["subtask_status"] for one in expected["output"].get("results", [])]
    for key in ("code", "message"):
        assert body["output"].get(key) == expected["output"].get(key)


def test_an_id_nobody_knows() -> None:
    with virtual() as emulator:
        body = query(emulator, "no-such-task")
        assert shape(body) == shape(sample("task_unknown.json"))
        assert body["output"] == {"task_id": "no-such-task", "task_status": "UNKNOWN"}
        assert refusal(call(emulator, "GET", "/tasks/..%2Ftokens"))[:2] == (404, "NotFound")


@pytest.mark.parametrize("model", ["fun-asr", "qwen3-asr-flash-filetrans"])
def test_parameters_missing_on_a_workspace_domain(model: str) -> None:
    body = submission(model)
    del body["parameters"]
    with virtual(envelope="workspace") as emulator:
        task_id = ok(call(emulator, "POST", SUBMIT, body))["output"]["task_id"]
        emulator.advance(1.5)
        output = query(emulator, task_id)["output"]
        assert "SUCCEEDED" in finished(emulator, model)["output"]["task_status"]
    failure = output if model != "fun-asr" else output["results"][0]
    assert failure["code"] == "InvalidParameter"
    with virtual() as emulator:
        ok(call(emulator, "POST", SUBMIT, body))
        emulator.advance(1.5)
        assert emulator.tasks[0].status == "SUCCEEDED"


# == the task book at literal times ====================================================================================

NOW = 1726125100041  # 2024-09-12 15:11:40.041 in Beijing


def book(outcome: Script | Sample = SCRIPT) -> TaskBook:
    storage = Storage(b"secret")
    storage.origin = "http://results"
    outcomes = Outcomes({GONE: "InvalidFile.DownloadFailed"}, outcome)
    ids = random.Random(1)
    return TaskBook(storage, outcomes, queue_time=30, run_time=832, parameters_needed=False, ids=ids)


def test_a_task_from_submission_to_oblivion() -> None:
    tasks = book(Sample(b"{}"))
    reply = tasks.submit(Submission("fun-asr", "files", (URL, GONE)), "request-1", NOW)
    task_id = reply["output"]["task_id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", task_id)
    times = {"submit_time": "2024-09-12 15:11:40.041", "scheduled_time": "2024-09-12 15:11:40.071"}
    assert tasks.query(task_id, NOW + 29) == {"output": {"task_id": task_id, "task_status": "PENDING"}}
    assert tasks.query(task_id, NOW + 30) == {
        "output": {
            "task_id": task_id,
            "task_status": "RUNNING",
            **times,
            "task_metrics": {"TOTAL": 2, "SUCCEEDED": 0, "FAILED": 0},
        }
    }
    last = tasks.query(task_id, NOW + 862)
    assert tasks.query(task_id, NOW + 862 + DAY * 1000 - 1) == last
    url = last["output"]["results"][0].pop("transcription_url")
    assert last == {
        "output": {
            "task_id": task_id,
            "task_status": "SUCCEEDED",
            **times,
            "end_time": "2024-09-12 15:11:40.903",
            "results": [
                {"file_url": URL, "subtask_status": "SUCCEEDED"},
                {
                    "file_url": GONE,
                    "code": "InvalidFile.DownloadFailed",
                    "message": "The audio file cannot be downloaded.",
                    "subtask_status": "FAILED",
                },
            ],
            "task_metrics": {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1},
        },
        "usage": {"duration": 1},
    }
    assert url.startswith(f"http://results/pre/filetrans-16k/20240912/15%3A11/{task_id}-1.json?Expires=1726211500&")
    assert tasks.query(task_id, NOW + 862 + DAY * 1000)["output"]["task_status"] == "UNKNOWN"
    assert [record.status for record in tasks.records(NOW + 862 + DAY * 1000)] == ["UNKNOWN"]


def test_a_canceled_task() -> None:
    tasks = book()
    task_id = tasks.submit(Submission("fun-asr", "files", (URL,)), "request-1", NOW)["output"]["task_id"]
    assert tasks.cancel(task_id, NOW + 29) == {}
    assert tasks.query(task_id, NOW + 5000) == {
        "output": {
            "task_id": task_id,
            "task_status": "CANCELED",
            "submit_time": "2024-09-12 15:11:40.041",
            "end_time": "2024-09-12 15:11:40.070",
        }
    }
    with pytest.raises(Refusal, match="PENDING"):
        tasks.cancel(task_id, NOW + 29)
    assert tasks.query(task_id, NOW + 29 + DAY * 1000)["output"]["task_status"] == "UNKNOWN"


def test_a_list_at_literal_times() -> None:
    tasks = book()
    tasks.submit(Submission("fun-asr", "files", (GONE,)), "request-1", NOW)
    tasks.submit(Submission("qwen3-asr-flash-filetrans", "filetrans", (GONE,)), "request-2", NOW + 859)
    tasks.submit(Submission("fun-asr", "files", (URL,)), "request-3", NOW + 870)
    ids = [record.id for record in tasks.records(NOW)]
    window = {"start_time": "20240912151140", "end_time": "20240912151140"}
    body = tasks.list(window, NOW + 890)
    account = {"api_key_id": "150000", "caller_parent_id": "100000000", "caller_uid": "100000000"}
    unique = "apikey:v1:audio:asr:transcription:"
    assert body == {
        "total": 3,
        "data": [
            {
                **account,
                "gmt_create": NOW + 870,
                "model_name": "fun-asr",
                "region": "cn-beijing",
                "request_id": "request-3",
                "status": "PENDING",
                "task_id": ids[2],
                "user_api_unique_key": unique + "fun-asr",
            },
            {
                **account,
                "gmt_create": NOW + 859,
                "model_name": "qwen3-asr-flash-filetrans",
                "region": "cn-beijing",
                "request_id": "request-2",
                "start_time": NOW + 889,
                "status": "RUNNING",
                "task_id": ids[1],
                "user_api_unique_key": unique + "qwen3-asr-flash-filetrans",
            },
            {
                **account,
                "end_time": NOW + 862,
                "gmt_create": NOW,
                "model_name": "fun-asr",
                "region": "cn-beijing",
                "request_id": "request-1",
                "start_time": NOW + 30,
                "status": "SUCCEEDED",
                "task_id": ids[0],
                "user_api_unique_key": unique + "fun-asr",
            },
        ],
        "total_page": 1,
        "page_no": 1,
        "page_size": 10,
    }
    documented = sample("task_list_response.json")
    assert [item.keys() for item in body["data"][1:]] == [item.keys() for item in documented["data"]]
    assert body.keys() | {"request_id"} == documented.keys()
    assert tasks.list({}, NOW + 871 + DAY * 1000)["total"] == 0


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [3, 2, 1]),
        ({"page_size": "2"}, [3, 2]),
        ({"page_size": "2", "page_no": "2"}, [1]),
        ({"page_size": "2", "page_no": "3"}, []),
        ({"model_name": "fun-asr"}, [3, 1]),
        ({"status": "RUNNING"}, [2]),
        ({"status": "FAILED"}, []),
        ({"status": "SUCCEEDED", "model_name": "fun-asr"}, [1]),
        ({"start_time": "20240912151141"}, [3, 2]),
        ({"start_time": "20240912151142", "end_time": "20240912151159"}, [3]),
        ({"end_time": "20240912151140"}, [1]),
        ({"start_time": "20240911151140", "end_time": "20240912151140"}, [1]),
        ({"start_time": "20240913000000"}, []),
        ({"region": "cn-beijing", "api_key_id": "150000"}, [3, 2, 1]),
        ({"region": "ap-southeast-1"}, []),
        ({"task_id": "other"}, []),
    ],
)
def test_lists_are_filtered_and_paged(query: dict[str, str], numbers: list[int]) -> None:
    tasks = book()
    tasks.submit(Submission("fun-asr", "files", (URL,)), "1", NOW)
    tasks.submit(Submission("paraformer-v2", "files", (URL,)), "2", NOW + 1500)
    tasks.submit(Submission("fun-asr", "files", (URL,)), "3", NOW + 2000)
    body = tasks.list(query, NOW + 2001)
    assert [int(item["request_id"]) for item in body["data"]] == numbers
    pages = {"page_size": 10, "page_no": 1} | {name: int(query[name]) for name in query if name.startswith("page")}
    assert {name: body[name] for name in pages} == pages
    assert body["total_page"] == -(-body["total"] // body["page_size"])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("start_time=2024", "start_time"),
        ("end_time=20241332000000", "end_time"),
        ("start_time=2024-09-12T15%3A11", "start_time"),
        ("start_time=20240911151140&end_time=20240912151141", "end_time"),
        ("start_time=20240912151141&end_time=20240912151140", "end_time"),
        ("status=DONE", "status"),
        ("page_no=0", "page_no"),
        ("page_size=ten", "page_size"),
        ("page=2", "page"),
    ],
)
def test_lists_that_are_refused(query: str, named: str) -> None:
    with virtual() as emulator:
        status, code, message = refusal(call(emulator, "GET", "/tasks/?" + query))
    assert (status, code) == (400, "InvalidParameter")
    assert message.startswith(f"{named}: ")


@pytest.mark.parametrize("path", ["/tasks", "/tasks/"])
def test_a_list_over_http(path: str) -> None:
    with virtual() as emulator:
        task_id = submit(emulator)
        emulator.advance(0.5)
        submit(emulator)
        body = ok(call(emulator, "GET", path + "?page_no=1&page_size=10&status=RUNNING&model_name="))
        assert body.keys() == sample("task_list_response.json").keys()
        assert [item["task_id"] for item in body["data"]] == [task_id]


# == what a submission may say =========================================================================================


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("qwen3-asr-flash-filetrans", {"language": "zh", "enable_itn": True, "enable_words": True, "text": "names"}),
        ("qwen3-asr-flash-filetrans", {"channel_id": [0, 1], "corpus": {"text": "names"}}),
        ("fun-asr", {"vocabulary_id": "v", "channel_id": [0], "diarization_enabled": True, "speaker_count": 2}),
        ("fun-asr", {"speaker_count": 100, "language_hints": ["zh", "en"], "speech_noise_threshold": -0.5}),
        ("fun-asr", {"special_word_filter": {"filter_with_signed": {"word_list": ["a"]}}}),
        (
            "fun-asr",
            {"special_word_filter": '{"filter_with_empty":{"word_list":["a"]},"system_reserved_filter":false}'},
        ),
        ("fun-asr-mtl", {"language_hints": ["ga", "tl"]}),
        ("paraformer-v2", {"disfluency_removal_enabled": True, "timestamp_alignment_enabled": False}),
        ("qwen-audio-3.0-asr-flash-filetrans", {"language_hints": ["zh"]}),
    ],
)
def test_what_the_tables_allow(model: str, parameters: dict[str, Any]) -> None:
    with virtual() as emulator:
        assert finished(emulator, model, **parameters)["output"]["task_status"] == "SUCCEEDED"


def test_a_phrase_list_is_a_resource() -> None:
    body = submission("paraformer-v2") | {"resources": [{"resource_id": "p", "resource_type": "asr_phrase"}]}
    with virtual() as emulator:
        ok(call(emulator, "POST", SUBMIT, body))


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        ("fun-asr", {"parameters": {"speaker_count": 1}}, "parameters.speaker_count: must be at least 2"),
        ("fun-asr", {"parameters": {"speaker_count": 101}}, "parameters.speaker_count: must be at most 100"),
        ("fun-asr", {"parameters": {"speaker_count": 2.0}}, "parameters.speaker_count: must be a whole number"),
        ("fun-asr", {"parameters": {"speaker_count": True}}, "parameters.speaker_count: must be a whole number"),
        (
            "fun-asr",
            {"parameters": {"speech_noise_threshold": "1"}},
            "parameters.speech_noise_threshold: must be a number",
        ),
        ("fun-asr", {"parameters": {"channel_id": 0}}, "parameters.channel_id: must be an array"),
        ("fun-asr", {"parameters": {"channel_id": []}}, "parameters.channel_id: needs at least 1 element"),
        ("fun-asr", {"parameters": {"channel_id": [-1]}}, "parameters.channel_id[0]: must be at least 0"),
        ("fun-asr", {"parameters": {"language_hints": ["english"]}}, "parameters.language_hints[0]: must be one of"),
        ("fun-asr", {"parameters": {"special_word_filter": "secret"}}, "parameters.special_word_filter: is not JSON"),
        (
            "fun-asr",
            {"parameters": {"special_word_filter": {"words": []}}},
            "parameters.special_word_filter.words: is not",
        ),
        ("fun-asr", {"parameters": {"enable_words": True}}, "parameters.enable_words: is not a parameter here"),
        ("fun-asr", {"parameters": {"file_urls": [URL]}}, "parameters.file_urls: belongs at input.file_urls"),
        ("fun-asr", {"diarization_enabled": True}, "diarization_enabled: belongs at parameters.diarization_enabled"),
        ("fun-asr", {"parameters": None}, "parameters: must be an object"),
        ("fun-asr", {"input": {"file_url": URL}}, "input.file_url: an array of URLs goes into input.file_urls here"),
        ("fun-asr", {"input": {"file_urls": URL}}, "input.file_urls: must be an array"),
        ("fun-asr", {"input": {"file_urls": []}}, "input.file_urls: needs at least 1 element"),
        ("fun-asr", {"input": {"file_urls": [URL] * 101}}, "input.file_urls: takes at most 100 elements, got 101"),
        ("fun-asr", {"input": {"file_urls": ["a.wav"]}}, "input.file_urls[0]: is neither a URL"),
        (
            "fun-asr",
            {"input": {"file_urls": ["data:audio/wav;base64,AAAA"]}},
            "input.file_urls[0]: takes a URL; the content",
        ),
        ("fun-asr", {"input": {"file_urls": ["oss://b/a.wav"]}}, "X-DashScope-OssResourceResolve: must be enable"),
        ("fun-asr", {"input": {}}, "input.file_urls: is required"),
        (
            "qwen3-asr-flash-filetrans",
            {"input": {"file_urls": [URL]}},
            "input.file_urls: one URL goes into input.file_url",
        ),
        ("qwen3-asr-flash-filetrans", {"input": {"file_url": [URL]}}, "input.file_url: must be a string"),
        ("qwen3-asr-flash-filetrans", {"parameters": {"language": "xx"}}, "parameters.language: must be one of"),
        (
            "qwen3-asr-flash-filetrans",
            {"parameters": {"speaker_count": 2}},
            "parameters.speaker_count: is not a parameter",
        ),
        ("qwen3-asr-flash-filetrans", {"resources": []}, "resources: is not a parameter here"),
        ("qwen3-asr-flash", {}, "url error, please check url!"),
        ("fun-asr-flash-2026-06-15", {}, "url error, please check url!"),
    ],
)
def test_refused_submissions_name_the_field(model: str, change: dict[str, Any], message: str) -> None:
    with virtual() as emulator:
        status, code, got = refusal(call(emulator, "POST", SUBMIT, submission(model) | change))
        assert emulator.tasks == []
    assert (status, code) == (400, "InvalidParameter")
    assert got.startswith(message)


@pytest.mark.parametrize("model", ["whisper-1", "paraformer-realtime-v2", "fun-asr-2025"])
def test_models_that_are_not_there(model: str) -> None:
    with virtual() as emulator:
        status, code, message = refusal(call(emulator, "POST", SUBMIT, submission(model)))
    assert (status, code) == (404, "ModelNotFound")
    assert model in message


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({"X-DashScope-Async": None}, 400, "InvalidParameter", "X-DashScope-Async: is required: enable"),
        ({"X-DashScope-Async": "disable"}, 400, "InvalidParameter", "X-DashScope-Async: must be enable"),
        ({"Content-Type": "text/plain"}, 400, "InvalidParameter", "Content-Type: must be application/json"),
        ({"Authorization": None}, 401, "InvalidApiKey", "No API-key"),
        ({"Authorization": "Bearer st-0"}, 401, "InvalidApiKey", "Invalid API-key provided."),
    ],
)
def test_refused_headers(change: dict[str, str | None], status: int, code: str, message: str) -> None:
    headers = {name: value for name, value in (HEADERS | change).items() if value is not None}
    with virtual() as emulator:
        got = refusal(call(emulator, "POST", SUBMIT, submission(), headers))
        assert emulator.tasks == []
    assert got[:2] == (status, code)
    assert got[2].startswith(message)


def test_oss_urls_with_their_header() -> None:
    body = submission(urls=["oss://bucket/a.wav"])
    with virtual() as emulator:
        ok(call(emulator, "POST", SUBMIT, body, HEADERS | {"X-DashScope-OssResourceResolve": "enable"}))


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", SUBMIT, b"POST"),
        ("POST", "/tasks/", b"GET"),
        ("DELETE", "/tasks/a", b"GET"),
        ("GET", "/tasks/a/cancel", b"POST"),
    ],
)
def test_methods(method: str, path: str, allow: bytes) -> None:
    with virtual() as emulator:
        response = call(emulator, method, path)
    assert refusal(response)[:2] == (405, "MethodNotAllowed")
    assert (b"Allow", allow) in response.headers


# == cancelling ========================================================================================================


def test_only_what_is_pending_is_canceled() -> None:
    with virtual() as emulator:
        task_id = submit(emulator)
        body = ok(call(emulator, "POST", f"/tasks/{task_id}/cancel", headers={"Authorization": "Bearer k"}))
        assert shape(body) == shape(sample("task_cancel_response.json"))
        emulator.advance(10)
        assert query(emulator, task_id)["output"]["task_status"] == "CANCELED"
        running = submit(emulator)
        emulator.advance(0.5)
        for one in (task_id, running, "no-such-task"):
            response = call(emulator, "POST", f"/tasks/{one}/cancel")
            documented = sample("task_cancel_error_400.json")
            assert refusal(response) == (400, documented["code"], documented["message"])
        assert [task.status for task in emulator.tasks] == ["CANCELED", "RUNNING"]


# == result files ======================================================================================================


def test_a_fun_asr_result_file() -> None:
    with virtual() as emulator:
        poll = finished(emulator, diarization_enabled=True)
        result = ok(fetch(emulator, result_urls(poll)[0]))
    assert shape(result) == shape(sample("funasr_result.json"))
    assert result["file_url"] == URL
    assert result["properties"] == {
        "audio_format": "pcm_s16le",
        "channels": [0],
        "original_sampling_rate": 16000,
        "original_duration_in_milliseconds": SCRIPT.duration,
    }
    [transcript] = result["transcripts"]
    assert (transcript["channel_id"], transcript["text"]) == (0, "Hello world, this is a test.再见。")
    spans = [(one["begin_time"], one["end_time"]) for one in transcript["sentences"]]
    assert spans == [(one.begin_time, one.end_time) for one in SCRIPT.sentences]
    assert transcript["content_duration_in_milliseconds"] == sum(end - begin for begin, end in spans)
    assert poll["usage"] == {"duration": -(-transcript["content_duration_in_milliseconds"] // 1000)}
    assert [one["sentence_id"] for one in transcript["sentences"]] == [1, 2]
    assert [one["speaker_id"] for one in transcript["sentences"]] == [0, 1]
    words = transcript["sentences"][0]["words"]
    assert [(word["text"], word["punctuation"]) for word in words[:3]] == [
        ("Hello ", ""),
        ("world", ", "),
        ("this ", ""),
    ]
    for one in transcript["sentences"]:
        assert "".join(word["text"] + word["punctuation"] for word in one["words"]) == one["text"]


def test_speakers_only_with_diarization() -> None:
    with virtual() as emulator:
        result = ok(fetch(emulator, result_urls(finished(emulator))[0]))
    assert [one.keys() for one in result["transcripts"][0]["sentences"]] == [
        {"begin_time", "end_time", "text", "sentence_id", "words"}
    ] * 2


@pytest.mark.parametrize("enable_words", [True, False])
def test_a_filetrans_result_file(enable_words: bool) -> None:
    with virtual() as emulator:
        poll = finished(emulator, "qwen3-asr-flash-filetrans", enable_words=enable_words)
        result = ok(fetch(emulator, result_urls(poll)[0]))
    expected = sample("filetrans_result.json")
    if not enable_words:
        for one in expected["transcripts"][0]["sentences"]:
            del one["words"]
    assert shape(result) == shape(expected)
    assert result["audio_info"] == {"format": "wav", "sample_rate": 16000}
    assert poll["usage"] == {"seconds": -(-SCRIPT.duration // 1000)}
    sentences = result["transcripts"][0]["sentences"]
    assert [(one["sentence_id"], one["language"], one["emotion"]) for one in sentences] == [
        (0, "en", "neutral"),
        (1, "zh", "neutral"),
    ]
    if enable_words:
        words = [(word["text"], word["punctuation"]) for word in sentences[0]["words"]]
        assert words[:3] == [("Hello ", ""), ("world", ","), ("this ", "")]


def stereo() -> Script:
    left = Sentence(0, channel_id=0, begin_time=0, end_time=500, text="Left.", words=(Word(0, 500, "Left", "."),))
    right = Sentence(
        1, channel_id=1, begin_time=600, end_time=900, text="Right.", words=(Word(600, 900, "Right", "."),)
    )
    return Script((left, right))


@pytest.mark.parametrize("model", ["fun-asr", "qwen3-asr-flash-filetrans"])
@pytest.mark.parametrize(
    ("channels", "texts"),
    [
        ([0], ["Left."]),
        ([1, 0], ["Right.", "Left."]),
        ([0, 1, 2], ["Left.", "Right.", "Left.Right."]),
        ([1, 1], ["Right."]),
    ],
)
def test_one_transcript_per_channel(model: str, channels: list[int], texts: list[str]) -> None:
    with virtual(files={URL: stereo()}) as emulator:
        poll = finished(emulator, model, channel_id=channels)
        result = ok(fetch(emulator, result_urls(poll)[0]))
    assert [one["channel_id"] for one in result["transcripts"]] == list(dict.fromkeys(channels))
    assert [one["text"].replace(" ", "") for one in result["transcripts"]] == texts
    [seconds] = poll["usage"].values()
    assert seconds == len(texts)
    if model == "fun-asr":
        assert result["properties"]["channels"] == list(range(max(channels) + 1))


@pytest.mark.parametrize(
    ("url", "fun_asr", "filetrans"),
    [("https://e.com/a.MP3?x=.wav", "mp3", "mp3"), ("https://e.com/a", "pcm_s16le", "wav")],
)
def test_the_format_is_the_urls(url: str, fun_asr: str, filetrans: str) -> None:
    with virtual() as emulator:
        one, two = (
            ok(fetch(emulator, result_urls(finished(emulator, model, [url]))[0]))
            for model in ("fun-asr", "qwen3-asr-flash-filetrans")
        )
    assert (one["properties"]["audio_format"], two["audio_info"]["format"]) == (fun_asr, filetrans)


def xml(response: httpcore.Response) -> tuple[int, str]:
    assert (b"Content-Type", b"application/xml") in response.headers
    code = re.search(r"<Code>(\w+)</Code>", response.content.decode())
    assert code
    return response.status, code[1]


def test_another_origin_that_takes_signed_urls_and_no_credentials() -> None:
    with virtual() as emulator:
        [url] = result_urls(finished(emulator))
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == emulator.result_origin
        assert emulator.result_origin + "/api/v1" != emulator.base_url
        assert (parts.hostname, parts.path[:19]) == ("127.0.0.1", "/pre/filetrans-16k/")
        plain = fetch(emulator, url)
        assert plain.status == 200
        again = fetch(emulator, url)
        assert again.content == plain.content
        for headers in (
            {"Authorization": "Bearer sk-secret"},
            {"Cookie": "a=b"},
            {"X-DashScope-Async": "enable"},
            {"x-dashscope-workspace": "ws"},
        ):
            assert xml(call(emulator, "GET", url, headers=headers)) == (403, "AccessDenied")
        wrong = [
            url.replace("Expires=1", "Expires=2"),
            url.replace("Expires=1", "Expires=x"),
            re.sub("Signature=..", "Signature=AA", url),
            url.partition("?")[0],
            url.replace("OSSAccessKeyId=asrwire", "OSSAccessKeyId=other"),
        ]
        assert [xml(fetch(emulator, one)) for one in wrong] == [(403, "SignatureDoesNotMatch")] * 5
        other = url.replace("-1.json", "-2.json")
        assert xml(fetch(emulator, other)) == (404, "NoSuchKey")
        assert xml(fetch(emulator, emulator.result_origin + "/")) == (404, "NoSuchKey")
        assert xml(call(emulator, "PUT", url, headers={})) == (405, "MethodNotAllowed")
        assert xml(fetch(emulator, emulator.result_origin + parts.path)) == (403, "SignatureDoesNotMatch")
        head = call(emulator, "HEAD", url, headers={})
        assert (head.status, head.content) == (200, b"")
        assert emulator.requests[-1].path == f"{parts.path}?{parts.query}"
        # Nor does the API know the file.
        assert refusal(call(emulator, "GET", emulator.base_url + parts.path))[:2] == (404, "NotFound")


def test_tasks_and_results_are_kept_a_day() -> None:
    with virtual() as emulator:
        task_id = submit(emulator)
        emulator.advance(1.5)
        [url] = result_urls(query(emulator, task_id))
        emulator.advance(DAY - 1)
        assert fetch(emulator, url).status == 200
        assert query(emulator, task_id)["output"]["task_status"] == "SUCCEEDED"
        assert ok(call(emulator, "GET", "/tasks/"))["total"] == 0  # made more than 24 hours ago
        emulator.advance(1)
        response = fetch(emulator, url)
        assert xml(response) == (403, "AccessDenied")
        assert b"Request has expired." in response.content
        assert query(emulator, task_id)["output"] == {"task_id": task_id, "task_status": "UNKNOWN"}


def test_bytes_that_are_no_request_to_the_storage() -> None:
    with virtual() as emulator, socket.create_connection(("127.0.0.1", urlsplit(emulator.result_origin).port)) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>InvalidRequest</Code>" in answer


# == what becomes of each file =========================================================================================


def test_outcomes_by_url_and_pattern() -> None:
    literal = (SAMPLES / "funasr_result.json").read_bytes()
    files = {
        "https://e.com/a.wav": Script.from_texts(["Exact."]),
        "https://e.com/*.wav": "FILE_404_NOT_FOUND",
        "https://e.com/literal*": literal,
        "https://e.com/html": Sample(b"<html>", 200, "text/html"),
        "https://e.com/gone": Sample(b"", 404, "text/plain"),
    }
    urls = [f"https://e.com/{name}" for name in ("a.wav", "b.wav", "literal.mp3", "html", "gone", "other")]
    with virtual(files=files) as emulator:
        results = finished(emulator, "fun-asr", urls)["output"]["results"]
        assert [one["file_url"] for one in results] == urls
        answers = [fetch(emulator, one["transcription_url"]) for one in results if "transcription_url" in one]
    assert results[1] == {
        "file_url": urls[1],
        "code": "FILE_404_NOT_FOUND",
        "message": "FILE_404_NOT_FOUND",
        "subtask_status": "FAILED",
    }
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 200]
    assert json.loads(answers[0].content)["transcripts"][0]["text"] == "Exact."
    assert answers[1].content == literal
    assert (b"Content-Type", b"text/html") in answers[2].headers
    assert json.loads(answers[4].content)["transcripts"][0]["text"] == SCRIPT.text


def test_outcomes_by_a_callable() -> None:
    def files(url: str) -> Script | str | None:
        if url.endswith("raise"):
            raise LookupError("no such file")
        return {"bad": "not a code!", "fail": "DECODE_ERROR"}.get(url[14:])

    with virtual(files=files) as emulator:
        poll = finished(emulator, "fun-asr", ["https://e.com/fail", "https://e.com/else"])
        assert [one["subtask_status"] for one in poll["output"]["results"]] == ["FAILED", "SUCCEEDED"]
        for name, told in (("raise", "LookupError: no such file"), ("bad", "an error code")):
            response = call(emulator, "POST", SUBMIT, submission(urls=[f"https://e.com/{name}"]))
            status, code, message = refusal(response)
            assert (status, code) == (500, "InternalError")
            assert told in message
        assert len(emulator.tasks) == 1


def test_a_literal_transcript_is_every_file() -> None:
    literal = (SAMPLES / "filetrans_result.json").read_bytes()
    with Emulator(literal, queue_time=0, run_time=0) as emulator:
        task_id = submit(emulator, "qwen3-asr-flash-filetrans")
        poll = query(emulator, task_id)
        assert fetch(emulator, result_urls(poll)[0]).content == literal


# == rates and keys ====================================================================================================


def test_queries_over_the_limit() -> None:
    with virtual(rate_limit=2) as emulator:
        task_id = submit(emulator)
        submit(emulator)
        submit(emulator)
        for path, method in ((f"/tasks/{task_id}", "GET"), ("/tasks/", "GET"), ("/tasks/other/cancel", "POST")):
            passed = [call(emulator, method, path).status for _ in range(2)]
            response = call(emulator, method, path)
            documented = sample("error_native_429.json")
            assert refusal(response) == (429, documented["code"], documented["message"])
            assert (b"Retry-After", b"1") in response.headers
            assert set(passed) <= {200, 400}
        emulator.advance(0.999)
        assert call(emulator, "GET", "/tasks/").status == 429
        emulator.advance(0.001)
        assert [call(emulator, "GET", "/tasks/").status for _ in range(3)] == [200, 200, 429]


def test_a_rate_is_of_any_second() -> None:
    rate = Rate(3)
    assert [rate.admit(now) for now in (0, 400, 800, 999, 1000, 1399, 1400, 1800, 1999, 2000)] == [
        True, True, True, False, True, False, True, True, False, True,
    ]  # fmt: skip
    assert all(Rate(None).admit(0) for _ in range(1000))


def bearer(key: str) -> dict[Any, Any]:
    return HEADERS | {"Authorization": f"Bearer {key}"}


def test_temporary_keys() -> None:
    with virtual() as emulator:
        response = call(emulator, "POST", "/tokens", headers={"Authorization": "Bearer sk"})
        body = ok(response)
        assert body.keys() == {"token", "expires_at"}
        assert body["token"].startswith("st-")
        longer = ok(call(emulator, "POST", "/tokens?expire_in_seconds=1800"))
        assert longer["expires_at"] - body["expires_at"] == 1740
        issued = emulator.issue_token()
        emulator.advance(59.999)
        for key in (body["token"], issued, longer["token"]):
            assert call(emulator, "GET", "/tasks/a", headers=bearer(key)).status == 200
        emulator.advance(0.001)
        for key in (body["token"], issued):
            for method, where in (
                ("GET", "/tasks/a"),
                ("POST", SUBMIT),
                ("POST", "/services/aigc/multimodal-generation/generation"),
            ):
                got = refusal(call(emulator, method, where, submission(), bearer(key)))
                assert got == (401, "InvalidApiKey", "Invalid API-key provided.")
        where = emulator.compatible_base_url + "/chat/completions"
        assert call(emulator, "POST", where, {}, bearer(issued)).status == 401
        assert call(emulator, "GET", "/tasks/a", headers=bearer(longer["token"])).status == 200
        for seconds in ("0", "1801", "x", "-1", "99999999999"):
            got = refusal(call(emulator, "POST", f"/tokens?expire_in_seconds={seconds}"))
            assert got == (400, "InvalidParameter", "expire_in_seconds: must be 1 to 1800")
        assert refusal(call(emulator, "POST", "/tokens", headers={}))[:2] == (401, "InvalidApiKey")


# == lost replies ======================================================================================================


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("rst", httpcore.ReadError),
        ("fin", httpcore.RemoteProtocolError),
        ("stall", httpcore.ReadTimeout),
        ("500", None),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_replies_lost_after_the_task_was_made(how: Any, error: type[Exception] | None, tls: bool) -> None:
    with Emulator(SCRIPT, tls=tls) as emulator, httpcore.ConnectionPool(ssl_context=emulator.ssl_context) as pool:
        emulator.lose_reply(how)

        def post(patience: float = 30) -> httpcore.Response:
            return pool.request(
                "POST",
                emulator.base_url + SUBMIT,
                headers=HEADERS,
                content=json.dumps(submission()).encode(),
                extensions={"timeout": {"read": patience}},
            )

        if error is None:
            assert refusal(post())[:2] == (500, "InternalError")
        else:
            # Over TLS the ssl module shows a reset, like any end without close_notify, as an end.
            with pytest.raises((error, httpcore.ReadError, httpcore.RemoteProtocolError) if tls else error):
                post(0.5 if how == "stall" else 30)
        assert len(emulator.tasks) == 1
        assert emulator.sent[0].complete is (how == "500")
        assert post().status == 200
        assert len(emulator.tasks) == 2


def test_how_many_replies_are_lost() -> None:
    with virtual() as emulator:
        emulator.lose_reply("500", times=2)
        refused = call(emulator, "POST", SUBMIT, {"model": "fun-asr"})
        assert refused.status == 400  # makes no task, loses no reply
        assert [call(emulator, "POST", SUBMIT, submission()).status for _ in range(3)] == [500, 500, 200]
        with pytest.raises(ConfigError, match="rst, fin, stall, 500"):
            emulator.lose_reply("timeout")  # type: ignore[arg-type]


def test_leaving_ends_a_stalled_reply() -> None:
    before = set(threading.enumerate())  # some are of earlier tests, and may end meanwhile
    with Emulator(SCRIPT) as emulator:
        emulator.lose_reply("stall")
        content = json.dumps(submission()).encode()
        sock = socket.create_connection(("127.0.0.1", urlsplit(emulator.base_url).port))
        fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"POST /api/v1{SUBMIT} HTTP/1.1\r\nHost: e\r\n{fields}Content-Length: {len(content)}\r\n\r\n"
        sock.sendall(head.encode() + content)
        while not emulator.tasks:
            pass
    with sock:
        assert sock.recv(1) == b""
    assert set(threading.enumerate()) <= before


# == the clock =========================================================================================================


def test_paced_answers_wait_for_the_virtual_clock() -> None:
    body = json.loads((SAMPLES / "funasr_flash_request.json").read_bytes())
    headers = HEADERS | {"X-DashScope-SSE": "enable"}
    with virtual(speed=1) as emulator, httpcore.ConnectionPool() as pool:
        where = emulator.base_url + "/services/aigc/multimodal-generation/generation"
        with pool.stream("POST", where, headers=headers, content=json.dumps(body).encode()) as response:
            parts = response.iter_stream()
            assert emulator.sent[0].events == 0
            emulator.advance(0.2)
            assert b'"sentence_begin":true' in next(parts)
            assert emulator.sent[0].events == 1
            emulator.advance(60)
            rest = b"".join(parts)
    assert "再见。" in rest.decode()


def test_the_virtual_clock_wakes_what_is_due() -> None:
    clock = VirtualClock()
    woken: list[float] = []

    async def sleeper(when: float) -> None:
        await clock.sleep_until(when)
        woken.append(when)

    async def run() -> None:
        tasks = [asyncio.create_task(sleeper(when)) for when in (0.3, 0.1, 0.2, 0.0, 9.0)]
        await asyncio.sleep(0)
        assert woken == [0.0]
        for _ in range(3):
            clock.advance(100)
        await asyncio.gather(*tasks[:3])
        assert woken == [0.0, 0.1, 0.2, 0.3]
        tasks[4].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        clock.advance(100_000)

    asyncio.run(run())
    assert clock.now() == 100.3


def test_only_a_virtual_clock_is_advanced() -> None:
    with pytest.raises(ConfigError, match="virtual"):
        Emulator(SCRIPT).advance(1)
    emulator = Emulator(SCRIPT, clock="virtual")
    with pytest.raises(ConfigError, match="seconds"):
        emulator.advance(-1)
    with pytest.raises(Closed, match="before it is entered"):
        _ = emulator.result_origin


def test_a_real_clock() -> None:
    with Emulator(SCRIPT, queue_time=0, run_time=3600) as emulator:
        task_id = submit(emulator)
        assert query(emulator, task_id)["output"]["task_status"] == "RUNNING"
    with Emulator(SCRIPT, queue_time=0, run_time=0) as emulator:
        task_id = submit(emulator)
        assert query(emulator, task_id)["output"]["task_status"] == "SUCCEEDED"
        assert ok(call(emulator, "GET", "/tasks/"))["data"][0]["task_id"] == task_id


def test_result_files_over_tls() -> None:
    with Emulator(SCRIPT, clock="virtual", tls=True) as emulator:
        [url] = result_urls(finished(emulator))
        assert url.startswith("https://127.0.0.1:")
        assert isinstance(emulator.ssl_context, ssl.SSLContext)
        assert ok(fetch(emulator, url))["file_url"] == URL


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clock": "real"}, ConfigError, "clock is None or 'virtual', not 'real'"),
        ({"queue_time": -1}, ConfigError, "queue_time"),
        ({"run_time": float("nan")}, ConfigError, "run_time"),
        ({"run_time": "1"}, TypeError, "run_time is a number of seconds, not str"),
        ({"rate_limit": 0}, ConfigError, "rate_limit"),
        ({"rate_limit": 1.5}, TypeError, "rate_limit"),
        ({"files": []}, TypeError, "files is a mapping"),
        ({"files": {1: SCRIPT}}, TypeError, "URLs"),
        ({"files": {URL: 404}}, TypeError, "a Script, a Sample, bytes or a code"),
        ({"files": {URL: "/some/path.json"}}, ConfigError, "an error code such as"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Emulator(**arguments)


def test_the_log_names_what_was_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="asrwire.emulator")
    with virtual() as emulator:
        task_id = submit(emulator)
        emulator.advance(1.5)
        [url] = result_urls(query(emulator, task_id))
        call(emulator, "GET", "/tasks/?status=FAILED")
        fetch(emulator, url)
        call(emulator, "GET", url)
    assert caplog.messages == [
        f"POST /api/v1{SUBMIT} 200 fun-asr, 1 event",
        f"GET /api/v1/tasks/{task_id} 200 SUCCEEDED, 1 event",
        "GET /api/v1/tasks/ 200 0 of 0 tasks, 1 event",
        f"GET {urlsplit(url).path} 200 result file, 1 event",
        f"GET {urlsplit(url).path} 403 refused, 1 event",
    ]
