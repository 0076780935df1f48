# Fetch: one answer, read whole. Driver: does what a conversation asks for.
#
# Knows: bounds of whole bodies, redirects of requests without credentials, the pace of queries, when what waits has
# waited too long. Must not know: tasks, JSON, what is asked and why; sockets, the colour.

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import urljoin

from .._errors import ASRWireError, Closed, DecodeError, LimitExceeded, Timeout
from .._requests import Request, result_file
from .._talk import Conversation, Found, Reply, Sleep
from ._attempt import Attempt, hide
from ._body import field
from ._colour import Steps, bare

if TYPE_CHECKING:
    from .._limits import Timeouts
    from ._settings import Settings

T = TypeVar("T")

_REDIRECTS: Final = (301, 302, 303, 307, 308)


def fetch(client: Settings, request: Request, key: str, timeouts: Timeouts, deadline: float | None) -> Steps[Reply]:
    """Send `request` and read the answer whole, whatever its status.

    A GET without credentials is redirected (RFC 9110 15.4), `Limits.redirects` times at most, and stays without
    credentials wherever it leads. A body is bounded by `Limits.result_size` (files), `Limits.event_size` (answers of
    the API) or, beside an error status, cut after `Limits.error_body`.

    Raises what `Attempt` raises, DecodeError for a redirect to what is no file on the web. A GET is always
    `retry_safe`.
    """
    attempt = None
    try:
        for _ in range(1 + client._limits.redirects):
            attempt = Attempt(client, request, key, timeouts, deadline)
            yield from attempt.open(request)
            target = field(attempt.fields, b"location") if attempt.status in _REDIRECTS else None
            if attempt.good:
                body = yield from attempt.content("event_size" if request.credentials else "result_size")
            else:
                body = yield from attempt.error_content()
            if target is None or request.credentials or request.method != "GET":
                assert attempt.status is not None
                return Reply(attempt.status, attempt.fields, body, time.monotonic())
            request = _redirected(request.url, target)
        raise LimitExceeded(f"more than {client._limits.redirects} redirects (redirects)")
    except ASRWireError as error:
        if attempt is not None:
            attempt.describe(error)
            error.retry_safe = error.retry_safe or request.method == "GET"
        raise


def _redirected(url: str, target: str) -> Request:
    try:
        return result_file(urljoin(url, target))
    except ValueError as error:  # ours, that say what is wrong with it, among them
        reason = str(error) if isinstance(error, ASRWireError) else "its Location is not a URL"
    raise DecodeError(f"a redirect that is not followed: {reason}", path="Location")


class Driver(Generic[T]):
    """Does what a conversation asks for, and hands out what it finds.

    A step that was cancelled can be taken again, unless it was sending what may not be sent twice: then there is only
    `Closed`. One reader.

    Attributes:
        value: what the conversation returned, once it is over.
        may_ask: a step before each question after tasks, in place of the client's own pace.
    """

    value: T
    may_ask: Callable[[], Any] | None = None

    def __init__(
        self, client: Settings, conversation: Callable[..., Conversation[T]], *arguments: object,
        timeouts: Timeouts | None = None, **more: Any,
    ) -> None:
        """`arguments` and `more` are the conversation's; a ``timeout`` among them is bounded by ``Timeouts.total``.
        Raises what is wrong with them: ConfigError, TypeError."""
        self._client = client
        self._timeouts = client._timed(timeouts)
        now, total = time.monotonic(), self._timeouts.total
        self._deadline = None if total is None else now + total
        self._minds_time = "timeout" in more  # then it ends by itself, with the tasks it has
        if self._minds_time and total is not None:
            more["timeout"] = total if more["timeout"] is None else min(total, more["timeout"])
        self._talk = conversation(client._service, *arguments, now=now, **more)
        self._asked: Request | Sleep | Found | None = None  # None: over
        self._handed = self._cut_off = False
        self._key = ""
        self._turn = threading.Lock()
        self._step(self._talk.send, None)

    def found(self) -> Steps[Found | None]:
        """Go on to the next value found, or to the end."""
        if not self._turn.acquire(blocking=False):
            raise Closed("an iterator has one reader")
        try:
            if self._cut_off:
                raise Closed("what was cancelled was sending a task, and that is not sent twice")
            if self._handed:
                self._handed = False
                self._step(self._talk.send, time.monotonic())
            while self._asked is not None and not isinstance(self._asked, Found):
                yield from self._answer(self._asked)
            self._handed = self._asked is not None
            return self._asked
        finally:
            self._turn.release()

    def result(self) -> Steps[T]:
        """Go on to the end."""
        while (yield from self.found()) is not None:
            pass
        return self.value

    def _answer(self, asked: Request | Sleep) -> Steps[None]:
        try:
            if isinstance(asked, Sleep):
                yield from self._sleep(asked.seconds)
                answer: Reply | float = time.monotonic()
            else:
                answer = yield from self._ask(asked)
        except ASRWireError as error:
            self._step(self._talk.throw, bare(error))
            if error.phase == "total" and self._asked is not None:  # the one fault that nothing survives
                self._asked = None
                raise
        except BaseException:
            self._cut_off = isinstance(asked, Request) and asked.method != "GET"
            raise
        else:
            self._step(self._talk.send, answer)

    def _ask(self, request: Request) -> Steps[Reply]:
        if request.credentials:
            if request.method == "GET" and self.may_ask is not None:
                yield self.may_ask
            elif request.method == "GET":
                yield from self._sleep(self._client._pace.delay(time.monotonic()))
            self._key = self._client._key()
        until = self._deadline if request.deadline is None else request.deadline
        try:
            return (yield from fetch(self._client, request, self._key, self._timeouts, until))
        except Timeout as error:
            if request.deadline is not None and error.phase == "total":
                error.args, error.phase = ("no answer came while it was waited for",), "wait"
            raise

    def _sleep(self, seconds: float) -> Steps[None]:
        colour = self._client._transport.colour
        never: Any = colour.event()
        left = seconds
        if self._deadline is not None and not self._minds_time:
            left = max(0.0, self._deadline - time.monotonic())
        if seconds > 0:
            yield partial(colour.wait, never, min(left, seconds))
        if left < seconds:
            raise Timeout(f"the total timer ran out ({self._timeouts.total:g} s)", phase="total", retry_safe=True)

    def _step(self, advance: Callable[[Any], Any], value: Any) -> None:
        self._asked = None
        try:
            self._asked = advance(value)
        except StopIteration as done:
            self.value = done.value
        except ASRWireError as error:
            hide(self._key, error)
            raise
