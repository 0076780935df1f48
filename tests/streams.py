# Recognition streams with a known truth, and the disturbances they meet on the way: seeded, so that a number is a case.
#
# Knows: what a service says for a given speech (wire facts) and how a wire can disturb it. Must not know: asrwire.
# Every word of the truth occurs once in the speech, so "lost" and "doubled" can be told from the texts alone.
#
# Out of scope, because no reader could put these right (`Plan.in_scope` takes them out):
# - Sentences without ids together with swaps, amendments or a stash: arrival order is the only thing that tells two
#   such sentences apart, and a stash without an id would have no owner.
# - Sentences without ids and without begin times: a repeat cannot be told from the same words said again.
# - Cumulative sentences together with begins that move: "same channel and begin" is what makes a sentence cumulative.
# - Cumulative sentences that rewrite what was final (`amends`) together with swaps: an old final that comes for the
#   first time after its rewriting cannot be told from a second rewriting. (One that comes again can: it is a repeat.)
# - A cumulative sentence without words that rewrites more than the second half of what was final: nothing but its text
#   could tell it from another sentence of a server that begins all of them at 0.
# - Amendments of plain sentences are in, with swaps and repeats too: inside one id the last arrival is the truth.
# - Empty finals inside cumulative sentences: a cumulative sentence never gets shorter.

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal, NamedTuple

REQUEST_ID = "5b1c2d3e-0000-4000-8000-00000000abcd"

Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What kind of stream, and which disturbances."""

    seed: int
    ids: bool = True
    cumulative: Literal["no", "words", "text"] = "no"
    language: Literal["zh", "en"] = "zh"
    channels: int = 1
    begin_events: bool = True
    empty_finals: bool = False
    revisions: bool = False
    end_times: bool = False  # on what is not final too
    moving: bool = False
    stash: bool = False
    amends: bool = False
    repeats: bool = False
    late: bool = False
    swaps: bool = False
    heartbeats: bool = False
    envelope: Literal["doc", "public", "workspace"] = "doc"
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    blank_lines: bool = True
    keepalives: bool = False
    space: bool = False
    bom: bool = False

    def in_scope(self) -> Plan:
        """This plan without the combinations that are out of scope."""
        plan = self
        if not plan.ids:
            plan = replace(plan, swaps=False, amends=False, stash=False)
        if plan.cumulative != "no":
            plan = replace(plan, moving=False, empty_finals=False)
            if plan.amends:
                plan = replace(plan, swaps=False)
        if not plan.blank_lines:  # an `id` line is all that separates events then
            plan = replace(plan, keepalives=False)
        return plan


def random_plan(seed: int) -> Plan:
    """A plan of the seed's choosing; every disturbance is on in nearly half of the plans."""
    rng = Random(seed)
    some = {name: rng.random() < 0.45 for name in FLAGS}
    return Plan(
        seed,
        ids=rng.random() < 0.75,
        cumulative=rng.choice(("no", "no", "words", "text")),
        language=rng.choice(("zh", "en")),
        channels=rng.choice((1, 1, 2)),
        begin_events=rng.random() < 0.7,
        envelope=rng.choice(("doc", "public", "workspace")),
        newline=rng.choice(("\n", "\n", "\r\n", "\r")),
        blank_lines=rng.random() < 0.85,
        **some,
    ).in_scope()


FLAGS = (
    "empty_finals", "revisions", "end_times", "moving", "stash", "amends", "repeats", "late",
    "swaps", "heartbeats", "keepalives", "space", "bom",
)  # fmt: skip


class Spoken(NamedTuple):
    """One word of the truth."""

    text: str
    punctuation: str
    begin: int
    end: int


class Event(NamedTuple):
    """One event as sent: its sentence, and which sentence of the truth it is about (channel, number)."""

    kind: Literal["begin", "partial", "final", "heartbeat"]
    owner: tuple[int, int]
    sentence: Json


class Span(NamedTuple):
    """Where an event is on the wire: its first byte, the end of its JSON, the byte that completes it."""

    start: int
    json_end: int
    end: int


@dataclass
class Stream:
    plan: Plan
    events: list[Event]
    truth: dict[int, list[Spoken]]  # per channel, every word that must be there at the end, in order of time
    wire: bytes = b""
    spans: list[Span] = field(default_factory=list)


def make(plan: Plan) -> Stream:
    """The stream of a plan; the same plan makes the same bytes."""
    assert plan == plan.in_scope(), "out of scope: see the head of this file"
    rng = Random(plan.seed * 7919 + 17)
    words = _Words(plan.language)
    by_channel = [_speech(plan, rng, words, channel) for channel in range(plan.channels)]
    events = _interleaved(rng, by_channel)
    events = _disturbed(plan, rng, events)
    stream = Stream(plan, events, _truth(plan, events))
    _write(stream, rng)
    return stream


class _Words:
    """Words that occur once: Han characters in pairs, or w0, w1, ...; wrong guesses are from elsewhere."""

    def __init__(self, language: str) -> None:
        self.han = language == "zh"
        self.count = 0

    def next(self) -> str:
        self.count += 1
        return chr(0x4E00 + 2 * self.count) + chr(0x4E01 + 2 * self.count) if self.han else f"w{self.count}q"

    def wrong(self) -> str:
        self.count += 1
        return chr(0x7000 + self.count) if self.han else f"x{self.count}z"


