# The benchmarks' harness: its statistics on literal numbers, its rows beside the README's, what asrwire's paths find.
#
# What the peers find is checked by `python -m benchmarks` itself, which has them installed.

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from benchmarks import help as startup
from benchmarks import pickles, report
from benchmarks.corpus import result_file
from benchmarks.held import sampler
from benchmarks.listening import blocking, one
from benchmarks.plot import text as plotted
from benchmarks.replay import Plan, Replay
from benchmarks.rows import MORE, ROWS, TINY, Goal, Row
from benchmarks.timing import OWN, Contest, Line, Path, Sample, line, repeated, run

README = (FilePath(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

#: What is to be reached, as it was agreed on: a row's name, beside whom, at least, stretch.
AGREED = [
    ("framing", "httpx-sse", 11, 14),
    ("framing-long", "httpx-sse", 11, 14),
    ("chunked", "h11", 250, 300),
    ("chunked", "httptools", 6, 8),
    ("bulk", "httpcore", 80, 120),
    ("bulk-asyncio", "httpcore", 35, 50),
    ("live", "httpcore", 3, 4),
    ("live", "aiohttp", 1.1, 1.3),
    ("finals", "orjson + slots dataclasses", 12, 16),
    ("finals", "msgspec Structs", 4.5, 6),
    ("partials", "orjson + slots dataclasses", 5, 7),
    ("partials", "msgspec Structs", 1.8, 2.5),
    ("file", "orjson + slots dataclasses", 15, 20),
    ("file-memory", "orjson + slots dataclasses", 12, 15),
    ("whole", "httpx + httpx-sse + json", 15, 20),
    ("whole-live", "httpx + httpx-sse + json", 3, 5),
]


# -- rows


def test_goals_are_those_agreed_on() -> None:
    found = [(row.name, peer, goal) for row in ROWS for peer, goal in row.peers.items()]
    assert found == [(name, peer, Goal(least, stretch)) for name, peer, least, stretch in AGREED]
    assert not any(goal for row in MORE for goal in row.peers.values())


def test_names_and_labels_are_unique() -> None:
    rows = [*ROWS, *MORE]
    assert len({row.name for row in rows}) == len({row.label for row in rows}) == len(rows)


def test_the_readme_has_the_rows() -> None:
    assert report.rows_in(README) == report.readme_rows([*ROWS, *MORE])


# uvloop is no dependency of the tests: its rows are others' paths on another event loop.
@pytest.mark.parametrize("row", [r for r in (*ROWS, *MORE) if "uvloop" not in r.name], ids=lambda row: row.name)
def test_asrwire_finds_what_is_there(row: Row) -> None:
    contest = row.contest(TINY)
    name, path = next(contest.paths())
    assert name == OWN
    assert path.outcome() == contest.expected
    sample = path.sample()
    assert sample.cost >= 0 or "memory" in row.name  # so few words may need no new page, and a trim may give some back


# -- start-up


def test_startup_is_measured_in_turn() -> None:
    found = startup.rounds(1)
    assert [len(times) for times in found] == [2]
    assert all(ms > 0 for ms in found[0])


def test_startup_is_told_as_a_difference() -> None:
    assert startup.report([(8.0, 30.0), (10.0, 29.0), (9.0, 35.0)]) == [
        "python -c pass       9.0 ms",
        "asrwire --help      30.0 ms",
        "over it             22.0 ms, at most 60; median of 3 interleaved runs",
    ]


# -- pickles


def test_a_pickled_timeline_is_what_it_was() -> None:
    contest = pickles.contest(100)
    name, path = next(contest.paths())
    assert name == OWN
    assert path.outcome() == contest.expected
    assert path.sample().cost > 0


def test_pickles_are_told_with_their_bound() -> None:
    lines = {"asrwire": Line(0.5, {}, 1, 1, 1, True), "slots dataclasses": Line(250, {}, 500, 490, 510, True)}
    assert pickles.report(lines) == [
        "asrwire              0.50 ms    1.00x  at most 5 ms",
        "slots dataclasses     250 ms     500x",
    ]


# -- statistics


def test_ratios_are_made_round_by_round() -> None:
    samples = [Sample(cost, {"wall": cost * 2}) for cost in (10.0, 30.0, 20.0, 40.0, 50.0)]
    assert line(samples, [10.0, 10.0, 5.0, 8.0, 10.0], True) == Line(
        cost=30.0, notes={"wall": 60.0}, ratio=4.0, low=3.0, high=5.0, same=True
    )


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((7.0,), (7.0, 7.0, 7.0)),
        ((1.0, 2.0), (1.25, 1.5, 1.75)),
        ((3.0, 1.0, 2.0), (1.5, 2.0, 2.5)),
        ((5.0, 4.0, 3.0, 2.0, 1.0), (2.0, 3.0, 4.0)),
    ],
)
def test_median_and_quartiles(ratios: tuple[float, ...], expected: tuple[float, float, float]) -> None:
    made = line([Sample(ratio * 2, {}) for ratio in ratios], [2.0] * len(ratios), False)
    assert (made.low, made.ratio, made.high) == expected
    assert not made.same


