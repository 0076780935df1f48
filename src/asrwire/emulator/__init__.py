"""A DashScope speech-recognition server on 127.0.0.1, to test clients against: no key, no network, no bill.

It answers every synchronous system (Qwen3-ASR-Flash OpenAI-compatible and native, Fun-ASR-Flash, Fun-ASR-Realtime,
Qwen-Audio-ASR-Flash; streaming and not) and the tasks of the asynchronous ones (submit, query, list, cancel, result
files on an origin of their own) from a script, and refuses what the services' documents do not allow with an
``InvalidParameter`` that names the field. Any HTTP client in any language can talk to it:

    with Emulator() as emulator:
        client = asrwire.Client("any-key", base_url=emulator.base_url)

and, so that tests see what a client makes of a bad day, what goes wrong is told in advance (`Fault`):

    with Emulator(faults=["429:times=1", "cut:at=0-5000,on=stream,p=0.2"]) as emulator:
        emulator.sent[-1].sentences  # what had left when the connection was cut
"""

# Knows: the server's thread, its records, which path is which. Must not know: how the client works; it imports the
# value types and the error tree from below, and nothing else of this library.

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Iterable, MutableSequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self, get_args

import orjson

from .._errors import Closed, ConfigError
from ._answers import Answer, Envelope, answer_call, answer_error, answer_refusal, answer_sample
from ._arguments import check_address, check_rate_limit, check_speed, milliseconds
from ._catalogue import CATALOGUE, REQUEST_KINDS, FaultKind, Parameter
from ._certificate import certify
from ._documents import COMPLETIONS, GENERATION, Call, read_request
from ._fault_answers import afflicted, in_order, replacement
from ._faults import Fault, Plan
from ._records import Request, Sent, record
from ._schema import Refusal
from ._script import DEFAULT_SCRIPT, Sample, Script, read_transcript
from ._server import Clock, LoopClock, RawRequest, Server, VirtualClock
from ._service import Loss, Service, request_kind
from ._storage import Files, Outcomes, Storage, xml_error
from ._tasks import TaskBook, TaskRecord

__all__ = [
    "CATALOGUE",
    "DEFAULT_SCRIPT",
    "REQUEST_KINDS",
    "Emulator",
    "Fault",
    "FaultKind",
    "Parameter",
    "Request",
    "Sample",
    "Script",
    "Sent",
    "TaskRecord",
]

_log = logging.getLogger("asrwire.emulator")


