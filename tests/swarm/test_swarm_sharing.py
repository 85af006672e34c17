"""The main job: join, add, two copies, find, and fetch while a holder is dead."""

from pathlib import Path

import pytest
from swarm import Peer, Swarm, write_random
from trees import count_files, same_file, tree_difference

pytestmark = pytest.mark.swarm


def a_peer_without(swarm: Swarm, entry: str) -> Peer:
    """A running peer that holds nothing of an entry; a new one that keeps nothing, if need be."""
    running = [peer for peer in swarm.peers.values() if peer.daemon and peer.daemon.alive()]
    holders = swarm.holders(running[0], entry)
    for peer in running:
        if peer.name not in holders:
            return peer
    return swarm.add_peer("late", capacity="0")


def test_a_file_and_a_folder_reach_two_machines_and_survive_one(
    swarm: Swarm, big_file: Path, real_folder: Path, tmp_path: Path
) -> None:
    assert count_files(real_folder) > 1000
    a, b, c = swarm.add_peers("a", "b", "c")
    tags = ("--tag", "holiday", "--tag", "2026")
    big = swarm.ok(a, "add", str(big_file), "--caption", "Evening at the lake", *tags, "--wait")
    folder = swarm.ok(b, "add", str(real_folder), "--wait")
    for entry, file in ((big, big_file), (folder, real_folder)):
        assert entry["name"] == file.name
        assert entry["copies"]["have"] >= entry["copies"]["want"] == 2
    assert big["size"] == big_file.stat().st_size

    for words in ("summer", "umme", "film summer", "lake", "holiday", "OLIDA", "2026"):
        found = swarm.ok(c, "search", *words.split())["entries"]
        # Behind it the folder, where a name in it has these letters.
        assert found[0]["id"] == big["id"], words
        assert "inside" not in found[0] or not found[0]["inside"]
        assert all(each["inside"] for each in found[1:]), words
    assert swarm.ok(c, "search", "nowhere")["entries"] == []

    fetcher = a_peer_without(swarm, big["id"])
    live = set(swarm.holders(fetcher, big["id"])) - {"a"}
    swarm.kill9(a)
    done = swarm.ok(fetcher, "get", big["id"], "-o", str(tmp_path / "film"))
    assert same_file(tmp_path / "film", big_file)
    assert done["path"] == str(tmp_path / "film")
    assert done["size"] == done["received"] == big["size"]
    assert done["sources"]
    assert set(done["sources"]) <= live

    swarm.wait_until(
        lambda: swarm.holders(fetcher, big["id"])["a"]["state"] == "suspect", "a is suspect"
    )
    shown = swarm.ok(fetcher, "show", big["id"])
    states = {each["peer"]: each["state"] for each in shown["holders"]}
    assert states == {"a": "suspect", fetcher.name: "live", **dict.fromkeys(live, "live")}
    assert shown["copies"] == {"have": len(states) - 1, "want": 2}

    done = swarm.ok(
        a_peer_without(swarm, folder["id"]), "get", folder["link"], "-o", str(tmp_path / "tree")
    )
    assert done["received"] == done["size"]
    assert tree_difference(tmp_path / "tree", real_folder) == []


def test_a_machine_that_joins_later_gets_the_second_copy(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a")
    entry = swarm.ok(a, "add", str(write_random(tmp_path / "alone", 20_000_000)))
    assert entry["copies"] == {"have": 1, "want": 2}
    assert swarm.copies(a, entry["id"]) == (1, 2)
    swarm.add_peer("b")
    swarm.wait_until(lambda: swarm.copies(a, entry["id"]) == (2, 2), "b has the second copy")
    assert set(swarm.holders(a, entry["id"])) == {"a", "b"}


def test_a_write_is_accepted_while_the_other_machine_is_off(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "1s")
    a, b = swarm.add_peers("a", "b")
    assert swarm.stop(b) == 0
    entry = swarm.ok(a, "add", str(write_random(tmp_path / "now", 20_000_000)))
    assert swarm.copies(a, entry["id"]) == (1, 2)
    swarm.add_peer("c")
    # As soon as b has left the ring, if it was to have the second copy.
    swarm.wait_until(
        lambda: swarm.copies(a, entry["id"]) == (2, 2), "c has the second copy", seconds=40
    )


def test_small_files_and_odd_names(three: Swarm, tmp_path: Path) -> None:
    names = ("one byte", "ünï çødé 大", "-dash", "a\nnew line")
    for size, name in enumerate(names, start=1):
        check_everywhere(three, write_random(tmp_path / name, size), tmp_path)


def test_a_file_without_a_byte(three: Swarm, tmp_path: Path) -> None:
    check_everywhere(three, write_random(tmp_path / "empty", 0), tmp_path)


def check_everywhere(swarm: Swarm, file: Path, place: Path) -> None:
    """A file that a adds gets its copies, and can be had at every peer."""
    entry = swarm.ok(swarm.peers["a"], "add", str(file), "--wait", seconds=20)
    for peer in swarm.peers.values():
        target = place / f"{peer.name}-{file.stat().st_size}"
        swarm.ok(peer, "get", entry["id"], "-o", str(target))
        assert same_file(target, file), (peer.name, file.name)
