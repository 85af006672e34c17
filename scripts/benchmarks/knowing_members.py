"""Members that know and hold much: those parts of real peers that speak to the tracker.

    python -m benchmarks.knowing_members fill ENTRIES DATA...
    python -m benchmarks.knowing_members run DATA...

`fill` writes the rows that sharing would have left into data directories that have joined: each
entry with its manifest in two of them, and its record alone in two more. `run` prints a line at the
start, then connects all of them, in one process; content is neither there nor looked at.
"""

import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import trio
from benchmarks.large_catalogue import names

from peer.data_dir import DataDir
from peer.database import open_database
from peer.parts import Parts
from peer.reactions import Reactions
from protocol.entry import Entry, sign_record
from protocol.geometry import Geometry
from protocol.hashing import hash_piece
from protocol.identity import Identity
from protocol.ids import AuthorKey
from protocol.manifest import FileRecord, Manifest, make_manifest
from protocol.signing import Signed

KNOWN_BY, HELD_BY = 4, 2
_PIECE = 256 << 10
_AT_ONCE = 2_000
_Row = tuple[int, Entry, Signed, Manifest]


def main() -> None:
    """Fill the directories, or be there."""
    what, *rest = sys.argv[1:]
    if what == "fill":
        _fill(int(rest[0]), [Path(data) for data in rest[1:]])
    else:
        trio.run(_run, [Path(data) for data in rest])


async def _run(folders: list[Path]) -> None:
    members = [Parts(data) for data in folders]
    for parts in members:
        Reactions(parts)
        parts.load()
    print("loaded", flush=True)
    async with trio.open_nursery() as nursery:
        for parts in members:
            parts.links.start(nursery)
            nursery.start_soon(parts.tracker.run)
            nursery.start_soon(parts.rebuilding.run)


def _fill(number: int, folders: list[Path]) -> None:
    chance = random.Random(7)
    databases = [open_database(DataDir(data).database) for data in folders]
    identities = [DataDir(data).load_identity() for data in folders]
    rows = _rows(number, identities, chance)
    while portion := list(islice(rows, _AT_ONCE)):
        for place, database in enumerate(databases):
            database.run_sync(lambda c, p=place, r=portion: _write(c, p, len(folders), r))  # type: ignore[misc]
    for database in databases:
        database.close()


def _rows(number: int, authors: list[Identity], chance: random.Random) -> Iterator[_Row]:
    for turn, (name, caption) in enumerate(islice(names(), number)):
        length = chance.randrange(1, _PIECE)
        manifest = make_manifest(
            Geometry(piece_length=_PIECE, length=length, short={}),
            [hash_piece(b"%d" % turn)],
            [FileRecord(path="", offset=0, size=length)],
        )
        author = authors[turn % len(authors)]
        entry = Entry(
            salt=chance.randbytes(16),
            author=AuthorKey(author.peer),
            sequence=1,
            name=name[:255].encode(errors="replace").decode(),
            caption=caption.encode(errors="replace").decode(),
            manifest=manifest.id,
            size=length,
            pieces=1,
            files=1,
            kind="file",
            created=int(time.time() * 1000) - chance.randrange(10**10),
        )
        yield turn, entry, sign_record(entry, author.signing), manifest


def _write(connection: sqlite3.Connection, place: int, members: int, rows: list[_Row]) -> None:
    """What one of the members has of some entries: its author, and those who come after it."""
    known = [row for row in rows if (place - row[0]) % members < KNOWN_BY]
    held = [row for row in known if (place - row[0]) % members < HELD_BY]
    connection.executemany(
        "INSERT INTO records (entry, manifest, sequence, dead, copies, published, body, signature) "
        "VALUES (?, ?, 1, 0, 2, 1, ?, ?)",
        [
            (entry.id, entry.manifest, signed.body, signed.signature)
            for _, entry, signed, _ in known
        ],
    )
    connection.executemany(
        "INSERT INTO contents (manifest, pieces, size, passing) VALUES (?, 1, ?, 0)",
        [(manifest.id, manifest.size) for *_, manifest in held],
    )
    connection.executemany(
        "INSERT INTO manifests VALUES (?, ?)",
        [(manifest.id, manifest.encoded) for *_, manifest in held],
    )


if __name__ == "__main__":
    main()
