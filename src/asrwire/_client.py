# Client and AsyncClient: the only loops that do I/O. Stream and AsyncStream: one call and its updates.
#
# Knows: the public face, in either colour. Must not know: anything that has to be decided; that is Call's, and below it
# Exchange's and ResultStream's. The two colours are kept equal by a test of names and signatures.

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from . import _requests, _tasks
from ._errors import ConfigError
from ._limits import Limits, Timeouts
from ._model import Amended, Sentence
from ._model import Final as FinalUpdate
from ._net._call import Call
from ._net._colour import Asynchronous, Blocking, Colour, drive, drive_async
from ._net._fetch import Driver
from ._net._settings import Settings
from ._tasks_client import AsyncTasks, AsyncValues, Tasks, Values
from .capture import Recorder

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Self

    from typing_extensions import Buffer

    from ._assembler import Update
    from ._files import FileFailed, FileResult
    from ._net._settings import Headers
    from ._single import OnProgress
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

    def __enter__(self) -> Self:
        drive(self._in_turn(self._entering()))
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        self._start()
        return self

    def __next__(self) -> Update:
        try:
            return self._batch.popleft()
        except IndexError:  # also where another thread's close() has just emptied it
            pass
        if self._takes_turn():
            try:
                try:
                    self._quick()
                except BaseException as error:
                    update = drive(self._going_on(error))
                else:
                    if self._batch and not self._over:
                        return self._batch.popleft()
                    update = drive(self._going_on())
            finally:
                self._turn.release()
                if self._closed:
                    drive(self._closing())
        else:
            update = drive(self._in_turn(self._reading()))
        if update is None:
            raise StopIteration
        return update

    def sentences(self) -> Iterator[Sentence]:
        """The final sentences, one by one. An amended sentence comes again with its index and a higher revision.

        Called before anything else is read, partials are not made at all; later it filters what is left.
        """
        self._start(sentences=True)
        return _Sentences(self)

    def close(self) -> None:
        """Close the connection at once, unless everything has been read. A reader elsewhere gets `Closed`."""
        drive(self._closing())


class AsyncStream(Call):
    """One streaming call: an async context manager, and an async iterator of updates once entered. Made by
    `AsyncClient.stream`. As `Stream`; only `aclose` may be called from another task.
    """

    async def __aenter__(self) -> Self:
        await drive_async(self._in_turn(self._entering()))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        self._start()
        return self

    async def __anext__(self) -> Update:
        if self._batch:
            return self._batch.popleft()
        if self._takes_turn():
            try:
                try:
                    if (waiter := self._quick()) is not None:
                        await waiter
                except BaseException as error:
                    update = await drive_async(self._going_on(error))
                else:
                    if self._batch and not self._over:
                        return self._batch.popleft()
                    update = await drive_async(self._going_on())
            finally:
                waiter = None  # its exception leads here
                self._turn.release()
                if self._closed:  # nothing there waits, so that it is done even where the event loop is gone
                    await drive_async(self._closing())
        else:
            update = await drive_async(self._in_turn(self._reading()))
        if update is None:
            raise StopAsyncIteration
        return update

    def sentences(self) -> AsyncIterator[Sentence]:
        """As `Stream.sentences`."""
        self._start(sentences=True)
        return _AsyncSentences(self)

    async def aclose(self) -> None:
        """Close the connection at once, unless everything has been read. A reader elsewhere gets `Closed`."""
        await drive_async(self._closing())


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

S = TypeVar("S", Stream, AsyncStream)