def text_of(words: list[Spoken], han: bool) -> str:
    return ("" if han else " ").join(word.text + word.punctuation for word in words)


def _speech(plan: Plan, rng: Random, words: _Words, channel: int) -> list[Event]:
    events: list[Event] = []
    now = rng.randrange(0, 400)
    heard: list[Spoken] = []  # on this channel so far
    first_begin: int | None = None
    count = rng.randint(2, 4)
    for number in range(count):
        now += rng.choice((0, 60, 400)) if number else 0
        start = now
        if plan.empty_finals and rng.random() < 0.3:
            events += _empty(plan, channel, number, start)
            now += 150
            continue
        new: list[Spoken] = []
        size = rng.randint(1, 5)
        for i in range(size):
            long = rng.choice((80, 240, 400))
            last = ("。" if words.han else ".") if i == size - 1 else ""
            new.append(Spoken(words.next(), last, now, now + long))
            now += long
        if plan.cumulative == "no":
            before: list[Spoken] = []
            begin = start
        else:
            before = heard
            begin = first_begin = start if first_begin is None else first_begin
        events += _sentence_events(plan, rng, words, channel, number, before, new, begin)
        if plan.amends and (plan.cumulative == "no" or number) and rng.random() < 0.5:
            events[-1:], heard, new = _amended(plan, rng, words, events[-1], before, new, begin)
        heard = heard + new
        if plan.stash and number + 1 < count and rng.random() < 0.6:
            guess = words.wrong() if rng.random() < 0.5 else ""
            events[-1].sentence["stash"] = {
                "sentence_id": number + 2, "text": guess, "begin_time": now, "current_time": now, "words": [],
            }  # fmt: skip
    return events


def _sentence_events(
    plan: Plan,
    rng: Random,
    words: _Words,
    channel: int,
    number: int,
    before: list[Spoken],
    new: list[Spoken],
    begin: int,
) -> list[Event]:
    events: list[Event] = []
    owner = (channel, number)
    if plan.begin_events and not before:
        moved = begin - rng.choice((0, 15)) if plan.moving and begin >= 15 else begin
        events.append(Event("begin", owner, _sentence(plan, owner, [], moved, begin_event=True)))
    for shown in sorted(rng.sample(range(1, len(new) + 1), rng.choice((0, 1, min(3, len(new)))))):
        said = [*before, *(word._replace(punctuation="") for word in new[:shown])]
        if plan.revisions and rng.random() < 0.5:
            said[-1] = said[-1]._replace(text=words.wrong())
        if plan.revisions and len(said[-1].text) == 2 and rng.random() < 0.3:  # cut into words in another way
            last = said.pop()
            half = (last.begin + last.end) // 2
            said += [last._replace(text=last.text[0], end=half), last._replace(text=last.text[1], begin=half)]
        if plan.revisions and before and rng.random() < 0.2:  # a partial that is wrong about what is final already
            at = rng.randrange(len(before))
            said[at] = said[at]._replace(text=words.wrong())
        moved = begin + rng.choice((-15, 0, 0, 40)) if plan.moving and begin >= 15 else begin
        events.append(Event("partial", owner, _sentence(plan, owner, said, moved)))
    events.append(Event("final", owner, _sentence(plan, owner, [*before, *new], begin, final=True)))
    return events


def _empty(plan: Plan, channel: int, number: int, begin: int) -> list[Event]:
    owner = (channel, number)
    final = _sentence(plan, owner, [], begin, final=True)
    final["end_time"] = begin + 100
    return [Event("begin", owner, _sentence(plan, owner, [], begin, begin_event=True)), Event("final", owner, final)]


def _amended(
    plan: Plan, rng: Random, words: _Words, final: Event, before: list[Spoken], new: list[Spoken], begin: int
) -> tuple[list[Event], list[Spoken], list[Spoken]]:
    """A final that rewrites: plain, the same id again with another word; cumulative, it corrects an earlier part."""
    if plan.cumulative == "no":
        at = rng.randrange(len(new))
        new = [*new[:at], new[at]._replace(text=words.next()), *new[at + 1 :]]
        again = Event("final", final.owner, _sentence(plan, final.owner, new, begin, final=True))
        return [final, again], before, new
    at = rng.randrange(len(before))
    if plan.cumulative == "text":
        at = len(before) - 1
        if 2 * len(text_of(before[:at], words.han)) < len(text_of(before, words.han)):
            return [final], before, new
    before = [*before[:at], before[at]._replace(text=words.next()), *before[at + 1 :]]
    return [Event("final", final.owner, _sentence(plan, final.owner, [*before, *new], begin, final=True))], before, new


