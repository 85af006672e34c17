"""The shelf in a file between two runs, so that a tracker of a million entries starts at once.

A cache and nothing more: it is used when it is whole, and of exactly this database as it is now;
else it is thrown away, and all is read from the database. `swarm.touched` tells: each transaction
that changes what searches keep raises it.
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgpack
import structlog
from blake3 import blake3
from pyroaring import FrozenBitMap
from sqlalchemy import Connection, select, text

from tracker import tables

if TYPE_CHECKING:
    from tracker.shelf import Shelf

_FORMAT = b"twofold shelf 3\n"
_DIGEST = 32
_LENGTH = 8
_AT_ONCE = 1 << 20
_log = structlog.get_logger()
_swarm = tables.swarm


class KeptShelf:
    """One file. `place` tells databases apart that have the same history."""

    def __init__(self, path: Path, place: str) -> None:
        self._path = path
        self._place = blake3(place.encode()).digest()

    def read(self, connection: Connection, shelf: "Shelf") -> bool:
        """Fill an empty shelf; False, and no file any more, unless it is as `connection` has it.

        What is in the shelf then is of no use.
        """
        try:
            with self._path.open("rb") as file:
                whole = _is_whole(file)
                if whole and _section(file) == self._position(connection):
                    whole = _fill_untrusted(shelf, file)
                    if whole:
                        return True
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            _log.warning("what searches need is read anew", why=error.strerror)
            return False
        _log.info("what searches need is read anew", why="changed since" if whole else "damaged")
        return False

    def write(self, connection: Connection, shelf: "Shelf") -> None:
        """Keep the shelf, which is exactly as `connection` sees the database."""
        try:
            with _replacing(self._path) as file:
                digest = blake3()
                for section in (self._position(connection), *_sections(shelf)):
                    for part in (len(section).to_bytes(_LENGTH), section):
                        digest.update(part)
                        file.write(part)
                file.seek(len(_FORMAT))
                file.write(digest.digest())
        except OSError as error:
            _log.warning("what searches need was not kept", why=error.strerror)

    def _position(self, connection: Connection) -> bytes:
        epoch, touched = connection.execute(select(_swarm.c.epoch, _swarm.c.touched)).one()
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        packed: bytes = msgpack.packb([self._place, version, epoch, touched])
        return packed


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file in the place of another once it is written; nobody waits until it is on disk."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(_FORMAT + bytes(_DIGEST))
            yield file
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _is_whole(file: BinaryIO) -> bool:
    """Whether the file is of this format and undamaged; then it is read up to its first section."""
    if file.read(len(_FORMAT)) != _FORMAT:
        return False
    expected, digest = file.read(_DIGEST), blake3()
    while some := file.read(_AT_ONCE):
        digest.update(some)
    file.seek(len(_FORMAT) + _DIGEST)
    return bool(digest.digest() == expected)


def _section(file: BinaryIO) -> bytes:
    return file.read(int.from_bytes(file.read(_LENGTH)))


def _sections(shelf: "Shelf") -> Iterator[Any]:
    for store in (shelf.texts, shelf.inside):
        store.compact()
    for column in _columns(shelf):
        yield memoryview(column).cast("B")
    for order in shelf.orders.values():
        yield memoryview(order.numbers).cast("B")
    yield shelf.shown.serialize()
    for sets in (*shelf.sets.values(), shelf.possession.whole):
        each = list(sets.dump())
        yield msgpack.packb([value for value, _ in each])
        yield from (content for _, content in each)
    yield shelf.possession.in_part.serialize()
    yield msgpack.packb(shelf.possession.doubts)
    shelf.remembered.settle()
    yield msgpack.packb(list(shelf.remembered.words))
    yield from (word.found.serialize() for word in shelf.remembered.words.values())


def _fill_untrusted(shelf: "Shelf", file: BinaryIO) -> bool:
    """Whether what is in it makes sense: it may have been written by a Twofold that was another."""
    try:
        _fill(shelf, file)
    except (ValueError, IndexError, TypeError, msgpack.UnpackException):
        return False
    return True


def _fill(shelf: "Shelf", file: BinaryIO) -> None:
    for column in _columns(shelf):
        if isinstance(column, bytearray):
            column += _section(file)
        else:
            column.frombytes(_section(file))
    for store in (shelf.texts, shelf.inside):
        store.count()
    shelf.put_orders({column: array("I", _section(file)) for column in shelf.orders})
    shelf.shown = _set(file)
    for sets in (*shelf.sets.values(), shelf.possession.whole):
        for value in msgpack.unpackb(_section(file)):
            sets.load(value, _section(file))
    shelf.possession.in_part = _set(file)
    doubts = msgpack.unpackb(_section(file), strict_map_key=False)
    shelf.possession.doubts.update(doubts)
    for word in msgpack.unpackb(_section(file)):
        shelf.remembered.put(word, _set(file))


def _set(file: BinaryIO) -> FrozenBitMap:
    return FrozenBitMap.deserialize(_section(file))


def _columns(shelf: "Shelf") -> tuple[Any, ...]:
    columns = shelf.columns
    arrays = (columns.created, columns.sizes, columns.begins, columns.lengths)
    stores = (shelf.texts, shelf.inside)
    texts = [each for store in stores for each in (store.begins, store.lengths, store.texts)]
    return (*arrays, columns.ids, columns.texts, *texts)