class _Client(Settings, Generic[S]):
    _colour: ClassVar[type[Colour]]
    _kind: type[S]

    def __init__(
        self, api_key: str | Callable[[], str] | None = None, *, region: str | None = None,
        workspace: str | None = None, base_url: str | None = None, compatible_base_url: str | None = None,
        headers: Headers | None = None, timeouts: Timeouts = _TIMEOUTS, limits: Limits = _LIMITS,
        ssl_context: ssl.SSLContext | None = None, proxy: str | None = None, trust_env: bool = False,
        allow_http: bool = False, http: ModuleType | Callable[..., Any] | None = None,
    ) -> None:
        endpoints = {
            "region": region, "workspace": workspace, "base_url": base_url, "compatible_base_url": compatible_base_url,
            "allow_http": allow_http,
        }
        transport = {"ssl_context": ssl_context, "proxy": proxy, "trust_env": trust_env, "http": http}
        super().__init__(self._colour(), api_key, headers, timeouts, limits, endpoints, transport)

    def stream(
        self, audio: AudioInput, *, model: str, protocol: str | None = None, partials: bool = True,
        resend: bool = False, timeouts: Timeouts | None = None, extra: Mapping[str, object] | None = None,
        family: str | None = None, capture: Recorder | None = None, **options: Any,
    ) -> S:
        """Transcribe while listening to the answer; enter what this returns, then iterate over it (in `AsyncClient`
        with ``async with`` and ``async for``): ``with client.stream(...) as stream: for update in stream: ...``

        Args:
            audio: a URL (str: ``http:// https:// oss:// data:``), a path (`os.PathLike`), or bytes.
            model: "qwen3-asr-flash", "fun-asr-flash-2026-06-15", "fun-asr-realtime", "qwen-audio-3.0-asr-flash", ...
            protocol: "openai" or "dashscope"; None: what the model and region offer.
            partials: hand out `Partial` and `TextDelta` updates; without them, only what is final or cut.
            resend: a request that got no answer may be sent again. It may then be billed twice.
            timeouts: instead of the client's.
            extra: merged last into the request's parameters, for what is newer than this library.
            family: whose request shape to use for a model not known here ("fun-asr-flash", ...).
            capture: what records the call (`asrwire.capture.Recorder`), or nothing.
            **options: `QwenOptions`, `FunASRFlashOptions` or `FunASRRealtimeOptions`, by model.

        Raises ConfigError and TypeError here, everything else from the stream.
        """
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        if not (capture is None or isinstance(capture, Recorder)):
            raise TypeError(f"capture must be an asrwire.capture.Recorder or None, not {type(capture).__name__}")
        return self._kind(
            self, audio, arguments, stream=True, partials=partials, resend=resend, timeouts=timeouts, recorder=capture
        )

    def _file(
        self, audio: AudioInput, resend: bool, timeouts: Timeouts | None, arguments: dict[str, Any]
    ) -> Driver[Transcript] | None:
        # A model of file tasks takes a conversation instead of a call; None for any other.
        model = arguments["model"]
        if _requests.file_family(model, arguments["family"]) is None:
            return None
        more = {"timeout": None, "resend": resend, **arguments}
        if more.pop("protocol") not in (None, "dashscope"):
            raise ConfigError(f"{model!r} is a file-task model, and those have protocol='dashscope' only")
        if not isinstance(audio, str):
            raise TypeError(f"{model!r} is a file-task model: audio is a URL (str), not {type(audio).__name__}")
        return Driver(self, _tasks.transcribe_file, audio, timeouts=timeouts, **more)

    def _whole(self, audio: AudioInput, resend: bool, timeouts: Timeouts | None, arguments: dict[str, Any]) -> S:
        return self._kind(self, audio, arguments, stream=False, partials=False, resend=resend, timeouts=timeouts)


