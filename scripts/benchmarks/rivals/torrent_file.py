"""A BitTorrent file of version 1 for one file, made here: not every rival can make its own."""

import hashlib
from pathlib import Path

PIECE = 1 << 20

_Value = int | str | bytes | dict[str, "_Value"]


def write_torrent(torrent: Path, source: Path, tracker: str) -> None:
    """Describe `source` in pieces of 1 MiB and name the tracker to ask."""
    with source.open("rb", buffering=0) as file:
        hashes = b"".join(
            hashlib.sha1(piece).digest() for piece in iter(lambda: file.read(PIECE), b"")
        )
    described: dict[str, _Value] = {
        "length": source.stat().st_size,
        "name": source.name,
        "piece length": PIECE,
        "pieces": hashes,
    }
    torrent.write_bytes(_encode({"announce": tracker, "info": described}))


def _encode(value: _Value) -> bytes:
    """Bencoding."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, dict):
        pairs = (_encode(key) + _encode(each) for key, each in sorted(value.items()))
        return b"d" + b"".join(pairs) + b"e"
    encoded = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(encoded), encoded)
