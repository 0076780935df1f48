# Conversations about file tasks, driven with literal replies and a clock that only sleeps move: no I/O, no waiting.

from __future__ import annotations

import json
import pathlib
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from asrwire import _tasks
from asrwire._errors import (
    ASRWireError,
    ConfigError,
    ConnectFailed,
    DecodeError,
    HTTPStatusError,
    LimitExceeded,
    ProtocolError,
    ResultExpired,
    ServiceError,
    TaskFailed,
    Timeout,
    TLSFailed,
    Truncated,
)
from asrwire._files import FileFailed, FileResult
from asrwire._limits import Limits
from asrwire._requests import Request, resolve
from asrwire._task import Progress, Subtask, Task
from asrwire._tasks import Found, Pace, Reply, Service, Sleep

SAMPLES = pathlib.Path(__file__).parent / "samples"
API = "https://dashscope.aliyuncs.com/api/v1"
SUBMIT = f"POST {API}/services/audio/asr/transcription"
WELCOME = "https://dashscope.oss-cn-beijing.aliyuncs.com/audios/welcome.mp3"
SERVICE = Service(resolve(environ={}), Limits(), lambda: 1.0)
START = 1000.0

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | ASRWireError
Answers = Iterable[Answer] | Callable[[Request, float], Answer]


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def running(task_id: str = "t", **more: Any) -> Answer:
    return 200, {"output": {"task_id": task_id, "task_status": "RUNNING", **more}}


def succeeded(task_id: str = "t", *results: dict[str, Any], **more: Any) -> Answer:
    return 200, {"output": {"task_id": task_id, "task_status": "SUCCEEDED", "results": list(results), **more}}


def heard(url: str, name: str = "r") -> dict[str, Any]:
    where = f"https://oss.example/{name}?Signature=S"
    return {"file_url": url, "transcription_url": where, "subtask_status": "SUCCEEDED"}


def refused(url: str, code: str = "FILE_404_NOT_FOUND") -> dict[str, Any]:
    return {"file_url": url, "subtask_status": "FAILED", "code": code, "message": code}


def result(text: str = "Hi.", url: str | None = None) -> Answer:
    sentence = {"sentence_id": 1, "begin_time": 0, "end_time": 500, "text": text}
    return 200, {"file_url": url, "transcripts": [{"channel_id": 0, "text": text, "sentences": [sentence]}]}


@dataclass
class Record:
    """What a conversation did."""

    sent: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    found: list[Any] = field(default_factory=list)
    value: Any = None
    error: ASRWireError | None = None
    now: float = START


def drive(conversation: _tasks.Conversation[Any], answers: Answers = (), *, tell_time: bool = True) -> Record:
    """Run a conversation against answers in turn, or a function that makes them; its error is kept, not raised."""
    record = Record()
    script = iter(()) if callable(answers) else iter(answers)
    sent: Any = None
    thrown: ASRWireError | None = None
    for _ in range(10_000):
        try:
            step = conversation.send(sent) if thrown is None else conversation.throw(thrown)
        except StopIteration as stop:
            record.value = stop.value
            break
        except ASRWireError as error:
            record.error = error
            break
        sent = thrown = None
        if isinstance(step, Sleep):
            assert step.seconds > 0
            record.slept.append(step.seconds)
            record.now += step.seconds
            sent = record.now if tell_time else None
        elif isinstance(step, Found):
            record.found.append(step.value)
        else:
            record.requests.append(step)
            record.sent.append(f"{step.method} {step.url}")
            answer = answers(step, record.now) if callable(answers) else next(script)
            if isinstance(answer, ASRWireError):
                thrown = answer
                continue
            status, body, headers = (*answer, {})[:3]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields = tuple((k.encode(), v.encode()) for k, v in headers.items())
            sent = Reply(status, fields, content, record.now)
    else:
        raise AssertionError("the conversation does not end")
    assert not list(script), "answers nobody asked for"
    return record


def submit(urls: Any = WELCOME, *, model: str = "fun-asr", resend: bool = False, **options: Any) -> Any:
    return _tasks.submit(SERVICE, urls, model=model, resend=resend, options=options, now=START)


def files(urls: Any, *, model: str = "fun-asr", **arguments: Any) -> Any:
    return _tasks.transcribe_files(SERVICE, urls, model=model, options={}, now=START, **arguments)


# == submit =========================================================================================================


def test_submit() -> None:
    done = drive(submit(channel_id=[0]), [(200, sample("filetrans_submit_response"))])
    assert done.sent == [SUBMIT]
    assert done.value == Task(
        "8fab76d0-0eed-4d20-************", "PENDING", subtasks=(Subtask(WELCOME, "PENDING"),),
        request_id="92e3decd-0c69-47a8-************", model="fun-asr", region="cn-beijing",
    )  # fmt: skip
    assert done.slept == []


def test_submit_checks_before_it_begins() -> None:
    with pytest.raises(ConfigError, match="must begin with http"):
        submit("a.wav")
    with pytest.raises(ConfigError, match="no option"):
        submit(nothing=1)


LOST: list[Any] = [
    ConnectFailed("reset", phase="head", sent="complete"),
    ProtocolError("closed", phase="head", sent="complete"),
    Timeout("head", phase="head", sent="complete"),
    Truncated("cut", phase="body", sent="complete"),
    (500, {"code": "InternalError", "message": "x"}),
    (502, b"<html>"),
    (503, b""),
    (504, b""),
    (200, b""),
    (200, b'{"output": {"task_'),
    (200, b"<html>"),
    (200, {"output": {"task_status": "PENDING"}}),
    (200, {"output": {"task_id": "../x"}}),
]


@pytest.mark.parametrize("answer", LOST, ids=repr)
def test_a_submit_whose_reply_is_lost_is_not_sent_again(answer: Any) -> None:
    done = drive(submit(), [answer])
    error = done.error
    assert error is not None
    assert (error.sent, error.retry_safe) == ("complete", False)
    assert "client.tasks.find(urls, since=...)" in str(error)


def test_resend_sends_again_what_was_lost() -> None:
    made = (200, sample("funasr_submit_response"))
    done = drive(submit(resend=True), [LOST[0], (500, b""), made])
    assert done.value.status == "PENDING"
    assert len(done.sent) == 3
    assert done.slept == [0.5, 1.0]
    assert drive(submit(resend=True), [(200, b"")]).error is not None


