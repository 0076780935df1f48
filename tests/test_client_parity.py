# The two colours have the same names, the same arguments and the same words, but for async's own.

from __future__ import annotations

import inspect
from typing import Any

import pytest

from asrwire import AsyncClient, AsyncStream, Client, Stream
from asrwire._tasks_client import AsyncTasks, AsyncValues, Tasks, Values

RENAMED = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
AWAITED = {"aclose", "__aenter__", "__aexit__", "__anext__", "transcribe"} | {"submit", "get", "wait", "cancel", "find"}
TWINS = [(Client, AsyncClient), (Stream, AsyncStream), (Tasks, AsyncTasks), (Values, AsyncValues)]


def members(kind: type) -> dict[str, Any]:
    own = {name for base in kind.__mro__[:-1] for name in vars(base)}
    protocol = {*RENAMED, *RENAMED.values(), "__init__"}
    return {name: inspect.getattr_static(kind, name) for name in own if not name.startswith("_") or name in protocol}


def signature(member: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(member, property):
        return []
    return [(p.name, p.kind, p.default) for p in inspect.signature(member).parameters.values()]


@pytest.mark.parametrize(("blocking", "asynchronous"), TWINS)
def test_names_and_signatures_are_the_same(blocking: type, asynchronous: type) -> None:
    one, other = members(blocking), members(asynchronous)
    assert {RENAMED.get(name, name) for name in other} == set(one)
    for name, member in other.items():
        twin = one[RENAMED.get(name, name)]
        assert type(member) is type(twin), name
        assert signature(member) == signature(twin), name


@pytest.mark.parametrize("asynchronous", [pair[1] for pair in TWINS])
def test_what_is_awaited(asynchronous: type) -> None:
    awaited = {name for name, member in members(asynchronous).items() if inspect.iscoroutinefunction(member)}
    assert awaited == AWAITED & set(members(asynchronous))


@pytest.mark.parametrize("kind", [kind for pair in TWINS for kind in pair])
def test_everything_public_is_documented(kind: type) -> None:
    assert kind.__doc__
    for name, member in members(kind).items():
        assert name.startswith("_") or member.__doc__, name
