"""A machine that drains, offers another amount, is put in a zone, and leaves; real processes."""

from pathlib import Path

import pytest
from processes import Fields
from swarm import Peer, Swarm, held_still, write_random

pytestmark = pytest.mark.swarm

MB = 1_000_000


def held_here(peer: Peer) -> int:
    """Bytes in a machine's own content files."""
    return sum(path.stat().st_size for path in peer.content.rglob("*") if path.is_file())


def all_copies(swarm: Swarm, peer: Peer) -> list[tuple[int, int]]:
    """(Have, want) of each entry."""
    shown = [each["copies"] for each in swarm.ok(peer, "ls")["entries"]]
    return [(copies["have"], copies["want"]) for copies in shown]


def leave_without_tracker(swarm: Swarm, peer: Peer, others: list[Peer]) -> Fields:
    """Leave; the tracker is dead from the beginning until all that is left is to tell it."""
    with held_still(*others):
        leaving = swarm.begin(peer, "leave", "--yes")
        swarm.wait_until(
            lambda: swarm.ok(peer, "status")["peer"]["standing"] == "leaving", "it begins to leave"
        )
        assert leaving.alive()
        swarm.kill_tracker()
    swarm.wait_until(
        lambda: any("all is elsewhere, but" in str(line) for line in leaving.said()),
        "everything is elsewhere",
        seconds=60,
    )
    assert leaving.alive()
    swarm.start_tracker()
    answer = leaving.finish()
    assert answer.code == 0, str(answer)
    return answer.result


def test_one_of_three_leaves_and_nothing_is_short(swarm: Swarm, tmp_path: Path) -> None:
    a, b, c = swarm.add_peers("a", "b", "c")
    films = [write_random(tmp_path / f"film {number}", 5 * MB) for number in range(10)]
    swarm.ok(a, "add", *map(str, films))
    mine = write_random(tmp_path / "mine", 3 * MB)
    content = mine.read_bytes()
    swarm.ok(c, "add", str(mine), "--wait")
    swarm.wait_until(lambda: held_here(c) > 0, "it holds something for the others")
    # More than two while a machine fetches what it should hold instead of the author.
    swarm.wait_until(lambda: min(have for have, _ in all_copies(swarm, a)) >= 2, "two copies")

    left = leave_without_tracker(swarm, c, [a, b])
    assert left["fewer"] == left["lost"] == 0
    assert left["entries"] > 0
    assert c.daemon is not None
    swarm.wait_until(lambda: not c.daemon.alive(), "its daemon stops")
    assert c.daemon.process.returncode == 0
    assert all_copies(swarm, a) == [(2, 2)] * 11
    # Its store is gone, and what its user shared is as it was.
    assert not c.content.exists()
    assert not (c.data / "peer.db").exists()
    assert mine.read_bytes() == content
    assert {each["name"] for each in swarm.ok(a, "peers")["peers"]} == {"a", "b"}
    listed = {each["name"]: each["state"] for each in swarm.tracker_ok("members")["members"]}
    assert listed["c"] == "left"
    assert "has left the swarm" in swarm.cli(c, "status").result["error"]
    assert swarm.cli(c, "run", "--listen", "127.0.0.1:0").code == 5

    # It may come back, in the same directory, as the same machine.
    joined = swarm.cli(c, "join", "-", "--name", "c", text=swarm.invite())
    assert joined.code == 0, str(joined)
    swarm.start(c)
    assert {each["name"] for each in swarm.ok(a, "peers")["peers"]} == {"a", "b", "c"}
    (found,) = swarm.ok(c, "search", "film 7")["entries"]
    swarm.ok(c, "get", found["id"], "-o", str(tmp_path / "fetched"))
    assert (tmp_path / "fetched").read_bytes() == films[7].read_bytes()
    assert swarm.tracebacks() == []


