# The shape of the house: what may stand at the top level, which floor may import which, what importing costs.

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import asrwire

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "asrwire"
TOP_LEVEL = {
    "pyproject.toml", "setup.py", "src", "ext", "tests", "benchmarks", "README.md", "LICENSE", "CHANGELOG.md", "docs",
}  # fmt: skip

# From the ground up. A module may import from lower floors, and on its own floor from modules named before it.
FLOORS = [
    ["_errors", "_sse", "_chunked", "_scan"],
    ["_limits", "_model", "_books", "_timeline"],
    [
        "_masks", "_decode", "_assembler", "_ledger", "_asrcap", "_direct", "_codes", "_audio", "_task", "_options",
        "_requests", "_retry", "formats", "_transcript", "_sentences", "_files",
    ],
    ["_stream", "_talk", "_single", "_many", "_tasks", "_net", "capture"],
    ["_tasks_client", "_client"],
    ["__init__"],
    ["emulator", "testing", "sidecar", "batch", "integrations", "cli", "__main__"],
]
# Upwards, by methods of values that hand over to an optional library: imported when they are called.
LOADED_WHEN_CALLED = {("_files", "integrations"), ("_transcript", "integrations"), ("_timeline", "integrations")}
PLACE = {name: (floor, i) for floor, names in enumerate(FLOORS) for i, name in enumerate(names)}


def sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "ext" / "asrwire").glob("*.p[yx]*")])


def room(path: Path) -> str:
    """The name by which FLOORS knows a source file."""
    if path.is_relative_to(PACKAGE):
        return path.relative_to(PACKAGE).with_suffix("").parts[0]
    return path.stem


def imported(path: Path) -> set[str]:
    """The rooms a file imports or cimports, type-checking imports left out."""
    text = path.read_text()
    if path.suffix != ".py":
        return set(re.findall(r"^\s*from\s+(?:asrwire)?\.(\w+)[\w.]*\s+c?import", text, re.MULTILINE))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    package = path.relative_to(PACKAGE.parent).parent.parts
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            full = [*base, *(node.module or "").split(".")] if node.module else list(base)
            names = [full] if len(full) > 1 else [[*full, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        found |= {n[1] if n[1] in PLACE else "__init__" for n in names if len(n) > 1 and n[0] == "asrwire"}
        found |= {"__init__" for n in names if n == ["asrwire"]}
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_go_down(path: Path) -> None:
    name = room(path)
    assert name in PLACE, f"{name} has no floor: give it one in FLOORS"
    for other in imported(path) - {name}:
        said = f"{name} (floor {PLACE[name][0]}) imports {other} (floor {PLACE[other][0]})"
        if (name, other) in LOADED_WHEN_CALLED:
            assert not re.search(rf"^( {{4}})?from \.{other}\b", path.read_text(), re.MULTILINE), f"{said} at once"
        else:
            assert PLACE[other] < PLACE[name], said


def test_the_bytes_floor_knows_only_errors() -> None:
    for name in ("_sse", "_chunked", "_scan"):
        assert imported(ROOT / "ext" / "asrwire" / f"{name}.pyx") <= {"_errors"}


def test_every_module_says_what_it_must_not_know() -> None:
    for path in sources():
        if path.name in ("__init__.py", "__main__.py", "__init__.pxd") or path.suffix == ".pxd":
            continue
        head = "".join(line for line in path.read_text().splitlines(True)[:16] if line.startswith("#"))
        assert "must not" in head.lower(), f"{path.name} does not say what it must not know"


def test_top_level_holds_what_was_agreed_and_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:  # a source distribution: what it unpacks to
        names = {entry.name for entry in ROOT.iterdir()} - {"PKG-INFO", "setup.cfg", "build", "dist"}
    else:
        names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    visible = {name for name in names if not name.startswith(".") and not name.endswith(".egg-info")}
    assert visible <= TOP_LEVEL, f"not agreed on: {visible - TOP_LEVEL}"
    assert {"pyproject.toml", "setup.py", "src", "ext", "tests", "benchmarks", "README.md"} <= visible


def test_no_machine_path_and_no_generated_file_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert not re.findall(r"^.*\.(?:so|o|pyd|whl|egg-info/.*)$|^ext/.*\.c$", listed, re.MULTILINE)


def statements(path: Path) -> int:
    """Logical lines, so that formatting does not matter: what the tokenizer calls so (it reads Cython too), docstrings
    not counted."""
    count, strings_only, empty = 0, True, True
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.NEWLINE:
            count += not (strings_only or empty)
            strings_only = empty = True
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            strings_only = strings_only and token.type == tokenize.STRING
            empty = False
    return count


def test_floors_0_to_5_stay_small() -> None:
    lines = sum(statements(p) for p in sources() if PLACE[room(p)][0] <= 5)
    assert lines < 8950, f"floors 0-5 have {lines} logical lines"


def run(code: str) -> str:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    return done.stdout.strip()


def test_importing_asrwire_imports_neither_clients_nor_anything_optional() -> None:
    assert run("import sys, asrwire; print(*[name for name in sys.modules if 'asrwire' in name])") == "asrwire"
    loaded = run("import sys; from asrwire import Transcript, ResultStream, Update; print(*sys.modules)").split()
    for name in ("httpcore", "h11", "anyio", "ssl", "asyncio", "trio", "h2", "trustme", "asrwire._client"):
        assert name not in loaded
    assert run("import asrwire; print(asrwire.Client.__module__)") == "asrwire._client"


def test_names_are_where_type_checkers_are_told_they_are() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    told = next(node for node in tree.body if isinstance(node, ast.If))
    found = {alias.name: node.module for node in told.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert found == asrwire._PLACES
    assert set(found) == set(asrwire.__all__)


def test_importing_costs_no_more_than_httpcore_and_orjson() -> None:
    # Counted, not timed: modules loaded beyond the interpreter's own.
    count = "import sys; before = set(sys.modules); {}; print(len(set(sys.modules) - before))"
    everything = ", ".join(name for name in asrwire.__all__ if not name.endswith(("Client", "Stream", "Options")))
    modules = int(run(count.format(f"from asrwire import ResultStream, {everything}")))
    assert modules <= int(run(count.format("import httpcore, orjson")))


@pytest.mark.parametrize("name", sorted(p.stem for p in PACKAGE.glob("_*.py") if not p.stem.endswith("__")))
def test_every_module_can_be_imported_alone(name: str) -> None:
    run(f"import importlib; importlib.import_module('asrwire.{name}')")


def test_every_public_name_is_there_and_documented() -> None:
    for name in asrwire.__all__:
        value = getattr(asrwire, name)
        assert isinstance(value, int) or name == "Update" or value is not None
    assert sorted(asrwire.__all__) == sorted(set(asrwire.__all__))
    with pytest.raises(AttributeError):
        _ = asrwire.nothing  # type: ignore[attr-defined]


def test_at_most_nine_packages_are_installed() -> None:
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    seen: set[str] = set()
    todo = [("asrwire", frozenset[str]())]
    while todo:
        name, extras = todo.pop()
        seen.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        for line in needed:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras or {""}):
                key = need.name.lower().replace("_", "-")
                if key not in seen:
                    todo.append((key, frozenset(need.extras)))
    assert len(seen) <= 9, sorted(seen)
