"""What a kill -9 does: to the tracker, to a peer, each in the middle of a download."""

from pathlib import Path

import pytest
from swarm import Peer, Swarm, held_still, write_random
from trees import allocated, same_file

pytestmark = pytest.mark.swarm

PART = 60_000_000
TWICE = 10
"""Pieces that may come twice at the end of a download."""


def share_from_two(swarm: Swarm, file: Path) -> tuple[str, Peer, Peer, Peer]:
    """An entry that a and b hold, and a peer that keeps nothing."""
    a, b, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    return str(swarm.ok(a, "add", str(file), "--wait")["id"]), a, b, c


def test_the_tracker_dies_during_a_download(swarm: Swarm, big_file: Path, tmp_path: Path) -> None:
    entry, a, b, c = share_from_two(swarm, big_file)
    place = tmp_path / "out"
    place.mkdir()
    getting = swarm.begin(c, "get", entry, "-o", str(place / "film"))
    swarm.wait_until(lambda: allocated(place) + allocated(c.content) > PART, "the download runs")
    with held_still(a, b):
        assert getting.alive()
        swarm.kill_tracker()
    answer = getting.finish()
    assert answer.code == 0, str(answer)
    assert same_file(place / "film", big_file)

    # Without a tracker: what exists is known, and more can be added.
    for peer in (a, b, c):
        listed = swarm.ok(peer, "ls")
        assert listed["local"] is True
        assert [each["id"] for each in listed["entries"]] == [entry]
    assert swarm.cli(a, "status", "--wait", "1").code == 4
    extra = swarm.ok(a, "add", str(write_random(tmp_path / "extra", 1_000_000)))

    swarm.start_tracker()
    for peer in (a, b, c):
        swarm.ok(peer, "status", "--wait", "30")
    for peer in (a, b, c):
        swarm.wait_until(
            lambda peer=peer: (
                {each["id"] for each in swarm.ok(peer, "ls")["entries"]} == {entry, extra["id"]}
            ),
            "everything is listed again",
        )
    swarm.wait_until(lambda: swarm.copies(c, extra["id"])[0] >= 2, "the new one has its copies")
    assert swarm.copies(b, entry) == (3, 2)


def test_a_peer_dies_during_its_download(swarm: Swarm, big_file: Path, tmp_path: Path) -> None:
    entry, a, b, c = share_from_two(swarm, big_file)
    size = big_file.stat().st_size
    place = tmp_path / "out"
    place.mkdir()
    getting = swarm.begin(c, "get", entry, "-o", str(place / "film"))
    swarm.wait_until(lambda: allocated(place) + allocated(c.content) > PART, "the download runs")
    with held_still(a, b):
        assert getting.alive()
        swarm.wait_until(
            lambda: swarm.ok(c, "show", entry)["here"] > 2 * TWICE, "pieces are recorded", seconds=5
        )
        swarm.kill9(c)
        assert getting.finish().code == 4
        swarm.start(c)
        shown = swarm.ok(c, "show", entry)
    assert 0 < shown["here"] < shown["pieces"]
    done = swarm.ok(c, "get", entry, "-o", str(place / "film"))
    assert same_file(place / "film", big_file)
    # What was recorded does not come again; all pieces are of one length but the last. A few of the
    # last ones may come twice, asked of both sources so that neither holds up the end. The daemon
    # has gone on by itself, so `get` has received only what was left when it was called.
    missing = shown["pieces"] - shown["here"] + TWICE
    downloaded = swarm.ok(c, "status")["downloaded"]
    assert 0 < downloaded <= missing * -(-size // (shown["pieces"] - 1)) < size
    assert done["received"] <= downloaded


def test_a_holder_dies_during_a_download(swarm: Swarm, big_file: Path, tmp_path: Path) -> None:
    entry, a, _, c = share_from_two(swarm, big_file)
    place = tmp_path / "out"
    place.mkdir()
    getting = swarm.begin(c, "get", entry, "-o", str(place / "film"))
    swarm.wait_until(lambda: allocated(place) + allocated(c.content) > PART, "the download runs")
    swarm.kill9(a)
    answer = getting.finish()
    assert answer.code == 0, str(answer)
    assert "b" in answer.result["sources"]
    assert same_file(place / "film", big_file)


def test_everything_restarts(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    file = write_random(tmp_path / "file", 30_000_000)
    entry = swarm.ok(a, "add", str(file), "--wait")["id"]
    for peer in (a, b):
        swarm.kill9(peer)
    swarm.kill_tracker()
    swarm.start_tracker()
    for peer in (b, a):
        swarm.start(peer)
    swarm.wait_until(lambda: swarm.copies(b, entry) == (2, 2), "both copies are announced again")
    for peer in (a, b):
        checked = swarm.ok(peer, "verify")
        assert (checked["bytes"], checked["bad"]) == (30_000_000, 0)
