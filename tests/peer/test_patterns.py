"""What a pattern of `get --only` matches."""

import time
from pathlib import Path

import pytest
from peer_net import manifest_of

from peer.errors import NotFoundError, UsageError
from peer.operator.patterns import Pattern, choose

CASES = [
    ("*.jpg", "a.jpg", True),
    ("*.jpg", "x/y/a.jpg", True),
    ("*.jpg", "a.jpg/b", False),
    ("*.jpg", "a.JPG", False),
    ("a?.txt", "d/ab.txt", True),
    ("a?.txt", "d/a.txt", False),
    ("[ab].txt", "b.txt", True),
    ("[!ab].txt", "b.txt", False),
    ("*", ".hidden/.file", True),
    ("docs/**", "docs/a", True),
    ("docs/**", "docs/x/y/a", True),
    ("docs/**", "docs", False),
    ("docs/**", "more/docs/a", False),
    ("docs/", "docs/x/a", True),
    ("docs/*", "docs/a", True),
    ("docs/*", "docs/x/a", False),
    ("a/b.txt", "a/b.txt", True),
    ("a/b.txt", "x/a/b.txt", False),
    ("/b.txt", "b.txt", True),
    ("/b.txt", "a/b.txt", False),
    ("**/b.txt", "b.txt", True),
    ("**/b.txt", "x/y/b.txt", True),
    ("a/**/b.txt", "a/b.txt", True),
    ("a/**/b.txt", "a/x/y/b.txt", True),
    ("a/**/b.txt", "a/x/y/c.txt", False),
    ("**", "x/y", True),
    ("a+b(1).txt", "a+b(1).txt", True),
    ("été*", "d/été 2026", True),
    ("line\nbreak", "line\nbreak", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), CASES)
def test_a_pattern_matches(pattern: str, path: str, expected: bool) -> None:
    assert Pattern(pattern).matches(path) is expected


def test_no_pattern_takes_long() -> None:
    path = "/".join(["a" * 200] * 12)
    started = time.process_time()
    assert not Pattern("*a" * 90 + "b").matches(path)
    assert not Pattern("**/a*/" * 200 + "b").matches(path)
    assert time.process_time() - started < 1.0


def test_choose(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    for name in ("a.jpg", "b.txt", "x/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "empty.jpg").mkdir()
    manifest = manifest_of(folder)
    paths = [record.path for record in manifest.files]

    def chosen(*patterns: str) -> set[str]:
        return {paths[number] for number in choose(manifest, "holiday", patterns)}

    assert chosen("*.jpg") == {"a.jpg", "x/c.jpg"}
    assert chosen("*.txt", "x/**") == {"b.txt", "x/c.jpg"}
    with pytest.raises(NotFoundError, match=r"no file in holiday matches '\*\.png'"):
        chosen("*.jpg", "*.png")


def test_a_single_file_is_chosen_by_its_name_only(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"film")
    manifest = manifest_of(tmp_path / "film")
    assert choose(manifest, "Film.mkv", ("*.mkv",)) == [0]
    with pytest.raises(UsageError, match="single file"):
        choose(manifest, "Film.mkv", ("*.mp4",))
