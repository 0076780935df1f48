# Task: the documented bodies read literally; envelopes, statuses and wrong members as tables; reprs show no secrets.

from __future__ import annotations

import json
import pathlib
import pickle
from typing import Any

import pytest

from asrwire._errors import DecodeError, ServiceError
from asrwire._model import Usage
from asrwire._task import Progress, Subtask, Task, task, tasks

SAMPLES = pathlib.Path(__file__).parent / "samples"
HELLO = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
RICH = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/sensevoice/rich_text_exaple_1.wav"
RESULT = (
    "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/pre/filetrans-16k/20240912/15%3A11/"
    "409a4b92-445b-4dd8-8c1d-f110954d82d8-1.json?Expires=1726211500&OSSAccessKeyId=yourOSSAccessKeyId"
    "&Signature=v5Owy5qoAfT7mzGmQgH0g8C****%3D"
)
HEARD = Subtask(HELLO, "SUCCEEDED", RESULT)
REFUSED = Subtask(RICH, "FAILED", None, "InvalidFile.DownloadFailed", "The audio file cannot be downloaded.")


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


FUNASR = {
    "task_id": "f86ec806-4d73-485f-a24f-************",
    "submit_time": "2024-09-12 15:11:40.041",
    "scheduled_time": "2024-09-12 15:11:40.071",
    "request_id": "f9e1afad-94d3-997e-a83b-************",
}
SUBTASK_FAILED = {
    "task_id": "7bac899c-06ec-4a79-8875-xxxxxxxxxxxx",
    "status": "SUCCEEDED",
    "submit_time": "2024-12-16 16:30:59.170",
    "scheduled_time": "2024-12-16 16:30:59.204",
    "end_time": "2024-12-16 16:31:02.375",
    "metrics": {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 1},
    "subtasks": (REFUSED,),
}
EXPECTED: dict[str, dict[str, Any]] = {
    "filetrans_submit_response": {
        "task_id": "8fab76d0-0eed-4d20-************",
        "status": "PENDING",
        "request_id": "92e3decd-0c69-47a8-************",
    },
    "funasr_submit_response": {
        "task_id": "c2e5d63b-96e1-4607-bb91-************",
        "status": "PENDING",
        "request_id": "77ae55ae-be17-97b8-9942--************",
    },
    "filetrans_poll_running": {
        "task_id": "9be1700a-0f8e-4778-be74-************",
        "status": "RUNNING",
        "submit_time": "2025-10-27 14:19:31.150",
        "scheduled_time": "2025-10-27 14:19:31.233",
        "metrics": {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 0},
        "request_id": "6769df07-2768-4fb0-ad59-************",
    },
    "filetrans_poll_succeeded": {
        "task_id": "8fab76d0-0eed-4d20-929f-************",
        "status": "SUCCEEDED",
        "submit_time": "2025-10-27 13:57:45.948",
        "scheduled_time": "2025-10-27 13:57:46.018",
        "end_time": "2025-10-27 13:57:47.079",
        "subtasks": (
            Subtask(None, "SUCCEEDED", "http://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/..."),
        ),
        "usage": Usage(3, raw={"seconds": 3}),
        "request_id": "1dca6c0a-0ed1-4662-aa39-************",
    },
    "filetrans_poll_failed": {
        "task_id": "c58c7951-7789-4557-9ea3-************",
        "status": "FAILED",
        "submit_time": "2025-10-27 15:06:06.915",
        "scheduled_time": "2025-10-27 15:06:06.967",
        "end_time": "2025-10-27 15:06:07.584",
        "code": "FILE_403_FORBIDDEN",
        "message": "FILE_403_FORBIDDEN",
        "request_id": "3d141841-858a-466a-9ff9-************",
    },
    "funasr_poll_running": {**FUNASR, "status": "RUNNING", "metrics": {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 0}},
    "funasr_poll_succeeded": {
        **FUNASR,
        "status": "SUCCEEDED",
        "end_time": "2024-09-12 15:11:40.903",
        "metrics": {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0},
        "subtasks": (HEARD,),
        "usage": Usage(9, raw={"duration": 9}),
    },
    "funasr_poll_mixed": {
        **FUNASR,
        "status": "SUCCEEDED",
        "end_time": "2024-09-12 15:11:40.903",
        "metrics": {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1},
        "subtasks": (HEARD, REFUSED),
        "usage": Usage(9, raw={"duration": 9}),
    },
    "funasr_poll_subtask_failed_bare": SUBTASK_FAILED,
    "funasr_poll_subtask_failed_enveloped": {**SUBTASK_FAILED, "request_id": FUNASR["request_id"]},
    "task_unknown": {
        "task_id": "86ecf553-d340-4e21-xxxxxxxxxxxx",
        "status": "UNKNOWN",
        "request_id": "a4de7c32-7057-9f82-8581-xxxxxxxxxxxx",
    },
}


