"""The rooms and what each may import (docs/architecture.md), read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("protocol", "tracker", "peer", "web")
ALLOWED = {
    "protocol": {"protocol"},
    "tracker": {"tracker", "protocol"},
    "peer": {"peer", "protocol"},
    "web": {"web", "protocol"},
}
DRIVERS = ROOT / "protocol" / "drivers"
_WORLD = """
    trio asyncio socket selectors select ssl aiohttp anyio sqlite3 sqlalchemy threading subprocess
    multiprocessing concurrent time datetime random secrets os io shutil tempfile pathlib glob mmap
    logging structlog signal urllib http
"""
WORLD = frozenset(_WORLD.split())
"""What the protocol room may not know: event loops, sockets, clocks, files, chance."""
MOST_LINES = 400


def sources(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, room
    return found


def everything() -> list[Path]:
    return [path for room in ROOMS if (ROOT / room).is_dir() for path in sources(room)]


def imports(path: Path) -> Iterator[str]:
    """Full dotted names imported anywhere in the file, in functions and by name too."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports stay inside their package, and so inside their room.
            assert node.level <= len(path.relative_to(ROOT).parts) - 1, path
            prefix = node.module or ""
            if node.level == 0:
                yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("__import__", "import_module"):
            [name, *_] = [*node.args, None]
            assert isinstance(name, ast.Constant), f"{path} imports what cannot be seen"
            yield str(name.value)


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_other_but_the_protocol(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(room)
        for name in imports(path)
        if (top(name) in ROOMS and top(name) not in ALLOWED[room])
        or top(name) in ("tests", "scripts")
    ]
    assert wrong == []


def test_the_protocol_knows_no_loop_socket_clock_or_file() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("protocol")
        if DRIVERS not in path.parents
        for name in imports(path)
        if top(name) in WORLD
    ]
    assert wrong == []


def test_the_protocol_opens_no_file() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("protocol")
        if DRIVERS not in path.parents
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("open", "print", "input", "exec", "eval", "compile")
    ]
    assert wrong == []


def test_only_the_drivers_are_for_a_loop_and_each_for_one() -> None:
    loops = {"trio", "asyncio", "aiohttp", "anyio"}
    used = {
        path.name: found
        for path in sources("protocol")
        if (found := {top(name) for name in imports(path)} & loops)
    }
    assert used == {"on_trio.py": {"trio"}, "on_asyncio.py": {"asyncio"}}


def test_no_protocol_code_but_the_drivers_imports_a_driver() -> None:
    wrong = [
        path.name
        for path in sources("protocol")
        if DRIVERS not in path.parents
        for name in imports(path)
        if name.startswith("protocol.drivers")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "foreign"),
    [("tracker", {"asyncio", "aiohttp"}), ("peer", {"asyncio", "aiohttp"}), ("web", {"trio"})],
)
def test_a_room_stays_on_its_event_loop(room: str, foreign: set[str]) -> None:
    driver = "protocol.drivers.on_trio" if room == "web" else "protocol.drivers.on_asyncio"
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(room)
        for name in imports(path)
        if top(name) in foreign or name.startswith(driver)
    ]
    assert wrong == []


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in everything()
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_the_walk_sees_every_kind_of_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else the tests above could not fail."""
    monkeypatch.setattr("test_rooms.ROOT", tmp_path)
    source = tmp_path / "room" / "file.py"
    source.parent.mkdir()
    source.write_text(
        "import a.b\nfrom c import d\n"
        "def f():\n    import e as g\n    __import__('h')\n    importlib.import_module('i.j')\n"
        "if TYPE_CHECKING:\n    from k.l import m\nfrom . import n\n"
    )
    assert sorted(imports(source)) == ["a.b", "c.d", "e", "h", "i.j", "k.l.m"]
