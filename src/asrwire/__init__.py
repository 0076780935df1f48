# asrwire: the wire-level core of streaming speech recognition over HTTP.
#
# The public names, in groups, and nothing else. Each loads its module when it is first asked for, so that nobody waits
# for what is not used: the command line for the clients, a parser for the results.

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._assembler import Update
    from ._chunked import ChunkedDecoder
    from ._client import AsyncClient, AsyncStream, Client, Stream
    from ._errors import (
        ASRWireError,
        Closed,
        ConfigError,
        ConnectFailed,
        ContentTypeError,
        DecodeError,
        HTTPStatusError,
        LimitExceeded,
        NoTimes,
        PoolTimeout,
        ProtocolError,
        ResultExpired,
        ServiceError,
        TaskFailed,
        Timeout,
        TLSFailed,
        Truncated,
    )
    from ._files import FileFailed, FileResult, read_result
    from ._limits import Limits, Timeouts
    from ._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage, Word
    from ._options import FileOptions, FunASRFlashOptions, FunASRRealtimeOptions, QwenOptions
    from ._sse import EventStreamParser, ServerSentEvent
    from ._stream import ResultStream
    from ._task import Progress, Subtask, Task
    from ._timeline import NO_TIME, WordTimeline
    from ._transcript import Finding, Transcript

__version__ = "0.1.0"

# fmt: off
__all__ = [
    # bytes
    "EventStreamParser", "ServerSentEvent", "ChunkedDecoder",
    # results
    "ResultStream", "read_result", "Update", "Partial", "Final", "Amended", "Incomplete", "TextDelta",
    "Word", "Sentence", "Usage", "Transcript", "Finding", "WordTimeline", "NO_TIME", "FileResult", "FileFailed",
    # clients
    "Client", "AsyncClient", "Stream", "AsyncStream", "Timeouts", "Limits",
    "QwenOptions", "FunASRFlashOptions", "FunASRRealtimeOptions", "FileOptions",
    # file tasks
    "Task", "Subtask", "Progress",
    # errors
    "ASRWireError", "ConfigError", "PoolTimeout", "ConnectFailed", "TLSFailed", "Timeout", "ProtocolError", "Truncated",
    "HTTPStatusError", "ContentTypeError", "DecodeError", "LimitExceeded", "ServiceError", "TaskFailed",
    "ResultExpired", "Closed", "NoTimes",
]
# fmt: on

_MODULES = {
    "_sse": "EventStreamParser ServerSentEvent",
    "_chunked": "ChunkedDecoder",
    "_stream": "ResultStream",
    "_assembler": "Update",
    "_model": "Partial Final Amended Incomplete TextDelta Word Sentence Usage",
    "_transcript": "Transcript Finding",
    "_timeline": "WordTimeline NO_TIME",
    "_files": "read_result FileResult FileFailed",
    "_client": "Client AsyncClient Stream AsyncStream",
    "_limits": "Timeouts Limits",
    "_options": "QwenOptions FunASRFlashOptions FunASRRealtimeOptions FileOptions",
    "_task": "Task Subtask Progress",
    "_errors": "ASRWireError ConfigError PoolTimeout ConnectFailed TLSFailed Timeout ProtocolError Truncated "
    "HTTPStatusError ContentTypeError DecodeError LimitExceeded ServiceError TaskFailed ResultExpired Closed NoTimes",
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        from importlib import import_module

        value: object = getattr(import_module("." + _PLACES[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
