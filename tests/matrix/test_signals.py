# The loops in C look at signals, so that Ctrl-C does not wait for a long input to end.

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from asrwire import ChunkedDecoder, Closed, EventStreamParser, ProtocolError

COUNT = 20_000_000


class Now(Exception):
    pass


def interrupted(start_again: Callable[[], Any], feed: Callable[[], Any]) -> None:
    def handler(*_: object) -> None:
        raise Now

    def go_on() -> None:
        while True:
            start_again()
            feed()

    old = signal.signal(signal.SIGUSR1, handler)
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.05; kill -USR1 {os.getpid()}"])  # the kernel needs no GIL
    try:
        with pytest.raises(Now):
            go_on()
    finally:
        killer.wait()
        signal.signal(signal.SIGUSR1, old)


def test_an_event_stream_parser_can_be_interrupted() -> None:
    wire, parser = b":\n\n" * COUNT, EventStreamParser()
    interrupted(parser.reset, lambda: parser.feed(wire))
    assert 0 < parser.comments_seen < COUNT
    with pytest.raises(Closed):
        parser.feed(b":\n\n")  # its place in the stream is lost
    parser.reset()
    assert parser.feed(b"data:1\n\n")[0].data == "1"


def test_a_chunked_decoder_can_be_interrupted() -> None:
    wire, decoder = b"1\r\na\r\n" * COUNT, ChunkedDecoder()
    interrupted(decoder.reset, lambda: decoder.feed(wire))
    with pytest.raises(ProtocolError, match="half way"):
        decoder.feed(b"0\r\n\r\n")
    decoder.reset()
    assert decoder.feed(b"1\r\na\r\n") == b"a"
