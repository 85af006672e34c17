"""A disk or database that takes no more: an error that says so, and nothing counted."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from disks import Disk
from peer_net import PIECE

from peer.errors import PeerError
from peer.store.write_errors import DiskFullError
from protocol.manifest import Manifest


@pytest.mark.trio
async def test_a_full_disk_says_so(disk: Disk, manifest: Manifest) -> None:
    """/dev/full takes no byte, whoever runs the tests."""
    content = await disk.contents.add(manifest, Path("/dev/full"), full=False)
    with pytest.raises(DiskFullError, match="no room on the disk of /dev/full"):
        await disk.write(content, [0])
    assert content.bits.count == 0


_LIMITED = """
import resource, signal, sys, trio
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from peer_net import PIECE, bytes_of, manifest_of
from disks import BYTES, Disk
async def main():
    disk = Disk(Path(sys.argv[1]) / "data")
    film = Path(sys.argv[1]) / "film"
    manifest = manifest_of(film)
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * PIECE, 2 * PIECE))
    try:
        await disk.write(content, [0, 5])
    except Exception as error:
        print(type(error).__name__, error)
    print(content.bits.count)
trio.run(main)
"""


def test_a_write_cut_short_by_the_system_is_an_error(tmp_path: Path, film: Path) -> None:
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, tmp_path, here.parent, here.parents[1] / "support"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "PeerError cannot write" in done.stdout, done.stderr
    assert done.stdout.endswith("\n0\n")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2 * PIECE


@pytest.mark.trio
async def test_the_database_on_a_full_disk_is_an_error_and_not_a_crash(
    disk: Disk, manifest: Manifest
) -> None:
    (pages,) = disk.database.connection.execute("PRAGMA page_count").fetchone()
    disk.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    filler = bytes(1 << 20)
    with pytest.raises(PeerError, match=r"database cannot be written.*full"):
        await disk.database.run(
            lambda c: c.execute("INSERT INTO facts VALUES ('filler', ?)", (filler,))
        )
    assert await disk.database.run(
        lambda c: c.execute("SELECT count(*) FROM facts").fetchone()
    ) == (0,)
