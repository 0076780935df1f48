"""Where the values of a JSON text begin and end, without decoding them."""

def items(data: bytes, at: int = 0) -> tuple[list[tuple[int, int]], int] | None:
    """The values directly inside the array or object that begins at ``at`` or after white space there.

    Returns (start, stop) of each in bytes, of an object each key and each value in turn, and where the bracket's
    partner ends. None where there is no array or object with values, commas and colons as RFC 8259 2 wants them; the
    values themselves are not looked into.
    """

def simd() -> str:
    """What compares bytes on this machine: "AVX2", "SSE2", or "none" where that is left to plain C."""
