# Attempt: one request and its response, until its connection is given back or closed.
#
# Knows: which header fields go where (a request without credentials carries none of the client's), how a head is
# accepted, how a body is read within its timers and bounds. Must not know: what a body means, whether anything is sent
# again, the colour.

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from .. import _codes
from .._errors import ASRWireError, LimitExceeded
from .._masks import masked as _masked
from ._body import Body, field
from ._colour import Steps
from ._exchange import Exchange
from ._transport import Channel, Wire

if TYPE_CHECKING:
    from .._limits import Timeouts
    from .._requests import Request
    from ._settings import Settings

GET_HEAD: Final = 30.0  # seconds to the head of an answer that nothing has to be computed for


class Attempt:
    """One request on its way, and its response.

    Attributes:
        exchange: its timers and how much of it has been sent.
        channel: its connection.
        status: status of the response, or None before it came.
        fields: header fields of the response, as received.
        body: decodes the response's body; None before the head, and where a head with an error status garbles it.
    """

    def __init__(
        self, client: Settings, request: Request, key: str, timeouts: Timeouts, deadline: float | None
    ) -> None:
        if request.method == "GET" and timeouts.head is not None:
            timeouts = replace(timeouts, head=min(timeouts.head, GET_HEAD))
        transport = client._transport
        self._client = client
        self._small = request.credentials
        self._billable = bool(request.body)
        self._key = key if request.credentials else ""
        self.exchange = Exchange(
            transport.http, timeouts, client._limits, body_size=len(request.body), deadline=deadline
        )
        self.channel = Channel(transport, self.exchange)
        self.status: int | None = None
        self.fields: tuple[tuple[bytes, bytes], ...] = ()
        self.body: Body | None = None

    @property
    def good(self) -> bool:
        """The status is a 2xx."""
        return self.status is not None and 200 <= self.status < 300

    def open(self, request: Request) -> Steps[None]:
        """Send `request`, which is not kept, and accept the head of its response, whatever its status. Raises what
        `Transport.open` and `Body` raise."""
        yield from self._client._transport.open(self.channel, wire(request, self._key, self._client._headers))
        self.fields = tuple((name, _masked(value, self._key)) for name, value in self.channel.headers)
        self.status = self.channel.status
        try:
            self.body = Body(self.status, self.fields, self._client._limits, self.channel.framed)
        except ASRWireError as error:
            if self.good or self.status < 200:  # else the status says more
                self.describe(error)
                yield from self.channel.drop()
                raise
        self.exchange.head_read()

    def content(self, limit: str) -> Steps[bytes]:
        """The whole body, of at most as many bytes as the member `limit` of `Limits` says, and give the connection
        back. Raises LimitExceeded and what `Body` and `Exchange` raise."""
        body, most = self.body, getattr(self._client._limits, limit)
        assert body is not None
        whole, received = BytesIO(), 0  # whose value is taken without a copy
        try:
            while not body.at_end:
                # A small answer has the head's timer to its end, a file the idle one for each KiB of it.
                self.exchange.waiting(0 if self._small else 1 + received // 1024)
                data = yield self.channel.read
                received += len(data)
                if data:
                    whole.write(body.receive(data))
                else:
                    body.receive_eof()
                if whole.tell() > most:
                    raise LimitExceeded(f"a body of more than {most} bytes ({limit})")
        except BaseException as error:
            if isinstance(error, ASRWireError):
                self.describe(error)
                error.output = None
            yield from self.channel.drop()
            raise
        yield from self.settle()
        return whole.getvalue()

    def error_content(self) -> Steps[bytes]:
        """What can be had of the body beside an error status within two seconds and `Limits.error_body`."""
        body, most = self.body, self._client._limits.error_body
        found = b""
        self.exchange.waiting_for_error_body()
        try:
            while body is not None and not body.at_end and len(found) < most:
                data = yield self.channel.read
                if data:
                    found += body.receive(data)
                else:
                    body.receive_eof()
        except ASRWireError as trouble:  # the status says more than what became of its body
            found += trouble.output or b""
        except BaseException:
            yield from self.channel.drop()
            raise
        yield from self.settle()
        return found[:most]

    def settle(self) -> Steps[None]:
        """Nothing more is read: the connection is kept if the body was, to its last byte."""
        if self.body is not None and self.body.reusable:
            yield from self.channel.finish(self.body.stand_in())
        else:
            yield from self.channel.drop()

    def describe(self, error: ASRWireError) -> None:
        """Attach what is known of this attempt."""
        self.exchange.describe(error)
        self.sign(error)

    def sign(self, error: ASRWireError) -> None:
        """Attach whose answer `error` is about and what to do about it, and hide the key."""
        error.args = (_codes.guided(error, self._billable),)
        error.request_id = error.request_id or field(self.fields, b"x-request-id")
        error.http_status = error.http_status or self.status
        hide(self._key, error)

    def masked(self, value: str | None) -> str | None:
        """What the service said, without the key."""
        masked: str | None = _masked(value, self._key)
        return masked


def hide(key: str, error: ASRWireError) -> None:
    """Leave no `key` in what `error` tells: a service may echo the one it was given."""
    error.args = tuple(_masked(value, key) for value in error.args)
    error.code = _masked(error.code, key)
    error.request_id = _masked(error.request_id, key)


def wire(request: Request, key: str, more: tuple[tuple[str, str], ...]) -> Wire:
    """The request as it is sent, with the header fields `more`."""
    fields = {"host": ("Host", urlsplit(request.url).netloc), "user-agent": ("User-Agent", "asrwire")}
    if request.credentials:
        fields["authorization"] = ("Authorization", f"Bearer {key}")
    fields |= {name.lower(): (name, value) for name, value in request.headers}
    if request.method != "GET":
        fields["content-length"] = ("Content-Length", str(len(request.body)))
    if request.credentials:
        fields |= {name.lower(): (name, value) for name, value in more}
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.values())
    return Wire(request.method, request.url, headers, request.body)
