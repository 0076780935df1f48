# `asrwire emulate`: the emulator in the foreground until Ctrl-C, saying where it is and what it is asked.
#
# Knows: what a person needs to point a client at it. Must not know: how it answers.

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator

from ..emulator import Emulator


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; everything is printed on stderr. Returns 0."""
    emulator = Emulator(
        arguments.sample,
        speed=arguments.speed,
        envelope=arguments.envelope,
        tls=arguments.tls,
        host=arguments.host,
        port=arguments.port,
    )
    emulator._exchanges = deque(maxlen=0)  # nobody asks for the requests here, and they hold audio
    with contextlib.suppress(KeyboardInterrupt), _request_lines(), _certificate(emulator) as certificate, emulator:
        lines = [
            f"DashScope          {emulator.base_url}",
            f"OpenAI-compatible  {emulator.compatible_base_url}",
            f"Result files       {emulator.result_origin}",
            "",
            "Point a client at it (any key will do), stop with Ctrl-C:",
            f"  export DASHSCOPE_BASE_URL={emulator.base_url}",
            "  export DASHSCOPE_API_KEY=any-key",
        ]
        if certificate is not None:
            lines.append(f"  export SSL_CERT_FILE={certificate}")
        print("\n".join([*lines, ""]), file=sys.stderr, flush=True)
        threading.Event().wait()
    return 0


@contextlib.contextmanager
def _request_lines() -> Iterator[None]:
    """Send the emulator's log, one line per request, to stderr."""
    logger = logging.getLogger("asrwire.emulator")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextlib.contextmanager
def _certificate(emulator: Emulator) -> Iterator[str | None]:
    """A file with the authority a client must trust, for as long as the emulator runs; None without TLS."""
    if emulator.ca_pem is None:
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix="asrwire-emulator-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(emulator.ca_pem)
        yield name
    finally:
        os.unlink(name)
