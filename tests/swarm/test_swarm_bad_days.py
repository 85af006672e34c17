"""Bad days of real machines: full disks, folders that vanish, clocks years off, silent neighbours.

Each time no wrong byte is kept or shown, a download ends well when any good holder is there, and
the log says who and what.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from swarm import Peer, Swarm, write_random
from trees import allocated, same_file

pytestmark = pytest.mark.swarm

PART = 60_000_000
SMALL = 48_000_000
HALF_OPEN = 40
CLOCK = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {years} * 31_556_952
time.time_ns = lambda: _time_ns() + {years} * 31_556_952 * 1_000_000_000
"""


def log_of(peer: Peer) -> str:
    """What a peer's daemon has logged."""
    assert peer.daemon is not None
    return peer.daemon.errors.read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; only root may mount one."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_fills_during_a_download(swarm: Swarm, small_disk: Path, tmp_path: Path) -> None:
    a, c = swarm.add_peers("a", "c", capacity={"c": "0"})
    file = write_random(tmp_path / "film", SMALL)
    entry = str(swarm.ok(a, "add", str(file))["id"])
    answer = swarm.cli(c, "get", entry, "-o", str(small_disk / "film"))
    assert answer.code == 1, str(answer)
    assert f"no room on the disk of {small_disk}" in answer.result["error"], str(answer)
    assert "free some space and try again" in answer.result["error"]
    assert "download failed" in log_of(c)
    assert "no room on the disk" in log_of(c)
    shown = swarm.ok(c, "show", entry)
    assert shown["here"] < shown["pieces"]
    # The daemon is well, nothing is under way, and what was recorded is good.
    assert swarm.ok(c, "status")["transfers"] == []
    assert swarm.ok(c, "verify")["bad"] == 0
    here = shown["here"]

    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    before = swarm.ok(c, "status")["downloaded"]
    done = swarm.ok(c, "get", entry, "-o", str(small_disk / "film"))
    assert same_file(small_disk / "film", file)
    came = swarm.ok(c, "status")["downloaded"] - before
    assert came <= SMALL - (here - 1) * (SMALL // shown["pieces"])
    assert done["received"] <= came


def test_a_shared_folder_vanishes(swarm: Swarm, tmp_path: Path) -> None:
    """Nobody waits for what its machine lacks; it says so, and gets a copy of its own again."""
    a, b, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    folder = tmp_path / "shared"
    folder.mkdir()
    for number in range(12):
        write_random(folder / f"{number}", 2_500_000)
    entry = str(swarm.ok(a, "add", str(folder), "--wait")["id"])
    # While its daemon is away: files that it has open it could read wherever they are now.
    swarm.stop(a)
    away = folder.rename(tmp_path / "away")
    swarm.start(a)
    done = swarm.ok(c, "get", entry, "-o", str(tmp_path / "out"))
    assert "b" in done["sources"]
    for number in range(12):
        assert same_file(tmp_path / "out" / f"{number}", away / f"{number}")
    told = [line for line in log_of(a).splitlines() if "pieces no longer count" in line]
    assert len(told) == 1, log_of(a)
    assert str(folder) in told[0]
    swarm.wait_until(lambda: swarm.copies(b, entry)[0] >= 2, "the wanted copies are there again")
    assert swarm.ok(a, "verify", seconds=60)["bad"] == 0


def test_a_holder_freezes_during_a_download(swarm: Swarm, big_file: Path, tmp_path: Path) -> None:
    """Its connections stay open and say nothing: its pieces come from the other."""
    a, _, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    entry = str(swarm.ok(a, "add", str(big_file), "--wait")["id"])
    place = tmp_path / "out"
    place.mkdir()
    getting = swarm.begin(c, "get", entry, "-o", str(place / "film"))
    swarm.wait_until(lambda: allocated(place) + allocated(c.content) > PART, "the download runs")
    assert a.daemon is not None
    os.kill(a.daemon.process.pid, signal.SIGSTOP)
    try:
        answer = getting.finish(30)
        assert answer.code == 0, str(answer)
        assert same_file(place / "film", big_file)
        assert "b" in answer.result["sources"]
        told = [line for line in log_of(c).splitlines() if '"source is late"' in line]
        assert all('"peer": "a"' in line or '"peer":"a"' in line for line in told), told
    finally:
        os.kill(a.daemon.process.pid, signal.SIGCONT)
    swarm.ok(a, "status", "--wait", "30")
    swarm.wait_until(lambda: swarm.copies(a, entry)[0] >= 2, "a is back")
    assert swarm.ok(a, "verify")["bad"] == 0


def test_half_open_connections_hinder_nobody(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a")
    assert a.daemon is not None
    host, _, port = str(a.daemon.said()[0]["listen"]).rpartition(":")
    with ExitStack() as stack:
        strangers = []
        for number in range(HALF_OPEN):
            stranger = stack.enter_context(socket.create_connection((host, int(port)), 5))
            # Some say nothing, some begin like a member, none goes on.
            stranger.sendall(b"twofold\0"[: number % 9])
            strangers.append(stranger)
        b = swarm.add_peer("b")
        file = write_random(tmp_path / "file", 5_000_000)
        entry = str(swarm.ok(a, "add", str(file), "--wait")["id"])
        swarm.ok(b, "get", entry, "-o", str(tmp_path / "out"))
        assert same_file(tmp_path / "out", file)
        for stranger in strangers:
            stranger.settimeout(20)
            assert stranger.recv(100) == b"", "a stranger gets no byte, and is let go"
    assert swarm.ok(a, "status", "--wait", "5")


@pytest.mark.parametrize("years", [-40, 40])
def test_a_clock_that_is_years_off(
    swarm: Swarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """What Python takes for the time of day is shifted in one daemon; files keep the kernel's."""
    a = swarm.add_peer("a")
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK.format(years=years))
    b = swarm.join_peer("b")
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "clock"))
        swarm.start(b)
    entries = {}
    for peer in (a, b):
        file = write_random(tmp_path / peer.name, 3_000_000)
        entries[peer.name] = str(swarm.ok(peer, "add", str(file), "--wait")["id"])
    shown = {name: swarm.ok(a, "show", entry)["created"] for name, entry in entries.items()}
    off = (shown["b"] - shown["a"]) / 31_556_952_000
    assert off == pytest.approx(years, abs=0.1), "the clock really was off"
    for peer, other in ((a, "b"), (b, "a")):
        out = tmp_path / f"{other} at {peer.name}"
        swarm.ok(peer, "get", entries[other], "-o", str(out))
        assert same_file(out, tmp_path / other)
        assert {each["id"] for each in swarm.ok(peer, "ls")["entries"]} == set(entries.values())
    # Its word counts like any other: what it deletes is gone, what it adds again is there.
    swarm.ok(b, "rm", entries["b"])
    swarm.wait_until(
        lambda: [e["id"] for e in swarm.ok(a, "ls")["entries"]] == [entries["a"]], "deleted"
    )
    assert swarm.ok(b, "verify")["bad"] == 0
