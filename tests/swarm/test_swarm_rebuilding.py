"""The tracker's database is lost: its members know what was in it."""

from pathlib import Path

import pytest
from processes import run_command
from swarm import Peer, Swarm, write_random
from trees import same_file

pytestmark = pytest.mark.swarm


def lose_database(swarm: Swarm) -> None:
    """Kill the tracker, delete its database, and start it with the keys that are left."""
    swarm.kill_tracker()
    for name in ("tracker.db", "tracker.db-wal", "tracker.db-shm"):
        (swarm.tracker_data / name).unlink(missing_ok=True)
    swarm.start_tracker()


def listed(swarm: Swarm, peer: Peer) -> dict[str, tuple[object, ...]]:
    """What the tracker lists, by name: id, copies, and who holds it."""
    answer = swarm.ok(peer, "ls")
    if answer["local"]:
        return {}
    return {
        each["name"]: (each["id"], each["copies"]["have"], tuple(swarm.holders(peer, each["id"])))
        for each in answer["entries"]
    }


def test_an_empty_tracker_is_rebuilt_from_what_members_know(swarm: Swarm, tmp_path: Path) -> None:
    a, b, c = swarm.add_peers("a", "b", "c")
    files = {name: write_random(tmp_path / name, 700_000) for name in ("one", "two", "three")}
    ids = {}
    for peer, name in ((a, "one"), (b, "two"), (c, "three")):
        ids[name] = swarm.ok(peer, "add", str(files[name]), "--wait")["id"]
    swarm.ok(a, "edit", ids["one"], "--name", "uno")
    swarm.ok(b, "rm", ids["two"])
    swarm.tracker_ok("zone", "b", "attic")
    swarm.tracker_ok("set", "grace", "40m")
    swarm.tracker_ok("revoke", swarm.add_peer("d").name)
    # Placement is at rest: what the roster's changes moved has moved.
    names = {"uno", "three"}
    swarm.wait_until(
        lambda: all(row[1] >= 2 for row in listed(swarm, c).values()), "two copies of each"
    )
    before = swarm.tracker_ok("members")["members"]
    roster = swarm.ok(a, "status")["swarm"]

    lose_database(swarm)
    swarm.wait_until(
        lambda: (
            listed(swarm, c).keys() == names
            and all(row[1] >= 2 for row in listed(swarm, c).values())
        ),
        "everything is listed again, with its holders",
        seconds=60,
    )
    after = swarm.tracker_ok("members")["members"]
    told = ("id", "name", "zone", "capacity")
    assert [[m[k] for k in told] for m in after] == [[m[k] for k in told] for m in before]
    assert {m["name"] for m in after if m["state"] == "revoked"} == {"d"}
    assert swarm.ok(a, "status")["swarm"]["roster"] > roster["roster"]
    assert swarm.cli(a, "show", ids["two"]).code != 0

    new = swarm.add_peer("e", capacity="0")
    assert {each["name"] for each in swarm.ok(new, "ls")["entries"]} == names
    swarm.ok(new, "get", ids["one"], "-o", str(tmp_path / "got"))
    assert same_file(tmp_path / "got", files["one"])
    assert not swarm.tracebacks()


def test_what_was_shared_while_there_was_no_tracker_is_listed_by_a_new_one(
    swarm: Swarm, tmp_path: Path
) -> None:
    a, b = swarm.add_peers("a", "b")
    swarm.kill_tracker()
    swarm.wait_until(lambda: swarm.cli(a, "status", "--wait", "1").code == 4, "it is noticed")
    entry = swarm.ok(a, "add", str(write_random(tmp_path / "late", 300_000)))["id"]
    assert swarm.ok(a, "search", "late")["local"] is True
    answer = run_command("peer", "search", "late", "--data", str(a.data))
    assert "tracker unreachable, searching what this machine knows" in answer.errors
    lose_database(swarm)
    swarm.wait_until(
        lambda: not swarm.ok(b, "ls")["local"] and swarm.ok(b, "ls")["entries"], "it is listed"
    )
    swarm.wait_until(lambda: swarm.copies(b, entry) == (2, 2), "it has two copies")