NOT_SENT = [
    ConnectFailed("refused", phase="connect", sent="none"),
    ConnectFailed("reset", phase="write", sent="partial"),
    Timeout("connect", phase="connect", sent="none"),
    (429, {"code": "Throttling.RateQuota", "message": "x"}),
    (408, b""),
    (503, b"", {"Retry-After": "2"}),
]


@pytest.mark.parametrize("answer", NOT_SENT, ids=repr)
def test_a_submit_that_was_not_taken_is_sent_again(answer: Any) -> None:
    done = drive(submit(), [answer, (200, sample("funasr_submit_response"))])
    assert done.value.status == "PENDING"
    last = drive(submit(), [answer] * 3).error
    assert last is not None
    assert "find" not in str(last)


REFUSED = [
    (400, "InvalidParameter", False), (400, "Arrearage", False), (401, "InvalidApiKey", False),
    (403, "AccessDenied", False), (404, "ModelNotFound", False), (429, "Throttling.AllocationQuota", False),
    (429, "CommodityNotPurchased", False), (429, "PrepaidBillOverdue", False), (429, "PostpaidBillOverdue", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "safe"), REFUSED)
def test_a_submit_that_was_refused(status: int, code: str, safe: bool) -> None:
    body = {"code": code, "message": "said so", "request_id": "r-1"}
    error = drive(submit(), [(status, body, {"Retry-After": "1"})]).error
    assert isinstance(error, HTTPStatusError)
    assert (error.http_status, error.code, error.request_id, error.retry_safe) == (status, code, "r-1", safe)
    assert str(error).startswith(f"HTTP status {status}: {code}: said so (")
    assert "find" not in str(error)


def test_an_error_inside_a_200_is_a_refusal() -> None:
    body = {"code": "BailianGateway.Workspace.NotAuthorised", "message": "no"}
    error = drive(submit(), [(200, body, {"x-request-id": "r-2"})]).error
    assert isinstance(error, ServiceError)
    assert (error.request_id, error.http_status, error.sent) == ("r-2", 200, "complete")
    assert "check the workspace id" in str(error)
    assert "find" not in str(error)


