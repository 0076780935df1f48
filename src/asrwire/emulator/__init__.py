"""A DashScope speech-recognition server on 127.0.0.1, to test clients against: no key, no network, no bill.

It answers every synchronous system (Qwen3-ASR-Flash OpenAI-compatible and native, Fun-ASR-Flash, Fun-ASR-Realtime,
Qwen-Audio-ASR-Flash; streaming and not) from a script, and refuses what the services' documents do not allow with an
``InvalidParameter`` that names the field. Any HTTP client in any language can talk to it::

    with Emulator() as emulator:
        client = asrwire.Client("any-key", base_url=emulator.base_url)
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, get_args

import orjson

from .._errors import Closed, ConfigError
from .._model import Sentence
from ._answers import Answer, Envelope, answer_call, answer_error, answer_sample
from ._documents import COMPLETIONS, GENERATION, Call, check_authorization, read_request
from ._schema import Refusal
from ._script import DEFAULT_SCRIPT, Sample, Script
from ._server import Clock, LoopClock, RawRequest, Server, check_speed

__all__ = ["DEFAULT_SCRIPT", "Emulator", "Request", "Sample", "Script", "Sent"]

_log = logging.getLogger("asrwire.emulator")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received.

    Attributes:
        method: ``"POST"``.
        path: path and query as sent.
        headers: names in lower case; not shown by ``repr``, because they hold the key.
        json: the parsed body, or None where it was not JSON.
    """

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What has left as the answer to a request; it grows while the answer is under way.

    Attributes:
        request_id: as in the body and in ``x-request-id``.
        status: HTTP status.
        model: the model asked for, or None where the request was refused.
        stream: the answer is an event stream.
        events: events sent so far (for ``data: [DONE]`` too); 1 for a JSON body.
        sentences: sentences made final so far, as on the wire; empty for the dialects that send text only.
        text: the whole text as of the last event; None where nothing of it was sent, and for samples and errors.
        complete: everything there was to send has left.
    """

    request_id: str
    status: int
    model: str | None
    stream: bool
    events: int
    sentences: tuple[Sentence, ...]
    text: str | None
    complete: bool


class Emulator:
    """A DashScope ASR server on a loopback socket, in its own thread.

    A context manager, synchronous and asynchronous, to be entered once; entering returns as soon as the port listens,
    leaving ends open answers, closes every socket and joins the thread. Whichever way it is entered, clients of any
    kind can use it from anywhere.

    Args:
        transcript: what is said: None (a built-in conversation of eight Chinese and English sentences), a `Script`,
            or a literal answer: a `Sample`, its bytes, or the path of a ``.sse`` or ``.json`` file (``http400`` in its
            name makes the status 400).
        speed: 1.0 sends each event when its audio would have been spoken, 4.0 four times as fast; a JSON body leaves
            when its last event would. None: everything at once.
        envelope: layout of native Fun-ASR and Qwen-Audio answers: ``"doc"`` as printed in the documents,
            ``"public"`` (doubled ``output``) as seen on dashscope.aliyuncs.com, ``"workspace"`` (result also at top
            level) as seen on workspace domains.
        faults: must be empty: not supported yet.
        clock: must be None: not supported yet.
        tls: serve https with a certificate made for this run; needs ``asrwire[tls-emulator]``.
        seed: decides request ids and which partial results are revised. Every request with the same script is
            answered with the same results.
        host: address to listen on.
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
        faults: Sequence[object] = (),
        clock: None = None,
        tls: bool = False,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if envelope not in get_args(Envelope):
            raise ConfigError(f"envelope is one of {', '.join(get_args(Envelope))}, not {envelope!r}")
        if len(faults):
            raise ConfigError("faults are not supported yet: leave faults=()")
        if clock is not None:
            raise ConfigError("a clock is not supported yet: leave clock=None and choose a speed")
        try:
            self._speed = check_speed(speed)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if isinstance(port, bool) or not isinstance(port, int):
            raise TypeError(f"port is an int, not {type(port).__name__}")
        if not 0 <= port <= 65535:
            raise ConfigError(f"port must be 0 to 65535, not {port}")
        self._transcript = _read_transcript(transcript)
        self._envelope: Envelope = envelope
        self._seed = seed
        self._ids = random.Random(seed)
        self._address = (host, port)
        self._clock: Clock = LoopClock()
        self._lock = threading.Lock()
        self._exchanges: list[tuple[Request, Call | None, Answer]] = []
        self._thread: threading.Thread | None = None
        self._server_context: ssl.SSLContext | None = None
        self.ca_pem: bytes | None = None
        self.ssl_context: ssl.SSLContext | None = None
        if tls:
            self._make_certificate(host)

    def _make_certificate(self, host: str) -> None:
        try:
            import trustme
        except ImportError:
            raise ConfigError('tls=True needs trustme: pip install "asrwire[tls-emulator]"') from None
        authority = trustme.CA()
        self.ca_pem = authority.cert_pem.bytes()
        self._server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert(*dict.fromkeys([host, "localhost"])).configure_cert(self._server_context)
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.ssl_context)

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
        self._loop = asyncio.new_event_loop()
        self._server = Server(
            self._listener,
            self._handle,
            self._refuse,
            self._finished,
            speed=self._speed,
            clock=self._clock,
            ssl_context=self._server_context,
        )
        self._thread = threading.Thread(target=self._run, name=f"asrwire-emulator-{self._port}", daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._server.run())
        finally:
            self._loop.close()
            self._listener.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._server.stop.set)
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
        host = self._address[0]
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.ssl_context else 'http'}://{host}:{self._port}"

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
            return [request for request, _, _ in self._exchanges]

    @property
    def sent(self) -> list[Sent]:
        """A snapshot of what has been sent so far, one entry per entry of `requests`."""
        with self._lock:
            exchanges = list(self._exchanges)
        return [_sent(call, answer) for _, call, answer in exchanges]

    # == answering, on the server's thread =============================================================================

    def _handle(self, raw: RawRequest) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        try:
            json = orjson.loads(raw.body) if raw.body else None
        except orjson.JSONDecodeError:
            json = None
        call, answer = self._answer(raw, json, request_id)
        with self._lock:
            self._exchanges.append((Request(raw.method, raw.target, raw.headers, json), call, answer))
        what = call.model if call else "refused"
        answer.label = f"{raw.method} {raw.target.partition('?')[0]} {answer.status} {what}"
        return answer

    def _answer(self, raw: RawRequest, json: Any, request_id: str) -> tuple[Call | None, Answer]:
        path = raw.target.partition("?")[0]
        if path not in (GENERATION, COMPLETIONS):
            return None, answer_error(request_id, 404, "NotFound", f"there is no {path} here")
        if raw.method != "POST":
            answer = answer_error(request_id, 405, "MethodNotAllowed", f"{path} takes POST, not {raw.method}")
            answer.headers.append(("Allow", "POST"))
            return None, answer
        try:
            check_authorization(raw.headers)
            call = read_request(path, raw.headers, json)
        except Refusal as refusal:
            any_model = refusal.status == 404 and isinstance(self._transcript, Sample)
            if not any_model:
                return None, _refusal(path, refusal, request_id)
            call = Call(json["model"], "qwen", stream=False)
        if isinstance(self._transcript, Sample):
            return call, answer_sample(self._transcript, request_id)
        return call, answer_call(
            self._transcript,
            call,
            envelope=self._envelope,
            request_id=request_id,
            created=int(time.time()),
            revisions=random.Random(self._seed),
        )

    def _refuse(self, status: int, reason: str) -> Answer:
        request_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        code = "BadRequest.TooLarge" if status == 413 else "InvalidParameter"
        return answer_error(request_id, status, code, reason)

    def _finished(self, answer: Answer) -> None:
        label = answer.label or f"not a request: {answer.status}"
        end = "" if answer.complete else ", not all of it"
        _log.info("%s, %d event%s%s", label, answer.left, "s" * (answer.left != 1), end)


def _read_transcript(transcript: object) -> Script | Sample:
    match transcript:
        case None:
            return DEFAULT_SCRIPT
        case Script() | Sample():
            return transcript
        case bytes():
            return Sample(transcript)
        case str() | os.PathLike():
            return Sample.from_file(transcript)
    raise TypeError(f"transcript is a Script, a Sample, bytes, a path or None, not {type(transcript).__name__}")


def _refusal(path: str, refusal: Refusal, request_id: str) -> Answer:
    if path != COMPLETIONS:
        return answer_error(request_id, refusal.status, refusal.code, str(refusal))
    names = {"InvalidApiKey": "invalid_api_key", "InvalidParameter": "invalid_parameter_error"}
    code = names.get(refusal.code, refusal.code)
    return answer_error(request_id, refusal.status, code, str(refusal), openai=refusal.field)


def _sent(call: Call | None, answer: Answer) -> Sent:
    return Sent(
        request_id=answer.request_id,
        status=answer.status,
        model=call.model if call else None,
        stream=answer.stream,
        events=answer.left,
        sentences=tuple(answer.finals),
        text=answer.text,
        complete=answer.complete,
    )
