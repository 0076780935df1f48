# The text of an error that is no answer of the service says what to do next.

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest

from asrwire import Limits
from tests.matrix import full, listen, short, then
from tests.servers import CHUNKED, END, GOOD, ONE, OPEN, Colour, Server, chunk, contexts, sized

pytestmark = pytest.mark.transport

LOST = r"may have been billed.*resend=True|resend=True.*billed"
NEXT: dict[str, tuple[Any, dict[str, Any], str]] = {
    "closed without a word": (then(), {}, LOST),
    "reset without a word": (then(last="reset"), {}, LOST),
    "not HTTP": (then(b"220 ftp\r\n\r\n"), {}, r"base_url|proxy"),
    "head timer": (then(last="wait"), {"timeouts": short(head=0.05)}, r"Timeouts\.head"),
    "idle timer": (then(CHUNKED + chunk(ONE), last="wait"), {"timeouts": short(idle=0.05)}, r"Timeouts\.idle"),
    "total timer": (then(CHUNKED + chunk(ONE), last="wait"), {"timeouts": short(total=0.05)}, r"Timeouts\.total"),
    "cut": (then(CHUNKED + chunk(ONE)), {}, r"\.partial"),
    "sentence open": (CHUNKED + chunk(ONE + OPEN) + END, {}, r"\.partial"),
    "empty": (CHUNKED + END, {}, r"request id|try again"),
    "event_size": (CHUNKED + chunk(ONE + b"data:" + b"x" * 5000), {"limits": Limits(event_size=4096)}, r"Limits"),
    "head_size": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000, {}, r"Limits"),
    "not JSON": (CHUNKED + chunk(b"data:{x\n\n") + END, {}, r"report"),
    "HTML": (sized(b"<html>", kind=b"text/html"), {}, r"base_url|proxy"),
    "redirect": (sized(b"", b"302 X", more=b"Location: https://e.example\r\n"), {}, r"base_url"),
    "a code nobody knows": (sized(b'{"code":"Xyz","message":"no"}'), {}, r"request id"),
    "certificate": (GOOD, {"tls": True, "ssl_context": ssl.create_default_context()}, r"ssl_context"),
}


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.mark.parametrize("name", NEXT)
def test_the_text_says_what_to_do_next(colour: Colour, name: str) -> None:
    answer, settings, words = NEXT[name]
    settings = dict(settings)
    with Server(answer, tls=settings.pop("tls", False)) as server:
        _, error, _ = listen(colour, server, **settings)
    assert re.search(words, str(error)), str(error)


def test_who_cannot_connect_is_told_what_to_check(colour: Colour) -> None:
    for url in ("http://127.0.0.1:1/api/v1", "https://nowhere.invalid/api/v1"):
        _, error, _ = listen(colour, None, base_url=url, ssl_context=contexts()[1])
        assert re.search(r"base_url|network|proxy", str(error)), str(error)
    with full() as url:
        _, error, _ = listen(colour, None, base_url=url, timeouts=short(connect=0.05))
    assert "Timeouts.connect" in str(error)