def test_retry_after_as_a_date_goes_by_the_services_own_clock() -> None:
    later = {"Retry-After": "Tue, 14 Nov 2023 22:13:30 GMT", "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    done = drive(submit(), [(503, b"", later), (200, sample("funasr_submit_response"))])
    assert done.slept == [10.25]
    undated = drive(submit(), [(503, b"", {"Retry-After": later["Retry-After"]})])
    assert undated.error is not None


# == get ============================================================================================================


def test_get() -> None:
    done = drive(_tasks.get(SERVICE, "t-1", now=START), [(200, sample("funasr_poll_running"))])
    assert done.sent == [f"GET {API}/tasks/t-1"]
    assert (done.value.task_id, done.value.status, done.value.region) == ("t-1", "RUNNING", "cn-beijing")


def test_get_remembers_what_polls_do_not_repeat() -> None:
    before = Task("t", "PENDING", subtasks=(Subtask(WELCOME, "PENDING"),), model="fun-asr", region="r")
    for answer, subtasks in [
        (running(), before.subtasks),
        ((200, sample("filetrans_poll_succeeded")),
         (Subtask(WELCOME, "SUCCEEDED", "http://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/..."),)),
        ((200, sample("filetrans_poll_failed")),
         (Subtask(WELCOME, "FAILED", None, "FILE_403_FORBIDDEN", "FILE_403_FORBIDDEN"),)),
    ]:  # fmt: skip
        task = drive(_tasks.get(SERVICE, before, now=START), [answer]).value
        assert (task.model, task.region, task.subtasks) == ("fun-asr", "r", subtasks)


def test_get_tries_three_times() -> None:
    fault = ConnectFailed("reset", phase="head", sent="complete")
    assert drive(_tasks.get(SERVICE, "t", now=START), [fault, (502, b""), running()]).slept == [1.0, 1.5]
    error = drive(_tasks.get(SERVICE, "t", now=START), [fault, fault, (502, b"")]).error
    assert isinstance(error, HTTPStatusError)
    assert (error.retry_safe, error.task) == (True, Task("t"))


@pytest.mark.parametrize("name", ["get", "wait", "cancel", "results"])
def test_ids_are_checked_before_anything_happens(name: str) -> None:
    for task in ("../v1", Task("../v1")):
        with pytest.raises(ConfigError, match="a task id"):
            getattr(_tasks, name)(SERVICE, task, now=START)
    with pytest.raises(TypeError, match=r"asrwire\.Task or its id"):
        getattr(_tasks, name)(SERVICE, 7, now=START)


# == wait ===========================================================================================================


def wait(answers: Answers, task: Task | str = "t", **arguments: Any) -> Record:
    return drive(_tasks.wait(SERVICE, task, now=START, **arguments), answers)


def test_polls_begin_at_1_s_and_grow_to_5() -> None:
    done = wait([running()] * 7 + [succeeded("t", heard(WELCOME))])
    assert done.slept == [1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0]
    assert done.value.status == "SUCCEEDED"


def test_polls_are_spread() -> None:
    calm = Service(SERVICE.endpoints, Limits(), lambda: 0.0)
    done = drive(_tasks.wait(calm, "t", now=START), [running()] * 6 + [succeeded("t", heard(WELCOME))])
    assert done.slept == [0.8, pytest.approx(1.2), pytest.approx(1.8), pytest.approx(2.7), 4.0, 4.0]


PASSING = [
    ConnectFailed("reset", phase="head", sent="complete"),
    ConnectFailed("refused", phase="connect"),
    ProtocolError("closed", phase="head", sent="complete"),
    Timeout("head", phase="head", sent="complete"),
    Truncated("cut", phase="body", sent="complete"),
    (408, b""),
    (429, {"code": "Throttling.RateQuota", "message": "x"}),
    (429, b""),
    (500, b"<html>"),
    (502, b""),
    (503, b""),
    (504, b""),
    (200, b""),
    (200, b'{"output": {'),
    (200, b"<html>"),
    (200, {"code": "InternalError", "message": "x"}),
]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_one_fault_ends_no_wait(fault: Any) -> None:
    assert wait([fault, running(), fault, succeeded("t", heard(WELCOME))]).value.done


def test_faults_end_no_wait_that_was_answered_once() -> None:
    fault = ConnectFailed("reset", phase="head", sent="complete")
    assert wait([running(), *[fault] * 40, succeeded("t", heard(WELCOME))]).value.done


def test_a_wait_that_is_never_answered_ends() -> None:
    done = wait([ConnectFailed("no such host", phase="connect")] * 10)
    assert isinstance(done.error, ConnectFailed)
    assert done.error.task == Task("t")


@pytest.mark.parametrize("between", [[], [(503, b"")], [ConnectFailed("x", phase="head")]])
def test_three_undecodable_answers_in_a_row_end_a_wait(between: list[Any]) -> None:
    bad = (200, b"<html>")
    assert wait([bad, bad, running(), bad, bad, succeeded("t", heard(WELCOME))]).value.done
    error = wait([running(), bad, *between, bad, *between, bad]).error
    assert isinstance(error, DecodeError)
    assert error.task == Task("t", "RUNNING", region="cn-beijing")


DEFINITE = [
    TLSFailed("certificate", phase="tls"),
    LimitExceeded("body", phase="body", sent="complete"),
    Timeout("total", phase="total"),
    (400, {"code": "InvalidParameter", "message": "x"}),
    (401, {"code": "InvalidApiKey", "message": "x"}),
    (403, b""),
    (404, b""),
    (307, b""),
    (429, {"code": "PostpaidBillOverdue", "message": "x"}),
    (200, {"code": "BailianGateway.Workspace.NotAuthorised", "message": "x"}),
]


@pytest.mark.parametrize("answer", DEFINITE, ids=repr)
def test_what_ends_a_wait_at_once(answer: Any) -> None:
    done = wait([running(), answer])
    assert done.error is not None
    assert done.error.task == Task("t", "RUNNING", region="cn-beijing")


def test_retry_after_is_honoured_within_limits() -> None:
    def after(seconds: str) -> Answer:
        return 503, b"", {"retry-after": seconds}

    done = wait([after("7"), after("0"), after("86400"), after("nan"), succeeded("t", heard(WELCOME))])
    assert done.slept == [7.0, 1.5, 60.0, 3.375]


def test_statuses_nobody_has_seen_go_on() -> None:
    strange = [(200, {"output": {"task_id": "t", "task_status": s}}) for s in ("SUSPENDED", "NEW", "PENDING")]
    assert wait([*strange, succeeded("t", heard(WELCOME))]).value.status == "SUCCEEDED"


def test_a_deadline_leaves_the_task_to_go_on_with() -> None:
    task = Task("t", "PENDING", subtasks=(Subtask(WELCOME, "PENDING"),), model="fun-asr")
    done = wait(lambda request, now: running(), task, timeout=10)
    error = done.error
    assert isinstance(error, Timeout)
    assert isinstance(error, TimeoutError)
    assert (error.phase, error.retry_safe) == ("wait", True)
    assert error.task is not None
    assert error.task.status == "RUNNING"
    assert done.now == START + 10
    assert len(done.sent) == 6  # at 0, 1, 2.5, 4.75, 8.125 and 10
    assert "the task t is RUNNING" in str(error)
    again = pickle.loads(pickle.dumps(error.task))
    assert wait([succeeded("t", heard(WELCOME))], again).value.model == "fun-asr"


def test_a_deadline_ends_a_wait_of_faults() -> None:
    done = wait(lambda request, now: ConnectFailed("reset", phase="head"), timeout=3)
    assert isinstance(done.error, Timeout)
    assert done.error.task == Task("t")
    assert done.now == START + 3


def test_no_time_at_all_is_one_poll() -> None:
    done = wait([running()], timeout=0)
    assert isinstance(done.error, Timeout)
    assert done.slept == []
    assert wait([succeeded("t", heard(WELCOME))], timeout=0).value.done


def test_requests_say_until_when_they_are_waited_for() -> None:
    done = wait(lambda request, now: running(), timeout=10)
    assert [request.deadline for request in done.requests] == [1010.0] * 4 + [1010.125, 1012.0]
    assert wait([succeeded("t", heard(WELCOME))]).requests[0].deadline is None
    late = wait([running(), Timeout("late", phase="wait", sent="complete")], timeout=10).error
    assert isinstance(late, Timeout)
    assert late.task == Task("t", "RUNNING", region="cn-beijing")


def test_a_driver_that_does_not_tell_the_time_is_believed_to_have_slept() -> None:
    conversation = _tasks.wait(SERVICE, "t", timeout=10, now=START)
    done = drive(conversation, lambda request, now: ConnectFailed("x", phase="head"), tell_time=False)
    assert done.now == START + 10


ENDS = [
    ((200, sample("filetrans_poll_failed")), "FILE_403_FORBIDDEN", "failed: FILE_403_FORBIDDEN (the service cannot"),
    ((200, sample("task_unknown")), None, "unknown or expired: the service keeps tasks 24 h"),
    ((200, {"output": {"task_id": "t", "task_status": "CANCELED"}}), None, "was canceled"),
    ((200, {"output": {"task_id": "t", "task_status": "FAILED", "results": [refused(WELCOME)]}}),
     "FILE_404_NOT_FOUND", "there is no file at that URL"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "code", "message"), ENDS)
def test_tasks_that_end_without_results(answer: Any, code: str | None, message: str) -> None:
    for error in (wait([answer]).error, drive(_tasks.results(SERVICE, "t", now=START), [answer]).error):
        assert isinstance(error, TaskFailed)
        assert error.code == code
        assert message in str(error)
        assert error.task is not None
        assert error.task.done


def test_all_files_failed_is_a_task_that_succeeded() -> None:
    done = wait([(200, sample("funasr_poll_subtask_failed_bare"))])
    assert done.value.status == "SUCCEEDED"
    assert done.value.metrics == {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 1}


def test_silence_is_no_failure() -> None:
    silent = {"output": {"task_id": "t", "task_status": "FAILED", "code": "ASR_RESPONSE_HAVE_NO_WORDS"}}
    assert wait([(200, silent)]).value.no_speech


def test_progress_of_a_wait() -> None:
    told: list[Progress] = []
    metrics = {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 0}
    answers = [
        running(),
        running(),
        running(task_metrics=metrics),
        running(task_metrics=metrics),
        succeeded("t", heard(urls(2)[0]), refused(urls(2)[1]), task_metrics={**metrics, "FAILED": 1}),
    ]
    wait(answers, on_progress=told.append)
    assert [(p.done, p.total, p.failed, p.status, p.file_url) for p in told] == [
        (0, 1, 0, "RUNNING", None),
        (1, 2, 0, "RUNNING", None),
        (2, 2, 1, "SUCCEEDED", None),
    ]


@pytest.mark.parametrize(("timeout", "kind"), [(-1, ConfigError), (float("inf"), ConfigError), ("5", TypeError)])
def test_timeouts_are_checked(timeout: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="timeout"):
        _tasks.wait(SERVICE, "t", timeout=timeout, now=START)


# == cancel =========================================================================================================


def test_cancel() -> None:
    done = drive(_tasks.cancel(SERVICE, Task("t"), now=START), [(200, sample("task_cancel_response"))])
    assert (done.sent, done.value, done.error) == ([f"POST {API}/tasks/t/cancel"], None, None)


def test_cancel_of_what_runs() -> None:
    error = drive(_tasks.cancel(SERVICE, "t", now=START), [(400, sample("task_cancel_error_400"))]).error
    assert isinstance(error, HTTPStatusError)
    assert error.code == "UnsupportedOperation"
    assert "only a PENDING task can be canceled" in str(error)


def test_cancel_bills_nothing_and_may_be_sent_again() -> None:
    lost = ConnectFailed("reset", phase="head", sent="complete")
    done = drive(_tasks.cancel(SERVICE, "t", now=START), [lost, (500, b""), (200, {"request_id": "r"})])
    assert done.error is None
    said = {"code": "UnsupportedOperation", "message": "no"}
    assert isinstance(drive(_tasks.cancel(SERVICE, "t", now=START), [(200, said)]).error, ServiceError)


# == list ===========================================================================================================


def listed(*tasks: str, pages: int = 1, status: str = "RUNNING", model: str = "fun-asr", at: int = 0) -> Answer:
    items = [{"task_id": t, "status": status, "model_name": model, "gmt_create": at} for t in tasks]
    return 200, {"data": items, "total_page": pages}


def test_list() -> None:
    done = drive(_tasks.list_(SERVICE, now=START), [(200, sample("task_list_response"))])
    assert done.sent == [f"GET {API}/tasks/?page_no=1&page_size=100"]
    assert [(task.model, task.status) for task in done.found] == [
        ("wanx2.1-kf2v-plus", "RUNNING"),
        ("wanx2.1-t2i-turbo", "SUCCEEDED"),
    ]


def test_lists_are_turned_page_by_page_and_name_a_task_once() -> None:
    conversation = _tasks.list_(SERVICE, status="RUNNING", page_size=2, now=START)
    done = drive(conversation, [listed("a", "b", pages=3), (503, b""), listed("b", "c", pages=3), listed("d", pages=3)])
    assert [task.task_id for task in done.found] == ["a", "b", "c", "d"]
    assert [url.rpartition("?")[2] for url in done.sent] == [
        f"status=RUNNING&page_no={page}&page_size=2" for page in (1, 2, 2, 3)
    ]


def test_a_list_that_repeats_itself_ends() -> None:
    done = drive(_tasks.list_(SERVICE, now=START), lambda request, now: listed("a", pages=10**9))
    assert len(done.found) == 1
    assert drive(_tasks.list_(SERVICE, now=START), [(200, {"data": [], "total_page": 9})]).found == []


def test_a_list_that_grows_while_it_is_read_is_read_to_its_end() -> None:
    account = ["c", "b", "a"]  # the newest first

    def answers(request: Request, now: float) -> Answer:
        page = int(request.url.rpartition("page_no=")[2].partition("&")[0])
        answer = listed(account[page - 1], pages=len(account))
        if page == 1:
            account.insert(0, "d")
        return answer

    done = drive(_tasks.list_(SERVICE, page_size=1, now=START), answers)
    assert [task.task_id for task in done.found] == ["c", "b", "a"]


def test_list_arguments_are_checked_at_once() -> None:
    with pytest.raises(ConfigError, match="start_time"):
        _tasks.list_(SERVICE, start_time="yesterday", now=START)


# == results ========================================================================================================


def results(task: Task | str, answers: Answers, **arguments: Any) -> Record:
    return drive(_tasks.results(SERVICE, task, now=START, **arguments), answers)


def test_results_of_a_mixed_task() -> None:
    done = results("t", [(200, sample("funasr_poll_mixed")), (200, sample("funasr_result"))])
    good, bad = done.found
    assert isinstance(good, FileResult)
    assert good.file_url is not None
    assert good.file_url.endswith("hello_world_female2.wav")
    assert good.task_id == "t"
    assert good.transcripts[0].speech_duration == sample("funasr_result")["transcripts"][0][
        "content_duration_in_milliseconds"
    ]
    assert isinstance(bad, FileFailed)
    assert (bad.code, bad.message) == ("InvalidFile.DownloadFailed", "The audio file cannot be downloaded.")
    assert isinstance(bad.error, TaskFailed)
    assert bad.error.code == bad.code
    assert "the service cannot fetch the file" in str(bad.error)
    assert bad.task_id == good.task_id


def test_a_result_file_gets_no_credentials_and_goes_over_tls() -> None:
    done = results("t", [(200, sample("filetrans_poll_succeeded")), (200, sample("filetrans_result"))])
    poll, fetch = done.requests
    assert (poll.credentials, fetch.credentials) == (True, False)
    assert fetch.url == "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/..."
    assert [name for name, _ in fetch.headers] == ["Accept", "Accept-Encoding"]
    assert done.found[0].file_url == "https://***.wav"  # known by nothing else


def test_results_of_a_finished_task_need_no_poll() -> None:
    task = wait([(200, sample("funasr_poll_mixed"))]).value
    assert len(results(task, [(200, sample("funasr_result"))]).sent) == 1
    listed_only = Task("t", "SUCCEEDED")
    assert len(results(listed_only, [succeeded("t", heard(WELCOME)), result()]).sent) == 2


def test_results_of_a_task_that_runs() -> None:
    error = results("t", [running()]).error
    assert isinstance(error, Timeout)
    assert (error.phase, error.task) == ("wait", Task("t", "RUNNING", region="cn-beijing"))
    assert "wait for it first" in str(error)


def test_all_subtasks_failed() -> None:
    done = results("t", [(200, sample("funasr_poll_subtask_failed_bare"))])
    assert done.error is None
    assert [type(value) for value in done.found] == [FileFailed]


def test_a_failed_task_of_several_files_answers_for_each() -> None:
    output = {"task_id": "t", "task_status": "FAILED", "results": [refused(url) for url in urls(2)]}
    done = results("t", [(200, {"output": output})])
    assert [value.file_url for value in done.found] == urls(2)


def test_a_task_that_names_no_result() -> None:
    error = results("t", [succeeded("t")]).error
    assert isinstance(error, TaskFailed)
    assert "names no result" in str(error)


GONE = [403, 404, 410]


@pytest.mark.parametrize("status", GONE)
def test_results_that_are_gone(status: int) -> None:
    done = results("t", [succeeded("t", heard(WELCOME)), (status, b"<?xml version='1.0'?><Error/>")])
    (failed,) = done.found
    assert isinstance(failed, FileFailed)
    assert isinstance(failed.error, ResultExpired)
    assert failed.error.http_status == status
    assert "results are kept 24 h" in str(failed.error)
    assert failed.file_url == WELCOME


@pytest.mark.parametrize("fault", [(503, b""), (500, b"<html>"), (429, b""), Truncated("cut", phase="body"), LOST[0]])
def test_a_fault_while_fetching_is_tried_again(fault: Any) -> None:
    answers = [succeeded("t", heard(WELCOME)), fault, fault, fault, fault, result()]
    assert isinstance(results("t", answers).found[0], FileResult)
    (failed,) = results("t", [succeeded("t", heard(WELCOME)), *[fault] * 5]).found
    assert failed.error.task.task_id == "t"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, b""), HTTPStatusError),
        ((302, b""), HTTPStatusError),
        ((200, b"<html>"), DecodeError),
        ((200, b'{"transcripts": ['), DecodeError),
        ((200, {"code": "X", "message": "y"}), ServiceError),
        (LimitExceeded("result_size", phase="body"), LimitExceeded),
    ],
    ids=repr,
)
def test_what_ends_a_fetch_at_once(answer: Any, kind: type[ASRWireError]) -> None:
    done = results("t", [succeeded("t", heard("https://a.example/1")), answer])
    assert isinstance(done.found[0].error, kind)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://u:p@a.example/", "https://a.example/\r\nX: 1", "x"])
