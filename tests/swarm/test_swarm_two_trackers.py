"""Two trackers on one PostgreSQL serve one swarm: real processes, each peer with one of them."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from beside import Beside
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm


@pytest.fixture
def other(swarm_on_postgres: Swarm) -> Beside:
    """The second tracker, running; the first is the swarm's."""
    beside = Beside(swarm_on_postgres)
    answer = beside.set_up()
    assert answer.code == 0, str(answer)
    beside.start()
    return beside


def with_each(swarm: Swarm, other: Beside) -> tuple[Peer, Peer]:
    """Two peers, one with each tracker; each goes where its key leads it."""
    first = other.ok("status")["connections"]
    peers: dict[bool, Peer] = {}
    for number in range(12):
        peer = swarm.add_peer(f"p{number}")
        after = other.ok("status")["connections"]
        peers.setdefault(after > first, peer)
        first = after
        if len(peers) == 2:
            return peers[False], peers[True]
    raise AssertionError("all peers are with the same tracker")


def states(answer: dict[str, object]) -> dict[str, str]:
    members = answer["members"]
    assert isinstance(members, list)
    return {each["name"]: each["state"] for each in members}


def test_they_are_one_tracker(swarm_on_postgres: Swarm, other: Beside, tmp_path: Path) -> None:
    swarm = swarm_on_postgres
    a, b = with_each(swarm, other)
    names = set(swarm.peers)
    for ask in (swarm.tracker_ok, other.ok):
        swarm.wait_until(
            lambda ask=ask: states(ask("members")) == dict.fromkeys(names, "live"), "all live"
        )
        listed = ask("status")["addresses"]
        assert set(listed) == {f"127.0.0.1:{swarm.tracker_port}", other.address}
    film = write_random(tmp_path / "meadow.mkv", 3_000_000)
    entry = swarm.ok(a, "add", str(film), "--wait")["id"]
    assert [each["id"] for each in swarm.ok(b, "search", "meado")["entries"]] == [entry]
    swarm.ok(b, "get", entry, "-o", str(tmp_path / "got.mkv"))
    assert (tmp_path / "got.mkv").read_bytes() == film.read_bytes()
    # A deletion through the one reaches who holds it, through the other.
    swarm.ok(a, "rm", entry)
    swarm.wait_until(lambda: swarm.cli(b, "show", entry).result.get("deleted", True), "deleted")
    assert swarm.ok(b, "search", "meado")["entries"] == []
    swarm.tracker_ok("zone", a.name, "cellar")
    swarm.wait_until(
        lambda: "cellar" in {each["zone"] for each in swarm.ok(b, "peers")["peers"]}, "the zone"
    )
    # One that stops sends its peers to the other.
    assert other.running is not None
    assert other.running.stop() == 0
    swarm.wait_until(
        lambda: swarm.tracker_ok("status")["connections"] >= len(swarm.peers), "b moved on", 5.0
    )


def test_who_is_revoked_through_one_is_cut_by_the_other(
    swarm_on_postgres: Swarm, other: Beside
) -> None:
    swarm = swarm_on_postgres
    a, b = with_each(swarm, other)
    swarm.tracker_ok("revoke", b.name)
    other.ok("revoke", a.name)
    for peer in (a, b):
        swarm.wait_until(
            lambda peer=peer: swarm.cli(peer, "status").result["tracker"]["state"] == "unreachable",
            f"{peer.name} is cut",
            5.0,
        )
        assert swarm.cli(peer, "search", "film").code != 0


def test_when_one_dies_its_peers_move_on(
    swarm_on_postgres: Swarm, other: Beside, tmp_path: Path
) -> None:
    swarm = swarm_on_postgres
    a, b = with_each(swarm, other)
    big = write_random(tmp_path / "long film.mkv", 60_000_000)
    entry = swarm.ok(a, "add", str(big), "--wait")["id"]
    getting = swarm.begin(b, "get", entry, "-o", str(tmp_path / "got.mkv"))
    other.kill()
    swarm.wait_until(
        lambda: swarm.tracker_ok("status")["connections"] >= len(swarm.peers), "b moved on", 5.0
    )
    assert getting.finish().code == 0
    assert (tmp_path / "got.mkv").read_bytes() == big.read_bytes()
    fresh = write_random(tmp_path / "after.mkv", 300_000)
    added = swarm.ok(b, "add", str(fresh), "--wait")["id"]
    assert [each["id"] for each in swarm.ok(a, "search", "after")["entries"]] == [added]
    # And the other way round: what one was told while the other was dead, that one knows.
    other.start()
    swarm.kill_tracker()
    swarm.wait_until(
        lambda: other.ok("status")["connections"] >= len(swarm.peers), "all moved on", 5.0
    )
    assert [each["id"] for each in swarm.ok(a, "search", "after")["entries"]] == [added]


def test_a_tracker_that_hangs_is_left(swarm_on_postgres: Swarm, other: Beside) -> None:
    swarm = swarm_on_postgres
    a, b = with_each(swarm, other)
    there = swarm.tracker_ok("status")["connections"]
    assert other.running is not None
    os.kill(other.running.process.pid, signal.SIGSTOP)
    try:
        # Who waits for it notices: who asks it nothing would take minutes.
        for peer in (a, b):
            swarm.ok(peer, "search", "anything", seconds=60)
        swarm.wait_until(
            lambda: swarm.tracker_ok("status")["connections"] > there, "it moved on", 30.0
        )
    finally:
        os.kill(other.running.process.pid, signal.SIGCONT)


def test_an_invite_admits_one_machine(swarm_on_postgres: Swarm, other: Beside) -> None:
    swarm = swarm_on_postgres
    for round_ in range(3):
        invite = swarm.invite() if round_ % 2 else str(other.ok("invite")["invite"])
        joiners = [Peer(f"j{round_}{n}", swarm.root / f"j{round_}{n}") for n in range(4)]
        with ThreadPoolExecutor(len(joiners)) as pool:
            answers = list(
                pool.map(
                    lambda peer, invite=invite: swarm.cli(
                        peer, "join", "-", "--name", peer.name, "--capacity", "1GiB", text=invite
                    ),
                    joiners,
                )
            )
        assert sorted(answer.code == 0 for answer in answers) == [False, False, False, True]
    assert len(other.ok("members")["members"]) == 3


def test_wrong_ways_to_set_one_up(swarm_on_postgres: Swarm, tmp_path: Path) -> None:
    swarm = swarm_on_postgres
    beside = Beside(swarm)
    beside.data.mkdir()
    wanted = ("beside", "--public", beside.address, "--database", swarm.database)
    assert "copy swarm.key" in str(beside.cli(*wanted))
    for key in ("swarm.key", "identity.key"):
        (beside.data / key).write_bytes((swarm.tracker_data / key).read_bytes())
        (beside.data / key).chmod(0o644)
    assert "chmod 600" in str(beside.cli(*wanted))
    for key in ("swarm.key", "identity.key"):
        (beside.data / key).chmod(0o600)
    taken = f"127.0.0.1:{swarm.tracker_port}"
    assert "already" in str(beside.cli("beside", "--public", taken, *wanted[3:]))
    assert "PostgreSQL" in str(beside.cli(*wanted[:3], "--database", "sqlite:"))
    assert beside.cli(*wanted).code == 0
    assert beside.cli(*wanted).code == 0, "it can be done again"
