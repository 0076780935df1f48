# Client and AsyncClient: the only loops that do I/O. Stream and AsyncStream: one call and its updates.
#
# Knows: the order of things in one call: key, request, attempts, head, body, updates, trouble, close. Must not know:
# what HTTP looks like (_net), what the services send (_stream) or want (_requests), when to send again (_retry).
# _Call holds every decision; the two colours are the loops around it, kept equal by a test of names and signatures.

from __future__ import annotations

import os
import random
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from . import _audio, _requests, _retry
from ._errors import ASRWireError, Closed, ConfigError, HTTPStatusError, Truncated
from ._limits import Limits, Timeouts
from ._model import Amended, Sentence
from ._model import Final as FinalUpdate
from ._net._body import Body, field
from ._net._exchange import Exchange
from ._net._transport import AsyncChannel, AsyncTransport, Channel, Transport, Wire
from ._stream import ResultStream

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

    from ._assembler import Update
    from ._transcript import Transcript

    AudioInput = str | os.PathLike[str] | Buffer
    Headers = Mapping[str, str] | Iterable[tuple[str, str]]

# Fields that carry the key, frame the message, or say what the call itself says.
_OURS: Final = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type"}
    | {"expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "x-dashscope-async", "x-dashscope-sse"}
)

_ENDINGS: Final = {
    "open_sentence": "the stream ended inside a sentence",
    "cut": "the stream ended before the result was complete",
    "empty": "the response holds no result",
}

_TIMEOUTS: Final = Timeouts()
_LIMITS: Final = Limits()
_PLACEHOLDER: Final = _audio.Audio("url", "https://localhost/", "wav")


# == one call =========================================================================================================