def test_a_result_url_that_must_not_be_followed(url: str) -> None:
    bad = {**heard("https://a.example/1"), "transcription_url": url}
    done = results("t", [succeeded("t", bad, heard("https://a.example/2")), result()])
    assert [type(value) for value in done.found] == [FileFailed, FileResult]
    assert isinstance(done.found[0].error, DecodeError)
    assert len(done.sent) == 2


def test_a_file_in_which_nobody_speaks() -> None:
    done = results("t", [succeeded("t", refused(WELCOME, "SUCCESS_WITH_NO_VALID_FRAGMENT"))])
    (value,) = done.found
    assert isinstance(value, FileResult)
    assert value.transcripts[0].no_speech
    assert value.transcripts[0].complete


def test_a_subtask_that_never_ended() -> None:
    open_ = {"file_url": WELCOME, "subtask_status": "RUNNING"}
    done = results("t", [succeeded("t", open_, heard("https://a.example/2")), result()])
    assert "one of its files is RUNNING" in str(done.found[0].error)


def test_progress_of_results() -> None:
    told: list[Progress] = []
    answers = [(200, sample("funasr_poll_mixed")), (200, sample("funasr_result"))]
    results("t", answers, on_progress=told.append)
    assert [(p.done, p.total, p.failed, p.status) for p in told] == [(1, 2, 0, "SUCCEEDED"), (2, 2, 1, "FAILED")]


