# What a service echoes of a key, and where a signed file has moved to, is shown nowhere.

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tests.matrix import heard
from tests.matrix.test_secrets import QUERY, RESULT, SIGNED, check, drained, files
from tests.servers import KEY, Colour, Server, sized

pytestmark = pytest.mark.transport


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def test_no_log_shows_where_a_file_has_moved_to(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> list[Any]:
        async with colour.client(api) as client:
            return await drained(client, lambda c: c.transcribe_files([SIGNED], model="fun-asr"))

    caplog.set_level(1)
    with Server() as storage, Server() as api:
        moved = f"Location: http://127.0.0.1:{storage.port}/there?{QUERY}\r\n"
        storage._answers = (sized(b"", b"302 X", more=moved.encode()), sized(RESULT))
        api._answers = tuple(files(api.port, storage.port))
        colour.run(scenario)
    check(caplog.text)


def test_a_key_echoed_in_a_header_is_not_logged(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            await heard(client)

    caplog.set_level(1)
    with Server(sized(b"{}", b"401 X", more=b"X-Request-Id: %b\r\n" % KEY.encode())) as server:
        colour.run(scenario)
    check(caplog.text)


def test_a_key_echoed_as_an_id(colour: Colour) -> None:
    async def scenario() -> Any:
        async with colour.client(server) as client:
            return (await heard(client))[1:]

    echo = b'{"code":"X","message":"m","request_id":"%b"}' % KEY.encode()
    named = b"X-Request-Id: %b\r\n" % KEY.encode()
    for answer in (sized(echo), sized(echo, b"401 X"), sized(b"{}", b"401 X", more=named)):
        with Server(answer) as server:
            error, stream = colour.run(scenario)
        assert KEY.encode() not in pickle.dumps(error)
        assert KEY not in str(stream.request_id)
        check(stream.transcript.to_json())
