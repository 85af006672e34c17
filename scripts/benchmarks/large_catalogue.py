"""A tracker's database filled with entries, without anybody having shared them.

    python -m benchmarks.large_catalogue TRACKER ENTRIES AUTHOR...

TRACKER and each AUTHOR are data directories; the tracker is stopped, the authors have joined. The
first holds nothing: it is to run, and would have to be told of all that it holds.
Names are those of this machine's dictionary, if it has one, and of its programs' files; when they
are used up they come again with a word of another beside them.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Table, insert, select, text
from swarm import Peer, Swarm

from peer.data_dir import DataDir as PeerDir
from protocol.entry import Entry, sign_record
from protocol.geometry import Geometry
from protocol.hashing import hash_entry, hash_piece
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId
from protocol.manifest import FileRecord, make_manifest
from tracker import search_index, tables
from tracker.data_dir import DataDir as TrackerDir
from tracker.database import Database, open_database
from tracker.swarm import next_change

_DICTIONARY = Path("/usr/share/dict/words")
_NAMES = Path("/usr")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_ENDINGS = ("", ".jpg", ".mp4", ".flac", ".pdf", ".zip", ".txt", ".png")
_TWO_YEARS = 2 * 365 * 86_400_000
_SEED = 11
_AT_ONCE = 1000
_PIECE = 256 << 10
_INSIDE = 6
"""Files of a folder."""


def fill_tracker(swarm: Swarm, authors: list[Peer], entries: int) -> None:
    """Fill the database of a swarm whose tracker is stopped."""
    folders = [str(swarm.tracker_data), str(entries), *(str(author.data) for author in authors)]
    command = [sys.executable, "-m", "benchmarks.large_catalogue", *folders]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"no large catalogue could be made:\n{done.stderr}")


def main() -> None:
    """Write the rows that publishing and announcing would have left."""
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    authors = [PeerDir(Path(data)).load_identity() for data in sys.argv[3:]]
    database = open_database(TrackerDir(folder).place())
    try:
        database.write_now(lambda connection: _fill(connection, number, authors))
        if database.engines.writer.dialect.name == "postgresql":
            _tidy(database)
    finally:
        database.close()


def names() -> Iterator[tuple[str, str]]:
    """Names and captions, the same ones each time on one machine; without an end."""
    chance = random.Random(_SEED)
    words: list[str] = []
    if _DICTIONARY.exists():
        words = _DICTIONARY.read_text(errors="replace").split()
    files = list(_files())
    beside = words or [word for name, _ in files for word in _WORDS.findall(name)]
    turn = 0
    while True:
        for word in words:
            again = f" {chance.choice(beside)}" if turn else ""
            yield f"{word}{again}{chance.choice(_ENDINGS)}", " ".join(chance.sample(words, 3))
        for name, path in files:
            again = f" {chance.choice(beside)}" if turn else ""
            caption = path if chance.random() < 0.3 else ""
            stem, _, ending = name.rpartition(".")
            yield f"{stem}{again}.{ending}" if stem else f"{name}{again}", caption
        turn += 1


def _files() -> Iterator[tuple[str, str]]:
    for path, folders, files in os.walk(_NAMES):
        folders.sort()
        yield from ((name, path) for name in sorted(files))


def _fill(connection: Connection, number: int, authors: list[Identity]) -> None:
    chance = random.Random(_SEED)
    pairs = chance.sample(list(islice(names(), 2 * number)), number)
    members = tables.members
    called = dict(connection.execute(select(members.c.peer, members.c.name)).all())
    later = _without_indexes(connection)
    for start in range(0, number, _AT_ONCE):
        rows: dict[Table, list[dict[str, object]]] = defaultdict(list)
        found = []
        some = pairs[start : start + _AT_ONCE]
        first = next_change(connection, len(some)) - len(some) + 1
        for change, (name, caption) in enumerate(some, first):
            author = chance.choice(authors)
            entry = _entry(name, caption, author, chance)
            found.append((change, entry, called[author.peer]))
            held = chance.sample(authors[1:], chance.choice((1, 2, 2, 2)))
            inside = [other for other, _ in chance.sample(some, min(_INSIDE, len(some)))]
            encoded = _encoded(inside) if entry.kind == "folder" else b""
            for table, row in _rows(entry, change, author, held, encoded):
                rows[table].append(row)
        for table, of_it in rows.items():
            connection.execute(insert(table), of_it)
        search_index.put_new(connection, found)
    for statement in later:
        connection.execute(text(statement))


def _without_indexes(connection: Connection) -> list[str]:
    """Let go of PostgreSQL's indexes of words; the statements that make them anew, at once."""
    if connection.dialect.name != "postgresql":
        return []
    wanted = "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%USING gin%'"
    indexes = connection.execute(text(wanted)).all()
    for name, _ in indexes:
        connection.execute(text(f"DROP INDEX {name}"))
    return ["SET LOCAL maintenance_work_mem = '512MB'", *(made for _, made in indexes)]


def _tidy(database: Database) -> None:
    """Let the planner know what is there, as the server's autovacuum would a little later."""
    with database.engines.writer.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text("VACUUM ANALYZE"))


def _entry(name: str, caption: str, author: Identity, chance: random.Random) -> Entry:
    salt = chance.randbytes(16)
    return Entry(
        salt=salt,
        author=AuthorKey(author.peer),
        sequence=1,
        name=name[:255].encode(errors="replace").decode(),
        caption=caption.encode(errors="replace").decode(),
        tags=tuple(chance.sample(("photos", "work", "old", "music", "2024"), 2)),
        manifest=ManifestId(hash_entry(salt, b"manifest") + salt),
        size=int(chance.lognormvariate(13, 4)) % (1 << 40),
        pieces=1,
        files=1,
        kind="folder" if chance.random() < 0.05 else "file",
        created=int(time.time() * 1000) - chance.randrange(_TWO_YEARS),
    )


def _encoded(names: list[str]) -> bytes:
    """A folder's manifest, as far as searches look: it names these files."""
    paths = sorted({name.encode(errors="replace").decode().replace("/", " ") for name in names})
    records = [FileRecord(path=path, offset=at, size=1) for at, path in enumerate(paths)]
    geometry = Geometry(piece_length=_PIECE, length=len(records), short={})
    return make_manifest(geometry, [hash_piece(b"")], records).encoded


def _rows(
    entry: Entry, number: int, author: Identity, held: list[Identity], encoded: bytes
) -> Iterator[tuple[Table, dict[str, object]]]:
    signed = sign_record(entry, author.signing)
    yield tables.manifests, {"id": entry.manifest, "pieces": 1, "encoded": encoded}
    yield (
        tables.entries,
        {
            "number": number,
            "id": entry.id,
            "author": entry.author,
            "manifest": entry.manifest,
            "sequence": 1,
            "body": signed.body,
            "signature": signed.signature,
            "deleted": False,
            "shown": True,
            "created": entry.created,
            "restored": False,
            "copies": entry.copies,
            "size": entry.size,
            "learnt": entry.created,
            "rendition": False,
        },
    )
    named = {"entry": entry.id, "manifest": entry.manifest, "change": number}
    yield tables.entry_manifests, named
    for holder in held:
        yield tables.holdings, {"peer": holder.peer, "manifest": entry.manifest, "bits": None}


if __name__ == "__main__":
    main()