# == one file from end to end =======================================================================================


def one(answers: Answers, *, model: str = "fun-asr", **arguments: Any) -> Record:
    return drive(_tasks.transcribe_file(SERVICE, WELCOME, model=model, options={}, now=START, **arguments), answers)


def test_transcribe_one_file() -> None:
    answers = [
        (200, sample("filetrans_submit_response")),
        (200, sample("filetrans_poll_running")),
        (200, sample("filetrans_poll_succeeded")),
        (200, sample("filetrans_result")),
    ]
    done = one(answers, model="qwen3-asr-flash-filetrans")
    transcript = done.value
    assert transcript.text == sample("filetrans_result")["transcripts"][0]["text"]
    assert transcript.usage.seconds == 3
    assert transcript.request_id == "1dca6c0a-0ed1-4662-aa39-************"
    assert transcript.model == "qwen3-asr-flash-filetrans"
    assert done.slept == [1.0, 1.0]
    assert [line.split()[0] for line in done.sent] == ["POST", "GET", "GET", "GET"]


def test_transcribe_two_channels() -> None:
    def channel(number: int, *begins: int) -> dict[str, Any]:
        sentences = [{"begin_time": begin, "end_time": begin + 9, "text": f"{begin}."} for begin in begins]
        return {"channel_id": number, "text": "", "sentences": sentences, "content_duration_in_milliseconds": 10}

    made = (200, sample("funasr_submit_response"))
    body = {"transcripts": [channel(0, 0, 200), channel(1, 100)]}
    transcript = one([made, succeeded("t", heard(WELCOME)), (200, body)]).value
    assert [(s.index, s.channel_id, s.text) for s in transcript.sentences] == [
        (0, 0, "0."),
        (1, 1, "100."),
        (2, 0, "200."),
    ]
    assert transcript.channels == (0, 1)
    assert transcript.speech_duration == 20
    assert transcript.text == "0. 100. 200."


@pytest.mark.parametrize(
    ("answers", "kind", "code"),
    [
        ([(200, sample("filetrans_poll_failed"))], TaskFailed, "FILE_403_FORBIDDEN"),
        ([(200, sample("funasr_poll_subtask_failed_bare"))], TaskFailed, "InvalidFile.DownloadFailed"),
        ([(200, sample("task_unknown"))], TaskFailed, None),
        ([succeeded("t", heard(WELCOME)), (404, b"")], ResultExpired, None),
    ],
)
def test_transcribe_one_file_that_fails(answers: list[Any], kind: type[ASRWireError], code: str | None) -> None:
    error = one([(200, sample("funasr_submit_response")), *answers]).error
    assert isinstance(error, kind)
    assert error.code == code
    assert error.task is not None


def test_transcribe_silence() -> None:
    silent = {"output": {"task_id": "t", "task_status": "FAILED", "code": "ASR_RESPONSE_HAVE_NO_WORDS"}}
    transcript = one([(200, sample("funasr_submit_response")), (200, silent)]).value
    assert (transcript.text, transcript.no_speech, transcript.complete) == ("", True, True)


def test_transcribe_within_a_time() -> None:
    made = (200, sample("funasr_submit_response"))
    done = one(lambda request, now: made if request.method == "POST" else running(), timeout=5)
    assert isinstance(done.error, Timeout)
    assert done.error.task is not None
    assert done.error.task.subtasks == (Subtask(WELCOME, "PENDING"),)
    assert done.now == START + 5


