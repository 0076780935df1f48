# `asrwire doctor`: whether everything is here that a call needs, and with --live what the service answers to one.
#
# Knows: what to look at here, how rows read as a table. Must not know: how requests are made, what an answer tells
# (_answer). No value of an environment variable is shown: keys are secrets, and proxies have passwords in them.

from __future__ import annotations

import argparse
import io
import math
import os
import platform
import ssl
import sys
import time
import wave
from array import array
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import _requests, _scan
from .._client import Client
from .._errors import ASRWireError, ConfigError
from ..capture import Capture, Recorder
from ._answer import Row, answer
from ._arguments import service
from ._captions import finished
from ._terminal import harmless, takes_control_codes, tell, width

_NEEDED = ("httpcore", "h11", "anyio", "certifi", "orjson")
_OPTIONAL = ("httpcore2", "h2", "uvloop", "trio", "trustme", "matplotlib")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_COLOURS = {"ok": "\x1b[32m", "note": "\x1b[33m", "wrong": "\x1b[31m"}
_RELEASED = datetime(2026, 1, 1, tzinfo=UTC)  # no clock that is right shows an earlier time


def run(args: argparse.Namespace) -> int:
    """Look at everything; with ``args.live`` make a call too. Returns 0, 1 where something is wrong, or 130 after
    Ctrl-C; raises what ended the call."""
    rows = [*machine(), *settings(args, os.environ), *connections(os.environ)]
    print("\n".join(["Here", *table(rows)]), flush=True)
    wrong = [row.name for row in rows if row.state == "wrong"]
    if args.live and not wrong:
        return _live(args)
    print("\n" + (f"Wrong: {', '.join(wrong)}" if wrong else "Everything is here that a call needs"), flush=True)
    return 1 if wrong else 0


def table(rows: list[Row]) -> list[str]:
    """The rows as lines for stdout: what is wrong, or worth a note, says so, and in colour where it can."""
    wide = max(len(row.name) for row in rows) + 2
    columns, paint = width(sys.stdout), takes_control_codes(sys.stdout)
    lines: list[str] = []
    for name, value, state in rows:
        text = harmless(" ".join(value.split()))
        before = [("  ", ""), (f"{name:<{wide}}", _COLOURS[state])]
        lines += finished(before, text if state == "ok" else f"{state}: {text}", columns, paint=paint)
    return lines


# == here ==============================================================================================================


def machine() -> Iterator[Row]:
    """Python, what is compiled, what is installed, the clock."""
    yield Row("python", f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    folder = Path(__file__).parent.parent
    count = sum(path.name.endswith(tuple(EXTENSION_SUFFIXES)) for path in folder.iterdir())
    simd = _scan.simd()
    yield Row("extensions", f"{count} compiled, SIMD: {simd}", "note" if simd == "none" else "ok")
    yield Row("asrwire", _version("asrwire") or "not installed")
    for name in _NEEDED:
        found = _version(name)
        yield Row(name, found or "not installed", "ok" if found else "wrong")
    there = {name: _version(name) for name in _OPTIONAL}
    yield Row("optional", ", ".join(f"{name} {found}" for name, found in there.items() if found) or "none")
    now = datetime.now(UTC)
    step = time.get_clock_info("monotonic").resolution
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC, monotonic in steps of {step * 1e9:g} ns"
    yield Row("clock", told, "ok" if now >= _RELEASED else "wrong")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def settings(args: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Row]:
    """The key, if there is one, and where calls go."""
    try:
        _requests.api_key(None, environ)
    except ConfigError as error:
        yield Row("key", str(error), "wrong")
    else:
        inline = environ.get("DASHSCOPE_API_KEY")
        yield Row("key", f"from {'DASHSCOPE_API_KEY' if inline else 'the file of DASHSCOPE_API_KEY_FILE_PATH'}")
    try:
        endpoints = _requests.resolve(**service(args), environ=environ)
    except ConfigError as error:
        yield Row("service", str(error), "wrong")
        return
    yield Row("service", endpoints.base_url)
    yield Row("compatible", endpoints.compatible_base_url)
    yield Row("region", f"{endpoints.region}, workspace in a header" if endpoints.workspace else endpoints.region)


def connections(environ: Mapping[str, str]) -> Iterator[Row]:
    """Proxies and TLS."""
    proxies = [name for name in environ if name.upper() in _PROXIES and environ[name]]
    if proxies:
        told = f"{', '.join(sorted(proxies))}: set, but not used here; Client(trust_env=True) uses them"
        yield Row("proxies", told, "note")
    else:
        yield Row("proxies", "none")
    import httpcore

    files = [name for name in _CERTIFICATES if environ.get(name)]
    try:
        context = httpcore.default_ssl_context()
    except (ssl.SSLError, OSError) as error:
        yield Row("TLS", f"no context can be made: {error}", "wrong")
        return
    count = context.cert_store_stats()["x509_ca"]
    lowest = context.minimum_version.name.replace("_", ".")
    told = f"{ssl.OPENSSL_VERSION}, {lowest} at least, {count} authorities"
    yield Row("TLS", ", ".join([told, *(f"{name} is set" for name in files)]), "ok" if count else "wrong")


# == there =============================================================================================================


def tone() -> bytes:
    """A WAV file of one second at 16 kHz, 16 bit: 440 Hz, as loud as speech."""
    samples = array("h", (round(6000 * math.sin(math.tau * 440 * i / 16000)) for i in range(16000)))
    if sys.byteorder == "big":
        samples.byteswap()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def _live(args: argparse.Namespace) -> int:
    given = {"model": args.model, "protocol": args.protocol}
    ended: ASRWireError | None = None
    with Client(**service(args)) as client:
        client.stream(tone(), **given)  # what is wrong is said before there is a file
        recorder = Recorder(args.out)
        tell(f"one call to {args.model}, with a second of sound")
        try:
            with client.stream(tone(), **given, capture=recorder) as stream:
                for _ in stream:
                    pass
        except KeyboardInterrupt:
            recorder.interrupted()
            return 130
        except ASRWireError as error:
            ended = error
    print("\n".join(["", "There", *table(answer(Capture.load(args.out)))]), flush=True)
    if ended is not None:
        raise ended
    print(f"\n{args.out} has all of it, without secrets: please share it", flush=True)
    return 0
