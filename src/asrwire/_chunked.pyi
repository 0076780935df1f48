"""Chunked bodies (RFC 9112 7.1), strict."""

from typing import final

from typing_extensions import Buffer

@final
class ChunkedDecoder:
    """An incremental decoder of the chunked transfer coding, strict: CRLF only, at most 16 hex digits and 2**53 bytes a
    chunk, no folding, no control bytes in extensions or trailers.

    Args:
        max_line: bytes of one chunk-size line.
        max_extensions: bytes of chunk extensions per MiB of body begun.
        max_trailers: bytes of the trailer section.

    Attributes:
        at_end: the body is complete.
        unused_data: the bytes after it, exactly.
        trailers: (name, value) as received, white space around the value removed.
        offset: bytes of the coded body consumed.
    """

    def __new__(
        cls, *, max_line: int = 4096, max_extensions: int = 16384, max_trailers: int = 16384
    ) -> ChunkedDecoder: ...
    @property
    def at_end(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def trailers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def offset(self) -> int: ...
    def feed(self, data: Buffer) -> bytes:
        """Takes the next bytes; returns the chunk-data found in them, joined.

        Raises:
            ProtocolError: at the first wrong byte; ``offset`` is its place in the coded body, ``output`` what this call
                had found before it. The decoder refuses input with the same error until `reset`.
            LimitExceeded: a bound was passed; the same attributes.
            Closed: used from two threads at once.
        """

    def reset(self) -> None:
        """Makes the decoder new; the limits stay."""
