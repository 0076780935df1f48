# `asrwire emulate`: the emulator in the foreground until Ctrl-C, saying where it is and what it is asked.
#
# Knows: what a person needs to point a client at it. Must not know: how it answers.

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import sys
import tempfile
import textwrap
import threading
from collections import deque
from collections.abc import Iterator

from ..emulator import CATALOGUE, Emulator, Parameter
from ._terminal import drop_broken_pipes, width


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted, everything printed on stderr; or print the catalogue on stdout. Returns 0."""
    if arguments.list_faults:
        return _list_faults()
    emulator = Emulator(
        arguments.sample,
        speed=arguments.speed,
        envelope=arguments.envelope,
        faults=arguments.fault,
        tls=arguments.tls,
        seed=arguments.seed,
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


def _list_faults() -> int:
    """A paragraph for each fault, or into a pipe a line: name, parameters, matrix rows, what it does, behind tabs."""
    columns = width(sys.stdout)
    try:
        for kind in CATALOGUE.values():
            parameters = " ".join(_parameter(one) for one in kind.parameters)
            if columns is None:
                print(kind.name, parameters, " ".join(kind.rows), kind.says, sep="\t")
                continue
            lines = [kind.says, parameters, " ".join(kind.rows)]
            wrapped = [
                textwrap.wrap(line, max(40, columns - 1), initial_indent="    ", subsequent_indent="    ")
                for line in lines
            ]
            print("\n".join([kind.name, *itertools.chain(*wrapped)]))
        sys.stdout.flush()
    except BrokenPipeError:
        drop_broken_pipes()
    return 0


def _parameter(parameter: Parameter) -> str:
    default = parameter.default
    value = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    if isinstance(parameter.type, tuple):
        value = "|".join([value, *(one for one in parameter.type if one != value)])
    return f"{parameter.name}={value}"


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