def test_every_sample_of_a_task_is_here() -> None:
    patterns = ("*_poll_*.json", "*_submit_response.json", "task_unknown.json")
    names = {path.stem for pattern in patterns for path in SAMPLES.glob(pattern)}
    assert names == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_samples(name: str) -> None:
    found = task(sample(name), model="m", region="r")
    assert found == Task(**EXPECTED[name], model="m", region="r")
    assert found.raw == sample(name)
    assert found.done is (EXPECTED[name]["status"] in ("SUCCEEDED", "FAILED", "UNKNOWN"))
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.raw == found.raw
    assert hash(again) == hash(found)


def test_the_sample_of_a_list() -> None:
    found, pages = tasks(sample("task_list_response"), region="elsewhere")
    assert pages == 1
    assert found == [
        Task(
            "50e2ccea-abc4-43d7-a0dc-xxxxxx", "RUNNING", 1745568428109, 1745568428138,
            request_id="1abfc3c8-dd25-98da-ad0b-xxxxxx", model="wanx2.1-kf2v-plus", region="cn-beijing",
        ),
        Task(
            "3c777dbc-8cc6-4d80-aa90-xxxxxx", "SUCCEEDED", 1745568293253, 1745568293273, 1745568302481,
            request_id="f6bf34d9-bf87-9e8b-9ed4-xxxxxx", model="wanx2.1-t2i-turbo", region="cn-beijing",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "count", "pages"),
    [
        ({"data": []}, 0, 1),
        ({"data": None, "total": 0}, 0, 1),
        ({"total": 0}, 0, 1),
        ({"tasks": [{"task_id": "a", "task_status": "RUNNING"}]}, 1, 1),
        ({"data": [{"task_id": "a"}], "total": 21, "page_size": 10}, 1, 3),
        ({"data": [{"task_id": "a"}], "total": 20, "page_size": 10}, 1, 2),
        ({"data": [{"task_id": "a"}], "total_page": 7}, 1, 7),
        ({"data": [{"task_id": "a"}], "total_page": 0}, 1, 1),
    ],
)
def test_lists(body: Any, count: int, pages: int) -> None:
    found, told = tasks(body)
    assert (len(found), told) == (count, pages)


def test_a_list_in_the_words_of_a_poll() -> None:
    item = {"task_id": "a", "task_status": "RUNNING", "submit_time": "x", "scheduled_time": "y", "model": "m"}
    assert tasks({"tasks": [item]}, region="r")[0] == [Task("a", "RUNNING", "x", "y", model="m", region="r")]


# == statuses =======================================================================================================

STATUSES = [
    ("PENDING", False),
    ("RUNNING", False),
    ("SUSPENDED", False),
    ("SUCCEEDED", True),
    ("FAILED", True),
    ("CANCELED", True),
    ("UNKNOWN", True),
    ("SUCCESS_WITH_NO_VALID_FRAGMENT", True),
    ("SOMETHING_NOBODY_HAS_SEEN", False),
    ("succeeded", False),
    ("", False),
]


@pytest.mark.parametrize(("status", "done"), STATUSES)
def test_statuses(status: str, done: bool) -> None:
    found = task({"output": {"task_id": "a", "task_status": status}})
    assert (found.status, found.done) == (status, done)


def test_no_status_is_not_done() -> None:
    found = task({"output": {"task_id": "a"}})
    assert (found.status, found.done) == ("", False)


@pytest.mark.parametrize(
    ("output", "no_speech"),
    [
        ({"task_status": "FAILED", "code": "ASR_RESPONSE_HAVE_NO_WORDS"}, True),
        ({"task_status": "FAILED", "message": "NO_VALID_AUDIO_ERROR"}, True),
        ({"task_status": "SUCCESS_WITH_NO_VALID_FRAGMENT"}, True),
        ({"task_status": "FAILED", "code": "FILE_403_FORBIDDEN"}, False),
        ({"task_status": "SUCCEEDED", "message": "NO_VALID_AUDIO_ERROR"}, False),
    ],
)
def test_no_speech(output: dict[str, Any], no_speech: bool) -> None:
    assert task({"output": {"task_id": "a", **output}}).no_speech is no_speech


def test_no_speech_in_one_file() -> None:
    results = [{"subtask_status": "FAILED", "code": "SUCCESS_WITH_NO_VALID_FRAGMENT"}, {"subtask_status": "FAILED"}]
    found = task({"output": {"task_id": "a", "task_status": "SUCCEEDED", "results": results}})
    assert [subtask.no_speech for subtask in found.subtasks] == [True, False]


