# A fault as a value: how it is written, which requests it meets.
#
# Knows: the command line's spelling, counting, chance. Pure. Must not know: what the faults are (_catalogue), how they
# are made (_fault_answers, _fault_events, _wire), paths, sockets.

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from ._catalogue import CATALOGUE, Parameter, Value

# Which requests a fault meets; the same for all of them.
_SELECTION = {name: Parameter(name, "count", None, 1) for name in ("nth", "times")}


@dataclass(frozen=True, slots=True, init=False)
class Fault:
    """One fault, its parameters and the requests it meets: a value, to be given to ``Emulator(faults=[...])``.

        Fault("cut", at=1234)                          # every answer is closed at byte 1234 after its head
        Fault("rst", events=3, on="stream", p=0.1)     # one stream in ten is reset after three whole events
        Fault("429", retry_after="2", times=1)         # the first request of all is throttled, the rest is not
        Fault("stall", at=(0, 5000), nth=2)            # the second answer falls silent somewhere, by the seed

    `Fault.parse` reads the same from text (``"429:retry_after=2,times=1"``, ``"stall:at=0-5000,nth=2"``), and `str`
    writes it. Names and parameters: `CATALOGUE`, or ``asrwire emulate --list-faults``.

    Args:
        name: as in the catalogue; three digits are a status.
        on: the kinds of requests it meets, joined by ``+`` (`REQUEST_KINDS`); None: all that the catalogue names.
        nth: it begins with the nth request of these kinds; None: the first.
        times: it meets so many requests, one after the other; None: one where ``nth`` is given, else all.
        p: the chance, 0 to 1, that it meets a request, by the emulator's seed.
        parameters: what the catalogue names, by keyword; the others keep their defaults.

    Raises:
        ConfigError: an unknown name or parameter, or a value it does not take.
    """

    name: str
    on: tuple[str, ...]
    nth: int
    times: int | None
    p: float
    parameters: tuple[tuple[str, Value], ...]

    def __init__(
        self,
        name: str,
        /,
        *,
        on: str | None = None,
        nth: int | None = None,
        times: int | None = None,
        p: float = 1.0,
        **parameters: Value,
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a fault's name is a str, not {type(name).__name__}")
        if not isinstance(on, str | None):
            raise TypeError(f"{name}: on is a str, not {type(on).__name__}")
        if re.fullmatch("[3-5][0-9]{2}", name):
            name, parameters = "status", {"code": int(name), **parameters}
        if name not in CATALOGUE:
            raise ConfigError(f"there is no fault {name!r}: asrwire emulate --list-faults names them")
        kind = CATALOGUE[name]
        for key, number in (("nth", nth), ("times", times)):
            if isinstance(number, tuple):
                raise ConfigError(f"{name}: {key} is one number")
            if number is not None:
                _SELECTION[key].check(number)
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise ConfigError(f"{name}: p is a chance from 0 to 1, not {p!r}")
        own = {parameter.name: parameter for parameter in kind.parameters}
        for key, value in parameters.items():
            if key not in own:
                names = ", ".join([*own, "on", "nth", "times", "p"])
                raise ConfigError(f"{name} has no parameter {key!r}; it has {names}")
            try:
                own[key].check(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        if {"at", "events"} <= parameters.keys():
            raise ConfigError(f"{name}: a place is given by at or by events, not by both")
        met = kind.on if on is None else tuple(on.split("+"))
        if not set(met) <= set(kind.on):
            raise ConfigError(f"{name}: on is one or more of {'+'.join(kind.on)}, not {on!r}")
        put = object.__setattr__
        put(self, "name", name)
        put(self, "on", met)
        put(self, "nth", nth or 1)
        put(self, "times", 1 if nth and not times else times)
        put(self, "p", float(p))
        put(self, "parameters", tuple((key, parameters[key]) for key in own if key in parameters))

    @classmethod
    def parse(cls, text: str) -> Fault:
        r"""The fault written as ``name:parameter=value,...``; ``\,`` is a comma within a value.

        Raises:
            ConfigError: it is not.
        """
        if not isinstance(text, str):
            raise TypeError(f"a fault is a Fault or its str, not {type(text).__name__}")
        name, _, rest = text.partition(":")
        kind = CATALOGUE.get("status" if re.fullmatch("[3-5][0-9]{2}", name) else name)
        own = {parameter.name: parameter for parameter in (kind.parameters if kind else ())}
        given: dict[str, Any] = {}
        for pair in re.split(r"(?<!\\),", rest) if rest else ():
            key, equals, value = pair.replace("\\,", ",").partition("=")
            if not equals or key in given:
                raise ConfigError(f"{name}: {pair!r} is not one parameter=value")
            try:
                if key in own or key in _SELECTION:
                    given[key] = (own.get(key) or _SELECTION[key]).read(value)
                else:
                    given[key] = float(value) if key == "p" else value
            except ValueError as error:  # ConfigError is one
                raise ConfigError(f"{name}: {error}") from None
        return cls(name, **given)

    def __getitem__(self, parameter: str) -> Any:
        """A parameter's value; its default where it was not given."""
        for key, value in self.parameters:
            if key == parameter:
                return value
        return next(known.default for known in CATALOGUE[self.name].parameters if known.name == parameter)

    def __str__(self) -> str:
        kind = CATALOGUE[self.name]
        pairs: list[tuple[str, object]] = list(self.parameters)
        if self.on != kind.on:
            pairs.append(("on", "+".join(self.on)))
        if self.nth != 1:
            pairs.append(("nth", self.nth))
        if self.times is not None:
            pairs.append(("times", self.times))
        if self.p != 1:
            pairs.append(("p", self.p))
        return ":".join(filter(None, (self.name, ",".join(f"{key}={_written(value)}" for key, value in pairs))))

    def drawn(self, chance: random.Random) -> Fault:
        """The same with one number for each that was given by its bounds."""
        numbers = {key: chance.randint(*value) if isinstance(value, tuple) else value for key, value in self.parameters}
        drawn = object.__new__(Fault)
        for name in ("name", "on", "nth", "times", "p"):
            object.__setattr__(drawn, name, getattr(self, name))
        object.__setattr__(drawn, "parameters", tuple(numbers.items()))
        return drawn


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]}-{value[1]}"
    return str(value).lower() if isinstance(value, bool) else str(value).replace(",", "\\,")


class Plan:
    """Which faults meet which request.

    What meets the nth request of a kind depends on the seed and on nothing else, however many come at once.

    Args:
        faults: each a `Fault` or what `Fault.parse` reads.
    """

    def __init__(self, faults: Iterable[Fault | str], seed: int) -> None:
        if isinstance(faults, str) or not isinstance(faults, Iterable):
            raise TypeError("faults is a sequence of Fault and str")
        self._faults = [fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults]
        self._seed = seed
        self._seen = [0] * len(self._faults)
        self._met = [0] * len(self._faults)

    def draw(self, kind: str | None) -> Sequence[Fault]:
        """The faults that meet the next request, which is of this kind, in the order they were given."""
        drawn = []
        for index, fault in enumerate(self._faults):
            if kind not in fault.on:
                continue
            self._seen[index] += 1
            chance = random.Random(f"{self._seed}/{index}/{self._seen[index]}")
            if self._seen[index] < fault.nth or self._met[index] == fault.times or chance.random() >= fault.p:
                continue
            self._met[index] += 1
            drawn.append(fault.drawn(chance))
        return drawn