class _Call:
    """Everything about one call but the I/O."""

    def __init__(
        self,
        client: _Client,
        audio: Any,
        arguments: dict[str, Any],
        *,
        partials: bool,
        resend: bool,
        timeouts: Timeouts | None,
    ) -> None:
        if timeouts is not None and not isinstance(timeouts, Timeouts):
            raise TypeError(f"timeouts must be asrwire.Timeouts or None, not {type(timeouts).__name__}")
        # What can be wrong without the audio is said before a file is opened.
        _requests.transcription(client._endpoints, _PLACEHOLDER, **arguments)
        self._client = client
        self._audio = audio
        self._arguments = arguments
        self._partials = partials
        self._resend = resend
        self._timeouts = timeouts or client._timeouts
        self._deadline: float | None = None
        self._attempt = 0
        self._key = ""
        self._request: _requests.Request | None = None
        self._exchange: Exchange | None = None
        self._status: int | None = None
        self._headers: list[tuple[str, str]] = []
        self._fields: tuple[tuple[bytes, bytes], ...] = ()
        self._body: Body | None = None
        self._result: ResultStream | None = None
        self._batch: deque[Update] = deque()
        self._error: ASRWireError | None = None
        self._entered = self._answered = self._started = self._filtered = False
        self._error_room = 0  # bytes of an error body still worth reading
        self._over = False  # nothing more is to be read
        self._closed = False
        self._raised = False

    # -- what came

    @property
    def transcript(self) -> Transcript:
        """Everything received so far, at any moment; ``complete`` once the service has said everything."""
        return (self._result or ResultStream()).transcript

    @property
    def request_id(self) -> str | None:
        """The service's id of the request: from the body, else from the ``x-request-id`` header."""
        found = self._result.request_id if self._result is not None else None
        return found or field(self._fields, b"x-request-id")

    @property
    def http_status(self) -> int | None:
        """Status of the response, or None before it came."""
        return self._status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Header fields of the response: (name, value), as received."""
        return list(self._headers)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._over else "open" if self._answered else "not entered"
        return f"<asrwire.{type(self).__name__} {self._arguments['model']} {state}>"

    # -- sending

    def _enter(self) -> None:
        if self._entered or self._closed:
            raise Closed("a stream is entered once")
        self._entered = True
        if self._timeouts.total is not None:
            self._deadline = time.monotonic() + self._timeouts.total

    def _build(self, audio: _audio.Audio) -> None:
        self._request = _requests.transcription(self._client._endpoints, audio, **self._arguments)

    def _next_attempt(self, transport: Transport | AsyncTransport) -> tuple[Wire, Exchange]:
        request = self._request
        assert request is not None
        self._attempt += 1
        self._status, self._headers, self._fields, self._body, self._result = None, [], (), None, None
        self._key = _requests.api_key(self._client._api_key, os.environ)
        fields = {
            "host": ("Host", urlsplit(request.url).netloc),
            "user-agent": ("User-Agent", "asrwire"),
            "authorization": ("Authorization", f"Bearer {self._key}"),
            **{name.lower(): (name, value) for name, value in request.headers},
            "content-length": ("Content-Length", str(len(request.body))),
            **{name.lower(): (name, value) for name, value in self._client._headers},
        }
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.values())
        self._exchange = Exchange(
            transport.http,
            self._timeouts,
            self._client._limits,
            body_size=len(request.body),
            deadline=self._deadline,
            exact_writes=transport.exact_writes,
        )
        return Wire(request.method, request.url, headers, request.body), self._exchange

    def _again(self, error: ASRWireError) -> float | None:
        # Seconds until the same request may be sent again, or None: the call has failed.
        remaining = None if self._deadline is None else self._deadline - time.monotonic()
        seconds = _retry.delay(
            error,
            self._attempt,
            resend=self._resend,
            remaining=remaining,
            longest=self._client._limits.retry_after,
            random=random.random,
        )
        if seconds is None:
            self._over = self._closed = True
            error.partial = error.partial or self.transcript
            self._mask(error)
        return seconds

    # -- the response head

    def _on_head(self, channel: Channel | AsyncChannel) -> bool:
        """Take the head; True: the status is an error, and its body is to be read with `_on_error_body`."""
        self._fields = tuple(channel.headers)
        self._status = channel.status
        self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields]
        limits = self._client._limits
        good = 200 <= channel.status < 300
        try:
            self._body = Body(channel.status, self._fields, limits)
        except ASRWireError as error:
            if good or channel.status < 200:
                channel.exchange.describe(error)
                raise
            self._body = None  # no trouble with a body hides the status it came with
        channel.exchange.head_read()
        if not good:
            self._result = ResultStream(
                False, http_status=channel.status, content_type=field(self._fields, b"content-type"), limits=limits
            )
            self._error_room = limits.error_body
            channel.exchange.waiting_for_error_body()
            return True
        self._answered = True
        return False

    def _wants_error_body(self) -> bool:
        return self._body is not None and not self._body.at_end and self._error_room > 0

    def _on_error_body(self, data: bytes) -> None:
        assert self._body is not None
        assert self._result is not None
        if not data:
            self._error_room = 0
            return
        try:
            content = self._body.receive(data)
        except ASRWireError as error:
            content = error.output or b""
            self._error_room = 0
        self._error_room -= len(data)
        self._result.receive_data(content)

    def _judge(self) -> None:
        """Raise what the status means, or go on: no speech is a result."""
        assert self._result is not None
        assert self._exchange is not None
        assert self._status is not None
        location = field(self._fields, b"location")
        error: ASRWireError
        try:
            if 300 <= self._status < 400:
                host = _host(location)
                raise HTTPStatusError(f"HTTP status {self._status}: a redirect{host} is not followed")
            self._batch.extend(self._result.receive_eof())
            self._answered = self._over = True
            return
        except ASRWireError as failed:
            error = failed
        after = _retry.retry_after(field(self._fields, b"retry-after"), time.time())
        error.retry_after = after
        self._describe(error)
        error.retry_safe = error.sent != "complete" or _retry.not_taken(self._status, error.code, after)
        error.phase = "head"
        raise error from None

    # -- the body

    def _listening(self) -> ResultStream:
        # Made with the first read, so that sentences() can still say that partials are not wanted.
        if self._result is None:
            assert self._request is not None
            self._result = ResultStream(
                self._partials,
                incremental=self._request.incremental,
                http_status=self._status or 200,
                content_type=field(self._fields, b"content-type"),
                limits=self._client._limits,
            )
        return self._result

    def _on_data(self, data: bytes) -> None:
        body, result = self._body, self._listening()
        assert body is not None
        try:
            if not data and not body.at_end:
                body.receive_eof()
                result.unframed = body.unframed
                self._on_end(result)
                return
            content = body.receive(data) if data else b""
        except ASRWireError as error:
            self._on_fault(error, error.output or b"")
            return
        if self._decode(result, content) and (body.at_end or result.at_end):
            self._on_end(result)

    def _decode(self, result: ResultStream, content: bytes) -> bool:
        if content:
            try:
                self._batch.extend(result.receive_data(content))
            except ASRWireError as error:
                self._batch.extend(error.output or ())
                self._batch.extend(result.receive_eof(error))
                self._fail(error)
                return False
        return True

    def _on_end(self, result: ResultStream) -> None:
        try:
            self._batch.extend(result.receive_eof())
        except ASRWireError as error:
            self._batch.extend(error.output or ())
            self._fail(error)
            return
        transcript = result.transcript
        if transcript.complete or transcript.incomplete_reason == "length":
            self._over = True
        else:
            reason = transcript.incomplete_reason or "cut"
            self._fail(Truncated(_ENDINGS.get(reason, _ENDINGS["cut"]), phase="body"))

    def _on_fault(self, error: ASRWireError, found: bytes = b"") -> None:
        """The body ends with `error`; `found` is content that came before it."""
        result = self._listening()
        if self._decode(result, found):
            self._batch.extend(result.receive_eof(error))
            self._fail(error)

    def _fail(self, error: ASRWireError) -> None:
        self._over = True
        self._error = error
        error.output = None  # handed out as updates before the error is raised
        self._describe(error)

    def _describe(self, error: ASRWireError) -> None:
        if self._exchange is not None:
            self._exchange.describe(error)
        error.partial = self.transcript
        error.request_id = error.request_id or self.request_id
        error.http_status = error.http_status or self._status
        self._mask(error)

    def _mask(self, error: ASRWireError) -> None:
        # A service may echo the key it was given.
        if self._key:
            error.args = tuple(_masked(value, self._key) for value in error.args)
            error.code = _masked(error.code, self._key)
            error.request_id = _masked(error.request_id, self._key)

    # -- handing out

    def _start(self) -> None:
        if self._started:
            raise Closed("a stream has one pass and one reader")
        self._check()
        self._started = True

    def _start_sentences(self) -> None:
        if self._filtered:
            raise Closed("a stream has one pass and one reader")
        self._check()
        if not self._started:
            self._partials = False
        self._started = self._filtered = True

    def _check(self) -> None:
        if self._closed:
            raise Closed("the stream is closed", partial=self.transcript)
        if not self._answered:
            raise Closed("the stream is not open: enter it first (with client.stream(...) as stream)")

    def _hand_out(self) -> Update | None:
        """The next update, or None at the end. Raises what ended the stream, once."""
        if self._batch:
            return self._batch.popleft()
        if self._error is not None:
            error, self._error, self._raised = self._error, None, True
            try:
                raise error from None
            finally:
                del error  # its traceback leads here
        if self._raised:
            raise Closed("the stream has ended with an error", partial=self.transcript)
        return None

    def _shut(self) -> bool:
        """Give up what was not handed out; True: the connection is to be dropped, False: nothing is open."""
        self._batch.clear()
        self._error = None
        if self._answered and not self._over:
            self._over = True
            self._listening().receive_eof(Closed("the stream was closed"))
            return True
        return False


class Stream(_Call):
    """One streaming call: a context manager, and an iterator of updates once entered. Made by `Client.stream`.

    Entering sends the request and raises what keeps it from being answered with a result. Iterating raises what ends
    the stream early, after the updates received before it and an `Incomplete` for each sentence left open. One pass,
    one reader; only `close` may be called from another thread.
    """

    _client: Client
    _channel: Channel | None = None

    def __init__(self, client: Client, audio: Any, arguments: dict[str, Any], **settings: Any) -> None:
        super().__init__(client, audio, arguments, **settings)
        self._turn = threading.Lock()  # held by whoever reads or closes

    def __enter__(self) -> Self:
        self._enter()
        self._build(_audio.load(self._audio))
        while True:
            try:
                self._send()
                return self
            except ASRWireError as error:
                seconds = self._again(error)
                if seconds is None:
                    raise
            time.sleep(seconds)

    def _send(self) -> None:
        wire, exchange = self._next_attempt(self._client._transport)
        if self._closed:
            raise Closed("the stream was closed")
        channel = self._client._transport.open(wire, exchange, self._timeouts.pool, self._deadline)
        self._channel = channel
        try:
            if self._on_head(channel):
                try:
                    while self._wants_error_body():
                        self._on_error_body(channel.read())
                except ASRWireError:
                    pass  # the status says more than what became of its body
                self._settle()
                self._judge()
        except BaseException:
            channel.drop()
            raise

    def _settle(self) -> None:
        channel, body = self._channel, self._body
        if channel is not None:
            if body is not None and body.reusable:
                channel.finish(body.stand_in())
            else:
                channel.drop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        self._start()
        return self

    def __next__(self) -> Update:
        try:
            return self._batch.popleft()
        except IndexError:
            pass
        if not self._turn.acquire(blocking=False):
            raise Closed("a stream has one pass and one reader")
        try:
            self._check()
            while not self._batch and not self._over:
                self._pull()
            update = self._hand_out()
        finally:
            self._turn.release()
            if self._closed:
                self.close()
        if update is None:
            raise StopIteration
        return update

    def _pull(self) -> None:
        channel = self._channel
        assert channel is not None
        assert self._body is not None
        try:
            channel.exchange.waiting(self._listening().events)
            data = b"" if self._body.at_end else channel.read()
        except ASRWireError as error:
            self._on_fault(error)
        else:
            self._on_data(data)
        if self._over:
            self._settle()

    def sentences(self) -> Iterator[Sentence]:
        """The final sentences, one by one. An amended sentence comes again with its index and a higher revision.

        Called before anything else is read, it turns the decoding of partials off; later it filters what is left.
        """
        self._start_sentences()
        return _Sentences(self)

    def close(self) -> None:
        """Close the connection at once, unless everything has been read. A reader in another thread gets `Closed`."""
        self._closed = True
        channel = self._channel
        if channel is not None and not self._over:
            channel.interrupt()
        if self._turn.acquire(blocking=False):
            try:
                if self._shut() and channel is not None:
                    channel.drop()
            finally:
                self._turn.release()


class _Sentences:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Sentence:
        while True:
            update = next(self._stream)
            if isinstance(update, (FinalUpdate, Amended)):
                return update.sentence


class AsyncStream(_Call):
    """One streaming call: an async context manager, and an async iterator of updates once entered. Made by
    `AsyncClient.stream`.

    Entering sends the request and raises what keeps it from being answered with a result. Iterating raises what ends
    the stream early, after the updates received before it and an `Incomplete` for each sentence left open. One pass,
    one reader; only `aclose` may be called from another task.
    """

    _client: AsyncClient
    _channel: AsyncChannel | None = None
    _reading = False

    async def __aenter__(self) -> Self:
        import anyio
        from anyio import to_thread

        self._enter()
        self._build(await to_thread.run_sync(_audio.load, self._audio))
        while True:
            try:
                await self._send()
                return self
            except ASRWireError as error:
                seconds = self._again(error)
                if seconds is None:
                    raise
            await anyio.sleep(seconds)

    async def _send(self) -> None:
        wire, exchange = self._next_attempt(self._client._transport)
        if self._closed:
            raise Closed("the stream was closed")
        channel = await self._client._transport.open(wire, exchange, self._timeouts.pool, self._deadline)
        self._channel = channel
        try:
            if self._on_head(channel):
                try:
                    while self._wants_error_body():
                        self._on_error_body(await channel.read())
                except ASRWireError:
                    pass  # the status says more than what became of its body
                await self._settle()
                self._judge()
        except BaseException:
            await channel.drop()
            raise

    async def _settle(self) -> None:
        channel, body = self._channel, self._body
        if channel is not None:
            if body is not None and body.reusable:
                await channel.finish(body.stand_in())
            else:
                await channel.drop()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        self._start()
        return self

    async def __anext__(self) -> Update:
        if self._batch:
            return self._batch.popleft()
        if self._reading:
            raise Closed("a stream has one pass and one reader")
        self._reading = True
        try:
            self._check()
            while not self._batch and not self._over:
                await self._pull()
            update = self._hand_out()
        finally:
            self._reading = False
            if self._closed:
                await self.aclose()
        if update is None:
            raise StopAsyncIteration
        return update

    async def _pull(self) -> None:
        channel = self._channel
        assert channel is not None
        assert self._body is not None
        try:
            channel.exchange.waiting(self._listening().events)
            data = b"" if self._body.at_end else await channel.read()
        except ASRWireError as error:
            self._on_fault(error)
        else:
            self._on_data(data)
        if self._over:
            await self._settle()

    def sentences(self) -> AsyncIterator[Sentence]:
        """The final sentences, one by one. An amended sentence comes again with its index and a higher revision.

        Called before anything else is read, it turns the decoding of partials off; later it filters what is left.
        """
        self._start_sentences()
        return _AsyncSentences(self)

    async def aclose(self) -> None:
        """Close the connection at once, unless everything has been read. A reader in another task gets `Closed`."""
        self._closed = True
        channel = self._channel
        if channel is not None and not self._over:
            channel.exchange.closed = True
            await channel.drop()
        if not self._reading:
            self._shut()


class _AsyncSentences:
    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sentence:
        while True:
            update = await self._stream.__anext__()
            if isinstance(update, (FinalUpdate, Amended)):
                return update.sentence


# == clients ==========================================================================================================


class _Client:
    def __init__(
        self,
        api_key: str | Callable[[], str] | None,
        region: str | None,
        workspace: str | None,
        base_url: str | None,
        compatible_base_url: str | None,
        headers: Headers | None,
        timeouts: Timeouts,
        limits: Limits,
        allow_http: bool,
    ) -> None:
        if not (api_key is None or isinstance(api_key, str) or callable(api_key)):
            raise TypeError(f"api_key must be a str, a callable or None, not {type(api_key).__name__}")
        for name, value, kind in (("timeouts", timeouts, Timeouts), ("limits", limits, Limits)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be asrwire.{kind.__name__}, not {type(value).__name__}")
        self._api_key = api_key
        self._timeouts = timeouts
        self._limits = limits
        self._headers = _check_headers(headers)
        self._endpoints = _requests.resolve(
            region, workspace, base_url, compatible_base_url, environ=os.environ, allow_http=allow_http
        )

    def __repr__(self) -> str:
        return f"<asrwire.{type(self).__name__} {self._endpoints.region} {urlsplit(self._endpoints.base_url).netloc}>"


class Client(_Client):
    """A blocking client of the synchronous transcription services. Threads may share it; close it, or use ``with``.

    Args:
        api_key: the key, or a callable asked before each request (temporary keys live 60 s); None: the environment's.
        region: "cn-beijing" (default), "ap-southeast-1", "us-east-1", "cn-hongkong", ...
        workspace: workspace id: its own domain, or with a base_url the header.
        base_url: root of the DashScope API, ending in ``/api/v1``.
        compatible_base_url: root of the OpenAI-compatible API; by default base_url's, with that suffix replaced.
        headers: more header fields for each request; those the protocol needs cannot be overridden.
        timeouts: seconds, see `Timeouts`; limits: bounds, see `Limits`.
        ssl_context: for TLS; by default the HTTP module's, made once.
        proxy: URL of an HTTP proxy (``http://user:password@host:port``).
        trust_env: let HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY choose the proxy.
        allow_http: let the key go over plain HTTP to hosts other than this one.
        http: ``httpcore``, or a module or callable ``(*, network_backend, ssl_context, proxy) -> pool`` like it.

    Raises ConfigError, TypeError.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        region: str | None = None,
        workspace: str | None = None,
        base_url: str | None = None,
        compatible_base_url: str | None = None,
        headers: Headers | None = None,
        timeouts: Timeouts = _TIMEOUTS,
        limits: Limits = _LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        allow_http: bool = False,
        http: ModuleType | Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(
            api_key, region, workspace, base_url, compatible_base_url, headers, timeouts, limits, allow_http
        )
        self._transport = Transport(limits, ssl_context=ssl_context, proxy=proxy, trust_env=trust_env, http=http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. Streams still open raise `Closed`."""
        self._transport.close()

    def stream(
        self,
        audio: AudioInput,
        *,
        model: str,
        protocol: str | None = None,
        partials: bool = True,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> Stream:
        """Transcribe while listening to the answer: ``with client.stream(...) as stream: for update in stream: ...``

        Args:
            audio: a URL (str: ``http:// https:// oss:// data:``), a path (`os.PathLike`), or bytes.
            model: "qwen3-asr-flash", "fun-asr-flash-2026-06-15", "fun-asr-realtime", "qwen-audio-3.0-asr-flash", ...
            protocol: "openai" or "dashscope"; None: what the model and region offer.
            partials: hand out `Partial` and `TextDelta` updates; without them decoding costs much less.
            resend: a request that got no answer may be sent again. It may then be billed twice.
            timeouts: instead of the client's.
            extra: merged last into the request's parameters, for what is newer than this library.
            family: whose request shape to use for a model not known here ("fun-asr-flash", ...).
            **options: `QwenOptions`, `FunASRFlashOptions` or `FunASRRealtimeOptions`, by model.

        Raises ConfigError and TypeError here, everything else from the stream.
        """
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        return Stream(
            self, audio, arguments | {"stream": True}, partials=partials, resend=resend, timeouts=timeouts
        )

    def transcribe(
        self,
        audio: AudioInput,
        *,
        model: str,
        protocol: str | None = None,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe in one call that answers in one piece. Arguments and errors are those of `stream`."""
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        stream = Stream(
            self, audio, arguments | {"stream": False}, partials=False, resend=resend, timeouts=timeouts
        )
        with stream:
            for _ in stream:
                pass
            return stream.transcript


class AsyncClient(_Client):
    """An asynchronous client of the synchronous transcription services, on asyncio or trio. Tasks may share it.

    Arguments are those of `Client`. Close it with `aclose`, or use ``async with``.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        region: str | None = None,
        workspace: str | None = None,
        base_url: str | None = None,
        compatible_base_url: str | None = None,
        headers: Headers | None = None,
        timeouts: Timeouts = _TIMEOUTS,
        limits: Limits = _LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        allow_http: bool = False,
        http: ModuleType | Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(
            api_key, region, workspace, base_url, compatible_base_url, headers, timeouts, limits, allow_http
        )
        self._transport = AsyncTransport(limits, ssl_context=ssl_context, proxy=proxy, trust_env=trust_env, http=http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection. Streams still open raise `Closed`."""
        await self._transport.aclose()

    def stream(
        self,
        audio: AudioInput,
        *,
        model: str,
        protocol: str | None = None,
        partials: bool = True,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> AsyncStream:
        """Transcribe while listening to the answer: ``async with client.stream(...) as stream: async for update in
        stream: ...``. Arguments and errors are those of `Client.stream`."""
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        return AsyncStream(
            self, audio, arguments | {"stream": True}, partials=partials, resend=resend, timeouts=timeouts
        )

    async def transcribe(
        self,
        audio: AudioInput,
        *,
        model: str,
        protocol: str | None = None,
        resend: bool = False,
        timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None,
        family: str | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe in one call that answers in one piece. Arguments and errors are those of `stream`."""
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        stream = AsyncStream(
            self, audio, arguments | {"stream": False}, partials=False, resend=resend, timeouts=timeouts
        )
        async with stream:
            async for _ in stream:
                pass
            return stream.transcript


def _check_headers(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers or ():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError("headers are pairs of str")
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigError("the name of a header field is not a token (RFC 9110 5.6.2)")
        if name.lower() in _OURS:
            raise ConfigError(f"the header field {name} is set by the client")
        if not re.fullmatch(r"([\x21-\x7e\xa0-\xff]([\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?", value):
            raise ConfigError(f"the value of the header field {name} holds a character it cannot have (RFC 9110 5.5)")
        pairs.append((name, value))
    return tuple(pairs)


def _host(location: str | None) -> str:
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return f" to {host}" if host and re.fullmatch(r"[a-z0-9._:-]{1,253}", host) else ""


def _masked(value: Any, key: str) -> Any:
    return value.replace(key, "***") if isinstance(value, str) else value