# == many files =====================================================================================================


class Backend:
    """A service for many files: a task takes `seconds`, its n-th submit answers `submits[n]` where that is there."""

    def __init__(self, seconds: float = 3.0, submits: dict[int, Answer] | None = None, lists: bool = True) -> None:
        self.seconds = seconds
        self.submits = submits or {}
        self.lists = lists
        self.tasks: dict[str, tuple[float, list[str]]] = {}
        self.posts = self.polls = self.pages = 0
        self.bad: set[str] = set()

    def __call__(self, request: Request, now: float) -> Answer:
        url = urlsplit(request.url)
        if request.method == "POST":
            self.posts += 1
            if self.posts in self.submits:
                return self.submits[self.posts]
            given = json.loads(request.body)["input"]
            task_id = f"t-{len(self.tasks)}"
            self.tasks[task_id] = now, given.get("file_urls") or [given["file_url"]]
            return 200, {"output": {"task_id": task_id, "task_status": "PENDING"}}
        if url.netloc == "oss.example":
            return result(url.path)
        if url.path.endswith("/tasks/"):
            self.pages += 1
            if not self.lists:
                return 403, {"code": "AccessDenied", "message": "x"}
            page, size = (int(parse_qs(url.query)[name][0]) for name in ("page_no", "page_size"))
            items = [{"task_id": t, "status": self.status(t, now)} for t in self.tasks]
            return 200, {"data": items[(page - 1) * size : page * size], "total_page": -(-len(items) // size)}
        self.polls += 1
        task_id = url.path.rpartition("/")[2]
        output: dict[str, Any] = {"task_id": task_id, "task_status": self.status(task_id, now)}
        if output["task_status"] == "SUCCEEDED":
            output["results"] = [
                refused(u) if u in self.bad else heard(u, u.rpartition("/")[2]) for u in self.tasks[task_id][1]
            ]
        return 200, {"output": output}

    def status(self, task_id: str, now: float) -> str:
        return "SUCCEEDED" if now >= self.tasks[task_id][0] + self.seconds else "RUNNING"


def urls(count: int) -> list[str]:
    return [f"https://a.example/{i}.wav" for i in range(count)]


def test_lists_of_files_are_cut_into_tasks() -> None:
    backend = Backend()
    done = drive(files(urls(250)), backend)
    assert [len(made) for _, made in backend.tasks.values()] == [100, 100, 50]
    assert sorted(value.file_url for value in done.found) == sorted(urls(250))
    assert all(value.transcripts[0].text == "/" + value.file_url.rpartition("/")[2] for value in done.found)


def test_one_task_per_file_where_the_model_wants_it() -> None:
    backend = Backend()
    done = drive(files(urls(5), model="qwen3-asr-flash-filetrans"), backend)
    assert [made for _, made in backend.tasks.values()] == [[url] for url in urls(5)]
    assert [value.file_url for value in done.found] == urls(5)


def test_each_file_is_handed_out_as_it_finishes() -> None:
    backend = Backend()

    def answers(request: Request, now: float) -> Answer:
        backend.seconds = {"t-0": 8.0, "t-1": 2.0, "t-2": 5.0}.get(request.url.rpartition("/")[2], 0.0)
        return backend(request, now)

    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), answers)
    order = [value.file_url[-5] for value in done.found]
    assert order == ["1", "2", "0"]


def test_a_url_given_twice_is_transcribed_once() -> None:
    backend = Backend()
    told: list[Progress] = []
    done = drive(files([*urls(2), urls(1)[0]], on_progress=told.append), backend)
    assert [made for _, made in backend.tasks.values()] == [urls(2)]
    assert [value.file_url for value in done.found] == [urls(2)[0], urls(2)[0], urls(2)[1]]
    assert [(p.done, p.total, p.failed, p.status) for p in told] == [
        (0, 3, 0, "PENDING"),
        (0, 3, 0, "RUNNING"),
        (1, 3, 0, "SUCCEEDED"),
        (2, 3, 0, "SUCCEEDED"),
        (3, 3, 0, "SUCCEEDED"),
    ]


def test_a_file_that_fails_is_its_own() -> None:
    backend = Backend()
    backend.bad = {urls(3)[1]}
    done = drive(files(urls(3)), backend)
    assert [type(value) for value in done.found] == [FileResult, FileFailed, FileResult]
    assert done.found[1].code == "FILE_404_NOT_FOUND"


def test_a_file_nobody_mentions_is_reported() -> None:
    answers = [(200, sample("funasr_submit_response")), succeeded("t", heard(urls(2)[1])), result()]
    done = drive(files(urls(2)), answers)
    assert [(type(value), value.file_url) for value in done.found] == [
        (FileResult, urls(2)[1]),
        (FileFailed, urls(2)[0]),
    ]
    assert "names no result for one of its files" in str(done.found[1].error)


def test_a_task_that_fails_is_all_its_files() -> None:
    answers = [(200, sample("funasr_submit_response")), (200, sample("task_unknown"))]
    done = drive(files(urls(2)), answers)
    assert [(type(value), value.file_url) for value in done.found] == [(FileFailed, url) for url in urls(2)]
    assert isinstance(done.found[0].error, TaskFailed)


def test_a_file_named_twice_takes_no_other_files_place() -> None:
    backend = Backend()

    def answers(request: Request, now: float) -> Answer:
        answer = backend(request, now)
        if request.url.endswith("/tasks/t-0") and "results" in answer[1]["output"]:
            answer[1]["output"]["results"] = answer[1]["output"]["results"][:1] * 2
        return answer

    done = drive(files(urls(2)), answers)
    assert [(type(value), value.file_url) for value in done.found] == [
        (FileResult, urls(2)[0]), (FileFailed, urls(2)[1]),
    ]  # fmt: skip


def test_many_tasks_are_asked_for_by_list() -> None:
    backend = Backend(seconds=60.0)
    done = drive(files(urls(150), model="qwen3-asr-flash-filetrans"), backend)
    assert len(done.found) == 150
    assert backend.polls == 150  # each once, when a list has shown that it is done
    assert 0 < backend.pages < 60
    assert all("model_name=qwen3-asr-flash-filetrans" in url for url in done.sent if "page_no" in url)


def test_few_tasks_are_asked_for_one_by_one() -> None:
    backend = Backend(seconds=10.0)
    drive(files(urls(20), model="qwen3-asr-flash-filetrans"), backend)
    assert backend.pages == 0


