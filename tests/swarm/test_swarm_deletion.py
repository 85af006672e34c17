"""Deletion that forgives, in real processes: rm, trash, restore, purge, a burst that waits."""

from pathlib import Path

import pytest
from processes import Fields
from swarm import Peer, Swarm, write_random

from peer.cli.daemon_client import connect
from protocol.messages.deleting import Removed
from protocol.messages.operating import Remove

pytestmark = pytest.mark.swarm

SIZE = 700_000
MANY = 130
BURST = 120
PASSING = MANY // 5


def trash(swarm: Swarm, peer: Peer) -> list[Fields]:
    """What a machine keeps of deleted entries."""
    entries: list[Fields] = swarm.ok(peer, "trash")["entries"]
    return entries


def in_store(peer: Peer) -> list[Path]:
    """The content files of a machine."""
    return [path for path in peer.content.rglob("*") if path.is_file()]


def names(swarm: Swarm, peer: Peer) -> dict[str, bool]:
    """The entries there are, and whether their deletion is held."""
    return {each["name"]: each["held"] for each in swarm.ok(peer, "ls")["entries"]}


def remove_all(peer: Peer, entries: list[str]) -> list[bool]:
    """Delete entries one after the other, as so many commands would; which were held."""

    client = connect(peer.data)
    try:
        return [
            client.ask(lambda call, e=each: Remove(call=call, entry=e), Removed).held
            for each in entries
        ]
    finally:
        client.close()


def test_rm_trash_restore_and_purge(swarm: Swarm, tmp_path: Path) -> None:
    one, two, three = swarm.add_peers("one", "two", "three", capacity={"three": "0"})
    file = write_random(tmp_path / "report.pdf", SIZE)
    entry = swarm.ok(one, "add", str(file), "--import", "--wait")["id"]
    assert trash(swarm, one) == trash(swarm, two) == []

    # Only its author, until somebody is an admin.
    assert swarm.cli(three, "rm", entry).code == 5
    assert swarm.ok(one, "rm", entry)["held"] is False
    for peer in (one, two):
        listed = swarm.wait_until(lambda peer=peer: trash(swarm, peer), "it is in the trash")
        assert [(e["id"], e["name"], e["by"]) for e in listed] == [(entry, "report.pdf", "one")]
        assert in_store(peer) == []
    assert names(swarm, three) == {}

    moved = swarm.ok(two, "status")["downloaded"]
    swarm.ok(one, "restore", entry[:12])
    swarm.wait_until(lambda: swarm.copies(three, entry) == (2, 2), "both copies count again")
    assert swarm.ok(two, "status")["downloaded"] == moved
    assert trash(swarm, one) == trash(swarm, two) == []

    # An admin may, too; a trash emptied by hand is topped up from the other one.
    swarm.tracker_ok("admin", "three")
    members = swarm.tracker_ok("members")["members"]
    assert [each["name"] for each in members if each["admin"]] == ["three"]
    swarm.wait_until(lambda: swarm.cli(three, "rm", entry).code == 0, "the roster is there")
    swarm.wait_until(lambda: trash(swarm, two), "in the trash again")
    assert trash(swarm, two)[0]["by"] == "three"
    assert swarm.cli(two, "restore", entry).code == 5
    assert swarm.cli(two, "purge", entry).code == 2
    assert swarm.cli(two, "purge").code == 2
    assert swarm.ok(two, "purge", "--all", "--yes")["contents"] == 1
    assert trash(swarm, two) == []
    swarm.ok(three, "restore", entry)
    swarm.wait_until(lambda: swarm.copies(three, entry) == (2, 2), "topped up")
    assert swarm.ok(two, "status")["downloaded"] == moved + SIZE
    out = tmp_path / "out.pdf"
    swarm.ok(three, "get", entry, "-o", str(out))
    assert out.read_bytes() == file.read_bytes()


def test_a_burst_is_held_until_it_is_approved(swarm: Swarm, tmp_path: Path) -> None:
    one, two = swarm.add_peers("one", "two")
    files = []
    for number in range(MANY):
        files.append(tmp_path / f"{number:03}.txt")
        files[-1].write_text(f"note {number}")
    added = swarm.ok(one, "add", *map(str, files))["entries"]
    ids = [each["id"] for each in added]

    def copied() -> bool:
        found = swarm.ok(two, "ls")["entries"]
        return len(found) == MANY and all(each["copies"]["have"] == 2 for each in found)

    swarm.wait_until(copied, "everything is on both", seconds=60)
    held = remove_all(one, ids[: BURST - 1])
    assert held == [False] * PASSING + [True] * (BURST - 1 - PASSING)
    answer = swarm.cli(one, "rm", ids[BURST - 1])
    assert (answer.code, answer.result["type"], answer.result["held"]) == (1, "result", True)
    waiting = BURST - PASSING
    swarm.wait_until(lambda: len(trash(swarm, two)) == PASSING, "only the first are deleted")
    shown = names(swarm, two)
    assert len(shown) == MANY - PASSING
    assert sum(shown.values()) == waiting

    # It is so without the tracker, and after a restart of both.
    swarm.restart(one)
    assert swarm.tracker is not None
    swarm.tracker.stop()
    swarm.start_tracker()
    swarm.ok(one, "status", "--wait", "20")
    (burst,) = swarm.tracker_ok("approve")["bursts"]
    assert (burst["name"], burst["entries"]) == ("one", waiting)
    assert swarm.cli(one, "approve", "one").code == 5
    swarm.ok(two, "status", "--wait", "20")
    (burst,) = swarm.ok(two, "approve")["bursts"]
    assert (burst["name"], burst["entries"]) == ("one", waiting)
    done = swarm.ok(two, "approve", "one")
    assert (done["entries"], done["published"]) == (waiting, True)
    for peer in (one, two):
        swarm.wait_until(
            lambda peer=peer: len(trash(swarm, peer)) == BURST, "all are deleted", seconds=60
        )
    assert swarm.ok(two, "approve")["bursts"] == []
    assert sorted(names(swarm, two)) == [file.name for file in files[BURST:]]
    assert all(file.exists() for file in files)
