# Body: the bytes of one response body, from the framing on the wire to the content.
#
# Knows: message framing (RFC 9112 6.3), chunks, gzip, their limits, and whether anything follows the body. Must not
# know sockets, timers, or what the content means. The framing is taken from the head as httpcore parsed it.

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from .._chunked import ChunkedDecoder
from .._errors import ASRWireError, LimitExceeded, ProtocolError, Truncated
from .._limits import Limits

RATIO: Final = 200  # to one: what text does not reach, and a compression bomb does
_RATIO_FROM: Final = 2**20  # bytes; smaller bodies do no harm

Headers = Sequence[tuple[bytes, bytes]]


def field(headers: Headers, name: bytes) -> str | None:
    """The value of a header field, several joined by a comma (RFC 9110 5.3), or None."""
    values = [value for key, value in headers if key.lower() == name]
    return b", ".join(values).decode("latin-1") if values else None


class Body:
    """Decodes one body as it arrives.

    Attributes:
        at_end: the framing says that the body is complete.
        unframed: only the end of the connection ends this body.
        extra: bytes came after the end; they belong to nobody, and the connection must not be used again.
    """

    def __init__(self, status: int, headers: Headers, limits: Limits, framed: bool = False) -> None:
        """`framed`: another has taken the message apart (HTTP/2), and the end of input is the body's.

        Raises ProtocolError for framing that two readers could understand differently, and for content codings other
        than gzip."""
        self.at_end = self.unframed = self.extra = False
        self._limits = limits
        self._framed = framed
        self._chunked: ChunkedDecoder | None = None
        self._length = self._left = 0
        length = field(headers, b"content-length")
        if status < 200:
            raise ProtocolError(f"status {status} as a final response")
        if status in (204, 304):
            self.at_end = True
        elif framed:
            pass
        elif field(headers, b"transfer-encoding") is not None:
            if length is not None:
                raise ProtocolError("Content-Length beside Transfer-Encoding (RFC 9112 6.1)")
            self._chunked = ChunkedDecoder(
                max_line=limits.chunk_line, max_extensions=limits.chunk_extensions, max_trailers=limits.trailers
            )
        elif length is not None:
            self._length = self._left = int(length.partition(",")[0])  # h11 has compared repeated values
            self.at_end = self._left == 0
        else:
            self.unframed = True
        coding = (field(headers, b"content-encoding") or "identity").strip().lower()
        if coding not in ("identity", "gzip", "x-gzip"):
            raise ProtocolError(f"content coding {coding[:40]!r} was not asked for")
        self._gzip = None if coding == "identity" else _Gunzip(limits)

    def receive(self, data: bytes) -> bytes:
        """The content in the next bytes off the wire. An error carries what was decoded before it in `output`."""
        chunked = self._chunked
        if chunked is not None:
            try:
                found = chunked.feed(data)
            except ASRWireError as error:
                error.output = self._content(error.output or b"")
                raise
            if chunked.at_end:
                self.at_end, self.extra = True, bool(chunked.unused_data)
        elif self._framed or self.unframed:
            found = data
        else:
            found = data[: self._left]
            self._left -= len(found)
            self.at_end = self._left == 0
            self.extra = len(found) < len(data)
        if self._gzip is None:
            return found
        content = self._gzip.decompress(found)
        if self.at_end:
            self._check_coding(content)
        return content

    def receive_eof(self) -> None:
        """The connection ended. Raises Truncated unless that is the body's end."""
        if self.at_end:
            return
        if self._chunked is not None:
            raise Truncated("the connection was closed inside a chunked body")
        if not (self._framed or self.unframed):
            got = self._length - self._left
            raise Truncated(f"the connection was closed after {got} of {self._length} bytes of the body")
        self.at_end = True
        self._check_coding(b"")

    @property
    def reusable(self) -> bool:
        """The connection holds nothing of this body any more."""
        return self.at_end and not (self.unframed or self.extra or self._length > 2**20)

    def stand_in(self) -> bytes:
        """Bytes of a body of the same framing, for the HTTP module's own parser: it saw the head only, and takes the
        connection for free when it has seen an end."""
        return b"0\r\n\r\n" if self._chunked is not None else bytes(self._length)

    def _content(self, data: bytes) -> bytes:
        return data if self._gzip is None else self._gzip.decompress(data)

    def _check_coding(self, content: bytes) -> None:
        if self._gzip is not None and self._gzip.open:
            raise Truncated("the gzip data ends too early", output=content)


class _Gunzip:
    # gzip (RFC 1952), several members allowed. `open`: a member has begun and not ended, or none has come.

    def __init__(self, limits: Limits) -> None:
        self.open = True
        self._limit = limits.decompressed
        self._taken = self._made = 0
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes) -> bytes:
        self._taken += len(data)
        made: list[bytes] = []
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self.open = True
            before = self._member.copy()
            try:
                piece = self._member.decompress(data, 65536)
            except zlib.error:
                made.append(_until_wrong(before, data))
                raise ProtocolError("the body is not the gzip of its Content-Encoding", output=b"".join(made)) from None
            self._made += len(piece)
            made.append(piece)
            over = self._made > self._limit
            if over or (self._made > _RATIO_FROM and self._made > RATIO * self._taken):
                growth = f"to more than {self._limit} bytes" if over else f"more than {RATIO}:1"
                raise LimitExceeded(f"a compressed body grows {growth} (decompressed)", output=b"".join(made))
            self.open = not self._member.eof
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(made)


def _until_wrong(member: zlib._Decompress, data: bytes) -> bytes:
    # A call that fails has nothing to show for what it had read before the wrong byte.
    made: list[bytes] = []
    for at in range(len(data)):
        try:
            made.append(member.decompress(data[at : at + 1]))
        except zlib.error:
            break
    return b"".join(made)
