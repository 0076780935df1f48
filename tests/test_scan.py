# `_scan.items` beside the standard library's JSON decoder, which says where each value ends.

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from asrwire._scan import items

CASES = [
    (b"[]", []),
    (b"{}", []),
    (b' [ 1 , "a]\\"" ,{"x":[1,2]},null ] rest', [b"1", b'"a]\\""', b'{"x":[1,2]}', b"null"]),
    (b'{"a":1,"b":[{}]}', [b'"a"', b"1", b'"b"', b"[{}]"]),
    (b'{"a" :\t-1.5e3 ,\r\n"\\u0062":"\\\\"}', [b'"a"', b"-1.5e3", b'"\\u0062"', b'"\\\\"']),
    (b'["]", "[", "{", "}", ",", ":"]', [b'"]"', b'"["', b'"{"', b'"}"', b'","', b'":"']),
    (b"[[[[]]],{}]", [b"[[[]]]", b"{}"]),
]
WRONG = [
    b"", b" ", b"x", b"1", b'"[]"', b"[", b"{", b"[1", b"[1,", b"[1,]", b"[,1]", b"[,]", b"[1 2]", b"[1}", b"[:]",
    b'["', b'["\\', b'["\\"]', b"[[1}", b"]", b"}", b"[1:2]", b"{1:2}", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a" 1}',
    b'{"a":1', b'{"a":1]', b'{"a",1}', b'{"a":1:2}',
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), CASES)
def test_values(text: bytes, values: list[bytes]) -> None:
    found = items(text)
    assert found is not None
    spans, stop = found
    assert [text[a:b] for a, b in spans] == values
    assert text[stop:].strip() in (b"", b"rest")


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_array_or_object(text: bytes) -> None:
    assert items(text) is None


@pytest.mark.parametrize("text", [text for text, _ in CASES])
def test_every_cut_is_none(text: bytes) -> None:
    found = items(text)
    assert found is not None
    for stop in range(found[1]):
        assert items(text[:stop]) is None


def test_places_and_types() -> None:
    assert items(b'{"a":[1]}', 5) == ([(6, 7)], 8)
    assert items(b"[1]", 99) is None
    assert items(b"[1]", -1) is None
    for wrong in ("[]", None, bytearray(b"[]")):
        with pytest.raises(TypeError):
            items(wrong)  # type: ignore[arg-type]


def test_deep_nesting_is_no_recursion() -> None:
    deep = b"[" * 1_000_000 + b"]" * 1_000_000
    assert items(deep) == ([(1, len(deep) - 1)], len(deep))


def test_random_values_are_where_the_standard_library_says() -> None:
    rng = random.Random(5)

    def value(depth: int) -> Any:
        kind = rng.randrange(6 if depth else 4)
        if kind == 0:
            return rng.choice([None, True, False, 0, -1, 1.5e10, 2**70])
        if kind < 4:
            return "".join(rng.choice('ab"\\/[]{},: \n\u4f60\U0001f600') for _ in range(rng.randrange(6)))
        if kind == 4:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        return {str(value(0)): value(depth - 1) for _ in range(rng.randrange(4))}

    for _ in range(3000):
        whole = [value(3) for _ in range(rng.randrange(5))]
        if rng.random() < 0.5:
            text = json.dumps(whole, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5)
            flat = whole
        else:
            made = {str(i): v for i, v in enumerate(whole)}
            text = json.dumps(made, separators=(",", ":"))
            flat = [x for pair in made.items() for x in pair]
        data = text.encode()
        found = items(data)
        assert found is not None
        spans, stop = found
        assert stop == len(data)
        assert [json.loads(data[a:b]) for a, b in spans] == flat
