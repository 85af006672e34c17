"""Every piece on two machines, whatever becomes of one of them: real processes, real files.

`TWOFOLD_FULL=1` kills 200 times instead of 12. In each of these scenarios the tracker is dead for a
time: repair, downloads and restarts do not wait for it.
"""

import os
import random
import time
from collections import Counter
from pathlib import Path
from statistics import median

import pytest
from processes import Fields
from swarm import Peer, Swarm, write_random
from trees import allocated, same_file

from peer.cli.daemon_client import ask_daemon
from protocol.messages.operating import Fetch, Fetched

pytestmark = pytest.mark.swarm

MANY = 1000
BIG = 2_000_000_000
KILLS = 200 if os.environ.get("TWOFOLD_FULL") else 12


def write_many(folder: Path, count: int, chance: random.Random) -> list[Path]:
    """Files of 1 to 60,000 bytes."""
    folder.mkdir()
    paths = []
    for number in range(count):
        paths.append(folder / f"note {number:04d}")
        paths[-1].write_bytes(chance.randbytes(chance.randint(1, 60_000)))
    return paths


def add_copies(swarm: Swarm, peer: Peer, paths: list[Path]) -> list[Fields]:
    """Add files to a peer's own store; an entry each."""
    added = swarm.cli(peer, "add", "--import", *map(str, paths), seconds=300)
    assert added.code == 0, str(added)
    entries = [line for line in added.lines if line.get("type") == "result"]
    return entries if len(entries) == len(paths) else list(entries[-1]["entries"])


def wait_for_tracker(swarm: Swarm, peers: list[Peer]) -> None:
    """Until these peers are connected to it."""
    for peer in peers:
        swarm.ok(peer, "status", "--wait", "20")


def listed(swarm: Swarm, peer: Peer) -> set[str]:
    """The entries that a peer shows."""
    return {str(each["id"]) for each in swarm.ok(peer, "ls", seconds=60)["entries"]}


def copies_of_all(swarm: Swarm, peer: Peer) -> Counter[int]:
    """How many entries have how many copies."""
    listed = swarm.ok(peer, "ls", seconds=60)["entries"]
    return Counter(each["copies"]["have"] for each in listed)


def wait_for_two(swarm: Swarm, peer: Peer, total: int, seconds: float) -> None:
    """Until every entry has two copies, or still more."""
    swarm.wait_until(
        lambda: sum(n for have, n in copies_of_all(swarm, peer).items() if have >= 2) == total,
        f"two copies of all {total}",
        seconds=seconds,
    )


def wait_for_state(swarm: Swarm, peer: Peer, name: str, state: str) -> None:
    """Until a peer sees another as "live", "suspect" or "gone"."""
    swarm.wait_until(
        lambda: {p["name"]: p["state"] for p in swarm.ok(peer, "peers")["peers"]}[name] == state,
        f"{name} is {state}",
        seconds=40,
    )


def fetch(peer: Peer, entry: str, target: Path) -> None:
    """Get an entry, without the time a command takes to start."""
    ask_daemon(peer.data, lambda call: Fetch(call=call, entry=entry, path=str(target)), Fetched)


def downloaded(swarm: Swarm) -> int:
    """Bytes that all running peers have received since they started."""
    running = [peer for peer in swarm.peers.values() if peer.daemon and peer.daemon.alive()]
    return sum(swarm.ok(peer, "status")["downloaded"] for peer in running)


def test_a_machine_dies_and_everything_has_two_copies_again(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "5s")
    a, b, c, d, e = swarm.add_peers("a", "b", "c", "d", "e")
    files = write_many(tmp_path / "notes", MANY, random.Random(1))
    files.append(write_random(tmp_path / "film", BIG))
    entries = add_copies(swarm, a, files)
    total = len(files)
    wait_for_two(swarm, a, total, 240)
    swarm.kill9(b)
    place = tmp_path / "got"
    place.mkdir()
    # While b is suspect, and then while what it held is made up for. Without the tracker, what each
    # has seen.
    for peer in (a, c, d, e):
        assert len(listed(swarm, peer)) == total
    swarm.kill_tracker()
    for number, (entry, file) in enumerate(zip(entries, files, strict=True)):
        target = place / str(number)
        fetch((a, c, d, e)[number % 4], str(entry["id"]), target)
        # It stays: what a machine has got it shares, and to remove it would be another loss.
        assert same_file(target, file), file.name
    swarm.start_tracker()
    wait_for_two(swarm, a, total, 80)
    for peer in (a, c, d, e):
        assert swarm.ok(peer, "verify", seconds=120)["bad"] == 0


def test_a_short_absence_moves_nothing(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "30s")
    a, b, c = swarm.add_peers("a", "b", "c")
    total = len(add_copies(swarm, a, write_many(tmp_path / "notes", 50, random.Random(2))))
    wait_for_two(swarm, a, total, 60)
    swarm.kill9(b)
    before = downloaded(swarm)
    wait_for_state(swarm, a, "b", "suspect")
    time.sleep(10)
    swarm.start(b)
    wait_for_two(swarm, a, total, 20)
    assert swarm.ok(b, "status")["downloaded"] == 0
    assert downloaded(swarm) == before
    wait_for_state(swarm, c, "b", "live")