def test_no_task_is_forgotten_among_many() -> None:
    backend = Backend(seconds=1.0)
    stuck = {f"t-{i}" for i in range(25)}

    def answers(request: Request, now: float) -> Answer:
        asked = request.url.rpartition("/")[2]
        backend.seconds = 100.0 if asked in stuck else 1.0
        return backend(request, now)

    backend.lists = False
    done = drive(files(urls(30), model="qwen3-asr-flash-filetrans"), answers)
    assert [value.file_url for value in done.found[:5]] == urls(30)[25:]
    assert len(done.found) == 30


def test_time_may_be_over_before_all_is_submitted() -> None:
    backend = Backend(seconds=50.0, submits={2: (429, b"", {"retry-after": "5"})})  # later than anybody waits
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans", timeout=3), backend)
    assert [(type(value), value.file_url) for value in done.found] == [(FileFailed, urls(3)[1])]
    assert isinstance(done.error, Timeout)
    assert [task.task_id for task in done.error.output] == ["t-0", "t-1"]
    assert backend.posts == 3
    at_once = drive(files(urls(3), timeout=0), backend)
    assert isinstance(at_once.error, Timeout)
    assert at_once.sent == []


def test_a_submission_that_all_time_is_over_for_tells_the_tasks_before_it() -> None:
    over = Timeout("the total timer ran out (2 s)", phase="total", sent="complete")
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), Backend(submits={2: over}))
    assert done.error is over
    assert done.found == []
    assert [task.task_id for task in over.output] == ["t-0"]


def test_where_lists_are_refused_it_goes_on_one_by_one() -> None:
    backend = Backend(seconds=10.0, lists=False)
    done = drive(files(urls(30), model="qwen3-asr-flash-filetrans"), backend)
    assert len(done.found) == 30
    assert backend.pages == 1


@pytest.mark.parametrize("broken", [(200, b"<html>"), (503, b""), ConnectFailed("reset", phase="head")])
def test_where_lists_never_work_it_goes_on_one_by_one(broken: Answer) -> None:
    backend = Backend(seconds=10.0)
    done = drive(
        files(urls(30), model="qwen3-asr-flash-filetrans", timeout=600),
        lambda request, now: broken if "page_no" in request.url else backend(request, now),
    )
    assert done.error is None
    assert len(done.found) == 30
    assert sum("page_no" in url for url in done.sent) == 3


ACCOUNT = (401, {"code": "InvalidApiKey", "message": "x"})
BUSY = (429, {"code": "Throttling.RateQuota", "message": "x"})


def test_what_concerns_all_files_is_raised_before_any_task_is_made() -> None:
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), Backend(submits={1: ACCOUNT}))
    assert isinstance(done.error, HTTPStatusError)
    assert (len(done.sent), done.found) == (1, [])


def test_what_concerns_all_files_is_theirs_once_a_task_runs() -> None:
    backend = Backend(submits={2: ACCOUNT})
    done = drive(files(urls(4), model="qwen3-asr-flash-filetrans"), backend)
    assert done.error is None
    assert backend.posts == 2
    assert [(type(value), value.file_url) for value in done.found] == [
        (FileFailed, urls(4)[1]),
        (FileFailed, urls(4)[2]),
        (FileFailed, urls(4)[3]),
        (FileResult, urls(4)[0]),
    ]
    assert {value.code for value in done.found[:3]} == {"InvalidApiKey"}


def test_what_concerns_one_file_is_its_own_even_if_it_is_the_first() -> None:
    refusal = {"code": "InvalidParameter", "message": "url error, please check url!"}
    backend = Backend(submits={1: (400, refusal)})
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), backend)
    assert [(type(value), value.file_url) for value in done.found] == [
        (FileFailed, urls(3)[0]),
        (FileResult, urls(3)[1]),
        (FileResult, urls(3)[2]),
    ]


def test_a_submit_that_must_wait_keeps_nobody_waiting() -> None:
    backend = Backend(seconds=1.0, submits={2: (429, b"", {"retry-after": "30"})})
    told: list[tuple[float, Any]] = []
    conversation = files(urls(2), model="qwen3-asr-flash-filetrans")

    def answers(request: Request, now: float) -> Answer:
        told.append((now - START, request.method))
        return backend(request, now)

    done = drive(conversation, answers)
    assert len(done.found) == 2
    posts = [at for at, method in told if method == "POST"]
    assert posts == [0.0, 0.0, 30.25]
    assert any(0 < at < 30 for at, method in told if method == "GET")


def test_a_submit_is_not_sent_for_ever() -> None:
    backend = Backend(submits={2: BUSY, 3: BUSY, 4: BUSY})
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), backend)
    assert [(type(v), v.file_url) for v in done.found if isinstance(v, FileFailed)] == [(FileFailed, urls(3)[1])]
    assert backend.posts == 5


def test_a_lost_reply_is_its_files_and_names_the_way_out() -> None:
    backend = Backend(submits={2: LOST[0]})
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans"), backend)
    (failed,) = [value for value in done.found if isinstance(value, FileFailed)]
    assert failed.file_url == urls(3)[1]
    assert failed.error is not None
    assert (failed.error.sent, failed.error.retry_safe) == ("complete", False)
    assert "client.tasks.find" in str(failed.error)
    assert backend.posts == 3


def test_a_deadline_leaves_the_tasks_to_go_on_with() -> None:
    backend = Backend(seconds=1e6)
    done = drive(files(urls(3), model="qwen3-asr-flash-filetrans", timeout=60), backend)
    assert isinstance(done.error, Timeout)
    assert [task.task_id for task in done.error.output] == ["t-0", "t-1", "t-2"]
    assert done.error.task == done.error.output[0]
    assert done.now == START + 60


def test_polls_that_are_refused_leave_the_tasks_to_go_on_with() -> None:
    backend = Backend()

    def answers(request: Request, now: float) -> Answer:
        if request.url.endswith("/t-1") and now > START + 2:
            return 401, b""
        return backend(request, now)

    done = drive(files(urls(2), model="qwen3-asr-flash-filetrans"), answers)
    assert isinstance(done.error, HTTPStatusError)
    assert {task.task_id for task in done.error.output} == {"t-0", "t-1"}


