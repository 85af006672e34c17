"""A revoked member is out everywhere: at once with the tracker up, at next contact without it."""

from pathlib import Path

import pytest
from swarm import Peer, Swarm, write_random

from peer.cli.daemon_client import ask_daemon
from protocol.messages.operating import GetStatus, Status

pytestmark = pytest.mark.swarm


def status(peer: Peer) -> Status:
    """What a daemon says of itself, with no process of its own to wait for."""
    return ask_daemon(peer.data, lambda call: GetStatus(call=call), Status)


def knows(peer: Peer, roster: int) -> bool:
    return status(peer).swarm.roster >= roster


def is_outside(swarm: Swarm, out: Peer, entry: str, path: Path) -> None:
    """Nobody gives it anything."""
    fetched = swarm.cli(out, "get", entry, "-o", str(path))
    assert fetched.code in (4, 5), str(fetched)
    assert not path.exists()


def cuts(peer: Peer, name: str) -> int:
    """How often a machine has ended a link to another as that is no member any more."""
    assert peer.daemon is not None
    lines = peer.daemon.errors.read_text().splitlines()
    return sum("no member any more" in line and name in line for line in lines)


def test_with_the_tracker_up_it_is_cut_off_by_all(swarm: Swarm, tmp_path: Path) -> None:
    a, b, out = swarm.add_peers("a", "b", "out", capacity={"out": "0"})
    first = swarm.ok(a, "add", str(write_random(tmp_path / "first", 3_000_000)), "--wait")
    second = swarm.ok(a, "add", str(write_random(tmp_path / "second", 3_000_000)), "--wait")
    swarm.ok(out, "get", first["id"], "-o", str(tmp_path / "fetched"))
    revoked = swarm.tracker_ok("revoke", "out")
    # 5 s are what is promised.
    swarm.wait_until(
        lambda: all(knows(peer, revoked["roster"]) for peer in (a, b)), "all know", seconds=5
    )
    swarm.wait_until(
        lambda: status(out).tracker.state == "unreachable", "the tracker has cut it", seconds=5
    )
    is_outside(swarm, out, second["id"], tmp_path / "never")
    lines = swarm.tracker_ok("audit", "--since", "1h")["lines"]
    assert sorted((each["act"], each["what"]) for each in lines) == [
        *[("joined", f"member {name}") for name in ("a", "b", "out")],
        ("revoked", "member out"),
    ]
    assert (lines[-1]["act"], lines[-1]["who"]) == ("revoked", "operator")


def test_with_the_tracker_down_it_is_cut_off_at_next_contact(swarm: Swarm, tmp_path: Path) -> None:
    """One of two members has the newer roster: the other learns from it, and both stay so."""
    a, b, out = swarm.add_peers("a", "b", "out", capacity={"out": "0"})
    swarm.pin(a, b, out)
    swarm.tracker_ok("set", "grace", "8s")  # members are looked for every 2 s
    first = swarm.ok(a, "add", str(write_random(tmp_path / "first", 3_000_000)), "--wait")
    second = swarm.ok(a, "add", str(write_random(tmp_path / "second", 3_000_000)), "--wait")
    swarm.ok(out, "get", first["id"], "-o", str(tmp_path / "fetched"))
    swarm.stop(b)
    roster = swarm.tracker_ok("revoke", "out")["roster"]
    swarm.wait_until(lambda: knows(a, roster), "a knows")
    swarm.stop(a)
    swarm.kill_tracker()

    # Only those who have not heard of it are there: nobody could know.
    swarm.start_again(b)
    assert status(b).swarm.roster < roster
    # At the first contact with one who has, it is out.
    swarm.start_again(a)
    swarm.wait_until(lambda: knows(b, roster), "b has it from a")
    is_outside(swarm, out, second["id"], tmp_path / "never")
    # And stays so.
    for peer in (a, b, out):
        swarm.stop(peer)
    for peer in (b, out):
        swarm.start_again(peer)
    assert status(b).swarm.roster == roster
    is_outside(swarm, out, second["id"], tmp_path / "never")
    swarm.start_tracker()
    swarm.ok(b, "status", "--wait", "20")
    assert swarm.cli(out, "status", "--wait", "2").code == 4


def test_a_link_that_is_open_is_cut_with_the_tracker_down(swarm: Swarm, tmp_path: Path) -> None:
    """The revoked machine and a member are linked when the member hears of it from another."""
    a, b, out = swarm.add_peers("a", "b", "out", capacity={"out": "0"})
    swarm.pin(a, b, out)
    swarm.tracker_ok("set", "grace", "8s")
    entry = swarm.ok(b, "add", str(write_random(tmp_path / "film", 3_000_000)), "--wait")
    assert swarm.ok(out, "ls")["entries"]  # so it knows of what it does not have
    swarm.stop(b)
    roster = swarm.tracker_ok("revoke", "out")["roster"]
    swarm.wait_until(lambda: knows(a, roster), "a knows")
    swarm.stop(a)
    swarm.stop(out)
    swarm.kill_tracker()
    for peer in (b, out):
        swarm.start_again(peer)
    # Neither of these can know.
    swarm.ok(out, "get", entry["id"], "-o", str(tmp_path / "fetched"))
    before = cuts(b, "out")
    swarm.start_again(a)
    swarm.wait_until(lambda: knows(b, roster), "b has it from a")
    swarm.wait_until(lambda: cuts(b, "out") > before, "b has ended the link")