def _sentence(
    plan: Plan,
    owner: tuple[int, int],
    said: list[Spoken],
    begin: int,
    *,
    final: bool = False,
    begin_event: bool = False,
) -> Json:
    channel, number = owner
    sentence: Json = {"begin_time": begin, "text": text_of(said, plan.language == "zh"), "sentence_end": final}
    if plan.ids:
        sentence["sentence_id"] = number + 1
    if channel or plan.channels > 1:
        sentence["channel_id"] = channel
    if begin_event:
        sentence["sentence_begin"] = True
    if final or plan.end_times:
        sentence["end_time"] = said[-1].end if said else None
    if plan.cumulative != "text":
        spaced = plan.language == "en"
        sentence["words"] = [
            {"begin_time": word.begin, "end_time": word.end, "punctuation": word.punctuation, "fixed": final,
             "text": " " + word.text if spaced and i else word.text}
            for i, word in enumerate(said)
        ]  # fmt: skip
    return sentence


def _interleaved(rng: Random, channels: list[list[Event]]) -> list[Event]:
    queues = [list(reversed(events)) for events in channels]
    events = []
    while any(queues):
        events.append(rng.choice([queue for queue in queues if queue]).pop())
    return events


def _disturbed(plan: Plan, rng: Random, events: list[Event]) -> list[Event]:
    events = list(events)
    if plan.swaps:
        at = 0
        while at + 1 < len(events):
            if rng.random() < 0.4:
                events[at], events[at + 1] = events[at + 1], events[at]
                at += 1
            at += 1
    if plan.repeats:
        for _ in range(rng.randint(2, 6)):
            at = rng.randrange(len(events))
            away = 0 if rng.random() < 0.5 else rng.randrange(len(events) - at)
            events.insert(at + 1 + away, events[at])
    if plan.late:
        for event in rng.sample(events, min(len(events), 3)):
            finals = [i for i, other in enumerate(events) if other.owner == event.owner and other.kind == "final"]
            if event.kind in ("begin", "partial") and finals:
                events.insert(rng.randint(finals[0] + 1, len(events)), event)
    if plan.heartbeats:
        for _ in range(3):
            beat: Json = {"sentence_id": 0, "text": "", "sentence_end": False}
            if rng.random() < 0.7:
                beat["heartbeat"] = True
            events.insert(rng.randint(0, len(events)), Event("heartbeat", (0, -1), beat))
    return events


def _truth(plan: Plan, events: list[Event]) -> dict[int, list[Spoken]]:
    """Per channel: plain, what the last final of each sentence says; cumulative, what the longest and last says."""
    said: dict[tuple[int, int], Json] = {}
    for event in events:
        if event.kind == "final":
            key = event.owner if plan.cumulative == "no" else (event.owner[0], 0)
            if plan.cumulative == "no" or key not in said or event.sentence["end_time"] >= said[key]["end_time"]:
                said[key] = event.sentence
    truth: dict[int, list[Spoken]] = {}
    for (channel, _), sentence in sorted(said.items(), key=lambda item: item[0]):
        words = truth.setdefault(channel, [])
        if "words" in sentence:
            words += [
                Spoken(word["text"].strip(), word["punctuation"], word["begin_time"], word["end_time"])
                for word in sentence["words"]
            ]
        else:
            words.append(Spoken(sentence["text"], "", sentence["begin_time"], sentence["end_time"]))
    return truth


def enveloped(plan: Plan, event: Event) -> Json:
    sentence = event.sentence
    body: Json = {"sentence": sentence, "text": sentence["text"]}
    usage = {"duration": -(-(sentence.get("end_time") or 0) // 1000)} if event.kind == "final" else None
    if plan.envelope == "doc":
        whole: Json = {"output": body, "request_id": REQUEST_ID}
    elif plan.envelope == "public":
        whole = {"output": {**body, "output": body}, "request_id": REQUEST_ID}
    else:
        whole = {**body, "request_id": REQUEST_ID, "output": {**body, "request_id": REQUEST_ID}}
    if usage is not None:
        whole["usage"] = usage
    return whole


def _write(stream: Stream, rng: Random) -> None:
    plan = stream.plan
    newline, space = plan.newline, " " if plan.space else ""
    wire = bytearray(b"\xef\xbb\xbf" if plan.bom else b"")
    if plan.keepalives:
        wire += f":connected{newline}{newline}".encode()
    for number, event in enumerate(stream.events, 1):
        if plan.keepalives and rng.random() < 0.4:
            wire += f":keepalive{newline}{newline}".encode()
        start = len(wire)
        for line in (f"id:{space}{number}", f"event:{space}result", ":HTTP_STATUS/200"):
            wire += f"{line}{newline}".encode()
        wire += f"data:{space}{json.dumps(enveloped(plan, event), ensure_ascii=rng.random() < 0.2)}".encode()
        json_end = len(wire)
        wire += newline.encode()
        if plan.blank_lines:
            wire += newline[:1].encode()
            end = len(wire)
            wire += newline[1:].encode()
        else:  # complete when the next `id` line is, or at the end of all
            end = len(wire) + len(f"id:{space}{number + 1}") + 1
        stream.spans.append(Span(start, json_end, end))
    if not plan.blank_lines:
        stream.spans[-1] = stream.spans[-1]._replace(end=len(wire))
    stream.wire = bytes(wire)