class Client(_Client[Stream]):
    """A blocking client of the transcription services. Threads may share it; close it, or use ``with``.

    Args:
        api_key: the key, or a callable asked before each request (temporary keys live 60 s); None: the environment's.
        region: "cn-beijing" (default), "ap-southeast-1", "us-east-1", "cn-hongkong", ...
        workspace: workspace id: its own domain, or with a base_url the header.
        base_url: root of the DashScope API, ending in ``/api/v1``.
        compatible_base_url: root of the OpenAI-compatible API; by default base_url's, with that suffix replaced.
        headers: more header fields for each request; those the protocol needs cannot be overridden.
        timeouts: seconds, see `Timeouts`.
        limits: bounds, see `Limits`.
        ssl_context: for TLS; by default the HTTP module's, made once.
        proxy: URL of an HTTP proxy (``http://user:password@host:port``).
        trust_env: let HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY choose the proxy.
        allow_http: let the key go over plain HTTP to hosts other than this one.
        http: ``httpcore``, a module like it, or a callable ``(*, network_backend, ssl_context, proxy) -> pool``; with
            ``http2=True`` that pool speaks HTTP/2 where the service chooses it.

    Raises ConfigError, TypeError.
    """

    _colour = Blocking
    _kind = Stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. Streams still open raise `Closed`."""
        drive(self._transport.close())

    def transcribe(
        self, audio: AudioInput, *, model: str, protocol: str | None = None, resend: bool = False,
        timeouts: Timeouts | None = None, extra: Mapping[str, object] | None = None, family: str | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe in one call that answers in one piece. Arguments and errors are those of `stream`.

        Any model: with one of file tasks (`FileOptions`) it submits the URL, waits within ``Timeouts.total``, and
        fetches the result.
        """
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        driver = self._file(audio, resend, timeouts, arguments)
        if driver is not None:
            return drive(driver.result())
        with self._whole(audio, resend, timeouts, arguments) as stream:
            for _ in stream:
                pass
            return stream.transcript

    def transcribe_files(
        self, urls: str | Iterable[str], *, model: str, on_progress: OnProgress | None = None,
        timeout: float | None = None, resend: bool = False, timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None, family: str | None = None, **options: Any,
    ) -> Iterator[FileResult | FileFailed]:
        """Transcribe any number of files, in as many tasks as it takes, and hand out each as it finishes.

        Args:
            urls: what the service is to fetch (``http:// https:// oss://``). One given twice is billed once.
            model: "fun-asr", "paraformer-v2", "qwen3-asr-flash-filetrans", ...
            on_progress: called with a `Progress` for each task and file.
            timeout: seconds, bounded by ``Timeouts.total``; None: as long as it takes.
            resend: a submit that got no answer may be sent again. Its files may then be billed twice.
            timeouts: instead of the client's.
            extra: merged last into the parameters of each submit, for what is newer than this library.
            family: whose request shape to use for a model not known here.
            **options: `FileOptions`.

        What became of one file is that file's (`FileFailed`). Raises what concerns all of them while no task has been
        made, and `Timeout` with ``phase`` "wait" whose ``output`` has the tasks not finished.
        """
        arguments: dict[str, Any] = {"model": model, "family": family, "extra": extra, "options": options}
        arguments |= {"timeout": timeout, "resend": resend, "on_progress": on_progress}
        return Values(Driver(self, _tasks.transcribe_files, urls, timeouts=timeouts, **arguments))

    @property
    def tasks(self) -> Tasks:
        """File tasks: submit, get, wait, cancel, list, results, find."""
        return Tasks(self)


class AsyncClient(_Client[AsyncStream]):
    """An asynchronous client of the transcription services, on asyncio or trio. Tasks may share it.

    Arguments are those of `Client`. Close it with `aclose`, or use ``async with``.
    """

    _colour = Asynchronous
    _kind = AsyncStream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection. Streams still open raise `Closed`."""
        await drive_async(self._transport.close())

    async def transcribe(
        self, audio: AudioInput, *, model: str, protocol: str | None = None, resend: bool = False,
        timeouts: Timeouts | None = None, extra: Mapping[str, object] | None = None, family: str | None = None,
        **options: Any,
    ) -> Transcript:
        """As `Client.transcribe`."""
        arguments = {"model": model, "protocol": protocol, "family": family, "extra": extra, "options": options}
        driver = self._file(audio, resend, timeouts, arguments)
        if driver is not None:
            return await drive_async(driver.result())
        async with self._whole(audio, resend, timeouts, arguments) as stream:
            async for _ in stream:
                pass
            return stream.transcript

    def transcribe_files(
        self, urls: str | Iterable[str], *, model: str, on_progress: OnProgress | None = None,
        timeout: float | None = None, resend: bool = False, timeouts: Timeouts | None = None,
        extra: Mapping[str, object] | None = None, family: str | None = None, **options: Any,
    ) -> AsyncIterator[FileResult | FileFailed]:
        """As `Client.transcribe_files`."""
        arguments: dict[str, Any] = {"model": model, "family": family, "extra": extra, "options": options}
        arguments |= {"timeout": timeout, "resend": resend, "on_progress": on_progress}
        return AsyncValues(Driver(self, _tasks.transcribe_files, urls, timeouts=timeouts, **arguments))

    @property
    def tasks(self) -> AsyncTasks:
        """File tasks: submit, get, wait, cancel, list, results, find."""
        return AsyncTasks(self)
