# What the HTTP module may log of our exchanges: not the response head, whose fields can echo a key or hold a signature.
#
# Knows: that httpcore and httpcore2 log each step at DEBUG, with what it returned or raised. Must not know: anything of
# requests. Only records of our own exchanges are cut: others in the process may want theirs whole.

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Final

OURS: Final[ContextVar[bool]] = ContextVar("asrwire_exchange", default=False)
_HEAD: Final = re.compile(" (?:return_value|exception)=")  # h11's exception quotes the line it does not like


class _WithoutHeads(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if OURS.get() and "headers" in said:
            record.msg, record.args = _HEAD.split(said, maxsplit=1)[0], ()
        return True


_filter = _WithoutHeads()


def keep_heads_out(module: str) -> None:
    """Of what the HTTP module of this name logs."""
    for name in ("http11", "http2", "proxy"):
        logging.getLogger(f"{module}.{name}").addFilter(_filter)  # once, however often it is asked
