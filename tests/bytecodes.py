# How much Python some work is: the bytecodes it takes and the calls into C it makes.
#
# Knows: how to count what an interpreter does. Must not know: what is counted.

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def count(work: Callable[[], T]) -> tuple[T, int]:
    """What `work` returns, and how many bytecodes and calls into C that took.

    From Python 3.12 on a function's first call under a tracer is not counted, so what is compared has to be counted
    once before. Nothing is collected meanwhile: that would run the finalizers of what other tests have left.
    """
    executed = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal executed
        executed += event == "opcode"
        return local

    def start(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal executed
        executed += event == "c_call"

    tracing, profiling = sys.gettrace(), sys.getprofile()
    gc.disable()
    sys.setprofile(profile)
    sys.settrace(start)
    try:
        result = work()
    finally:
        sys.settrace(tracing)
        sys.setprofile(profiling)
        gc.enable()
    return result, executed
