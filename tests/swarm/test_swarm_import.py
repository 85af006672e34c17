"""`add --import`, and what the owner of files shared in place is told."""

import signal
from pathlib import Path

import pytest
from swarm import Peer, Swarm, held_still, write_random
from trees import allocated, count_files, same_file, tree_difference

pytestmark = pytest.mark.swarm

SIZE = 12_000_000


def make_folder(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    write_random(folder / "film", SIZE)
    for number in range(50):
        write_random(folder / "deep" / f"{number}.txt", 2_000 + number)
    (folder / "deep" / "run.sh").write_text("echo")
    (folder / "deep" / "run.sh").chmod(0o755)
    return folder


def files_of(peer: Peer) -> int:
    """Files in the store, on their way or in the trash."""
    return sum(count_files(peer.data / name) for name in ("content", "spool", "trash"))


def test_imported_files_may_change_and_go(swarm: Swarm, tmp_path: Path) -> None:
    a, c = swarm.add_peers("a", "c", capacity={"c": "0"})
    folder, kept = make_folder(tmp_path / "folder"), tmp_path / "kept"
    (folder / "pointer").symlink_to("film")
    film = write_random(tmp_path / "film", SIZE)
    entries = swarm.ok(a, "add", "--import", str(folder), str(film))["entries"]
    assert [entry["skipped"] for entry in entries] == [["pointer"], []]
    assert all(entry["seconds"] > 0 for entry in entries)
    (folder / "pointer").unlink()
    folder.rename(kept)
    film.rename(tmp_path / "film kept")
    film.write_text("something else")
    assert files_of(a) == 2
    swarm.restart(a)
    swarm.ok(c, "get", entries[0]["id"], "-o", str(tmp_path / "out"))
    assert tree_difference(tmp_path / "out", kept) == []
    assert (tmp_path / "out" / "deep" / "run.sh").stat().st_mode & 0o100
    swarm.ok(c, "get", entries[1]["id"], "-o", str(tmp_path / "film again"))
    assert same_file(tmp_path / "film again", tmp_path / "film kept")
    checked = swarm.ok(a, "verify")
    assert (checked["bad"], checked["pieces"]) == (0, sum(e["pieces"] for e in entries))
    assert swarm.ok(a, "status")["notices"] == []
    swarm.ok(a, "rm", entries[0]["id"])
    assert count_files(a.content) == 1


def test_an_import_that_is_interrupted(swarm: Swarm, tmp_path: Path, big_file: Path) -> None:
    (a,) = swarm.add_peers("a")
    spool = a.data / "spool"
    adding = swarm.begin(a, "add", "--import", str(big_file))
    swarm.wait_until(lambda: allocated(spool) > 0, "the copy has begun", every=0.002)
    with held_still(a):
        adding.process.send_signal(signal.SIGINT)
        assert adding.finish().code != 0
    swarm.wait_until(lambda: count_files(spool) == 0, "the copy is gone")

    adding = swarm.begin(a, "add", "--import", str(big_file))
    swarm.wait_until(lambda: allocated(spool) > 0, "the copy has begun", every=0.002)
    swarm.kill9(a)
    assert adding.finish().code == 4
    swarm.start(a)
    assert files_of(a) == 0
    assert swarm.ok(a, "ls")["entries"] == []
    assert swarm.ok(a, "status")["store"]["pieces"] == 0
    swarm.ok(a, "add", "--import", str(big_file))
    assert files_of(a) == 1


def test_the_owner_is_told_of_changed_files(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    folder = make_folder(tmp_path / "folder")
    entry = swarm.ok(a, "add", str(folder), "--wait")["id"]
    assert swarm.ok(a, "status")["notices"] == []
    (folder / "film").write_text("changed")
    (folder / "deep" / "7.txt").unlink()
    # A look every half a minute, and at a start.
    swarm.restart(a)
    (notice,) = swarm.wait_until(lambda: swarm.ok(a, "status")["notices"], "the notice")
    assert notice["text"] == (
        f"2 of 52 files in {folder} changed or went away since they were shared: film, deep/7.txt"
    )
    assert swarm.ok(a, "show", entry)["notice"] == notice["text"]
    (listed,) = swarm.ok(a, "ls")["entries"]
    assert listed["notice"] == notice["text"]
    assert swarm.ok(b, "show", entry)["notice"] == ""
    assert swarm.ok(b, "status")["notices"] == []
    swarm.ok(a, "rm", entry)
    assert swarm.ok(a, "status")["notices"] == []
