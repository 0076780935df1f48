# Client and AsyncClient: the only loops that do I/O. Stream and AsyncStream: one call and its updates.
#
# Knows: how to wait, in either colour. Must not know: anything that has to be decided; that is Call's, and below it
# Exchange's and ResultStream's. The two colours are kept equal by a test of names and signatures.

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from ._audio import load
from ._errors import ASRWireError, Closed
from ._limits import Limits, Timeouts
from ._model import Amended, Sentence
from ._model import Final as FinalUpdate
from ._net._call import Call, Settings
from ._net._transport import AsyncChannel, AsyncTransport, Channel, Transport

if TYPE_CHECKING:
    import os
    from typing import Self

    from typing_extensions import Buffer

    from ._assembler import Update
    from ._net._call import Headers
    from ._transcript import Transcript

    AudioInput = str | os.PathLike[str] | Buffer

_TIMEOUTS: Final = Timeouts()
_LIMITS: Final = Limits()


# == streams ==========================================================================================================


class Stream(Call):
    """One streaming call: a context manager, and an iterator of updates once entered. Made by `Client.stream`.

    Entering sends the request and raises what keeps it from being answered with a result. Iterating raises what ends
    the stream early, after the updates received before it and an `Incomplete` for each sentence left open. One pass,
    one reader; only `close` may be called from another thread.
    """

    _client: Client
    _channel: Channel | None = None

    def __enter__(self) -> Self:
        self._enter()
        self._build(load(self._audio))
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
                self._shut()
                if channel is not None:
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


class AsyncStream(Call):
    """One streaming call: an async context manager, and an async iterator of updates once entered. Made by
    `AsyncClient.stream`.

    Entering sends the request and raises what keeps it from being answered with a result. Iterating raises what ends
    the stream early, after the updates received before it and an `Incomplete` for each sentence left open. One pass,
    one reader; only `aclose` may be called from another task.
    """

    _client: AsyncClient
    _channel: AsyncChannel | None = None

    async def __aenter__(self) -> Self:
        import anyio
        from anyio import to_thread

        self._enter()
        self._build(await to_thread.run_sync(load, self._audio))
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
        if not self._turn.acquire(blocking=False):
            raise Closed("a stream has one pass and one reader")
        try:
            self._check()
            while not self._batch and not self._over:
                await self._pull()
            update = self._hand_out()
        finally:
            self._turn.release()
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
        if self._turn.acquire(blocking=False):
            try:
                self._shut()
            finally:
                self._turn.release()


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


class Client(Settings):
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


class AsyncClient(Settings):
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
