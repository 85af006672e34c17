"""Thousands of small files: how much is done for each of them, and before the first."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from peer_net import Clock, PeerNet, bytes_of, manifest_of, stats_of

from peer.announcer import Announcer
from peer.errors import PeerError
from peer.rpc import Calls
from peer.store import splitter
from peer.store.splitter import split, survey
from peer.swarm.outbox import Outbox
from peer.tracker_link import ANNOUNCE_PAUSE, TrackerLink
from protocol.messages.base import Done, Message
from protocol.messages.tracking import Announce, Present, Presented

ROOT = Path(__file__).parents[2]
FILES = 200


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two hundred small files in four folders, one that fills several pieces, an empty one."""
    root = tmp_path / "tree"
    for number in range(FILES):
        path = root / f"d{number % 4}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes_of(3000, number))
    (root / "large").write_bytes(bytes_of(1 << 20))
    (root / "none").touch()
    return root


def test_small_files_are_looked_at_only_through_what_they_are_read_from(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = survey(tree)
    looked: list[str] = []
    really = os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        looked.append(os.path.relpath(path, tree))
        return really(path, **options)

    monkeypatch.setattr(splitter.os, "stat", counted)
    split(found, progress=lambda *_: None, cancelled=lambda: False)
    assert sorted(looked) == ["large", "none"]


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 12345))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(0, 12345))
    other.rename(path)


@pytest.mark.parametrize("change", [touch, replace, lambda path: path.write_bytes(b"x"), os.unlink])
@pytest.mark.parametrize("name", ["d3/199", "large", "none"])
def test_one_of_many_that_changes_before_it_is_read(
    tree: Path, change: Callable[[Path], object], name: str
) -> None:
    found = survey(tree)
    change(tree / name)
    with pytest.raises(PeerError, match=r"changed|cut|went away|cannot read"):
        split(found, progress=lambda *_: None, cancelled=lambda: False)


@pytest.mark.trio
async def test_a_folders_stats_are_written_at_once(net: PeerNet, tree: Path) -> None:
    (one,) = await net.start("one")
    connection = one.parts.database.connection
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    manifest = manifest_of(tree)
    content = await one.parts.contents.add(manifest, tree, full=True, stats=stats_of(tree))
    connection.set_trace_callback(None)
    written = [each for each in statements if each.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert 1 <= len(written) < 5, written
    (recorded,) = await one.parts.contents.recorded([content], 1)
    assert len(recorded.stats) == FILES + 2
    assert {n: (s.size, s.mtime) for n, s in content.stats.items()} == {
        number: (size, mtime) for number, size, mtime in recorded.stats
    }


@pytest.mark.trio
async def test_what_is_new_is_announced_at_once_and_then_now_and_then(
    autojump_clock: Clock, net: PeerNet, nursery: trio.Nursery, tmp_path: Path
) -> None:
    (one,) = await net.start("one")
    announcer = Announcer(one.parts.contents)
    link = TrackerLink(
        one.parts.admission.dialling_tracker, tuple, announcer, one.parts.present, Random(1)
    )
    outbox = Outbox()
    calls = Calls(outbox.put, "the tracker")
    told: list[float] = []

    async def answer() -> None:
        while True:
            queued = outbox.next_message()
            if queued is None:
                await outbox.wait_filled()
                continue
            calls.deliver(reply_to(queued[0]))
            if isinstance(queued[0], Announce):
                told.append(round(trio.current_time() - began, 3))

    nursery.start_soon(answer)
    nursery.start_soon(link._introduce, calls, 0, b"")
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    for moment in (0.0, 0.1, 0.2, 5.0):
        await trio.sleep_until(began + moment)
        announcer.mark(manifest_of(make_file(tmp_path / f"{moment}")).id)
        link.mark()
    await trio.sleep(1)
    assert told == [0.0, ANNOUNCE_PAUSE, 5.0]


def reply_to(message: Message) -> Presented | Done:
    if isinstance(message, Present):
        return Presented(call=message.call, in_sync=True, change=0)
    assert isinstance(message, Announce)
    return Done(call=message.call)


def make_file(path: Path) -> Path:
    path.write_bytes(path.name.encode())
    return path


def test_a_command_that_asks_the_daemon_imports_little(tmp_path: Path) -> None:
    program = (
        "import sys; from peer.cli.command import run_command;"
        f"code = run_command(['get', 'abcdef', '--data', {str(tmp_path)!r}]);"
        "print(code, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    code, *found = done.stdout.split()
    assert code == "4", done.stderr
    assert "in no swarm yet" in done.stderr
    heavy = {"trio", "asyncio", "ssl", "logging", "structlog", "rich", "zeroconf", "sqlite3"}
    assert {name.partition(".")[0] for name in found} & heavy == set()