def test_what_exists_only_here_keeps_a_machine_in_the_swarm(swarm: Swarm, tmp_path: Path) -> None:
    a, _ = swarm.add_peers("a", "b", capacity={"b": "0"})
    swarm.ok(a, "add", str(write_random(tmp_path / "film", MB)))
    answer = swarm.cli(a, "leave", "--yes", seconds=60)
    assert answer.code == 1, str(answer)
    assert "1 entry exists only here" in answer.result["error"]
    assert swarm.ok(a, "status")["peer"]["standing"] == "leaving"
    swarm.ok(a, "leave", "--cancel")
    assert swarm.ok(a, "status")["peer"]["standing"] == "active"
    assert swarm.cli(a, "leave").code == 2  # nobody said yes
    left = swarm.ok(a, "leave", "--yes", "--force", "--keep-data")
    assert left["lost"] == 1
    assert a.daemon is not None
    swarm.wait_until(lambda: not a.daemon.alive(), "its daemon stops")
    assert (a.data / "peer.db").exists()
    assert (tmp_path / "film").exists()


def test_draining_capacity_and_zones_by_command(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    swarm.ok(b, "drain")
    entry = swarm.ok(a, "add", str(write_random(tmp_path / "film", MB)))["id"]
    shown = {each["name"]: each["standing"] for each in swarm.ok(a, "peers")["peers"]}
    assert shown == {"a": "active", "b": "draining"}
    swarm.restart(b)
    assert swarm.ok(b, "status")["peer"]["standing"] == "draining"
    assert swarm.copies(a, entry) == (1, 2)
    swarm.ok(b, "drain", "--stop")
    swarm.wait_until(lambda: swarm.copies(a, entry) == (2, 2), "it takes again", seconds=90)

    assert swarm.ok(b, "capacity", "70GiB") == {
        "type": "result",
        "capacity": 70 << 30,
        "told": True,
    }
    assert swarm.ok(b, "status")["store"]["capacity"] == 70 << 30
    swarm.wait_until(
        lambda: {e["name"]: e["capacity"] for e in swarm.ok(a, "peers")["peers"]}["b"] == 70 << 30,
        "everybody knows",
    )
    assert swarm.ok(a, "peers")["warnings"] == []
    for name in ("a", "b"):
        swarm.tracker_ok("zone", name, "attic")
    (warning,) = swarm.wait_until(lambda: swarm.ok(a, "peers")["warnings"], "the warning")
    assert "zone 'attic'" in warning
    assert swarm.tracker_cli("zone", "nobody", "attic").code == 3
    swarm.tracker_ok("zone", "b", "")
    swarm.wait_until(lambda: not swarm.ok(a, "peers")["warnings"], "it is gone")
    assert swarm.tracebacks() == []


def test_one_machine_gives_up_its_copy_by_command(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    mine = write_random(tmp_path / "film", 3 * MB)
    content = mine.read_bytes()
    entry = swarm.ok(a, "add", str(mine), "--wait")["id"]
    # Nobody else can take it: it waits, as it says, and is kept after all.
    waiting = swarm.begin(a, "drop", entry)
    swarm.wait_until(
        lambda: any("dropped here" in n["text"] for n in swarm.ok(a, "status")["notices"]),
        "it is said",
    )
    swarm.ok(a, "drop", entry, "--cancel")
    swarm.wait_until(lambda: not waiting.alive(), "who waits hears of it")
    assert swarm.copies(a, entry) == (2, 2)
    assert swarm.cli(a, "drop", entry, "--cancel").code == 1

    (c,) = swarm.add_peers("c")
    dropped = swarm.ok(a, "drop", entry, seconds=120)
    assert (dropped["id"], dropped["path"]) == (entry, str(mine))
    assert mine.read_bytes() == content
    assert held_here(a) == 0
    assert held_here(b) == held_here(c) == 3 * MB
    swarm.wait_until(lambda: swarm.copies(b, entry) == (2, 2), "two copies elsewhere")
    assert swarm.ok(a, "drop", entry)["size"] == 0
    swarm.ok(a, "get", entry, "-o", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == content
    assert swarm.tracebacks() == []