class Emulator:
    """A DashScope ASR server on a loopback socket, in its own thread.

    A context manager, synchronous and asynchronous, to be entered once; entering returns as soon as the port listens,
    leaving ends open answers, closes every socket and joins the thread. Whichever way it is entered, clients of any
    kind can use it from anywhere. Every request is kept, with its body, as long as the emulator is.

    Args:
        transcript: what is said: None (a built-in conversation of eight Chinese and English sentences), a `Script`,
            or a literal answer: a `Sample`, its bytes, or the path of a ``.sse`` or ``.json`` file (``http400`` in its
            name makes the status 400).
        speed: 1.0 sends each event when its audio would have been spoken, 4.0 four times as fast; a JSON body leaves
            when its last event would. None: everything at once.
        envelope: layout of native Fun-ASR and Qwen-Audio answers: ``"doc"`` as printed in the documents,
            ``"public"`` (doubled ``output``) as seen on dashscope.aliyuncs.com, ``"workspace"`` (result also at top
            level) as seen on workspace domains.
        faults: what goes wrong, for tests of what a client makes of it: `Fault`s, or their text (``"429:times=1"``,
            ``"rst:events=3,on=stream,p=0.1"``). Several that meet one request work together; those that answer in
            place of the service (status, redirect ...) leave it unasked.
        clock: None: real time; ``"virtual"``: time moves by `advance` only, for paced answers, tasks and keys alike.
        queue_time: seconds a task is PENDING.
        run_time: seconds a task is RUNNING after that.
        files: what becomes of the audio files of tasks: a mapping of URLs or patterns (``*``, ``?``), or a callable
            that gets a URL. To a `Script` (what is said in it), a `Sample` or bytes (its literal result file), or the
            code of its error, such as ``"FILE_404_NOT_FOUND"``. For all others, or where it returns None:
            ``transcript``.
        rate_limit: requests a second that each of task query, list and cancellation answers; the others get 429.
            None: no limit.
        tls: serve https with a certificate made for this run; needs ``asrwire[tls-emulator]``.
        seed: decides request ids, which partial results are revised, and which faults come. Every request with
            the same script is answered with the same results.
        host: address to listen on; for all of them (``"0.0.0.0"``, ``"::"``) the URLs name the loopback address.
        port: port to listen on; 0: a free one.

    Attributes:
        base_url: ends in ``/api/v1``.
        compatible_base_url: ends in ``/compatible-mode/v1``.
        ssl_context: with ``tls``, a client context that trusts this server; else None.
        ca_pem: with ``tls``, the certificate authority to trust, for clients elsewhere; else None.

    Raises:
        ConfigError: an argument is wrong, a sample cannot be read, the port is taken, or ``trustme`` is missing.
    """

    def __init__(
        self,
        transcript: Script | Sample | str | os.PathLike[str] | bytes | None = None,
        *,
        speed: float | None = None,
        envelope: Envelope = "doc",
        faults: Iterable[Fault | str] = (),
        clock: Literal["virtual"] | None = None,
        queue_time: float = 0.5,
        run_time: float = 1.0,
        files: Files | None = None,
        rate_limit: int | None = None,
        tls: bool = False,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if envelope not in get_args(Envelope):
            raise ConfigError(f"envelope is one of {', '.join(get_args(Envelope))}, not {envelope!r}")
        if clock not in (None, "virtual"):
            raise ConfigError(f"clock is None or 'virtual', not {clock!r}")
        check_rate_limit(rate_limit)
        check_address(host, port)
        self._speed = check_speed(speed)
        self._transcript = read_transcript(transcript)
        self._envelope: Envelope = envelope
        self._seed = seed
        self._ids = random.Random(seed)
        self._plan = Plan(faults, seed)
        self._address = (host, port)
        self._reached_as = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self._clock: Clock = LoopClock() if clock is None else VirtualClock()
        self._epoch = round((time.time() - self._clock.now()) * 1000)
        self._storage = Storage(str(seed).encode())
        self._book = TaskBook(
            self._storage,
            Outcomes(files, self._transcript),
            queue_time=milliseconds("queue_time", queue_time),
            run_time=milliseconds("run_time", run_time),
            parameters_needed=envelope == "workspace",
            ids=self._ids,
        )
        self._service = Service(self._book, rate_limit=rate_limit, ids=self._ids)
        self._lock = threading.Lock()
        self._exchanges: MutableSequence[tuple[Request, Answer]] = []
        self._thread: threading.Thread | None = None
        self._server_context: ssl.SSLContext | None = None
        self.ca_pem: bytes | None = None
        self.ssl_context: ssl.SSLContext | None = None
        if tls:
            self.ca_pem, self._server_context, self.ssl_context = certify(self._reached_as)

    # == running =======================================================================================================

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise Closed("an Emulator can be entered once")
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]
        self._storage_listener = socket.create_server((host, 0), family=family, backlog=1024)
        self._storage_listener.setblocking(False)
        self._storage.origin = self._origin_at(self._storage_listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._servers = [
            Server(
                listener,
                handle,
                refuse,
                self._finished,
                speed=self._speed,
                clock=self._clock,
                ssl_context=self._server_context,
            )
            for listener, handle, refuse in (
                (self._listener, self._handle, self._refuse),
                (self._storage_listener, self._handle_result, self._refuse_result),
            )
        ]
        self._thread = threading.Thread(target=self._run, name=f"asrwire-emulator-{self._port}", daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._listener.close()
            self._storage_listener.close()

    async def _serve(self) -> None:
        await asyncio.gather(*(server.run() for server in self._servers))

    def _stop(self) -> None:
        for server in self._servers:
            server.stop.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    # == what a test reads =============================================================================================

    @property
    def _origin(self) -> str:
        if self._thread is None:
            raise Closed("the emulator has no address before it is entered")
        return self._origin_at(self._port)

    def _origin_at(self, port: int) -> str:
        host = f"[{self._reached_as}]" if ":" in self._reached_as else self._reached_as
        return f"{'https' if self.ssl_context else 'http'}://{host}:{port}"

    @property
    def base_url(self) -> str:
        """Root of the native API, ending in ``/api/v1``."""
        return self._origin + "/api/v1"

    @property
    def compatible_base_url(self) -> str:
        """Root of the OpenAI-compatible API, ending in ``/compatible-mode/v1``."""
        return self._origin + "/compatible-mode/v1"

    @property
    def requests(self) -> list[Request]:
        """A snapshot of the requests received, in the order they were answered."""
        with self._lock:
            return [request for request, _ in self._exchanges]

    @property
    def sent(self) -> list[Sent]:
        """A snapshot of what has been sent so far, one entry per entry of `requests`."""
        with self._lock:
            exchanges = list(self._exchanges)
        return [record(answer) for _, answer in exchanges]

    @property
    def result_origin(self) -> str:
        """Scheme, host and port of the result files; requests that carry a key or a cookie are refused there."""
        if self._thread is None:
            raise Closed("the emulator has no address before it is entered")
        return self._storage.origin

    @property
    def tasks(self) -> list[TaskRecord]:
        """A snapshot of the tasks submitted, in that order, as they stand now."""
        return self._book.records(self._now())

    # == what a test does ==============================================================================================

    def advance(self, seconds: float) -> None:
        """Move the virtual clock on. It returns at once; streams that were waiting go on.

        Raises:
            ConfigError: the clock is real, or would go back.
        """
        if not isinstance(self._clock, VirtualClock):
            raise ConfigError("only Emulator(clock='virtual') has a time to advance")
        self._clock.advance(milliseconds("seconds", seconds))

    def issue_token(self, expire_in_seconds: int = 60) -> str:
        """A temporary key, as ``POST {base_url}/tokens`` issues it; afterwards it is answered with 401."""
        return self._service.keys.issue(expire_in_seconds, self._now())[0]

    def lose_reply(self, how: Loss, times: int = 1) -> None:
        """Lose the replies to the next submissions, after their tasks were created.

        Args:
            how: ``"rst"`` resets the connection, ``"fin"`` closes it, ``"stall"`` leaves it open and silent; ``"500"``
                answers with an internal error.
            times: how many replies.
        """
        self._service.lose_reply(how, times)

    # == answering, on the server's thread =============================================================================

    def _handle(self, raw: RawRequest) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        try:
            json = orjson.loads(raw.body) if raw.body else None
        except orjson.JSONDecodeError:
            json = None
        kind = request_kind(raw, json)
        faults = in_order(self._plan.draw(kind))
        whole = any(fault.name == "whole" for fault in faults)
        answer = replacement(faults, kind, raw, request_id) or self._answer(raw, json, request_id, whole=whole)
        answer = afflicted(answer, [*answer.faults, *faults], raw)
        self._record(raw, json, answer)
        return answer

    def _record(self, raw: RawRequest, json: Any, answer: Answer) -> None:
        with self._lock:
            self._exchanges.append((Request(raw.method, raw.target, raw.headers, json), answer))
        what = answer.model or answer.label or "refused"
        answer.label = f"{raw.method} {raw.target.partition('?')[0]} {answer.status} {what}"

    def _answer(self, raw: RawRequest, json: Any, request_id: str, *, whole: bool) -> Answer:
        path = raw.target.partition("?")[0]
        try:
            if path not in (GENERATION, COMPLETIONS):
                return self._service.answer(raw, json, request_id, self._now())
            if raw.method != "POST":
                answer = answer_error(request_id, 405, "MethodNotAllowed", f"{path} takes POST, not {raw.method}")
                answer.headers.append(("Allow", "POST"))
                return answer
            self._service.check_key(raw, self._now())
            call = read_request(path, raw.headers, json)
            if whole:
                call = replace(call, stream=False)
        except Refusal as refusal:
            any_model = isinstance(self._transcript, Sample) and path in (GENERATION, COMPLETIONS)
            if not any_model or refusal.status != 404:
                return answer_refusal(path, refusal, request_id)
            call = Call(json["model"], "qwen", stream=False)
        if isinstance(self._transcript, Sample):
            answer = answer_sample(self._transcript, request_id)
        else:
            answer = answer_call(
                self._transcript,
                call,
                envelope=self._envelope,
                request_id=request_id,
                created=int(time.time()),
                revisions=random.Random(self._seed),
            )
        answer.model = call.model
        return answer

    def _now(self) -> int:
        return self._epoch + round(self._clock.now() * 1000)

    def _handle_result(self, raw: RawRequest) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        faults = in_order(self._plan.draw("result"))
        answer = replacement(faults, "result", raw, request_id) or self._storage.answer(raw, request_id, self._now())
        answer = afflicted(answer, faults, raw)
        self._record(raw, None, answer)
        return answer

    def _refuse_result(self, status: int, reason: str) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        return xml_error(request_id, status, "InvalidRequest", reason)

    def _refuse(self, status: int, reason: str) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        code = "BadRequest.TooLarge" if status == 413 else "InvalidParameter"
        return answer_error(request_id, status, code, reason)

    def _finished(self, answer: Answer) -> None:
        label = answer.label or f"not a request: {answer.status}"
        end = "" if answer.complete else ", not all of it"
        faults = "".join(f", {fault}" for fault in answer.faults)
        _log.info("%s, %d event%s%s%s", label, answer.left, "s" * (answer.left != 1), end, faults)