def test_rounds_are_interleaved() -> None:
    order: list[str] = []

    def path(name: str, found: object) -> tuple[str, Path]:
        def sample() -> Sample:
            order.append(name)
            return Sample(1.0 if name == OWN else 3.0, {})

        return name, Path(sample, lambda: found)

    def paths() -> Iterator[tuple[str, Path]]:
        yield path(OWN, 1)
        yield path("right", 1)
        yield path("wrong", 2)

    lines = run(Contest(1, paths), 3)
    assert order == [OWN, "right", "wrong"] * 3
    assert [(name, made.ratio, made.same) for name, made in lines.items()] == [
        (OWN, 1.0, True), ("right", 3.0, True), ("wrong", 3.0, False)
    ]  # fmt: skip
    assert report.Result(ROWS[0], lines).differing == ["wrong"]


def test_work_is_counted_by_its_units() -> None:
    calls = []
    path = repeated(lambda: sum(range(20_000)) and calls.append(1), 1000, lambda: None)
    sample = path.sample()
    first = len(calls)
    assert first > 2  # two to see how long it takes, the rest fills the slice
    assert path.sample().notes["wall"] > 0
    assert len(calls) - first == first - 2
    assert 0 < sample.cost < 1e4


# -- reports


PEERS = {"slow": Goal(2, 4), "other": None}
ROW = Row("it", "what it does", "us/event", PEERS, lambda scale: pytest.fail("reports measure nothing"))


def result(ratio: float) -> report.Result:
    own = Line(0.5, {"wall": 0.6}, 1.0, 1.0, 1.0, True)
    peer = Line(0.5 * ratio, {"wall": 0.7}, ratio, ratio - 0.1, ratio + 0.1, True)
    return report.Result(ROW, {OWN: own, "slow": peer, "other": peer, "beside": peer})


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(1, "50% of the goal"), (1.999, "99% of the goal"), (2, "reached"), (3.9, "reached"), (4, "stretch reached")],
)
def test_verdicts(ratio: float, said: str) -> None:
    assert report.verdict(ratio, Goal(2, 4)) == said
    assert report.verdict(ratio, None) == "–"


def test_the_readme_is_written_and_read_back() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    new = report.written(text, [result(3.0)])
    assert new.startswith(f"before\n{report.BEGIN}\nCPython ")
    assert new.endswith(
        "| path | beside | asrwire | it | ratio | goal | stretch |  |\n"
        "|---|---|---:|---:|---:|---:|---:|---|\n"
        "| what it does (us/event) | slow | 0.50 | 1.50 | **3.00x** | 2x | 4x | reached |\n"
        "| what it does (us/event) | other | 0.50 | 1.50 | **3.00x** | – | – | – |\n"
        f"{report.END}\nafter\n"
    )
    assert report.rows_in(new) == report.readme_rows([ROW])
    assert report.written(new, [result(3.0)]) == new
    with pytest.raises(ValueError, match="there must be one"):
        report.written("no table here", [result(3.0)])