# == what is wrong ==================================================================================================

WRONG: list[tuple[Any, str]] = [
    (None, "$"),
    ([], "$"),
    ("x", "$"),
    ({}, "task_id"),
    ({"output": {}}, "output.task_id"),
    ({"output": {"task_id": None}}, "output.task_id"),
    ({"output": {"task_id": 7}}, "output.task_id"),
    ({"output": {"task_id": ""}}, "output.task_id"),
    ({"output": {"task_id": "../../v1"}}, "output.task_id"),
    ({"output": {"task_id": "a/b"}}, "output.task_id"),
    ({"output": {"task_id": "a\r\nX: 1"}}, "output.task_id"),
    ({"output": {"task_id": "a?b"}}, "output.task_id"),
    ({"output": {"task_id": "a" * 129}}, "output.task_id"),
    ({"task_id": "a b"}, "task_id"),
    ({"output": []}, "output"),
    ({"output": {"task_id": "a", "task_status": 1}}, "output.task_status"),
    ({"output": {"task_id": "a", "submit_time": []}}, "output.submit_time"),
    ({"output": {"task_id": "a", "task_metrics": []}}, "output.task_metrics"),
    ({"output": {"task_id": "a", "task_metrics": {"TOTAL": "1"}}}, "output.task_metrics.TOTAL"),
    ({"output": {"task_id": "a", "result": []}}, "output.result"),
    ({"output": {"task_id": "a", "result": {"transcription_url": 1}}}, "output.result.transcription_url"),
    ({"output": {"task_id": "a", "results": {}}}, "output.results"),
    ({"output": {"task_id": "a", "results": [1]}}, "output.results[0]"),
    ({"output": {"task_id": "a", "results": [{}, {"file_url": 1}]}}, "output.results[1].file_url"),
    ({"output": {"task_id": "a", "results": [{"code": 1}]}}, "output.results[0].code"),
    ({"task_id": "a", "results": [{"subtask_status": 1}]}, "results[0].subtask_status"),
    ({"output": {"task_id": "a"}, "usage": {"seconds": "3"}}, "usage.seconds"),
]


@pytest.mark.parametrize(("body", "path"), WRONG)
def test_wrong_tasks(body: Any, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        task(body)
    assert caught.value.path == path


WRONG_LISTS: list[tuple[Any, str]] = [
    ([], "$"),
    ({}, "data"),
    ({"total": 2}, "data"),
    ({"data": {}}, "data"),
    ({"tasks": "x"}, "tasks"),
    ({"data": [1]}, "data[0]"),
    ({"data": [{"task_id": "a"}, {}]}, "data[1].task_id"),
    ({"data": [{"task_id": "../a"}]}, "data[0].task_id"),
    ({"data": [{"task_id": "a", "status": 1}]}, "data[0].status"),
    ({"data": [{"task_id": "a", "gmt_create": []}]}, "data[0].gmt_create"),
    ({"data": [], "total_page": "1"}, "total_page"),
]


@pytest.mark.parametrize(("body", "path"), WRONG_LISTS)
def test_wrong_lists(body: Any, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        tasks(body)
    assert caught.value.path == path


@pytest.mark.parametrize("read", [task, tasks])
def test_an_error_instead(read: Any) -> None:
    body = {"code": "BailianGateway.Workspace.NotAuthorised", "message": "no", "request_id": "r-1"}
    with pytest.raises(ServiceError, match=r"BailianGateway\.Workspace\.NotAuthorised: no") as caught:
        read(body)
    assert (caught.value.code, caught.value.request_id) == ("BailianGateway.Workspace.NotAuthorised", "r-1")


# == what is shown ==================================================================================================


def test_no_repr_shows_a_query() -> None:
    url = "https://a.example/x.wav?Signature=SECRET"
    subtask = Subtask(url, "FAILED", url, "C", "m")
    whole = Task("t-1", "FAILED", subtasks=(subtask,), code="C", raw={"url": url})
    assert repr(subtask) == (
        "Subtask(file_url='https://a.example/x.wav', status='FAILED', "
        "transcription_url='https://a.example/x.wav', code='C', message='m')"
    )
    assert repr(whole) == "<Task t-1 FAILED C, 1 files named>"
    assert repr(Progress(1, 2, 1, whole, url, "FAILED")) == (
        "Progress(done=1, total=2, failed=1, task=<Task t-1 FAILED C, 1 files named>, "
        "file_url='https://a.example/x.wav', status='FAILED')"
    )
    assert "SECRET" not in repr(Progress(0, 1, 0, None, None, ""))
