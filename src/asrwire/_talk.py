# Talk: what a conversation yields and is told, and one exchange of it: the answer read, asked for again, or refused.
#
# Knows: which answers mean "ask again", what a refusal says, the time as it is told. Must not know: tasks' meaning,
# sockets, sleeping, clocks, colours: a conversation is a generator that somebody else drives.
#
# How to drive one: next() it, then for each thing it yields
#   Request  do the exchange (any HTTP status is an answer) and send a Reply; throw the ASRWireError that kept it from
#            being answered instead (with .sent and .phase, as for every exchange; Timeout(phase="wait") once
#            request.deadline is over)
#   Sleep    sleep, then send the time: a float of the same clock as Reply.now
#   Found    hand its value out, then send the time (or None, if it took none)
# and its return value is the conversation's.

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from math import nan
from typing import Any, Final, TypeAlias, TypeVar

from . import _codes, _decode, _retry
from ._errors import ASRWireError, DecodeError, HTTPStatusError, Timeout
from ._files import FileFailed, FileResult
from ._limits import Limits
from ._requests import Endpoints, Request
from ._stream import ResultStream
from ._task import Task

T = TypeVar("T")

FIRST, GROWTH, LONGEST = 1.0, 1.5, 5.0  # seconds between polls; the documents advise 2 to 5
UNDECODABLE: Final = 3  # answers in a row that are no JSON of the service
_GRACE = 2.0  # seconds that a query gets that begins just before the deadline


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait this long. `seconds` is positive and finite."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """Hand this out now: a `FileResult` or `FileFailed` (transcribe_files, results), or a `Task` (list_)."""

    value: FileResult | FileFailed | Task


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a Request: a complete response of any status.

    Attributes:
        status: the HTTP status.
        headers: (name, value) as received.
        body: the content; of an error status at most `Limits.error_body` bytes.
        now: the driver's monotonic clock, in seconds.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    now: float


#: What a conversation yields, is sent, and returns.
Conversation: TypeAlias = Generator[Request | Sleep | Found, Reply | float | None, T]


@dataclass(frozen=True, slots=True)
class Service:
    """Whom a conversation is with, and within which bounds.

    Attributes:
        endpoints: from `_requests.resolve`.
        limits: `Limits.retry_after` bounds the waits the service may ask for.
        random: numbers in [0, 1), for jitter.
    """

    endpoints: Endpoints
    limits: Limits = field(default_factory=Limits)
    random: Callable[[], float] = random.random


class Pace:
    """Never more than 20 task queries a second, the service's bound per account. One per client; threads may share it.

    `delay` takes the next free place and returns the seconds until it; the caller sleeps that long, then sends.
    """

    RATE: Final = 20
    PERIOD: Final = 1.1  # seconds: a tenth more than counted, for what a network does to distances

    def __init__(self) -> None:
        self._places: deque[float] = deque(maxlen=self.RATE)
        self._lock = threading.Lock()

    def delay(self, now: float) -> float:
        with self._lock:
            full = len(self._places) == self.RATE
            place = max(now, self._places[0] + self.PERIOD) if full else now
            self._places.append(place)
        return place - now


class Talk:
    """One conversation: whom it is with, what time it is, until when."""

    def __init__(self, service: Service, now: float, timeout: float | None = None) -> None:
        self.service = service
        self.now = now
        self.deadline = None if timeout is None else now + timeout

    def send(self, request: Request) -> Conversation[Reply]:
        # Of a POST nobody would know what became of it; its own timers are enough.
        if self.deadline is not None and request.method == "GET":
            request = replace(request, deadline=max(self.deadline, self.now + _GRACE))
        reply = yield request
        assert isinstance(reply, Reply)
        self.now = reply.now
        return reply

    def sleep(self, seconds: float) -> Conversation[None]:
        if seconds > 0:
            self._at((yield Sleep(seconds)), seconds)

    def found(self, value: FileResult | FileFailed | Task) -> Conversation[None]:
        self._at((yield Found(value)), 0.0)

    def pause(self, seconds: float, *waiting: Task) -> Conversation[None]:
        """Sleep, but not beyond the deadline; Timeout, with the tasks waited for, if it is over."""
        if self.deadline is not None:
            if self.now >= self.deadline:
                raise unfinished("the time for waiting is over", *waiting)
            seconds = min(seconds, self.deadline - self.now)
        yield from self.sleep(seconds)

    def interval(self, number: int, asked: float | None = None) -> float:
        """Seconds to the next query after `number` of them; `asked`: what the service wants."""
        seconds = min(LONGEST, FIRST * GROWTH ** min(number, 10)) * (0.8 + 0.2 * self.service.random())
        return max(seconds, min(asked or 0.0, self.service.limits.retry_after))

    def _at(self, now: Reply | float | None, passed: float) -> None:
        self.now = now if isinstance(now, int | float) else self.now + passed


def unfinished(what: str, *waiting: Task) -> Timeout:
    """The error that ends a wait. Waiting for its ``task``, or for those in ``output``, can go on elsewhere."""
    task = waiting[0] if waiting else None
    who = f"the task {task.task_id} is {task.status or 'not known yet'}" if task else "there is no answer yet"
    more = f", and {len(waiting) - 1} more are not done" if len(waiting) > 1 else ""
    message = f"{who}{more}: {what}"
    return Timeout(message, phase="wait", sent="complete", retry_safe=True, task=task, output=waiting)


def sending(
    talk: Talk, once: Callable[[], Conversation[T]], resend: bool, deadline: float | None = None
) -> Conversation[T]:
    """Do `once` what sends a POST, and again where `_retry` allows it."""
    attempt = 0
    while True:
        attempt += 1
        try:
            value = yield from once()
        except ASRWireError as error:
            seconds = again(talk, error, attempt, resend, deadline)
            if seconds is None:
                raise
        else:
            _retry.QUOTA.answered(attempt)
            return value
        yield from talk.sleep(seconds)


def again(talk: Talk, error: ASRWireError, attempt: int, resend: bool, deadline: float | None) -> float | None:
    """Seconds until a POST may be sent again after `error` ended attempt number `attempt`, or None."""
    return _retry.delay(
        error,
        attempt,
        resend=resend,
        remaining=None if deadline is None else deadline - talk.now,
        longest=talk.service.limits.retry_after,
        random=talk.service.random,
    )


def asking(
    talk: Talk, request: Request, read: Callable[[Any], T], attempts: int | None, *about: Task
) -> Conversation[T]:
    """Send a GET until it is answered, at most `attempts` times; None: faults alone do not end it."""
    failures = undecodable = 0
    while True:
        try:
            return (yield from exchange(talk, request, read))
        except ASRWireError as error:
            if is_late(error):
                raise unfinished("the time for waiting is over", *about) from None
            error.task = about[0] if about else None
            failures += 1
            undecodable += isinstance(error, DecodeError)
            if not passing(error) or undecodable == UNDECODABLE or failures == attempts:
                raise
            asked = error.retry_after
        yield from talk.pause(talk.interval(failures - 1, asked), *about)


def exchange(talk: Talk, request: Request, read: Callable[[Any], T]) -> Conversation[T]:
    """One exchange whose answer is JSON of the service, read by `read`."""
    reply = yield from talk.send(request)
    if not 200 <= reply.status < 300:
        raise refusal(reply, request, talk.service.limits)
    try:
        return read(_decode.loads(reply.body)[0])
    except ASRWireError as error:
        describe(error, reply, request)
        raise


def refusal(reply: Reply, request: Request, limits: Limits) -> ASRWireError:
    """What an answer outside 2xx means, with what its body says of it."""
    error: ASRWireError = HTTPStatusError(f"HTTP status {reply.status}")
    content_type = _field(reply, b"content-type")
    said = ResultStream(http_status=reply.status, content_type=content_type, limits=limits)
    try:
        said.receive_data(reply.body)
        said.receive_eof()
    except HTTPStatusError as told:
        error = told
    except ASRWireError:
        pass  # the status says more than what is wrong with its body
    return describe(error, reply, request)


def describe(error: ASRWireError, reply: Reply, request: Request) -> ASRWireError:
    """`error` with all that the answer tells of it."""
    after = _retry.retry_after(_field(reply, b"retry-after"), _seconds(_field(reply, b"date")))
    error.partial = error.output = None
    error.phase = "head" if error.kind == "http_status" else "body"
    error.sent = "complete"
    error.http_status = reply.status
    error.request_id = error.request_id or _field(reply, b"x-request-id")
    error.retry_after = after
    error.retry_safe = request.method == "GET" or (
        error.kind == "http_status" and _retry.not_taken(reply.status, error.code, after, str(error))
    )
    if error.kind in ("http_status", "service"):
        error.args = (_codes.advised(str(error), error.code, reply.status),)
    return error


def passing(error: ASRWireError) -> bool:
    """Whether a GET that met this may do better later."""
    if error.kind == "http_status":
        status = error.http_status or 0
        return (status in (408, 429) or status >= 500) and _codes.kind(error.code) in (None, "rate", "quota", "service")
    if error.kind == "service":
        return _codes.retryable(error.code)
    if error.kind == "timeout":
        return error.phase != "total" and not is_late(error)
    if error.path == "transcription_url":  # a result that is nowhere, or where nobody should follow it
        return False
    return error.kind in ("connect", "pool", "protocol", "truncated", "decode", "content_type")


def is_late(error: ASRWireError) -> bool:
    """Whether it was `Request.deadline` that ended the exchange."""
    return error.kind == "timeout" and error.phase == "wait"


def _field(reply: Reply, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in reply.headers if key.lower() == name), None)


def _seconds(date: str | None) -> float:
    # Of the answer's own clock, by which it reckons its Retry-After. Without one a date in that means nothing.
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return nan
