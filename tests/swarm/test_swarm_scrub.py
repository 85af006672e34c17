"""The scrub of a real daemon: finds among many pieces exactly those that rotted, and heals them."""

import os
import random
from pathlib import Path

import pytest
from swarm import Swarm

pytestmark = pytest.mark.swarm

PIECE = 256 << 10
FOLDERS = 5
FILES = 1000
"""Each has a piece of full size, and one of a byte: 10,000 pieces in all."""
ROTTEN = 50


def make_folder(root: Path, number: int) -> Path:
    """A folder of files that take no room where they are."""
    root.mkdir()
    for each in range(FILES):
        with (root / f"{each:04}").open("wb") as file:
            file.write(b"%d %d" % (number, each))
            file.truncate(PIECE)
            file.seek(PIECE)
            file.write(b"\x01")
    return root


def flip(path: Path, pieces: list[int]) -> int:
    """Change one bit in each of some pieces; how many bytes they have."""
    with path.open("r+b") as file:
        for piece in pieces:
            file.seek(piece * PIECE)
            (byte,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 0x40]))
    return sum(1 if piece % 2 else PIECE for piece in pieces)


def test_a_scrub_finds_and_heals_exactly_what_rotted(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    for number in range(FOLDERS):
        swarm.ok(a, "add", str(make_folder(tmp_path / f"folder {number}", number)), "--wait")
    assert swarm.ok(b, "status")["store"]["pieces"] == FOLDERS * FILES * 2
    files = sorted(path for path in b.content.rglob("*") if path.is_file())
    every = [(path, piece) for path in files for piece in range(FILES * 2)]
    rotten = random.Random(50).sample(every, ROTTEN)
    size = sum(flip(path, [p for other, p in rotten if other == path]) for path in files)
    before = swarm.ok(b, "status")["downloaded"]
    # What is good elsewhere is asked for there, not at the tracker.
    swarm.kill_tracker()

    swarm.ok(b, "scrub")

    def over() -> bool:
        scrub = swarm.ok(b, "status")["scrub"]
        return scrub["healed"] == ROTTEN and scrub["completed"] > 0

    swarm.wait_until(over, "all healed and all read", seconds=150)
    status = swarm.ok(b, "status")
    assert status["scrub"]["bad"] == ROTTEN
    assert status["downloaded"] - before == size
    aside = {path.name.rsplit("-", 1)[0] for path in (b.data / "quarantine").iterdir()}
    assert aside == {f"{path.name}-{piece}" for path, piece in rotten}
    (disk,) = status["disks"]
    assert disk["errors"] == ROTTEN
    assert any("replace it" in notice["text"] for notice in status["notices"])
    assert swarm.ok(b, "verify")["bad"] == 0
