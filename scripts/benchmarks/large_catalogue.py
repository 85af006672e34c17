"""A tracker's database filled with entries, without anybody having shared them.

    python -m benchmarks.large_catalogue TRACKER ENTRIES AUTHOR...

TRACKER and each AUTHOR are data directories; the tracker is stopped, the authors have joined.
Names are those of this machine's dictionary, if it has one, and of its programs' files.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, insert
from swarm import Peer, Swarm

from peer.data_dir import DataDir as PeerDir
from protocol.entry import Entry, sign_record
from protocol.hashing import hash_entry
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId
from tracker import search_index, tables
from tracker.data_dir import DataDir as TrackerDir
from tracker.database import open_database
from tracker.swarm import next_change

_DICTIONARY = Path("/usr/share/dict/words")
_NAMES = Path("/usr")
_ENDINGS = ("", ".jpg", ".mp4", ".flac", ".pdf", ".zip", ".txt", ".png")
_TWO_YEARS = 2 * 365 * 86_400_000
_SEED = 11


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
    database = open_database(TrackerDir(folder).database)
    try:
        database.write_now(lambda connection: _fill(connection, number, authors))
    finally:
        database.close()


def names() -> Iterator[tuple[str, str]]:
    """Names and captions, the same ones each time on one machine; without an end."""
    chance = random.Random(_SEED)
    turn = 0
    while True:
        again = f" {turn}" if turn else ""
        if _DICTIONARY.exists():
            words = _DICTIONARY.read_text(errors="replace").split()
            for word in words:
                yield f"{word}{again}{chance.choice(_ENDINGS)}", " ".join(chance.sample(words, 3))
        for path, folders, files in os.walk(_NAMES):
            folders.sort()
            caption = path if chance.random() < 0.3 else ""
            for name in sorted(files):
                stem, dot, ending = name.rpartition(".")
                yield (
                    f"{stem or ending}{again}{dot if stem else ''}{ending if stem else ''}",
                    caption,
                )
        turn += 1


def _fill(connection: Connection, number: int, authors: list[Identity]) -> None:
    chance = random.Random(_SEED)
    now = int(time.time() * 1000)
    pairs = list(islice(names(), 4 * number))
    for name, caption in chance.sample(pairs, number):
        author = chance.choice(authors)
        salt = chance.randbytes(16)
        entry = Entry(
            salt=salt,
            author=AuthorKey(author.peer),
            sequence=1,
            name=name[:255].encode(errors="replace").decode() or "x",
            caption=caption.encode(errors="replace").decode(),
            tags=tuple(chance.sample(("photos", "work", "old", "music", "2024"), 2)),
            manifest=ManifestId(hash_entry(salt, b"manifest") + salt),
            size=int(chance.lognormvariate(13, 4)) % (1 << 40),
            pieces=1,
            files=1,
            kind="folder" if chance.random() < 0.05 else "file",
            created=now - chance.randrange(_TWO_YEARS),
        )
        _put(connection, entry, author, chance.sample(authors, chance.choice((1, 2, 2, 2))))


def _put(connection: Connection, entry: Entry, author: Identity, held: list[Identity]) -> None:
    signed = sign_record(entry, author.signing)
    number = next_change(connection)
    manifest = {"id": entry.manifest, "pieces": 1, "encoded": b""}
    row = {
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
    }
    named = {"entry": entry.id, "manifest": entry.manifest, "change": number}
    connection.execute(insert(tables.manifests).values(**manifest))
    connection.execute(insert(tables.entries).values(**row))
    connection.execute(insert(tables.entry_manifests).values(**named))
    search_index.put(connection, number, entry, "desk")
    for holder in held:
        holding = {"peer": holder.peer, "manifest": entry.manifest, "bits": None}
        connection.execute(insert(tables.holdings).values(**holding))


if __name__ == "__main__":
    main()