def test_faults_between_polls_end_nothing() -> None:
    backend = Backend(seconds=20.0)
    count = 0

    def answers(request: Request, now: float) -> Answer:
        nonlocal count
        count += 1
        if request.method == "GET" and count % 2:
            faults: list[Answer] = [ConnectFailed("reset", phase="head"), (503, b""), (200, b"")]
            return faults[count // 2 % 3]
        return backend(request, now)

    done = drive(files(urls(2), model="qwen3-asr-flash-filetrans"), answers)
    assert done.error is None
    assert len(done.found) == 2


# == find ===========================================================================================================

SINCE = 1745568000.0


def find(answers: Answers, wanted: Any = WELCOME, **arguments: Any) -> Record:
    conversation = _tasks.find(SERVICE, wanted, **{"since": SINCE, "now": START, **arguments})
    return drive(conversation, answers)


MS = int(SINCE * 1000)


def test_find_by_the_files_of_a_finished_task() -> None:
    done = find([
        listed("a", "b", status="SUCCEEDED", at=MS),
        succeeded("a", heard("https://a.example/other")),
        succeeded("b", heard(urls(2)[1]), heard(urls(2)[0])),
    ], urls(2))  # fmt: skip
    assert done.value.task_id == "b"
    assert done.sent[0] == f"GET {API}/tasks/?page_no=1&page_size=100"


def test_find_by_the_result_file() -> None:
    done = find([
        listed("a", status="SUCCEEDED", at=MS),
        (200, sample("filetrans_poll_succeeded")),
        result("Hi.", WELCOME),
    ])  # fmt: skip
    assert done.value.status == "SUCCEEDED"
    assert done.value.subtasks[0].file_url == WELCOME


def test_find_says_that_there_is_none() -> None:
    assert find([listed()]).value is None
    other = [listed("a", status="SUCCEEDED", at=MS), succeeded("a", heard("https://a.example/other"))]
    assert find(other).value is None
    assert find(other).error is None


def test_find_looks_at_what_can_be_it_only() -> None:
    at = {"gmt_create": MS}
    items = [
        {"task_id": "old", "status": "SUCCEEDED", "model_name": "fun-asr", "gmt_create": MS - 61_000},
        {"task_id": "image", "status": "SUCCEEDED", "model_name": "wanx2.1-t2i-turbo", **at},
        {"task_id": "canceled", "status": "CANCELED", "model_name": "fun-asr", **at},
        {"task_id": "yes", "status": "SUCCEEDED", "model_name": "fun-asr", "gmt_create": MS - 59_000},
    ]
    done = find([(200, {"data": items}), succeeded("yes", heard(WELCOME))])
    assert done.value.task_id == "yes"


def test_find_takes_the_newest() -> None:
    items = [
        {"task_id": name, "status": "SUCCEEDED", "model_name": "fun-asr", "gmt_create": MS + at}
        for name, at in (("a", 0), ("b", 2000), ("c", 1000))
    ]
    assert find([(200, {"data": items}), succeeded("b", heard(WELCOME))]).value.task_id == "b"


def test_find_by_model_and_date() -> None:
    since = datetime.fromtimestamp(SINCE, UTC)
    done = find([listed("x", status="SUCCEEDED", model="my-asr", at=MS), succeeded("x", heard(WELCOME))],
                since=since, model="my-asr")  # fmt: skip
    assert "model_name=my-asr" in done.sent[0]
    assert done.value.task_id == "x"


def test_find_waits_for_tasks_that_run() -> None:
    done = find([listed("a", at=MS), running("a"), running("a"), succeeded("a", heard(WELCOME))])
    assert done.value.task_id == "a"
    assert done.slept == [1.0, 1.5]


def test_a_running_task_of_another_size_is_another() -> None:
    assert find([listed("a", at=MS), running("a", task_metrics={"TOTAL": 2})]).value is None


@pytest.mark.parametrize("total", [1, 2])  # transcribe_files submits each URL once, submit as often as it is given
def test_a_running_task_of_urls_given_twice_may_be_it(total: int) -> None:
    answers = [listed("a", at=MS), running("a", task_metrics={"TOTAL": total}), succeeded("a", heard(WELCOME))]
    assert find(answers, [WELCOME, WELCOME]).value.task_id == "a"


def test_find_pages_no_longer_than_it_may() -> None:
    conversation = _tasks.find(SERVICE, WELCOME, since=SINCE, timeout=5, now=START)
    pages = [json.dumps(listed(f"t{n}", pages=10**6)[1]).encode() for n in range(5)]
    next(conversation)
    for n in range(4):
        assert "page_no" in conversation.send(Reply(200, (), pages[n], START + 1 + n)).url
    with pytest.raises(Timeout) as caught:
        conversation.send(Reply(200, (), pages[4], START + 5))
    assert caught.value.phase == "wait"


def test_a_result_that_must_not_be_followed_is_asked_for_once() -> None:
    elsewhere = DecodeError("another scheme", path="transcription_url")
    done = results("t", [succeeded("t", heard(WELCOME)), elsewhere])
    assert isinstance(done.found[0], FileFailed)
    assert done.found[0].error is elsewhere
    assert len(done.requests) == 2


def test_find_says_that_it_cannot_tell() -> None:
    done = find(lambda r, now: listed("a", at=MS) if "page_no" in r.url else running("a"), timeout=7)
    error = done.error
    assert isinstance(error, TaskFailed)
    assert "cannot tell: 1 tasks still running, 0 over" in str(error)
    assert [task.task_id for task in error.output] == ["a"]
    assert error.retry_safe
    assert done.now == START + 7
    failed = {"output": {"task_id": "f", "task_status": "FAILED", "code": "X"}}
    error = find([listed("f", status="FAILED", at=MS), (200, failed)]).error
    assert isinstance(error, TaskFailed)
    assert "0 tasks still running, 1 over that do not show" in str(error)
    assert not error.retry_safe


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"since": "yesterday"}, TypeError),
        ({"since": True}, TypeError),
        ({"since": float("nan")}, ConfigError),
        ({"model": "a b"}, ConfigError),
        ({"timeout": -1}, ConfigError),
        ({"wanted": "a.wav"}, ConfigError),
    ],
)
def test_find_arguments_are_checked_at_once(arguments: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        find([], **arguments)


# == pace ===========================================================================================================


def test_never_more_than_20_queries_a_second() -> None:
    pace = Pace()
    places = []
    for now in [0.0] * 50 + [1.0] * 30 + [50.0] * 30:
        delay = pace.delay(now)
        assert delay >= 0
        places.append(now + delay)
    assert places == sorted(places)
    for i in range(20, len(places)):
        assert places[i] - places[i - 20] > 1.0
    assert places[:20] == [0.0] * 20
    assert places[80:100] == [50.0] * 20
