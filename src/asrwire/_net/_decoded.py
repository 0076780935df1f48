# Decoded: a response body that the HTTP module takes out of its frames itself (HTTP/2), read like one that is not.
#
# Knows: iterating over a response of httpcore. Must not know: frames, what the body means. Timers and errors are those
# of the exchange, which every read and write of the connection asks.

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from .._errors import Truncated
from ._exchange import Exchange

# The HTTP module closes what it is interrupted in, and then says that the body is over.
_INTERRUPTED: Final = "a read that was interrupted has ended the response body"


class Decoded:
    """For threads."""

    quick = None
    _interrupted = False

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._pieces: Any = iter(stream)
        self._exchange = exchange

    def read_body(self) -> bytes:
        """The next bytes of the body; b"" at its end."""
        try:
            self._exchange.left()
            if self._interrupted:
                raise Truncated(_INTERRUPTED)
            for data in self._pieces:
                if data:  # else an empty frame
                    found: bytes = data
                    return found
            return b""
        except Exception as error:
            raise self._exchange.fault(error) from None
        except BaseException:
            self._interrupted = True
            raise

    def feed(self, take: Callable[[bytes], bool]) -> None:
        """Give `take` what `read_body` gives, until it returns True."""
        while not take(self.read_body()):
            pass

    def close(self) -> None:
        with suppress(Exception):
            self._pieces.close()


class AsyncDecoded:
    """For tasks."""

    quick = None
    _interrupted = False

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._pieces: Any = aiter(stream)
        self._exchange = exchange

    async def read_body(self) -> bytes:
        """The next bytes of the body; b"" at its end."""
        try:
            self._exchange.left()
            if self._interrupted:
                raise Truncated(_INTERRUPTED)
            async for data in self._pieces:
                if data:
                    found: bytes = data
                    return found
            return b""
        except Exception as error:
            raise self._exchange.fault(error) from None
        except BaseException:
            self._interrupted = True
            raise

    async def feed(self, take: Callable[[bytes], bool]) -> None:
        """Give `take` what `read_body` gives, until it returns True."""
        while not take(await self.read_body()):
            pass

    async def close(self) -> None:
        import anyio

        with anyio.CancelScope(shield=True), suppress(Exception):
            await self._pieces.aclose()
