"""`get --only`: what comes over the network, what is left on disk, and a kill -9 in the middle."""

import signal
from pathlib import Path

import pytest
from swarm import Peer, Swarm, held_still, write_random
from trees import allocated, count_files, same_file

from peer.operator.patterns import choose
from peer.store.copying_out import pieces_of
from peer.store.splitter import split, survey
from protocol.manifest import Manifest

pytestmark = pytest.mark.swarm

BIG = 150_000_000


def make_album(folder: Path, big: int = 3_000_000) -> Path:
    for number in range(30):
        (folder / "photos" / "raw").mkdir(parents=True, exist_ok=True)
        write_random(folder / "photos" / f"{number:02}.jpg", 50_000 + number)
        write_random(folder / "photos" / "raw" / f"{number:02}.raw", 90_000 + number)
    write_random(folder / "film.mkv", big)
    write_random(folder / "second.mkv", big // 2)
    (folder / "read me.txt").write_text("hello")
    return folder


def overlap(folder: Path, *patterns: str) -> tuple[int, Manifest]:
    """Bytes of the pieces that the chosen files lie in."""
    manifest = split(survey(folder), progress=lambda *_: None, cancelled=lambda: False)
    pieces = pieces_of(manifest, choose(manifest, "album", patterns))
    return sum(manifest.geometry.piece_size(piece) for piece in pieces), manifest


def same_files(found: Path, original: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a folder holds exactly the chosen files of another."""
    manifest = overlap(original, *patterns)[1]
    wanted = {manifest.files[n].path for n in choose(manifest, "album", patterns)}
    there = {str(p.relative_to(found)) for p in found.rglob("*") if p.is_file()}
    return wanted == there and all(same_file(found / name, original / name) for name in wanted)


def downloaded(swarm: Swarm, peer: Peer) -> int:
    return int(swarm.ok(peer, "status")["downloaded"])


def test_chosen_files_and_no_others(swarm: Swarm, tmp_path: Path) -> None:
    # One source only: of two, both may be asked for the last pieces.
    a, c = swarm.add_peers("a", "c", capacity={"c": "0"})
    album = make_album(tmp_path / "album")
    added = swarm.ok(a, "add", str(album))
    assert added["seconds"] > 0
    entry, expected = added["id"], 0
    for number, patterns in enumerate(
        [("*.raw",), ("photos/0?.jpg", "read me.txt"), ("film.mkv",), ("photos/**",)]
    ):
        out = tmp_path / f"out {number}"
        options = [word for pattern in patterns for word in ("--only", pattern)]
        done = swarm.ok(c, "get", entry, *options, "-o", str(out))
        size, manifest = overlap(album, *patterns)
        chosen = choose(manifest, "album", patterns)
        expected += size
        assert done["received"] == size
        assert downloaded(swarm, c) == expected
        assert (done["files"], done["path"]) == (len(chosen), str(out))
        assert done["size"] == sum(manifest.files[n].size for n in chosen)
        assert same_files(out, album, patterns)
        # Nothing stays behind, as the ring does not want it here and others have it.
        assert swarm.ok(c, "status")["store"]["pieces"] == 0
        assert count_files(c.content) == 0
    assert set(swarm.holders(c, entry)) == {"a"}
    folder = tmp_path / "there"
    folder.mkdir()
    swarm.ok(c, "get", entry, "--only", "read*", "-o", str(folder))
    assert (folder / "album" / "read me.txt").read_text() == "hello"


def test_what_can_not_be_chosen(swarm: Swarm, tmp_path: Path) -> None:
    (a,) = swarm.add_peers("a")
    album = swarm.ok(a, "add", str(make_album(tmp_path / "album")))["id"]
    film = swarm.ok(a, "add", str(write_random(tmp_path / "film.mkv", 1000)))["id"]
    out = tmp_path / "out"
    for entry, patterns, code, word in (
        (album, ("*.jpg", "*.png"), 3, "'*.png'"),
        (album, ("film",), 3, "'film'"),
        (film, ("*.avi",), 2, "single file"),
        (film, ("",), 2, "empty pattern"),
        (film, ("x",) * 65, 2, "64 times"),
        (film, ("x" * 4000,) * 20, 2, "too long"),
    ):
        options = [word for pattern in patterns for word in ("--only", pattern)]
        answer = swarm.cli(a, "get", entry, *options, "-o", str(out))
        assert answer.code == code, str(answer)
        assert word in answer.result["error"]
        assert not out.exists()
    swarm.ok(a, "get", film, "--only", "*.mkv", "-o", str(out))
    assert same_file(out, tmp_path / "film.mkv")


def test_a_kill_in_the_middle(swarm: Swarm, tmp_path: Path) -> None:
    a, b, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    album = make_album(tmp_path / "album", BIG)
    entry = swarm.ok(a, "add", str(album), "--wait")["id"]
    other = swarm.ok(a, "add", str(write_random(tmp_path / "other", 1_000_000)), "--wait")["id"]
    out = tmp_path / "out"
    getting = swarm.begin(c, "get", entry, "--only", "film.mkv", "-o", str(out))
    swarm.wait_until(lambda: allocated(c.content) > BIG // 5, "the download runs")
    with held_still(a, b):
        assert getting.alive()
        swarm.wait_until(lambda: swarm.ok(c, "show", entry)["here"] > 20, "pieces are recorded")
        swarm.kill9(c)
        assert getting.finish().code == 4
        assert not out.exists()
        swarm.start(c)
        begun = swarm.ok(c, "show", entry)["here"]
    assert begun > 20
    # Another download, to its end: that of the album does not go on by itself.
    swarm.ok(c, "get", other, "-o", str(tmp_path / "other again"))
    assert downloaded(swarm, c) <= 2 * 1_000_000
    assert swarm.ok(c, "show", entry)["here"] == begun
    done = swarm.ok(c, "get", entry, "--only", "film.mkv", "-o", str(out))
    size, manifest = overlap(album, "film.mkv")
    assert done["received"] <= size - (begun - 1) * manifest.geometry.piece_length
    assert same_files(out, album, ("film.mkv",))
    assert count_files(c.content) == 0


def test_an_interrupted_command(swarm: Swarm, tmp_path: Path) -> None:
    a, b, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    album = make_album(tmp_path / "album", BIG)
    entry = swarm.ok(a, "add", str(album), "--wait")["id"]
    out = tmp_path / "out"
    getting = swarm.begin(c, "get", entry, "--only", "film.mkv", "-o", str(out))
    swarm.wait_until(lambda: allocated(c.content) > BIG // 5, "the download runs")
    with held_still(a, b):
        assert getting.alive()
        getting.process.send_signal(signal.SIGINT)
        assert getting.finish().code != 0
        swarm.wait_until(lambda: not swarm.ok(c, "status")["transfers"], "the download ends")
    assert not out.exists()
    # The whole album after all: to its path, and shared from there.
    swarm.ok(c, "get", entry, "-o", str(out))
    assert same_files(out, album, ("**",))
    assert count_files(c.content) == 0
    assert swarm.holders(c, entry)["c"]["pieces"] == swarm.ok(c, "show", entry)["pieces"]
