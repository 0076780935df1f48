"""Where the values of a JSON text begin and end, without decoding them."""

def items(data: bytes, at: int = 0) -> tuple[list[tuple[int, int]], int] | None:
    """The values directly inside the array or object that begins at or after ``at``: (start, stop) of each, in bytes; of
    an object each key and each value in turn. And where its bracket's partner ends. None where what is there is not an
    array or object with values, commas and colons as RFC 8259 wants them; the values themselves are not looked into.
    """
