# The guard of this run: a library that calls home fails its test.

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("host", ["dashscope.aliyuncs.com", "api.openai.com", "192.0.2.1"])
def test_nothing_leaves_this_machine(host: str) -> None:
    with pytest.raises(AssertionError, match="is not this machine"):
        socket.create_connection((host, 443), timeout=1)
