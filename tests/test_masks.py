# What is taken out of texts and bytes, wherever they are cut.

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrwire._masks import Mask, is_credential, masked, secrets, without_queries

KEY = "sk-0123456789abcdef"
CASES = {
    "nothing": ("data:{}\n\n", "data:{}\n\n"),
    "a key": (f'"bad key {KEY}!"', '"bad key ***!"'),
    "twice": (f"{KEY}{KEY}", "******"),
    "another secret": ("cookie=chocolate", "cookie=***"),
    "the beginning of a key": ("sk-0123456789abcde", "sk-0123456789abcde"),
    "a key after its own beginning": ("sk-01sk-0123456789abcdef", "sk-01***"),
    "a query": ("https://a.example/b.wav?Signature=s3&x=1 ok", "https://a.example/b.wav ok"),
    "a fragment": ("https://a.example/#token=s3", "https://a.example/"),
    "in JSON": ('{"u":"https://a.example/b?S=s3","v":"c?d"}', '{"u":"https://a.example/b","v":"c?d"}'),
    "escaped slashes": (r'{"u":"https:\/\/a.example\/b?S=s\/3","v":1}', r'{"u":"https:\/\/a.example\/b","v":1}'),
    "an escaped ampersand": (r'{"u":"https://a.example/b?S=s3\u0026T=s3"}', '{"u":"https://a.example/b"}'),
    "before an escaped quote": (r'{"t":"see \"https://a.example?S=s3\" ."}', r'{"t":"see \"https://a.example\" ."}'),
    "two URLs": ("x://a?s3,y://b?s3 z://c?s3'", "x://a z://c'"),
    "a URL in a query": ("x://a?u=y://b?s3 .", "x://a ."),
    "no URL": ("really?yes, a:b/c?d", "really?yes, a:b/c?d"),
    "a key in a path": (f"x://a/{KEY}/b?{KEY} .", "x://a/***/b ."),
    "Chinese in a query": ("x://a?签名=秘密 .", "x://a ."),
}  # fmt: skip


def mask() -> Mask:
    return Mask([KEY, "chocolate", "no", ""])


@pytest.mark.parametrize("name", CASES)
def test_secrets_are_found_wherever_they_are_cut(name: str) -> None:
    given, expected = (text.encode() for text in CASES[name])
    assert mask().feed(given, last=True) == expected
    for first in range(len(given) + 1):
        for second in range(first, len(given) + 1):
            it = mask()
            pieces = [it.feed(given[:first]), it.feed(given[first:second]), it.feed(given[second:], last=True)]
            assert b"".join(pieces) == expected
    it = mask()
    assert b"".join([*(it.feed(given[i : i + 1]) for i in range(len(given))), it.feed(b"", last=True)]) == expected


ALPHABET = st.sampled_from([*":/?#\\\" \n'<>su", KEY[:4], KEY[4:], KEY, "://", ":\\/\\/", "é"])


@given(st.lists(ALPHABET, max_size=30).map("".join), st.data())
def test_any_bytes_cut_anywhere(text: str, data: st.DataObject) -> None:
    given = text.encode()
    whole = mask().feed(given, last=True)
    assert KEY.encode() not in whole
    it, at, made = mask(), 0, b""
    while at < len(given):
        size = data.draw(st.integers(1, len(given)))
        made += it.feed(given[at : at + size])
        at += size
    assert made + it.feed(b"", last=True) == whole


@given(st.text(max_size=40).map(lambda text: f"x://a?{text}"))
def test_json_stays_json(text: str) -> None:
    for value in (json.dumps({"a": text, "b": 1}), json.dumps({"a": text, "b": 1}, ensure_ascii=False)):
        left = json.loads(mask().feed(value.encode("utf-8", "surrogatepass"), last=True))
        assert left["b"] == 1
        assert left["a"].startswith("x://a")


def test_ordinary_bytes_are_not_held_back() -> None:
    it = mask()
    assert it.feed(b"data:{}\n\n") == b"data:{}\n\n"
    assert it.feed(b"a sk-01") == b"a "
    assert it.feed(b"2 apple") == b"sk-012 apple"


def test_texts_and_values() -> None:
    assert without_queries("see https://a.example/b?Signature=s3 and c?d") == "see https://a.example/b and c?d"
    assert masked(f"no {KEY}", KEY) == "no ***"
    assert masked(f"no {KEY}".encode(), KEY) == b"no ***"
    assert masked("keys", "keys") == "keys"
    assert masked("a key", "a key") == "***"
    assert masked(None, KEY) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("Authorization", "cookie", "Set-Cookie", "X-Auth-Token")),
        *(
            (name, True)
            for name in (
                "x-dashscope-call-gateway",
                "X-Api-Key",
                "x-oss-signature",
                "Proxy-Authenticate",
                "X-Secret-Id",
            )
        ),
        *((name, False) for name in ("Content-Type", "X-Request-Id", "Date", "Keep-Alive", "Location", "Server")),
    ],
)
def test_header_fields_that_may_be_credentials(name: str, expected: bool) -> None:
    assert is_credential(name) is expected


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("tok-98765", []),
        ("Bearer tok-98765", ["tok-98765"]),
        ("Basic dXNlcjpwYXNzd29yZA==", ["dXNlcjpwYXNzd29yZA=="]),
        ("lang=en; sid=c00kie", ["en", "c00kie"]),
        ('Digest username="me", response="6629fae4"', ["me", "6629fae4"]),
    ],
)
def test_what_of_a_credential_is_secret_by_itself(value: str, parts: list[str]) -> None:
    assert secrets(value) == [value, *parts]
