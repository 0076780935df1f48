"""The values handed out: `Word`, `Sentence`, `Usage` and the updates that carry sentences.

All are immutable, compare by value, hash and pickle. Times are milliseconds from the start of the audio, or None where
the service sent none (never -1).
"""

from typing import Any, ClassVar, Literal, final

from typing_extensions import disjoint_base

Finality = Literal["sentence_end", "end_time"]
IncompleteReason = Literal["open_sentence", "cut", "empty", "length", "closed", "error"]

@disjoint_base
class _Value:
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
