# The interop run: no setting, proxy or key of this machine reaches the libraries under test, and nothing leaves it.
#
# Knows: the environment variables of those libraries, sockets' audit events. Must not know: what is being tested.

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from asrwire.emulator import Emulator
from tests.interop import FILES, SCRIPT

# Before the libraries are imported: dashscope reads its variables then.
for name in list(os.environ):
    if name.startswith(("DASHSCOPE_", "OPENAI_", "OTEL_")) or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ |= {"NO_PROXY": "*", "OTEL_SDK_DISABLED": "true", "DASHSCOPE_CONFIG": os.devnull}


def _is_loopback(host: object) -> bool:
    host = host.decode() if isinstance(host, bytes) else host
    return host in (None, "localhost") or ipaddress.ip_address(str(host)).is_loopback


def _refuse_other_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    try:
        loopback = _is_loopback(host)
    except ValueError:  # a name
        loopback = False
    # Not an OSError: no library may take it for a fault of the network and go on.
    assert loopback, f"{event}: {host!r} is not this machine"


sys.addaudithook(_refuse_other_hosts)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(SCRIPT) as running:
        yield running


@pytest.fixture
def timed() -> Iterator[Emulator]:
    """File tasks: half a second in the queue, one second running, as the test moves the clock."""
    with Emulator(SCRIPT, files=FILES, clock="virtual", queue_time=0.5, run_time=1.0) as running:
        yield running