def test_tables_have_every_path() -> None:
    lines = report.table([result(3.0)]).splitlines()
    assert [cells.split(" | ")[1] for cells in lines[2:]] == ["slow", "other", "beside"]
    assert lines[2] == (
        "| what it does (us/event) | slow | 0.50 | 1.50 | **3.00x** | 2.90 to 3.10 | 2x | 4x | reached "
        "| wall 0.60 / 0.70 |"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (1e-4, "0"), (0.0123, "0.012"), (0.1, "0.10"), (0.999, "0.999"), (1, "1.00"), (1.234, "1.23"),
        (12.34, "12.3"), (99.96, "100"), (123.4, "123"), (12345.6, "12,346"),
    ],
)
def test_numbers(value: float, said: str) -> None:
    assert report.number(value) == said


def test_who_was_too_slow_for_live_events_is_told() -> None:
    def line(wakes: float) -> Line:
        return Line(1.0, {"wake-ups": wakes}, 1.0, 1.0, 1.0, True)

    lines = {OWN: line(0.98), "slow": line(0.5), "other": line(1.1)}
    assert report.Result(replace(ROW, live=True), lines).crowded == ["slow"]
    assert report.Result(ROW, lines).crowded == []


def test_plot() -> None:
    first, second, legend = plotted([result(3.0)]).splitlines()
    assert first.startswith("what it does ")
    assert first.endswith(" 3.00x")
    assert "█" in first
    assert first.index("|") < first.index(":")
    assert second.split()[0] == "other"
    assert "goal" in legend


# -- the replay server and memory


def test_replay_answers_request_after_request() -> None:
    with Replay(Plan((b"1\r\na\r\n", b"0\r\n\r\n"))) as url:
        port = int(url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            for _ in range(2):
                connection.sendall(b"POST /api/v1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
                received = b""
                while not received.endswith(b"0\r\n\r\n"):
                    received += connection.recv(65536)
                assert received.startswith(b"HTTP/1.1 200 OK\r\n")
                assert received.endswith(b"\r\n\r\n1\r\na\r\n0\r\n\r\n")


def test_a_stream_that_lacks_something_is_no_sample() -> None:
    from benchmarks.own import client_bytes

    short = blocking(Plan((b"1\r\na\r\n0\r\n\r\n",)), client_bytes, 1, one, 2)
    with pytest.raises(RuntimeError, match="1 heard instead of 2"):
        short.sample()


def test_result_file_is_what_it_says() -> None:
    import json

    file = result_file(60)
    (transcript,) = json.loads(file.data)["transcripts"]
    words = [word for sentence in transcript["sentences"] for word in sentence["words"]]
    assert [(w["begin_time"], w["end_time"], w["text"], w["punctuation"]) for w in words] == [*file.words]
    assert [len(sentence["words"]) for sentence in transcript["sentences"]] == [25, 25, 10]
    assert file.words[25] == (7200, 7440, file.words[25][2], "")
    assert file.words[49][3] == "."
    assert 80 < len(result_file(10_000).data) / 10_000 < 130
    assert result_file(60).data == file.data


def test_memory_is_what_a_process_holds() -> None:
    # A list of a million bytes objects' addresses is 8 MB, whatever else a process has.
    file = result_file(100)
    held = sampler(file, "tests.test_benchmarks:hold")()
    assert 7e6 < held.cost * 100 < 12e6
    assert 8e6 <= held.notes["tracemalloc"] * 100 < 8.2e6


def hold(data: bytes) -> list[bytes]:
    return [data[:1]] * 1_000_000
