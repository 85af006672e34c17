"""Files as a small group has them, made from nothing."""

import random
import struct
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """A file or folder to share, and what is said of it."""

    path: Path
    caption: str
    tags: tuple[str, ...] = ()


def make_samples(folder: Path) -> Iterator[Sample]:
    """All of them, the one to be deleted too."""
    folder.mkdir()
    chance = random.Random(1)
    for name, caption, tint in (
        ("evening at the lake.png", "The last light, from the jetty", 90),
        ("the new kitchen.png", "Before the painters came", 200),
    ):
        path = folder / name
        path.write_bytes(_picture(900, 560, tint))
        yield Sample(path, caption, ("photos", "summer"))
    yield Sample(_song(folder / "rehearsal.wav", chance), "Third take", ("band",))
    film = folder / "Grandma's birthday (2026).mkv"
    film.write_bytes(chance.randbytes(48 << 20))
    yield Sample(film, "With the speech", ("family", "video"))
    yield Sample(_thesis(folder / "thesis", chance), "All sources, and the data", ("work",))
    plot = folder / "plot.py"
    plot.write_text(_CODE * 4)
    yield Sample(plot, "Draws figure 3", ("work", "python"))
    draft = folder / "old draft.txt"
    draft.write_text("Nothing to see here.\n")
    yield Sample(draft, "")


def _picture(width: int, height: int, tint: int) -> bytes:
    """A PNG of a sky: a gradient with a sun in it."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            near = max(0.0, 1 - ((x - width * 0.62) ** 2 + (y - height * 0.45) ** 2) / 9000)
            shade = 1 - y / height
            rows += bytes(
                (
                    int(min(255, 60 + tint * shade + 150 * near)),
                    int(min(255, 70 + 90 * shade + 110 * near)),
                    int(min(255, 110 + (255 - tint) * 0.5 * (1 - shade))),
                )
            )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = [_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(rows))), _chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _song(path: Path, chance: random.Random) -> Path:
    with wave.open(str(path), "wb") as song:
        song.setnchannels(1)
        song.setsampwidth(2)
        song.setframerate(22_050)
        song.writeframes(chance.randbytes(4 << 20))
    return path


def _thesis(folder: Path, chance: random.Random) -> Path:
    for chapter in ("1 introduction", "2 method", "3 results"):
        (folder / chapter).mkdir(parents=True)
        for name in ("text.tex", "figures.svg", "notes.md"):
            (folder / chapter / name).write_bytes(chance.randbytes(chance.randrange(2000, 90_000)))
    (folder / "data.csv").write_bytes(chance.randbytes(3 << 20))
    (folder / "README.md").write_text("# Thesis\n")
    return folder


_CODE = '''"""Draws the third figure."""

import csv


def rows(path):
    # The first line names the columns.
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


def mean(values):
    found = [float(value) for value in values]
    return sum(found) / len(found)
'''