def test_uploads_while_alone_get_their_second_copy(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "5s")
    a, b = swarm.add_peers("a", "b")
    swarm.kill9(b)
    entries = add_copies(swarm, a, write_many(tmp_path / "notes", 100, random.Random(3)))
    assert len(entries) == 100
    assert all(each["copies"] == {"have": 1, "want": 2} for each in entries)
    wait_for_state(swarm, a, "b", "gone")
    c = swarm.add_peer("c")
    swarm.kill_tracker()
    swarm.wait_until(lambda: len(held_whole([c])) == 100, "the second copies", seconds=30)
    for number in range(0, 100, 20):
        target = tmp_path / f"got {number}"
        fetch(c, str(entries[number]["id"]), target)
        assert same_file(target, tmp_path / "notes" / f"note {number:04d}")
    swarm.start_tracker()
    wait_for_two(swarm, a, 100, 30)


def test_a_machine_that_returns_late_makes_others_drop_theirs(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "1s")
    a, b, c = swarm.add_peers("a", "b", "c")
    total = len(add_copies(swarm, a, write_many(tmp_path / "notes", 60, random.Random(4))))
    swarm.wait_until(
        lambda: copies_of_all(swarm, a) == {2: total}, "two of everything", seconds=200
    )
    swarm.kill9(b)
    wait_for_state(swarm, a, "b", "gone")
    wait_for_two(swarm, a, total, 60)
    swarm.start(b)
    swarm.wait_until(lambda: copies_of_all(swarm, a)[3] > 0, "what b holds counts at once")
    seen: set[int] = set()

    def settled() -> bool:
        found = copies_of_all(swarm, a)
        seen.update(found)
        return found == {2: total}

    swarm.wait_until(settled, "surplus copies are dropped", seconds=200)
    assert min(seen) == 2
    assert swarm.ok(b, "status")["downloaded"] == 0
    kept = sum(allocated(peer.content) > 0 for peer in (a, b, c))
    assert kept == 3


def held_whole(peers: list[Peer]) -> Counter[str]:
    """How many of the peers have a content file, by its name, as far as the disk tells."""
    names: Counter[str] = Counter()
    for peer in peers:
        files = (path for path in peer.content.rglob("*") if path.is_file())
        names.update(path.name for path in files if allocated_file(path))
    return names


def allocated_file(path: Path) -> bool:
    """Whether anything but a hole has been written to a file."""
    return path.stat().st_blocks > 0


def test_repair_and_downloads_go_on_without_the_tracker(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "5s")
    a, b, c, d = swarm.add_peers("a", "b", "c", "d")
    files = write_many(tmp_path / "notes", 60, random.Random(6))
    entries = add_copies(swarm, a, files)
    wait_for_two(swarm, a, len(files), 60)
    swarm.kill_tracker()
    swarm.kill9(b)
    left = [a, c, d]
    names = set(held_whole([a, b, c, d]))
    assert len(names) == len(files)
    swarm.wait_until(
        lambda: sum(n >= 2 for n in held_whole(left).values()) == len(names),
        "two copies of everything on those that are left",
        seconds=90,
    )
    for number, (entry, file) in enumerate(zip(entries, files, strict=True)):
        target = tmp_path / f"got {number}"
        fetch(a, str(entry["id"]), target)
        assert same_file(target, file), file.name
    for peer in left:
        assert swarm.ok(peer, "verify", seconds=60)["bad"] == 0


def test_nothing_acknowledged_is_lost_however_often_machines_are_killed(
    swarm: Swarm, tmp_path: Path
) -> None:
    """During uploads, repairs and drops, each in turn, at moments by chance.

    For the middle third the tracker is dead.
    """
    seed = int(os.environ.get("TWOFOLD_SEED", "5"))
    chance = random.Random(seed)
    swarm.tracker_ok("set", "grace", "1s")
    peers = swarm.add_peers("a", "b", "c")
    kept: dict[str, Path] = {}
    restarts: list[float] = []
    for number in range(KILLS):
        if number == KILLS // 3:
            # Who has looked at an entry can fetch it when nobody answers for all.
            wait_for_tracker(swarm, peers)
            seen = {each.name: sorted(kept.keys() & listed(swarm, each)) for each in peers}
            swarm.kill_tracker()
        if number == 2 * KILLS // 3:
            swarm.start_tracker()
        author, victim = chance.sample(peers, 2)
        files = write_many(tmp_path / f"notes {number}", 5, chance)
        adding = swarm.begin(author, "add", "--import", *map(str, files))
        if chance.random() < 0.3:
            victim = author
        time.sleep(chance.uniform(0.0, 1.5))
        swarm.kill9(victim)
        answer = adding.finish()
        if answer.code == 0:
            results = [line for line in answer.lines if line.get("type") == "result"]
            entries = results if len(results) == 5 else results[-1]["entries"]
            kept |= {str(e["id"]): f for e, f in zip(entries, files, strict=True)}
        restarts.append(swarm.start_again(victim))
        if KILLS // 3 <= number < 2 * KILLS // 3:
            entry, target = chance.choice(seen[victim.name]), tmp_path / f"untracked {number}"
            fetch(victim, entry, target)
            assert same_file(target, kept[entry]), f"seed {seed}: {entry}"
    wait_for_tracker(swarm, peers)
    print(f"restarts: median {median(restarts):.2f} s, worst {max(restarts):.2f} s")
    assert len(kept) > KILLS
    swarm.wait_until(
        lambda: kept.keys() <= listed(swarm, peers[0]),
        f"all is listed, seed {seed}",
    )
    for number, (entry, file) in enumerate(kept.items()):
        target = tmp_path / f"got {number}"
        fetch(peers[number % 3], entry, target)
        assert same_file(target, file), f"seed {seed}: {file}"
    for peer in peers:
        assert swarm.ok(peer, "verify", seconds=60)["bad"] == 0, f"seed {seed}"
