"""DIR/spool: what lies where while uploads are on their way, and how much room there is.

An upload has a record (ID.json), its bytes so far (ID.part) and as a picture a smaller version
(ID.picture); a folder has a record and, under
ID.tree, its files that are here in full, each in its place. One page has the spool at a time.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from web.upload_records import UploadRecord, read_record, sync_folder, write_record

PICTURE = ".picture"
_FICLONE = 0x40049409
_log = structlog.get_logger()


class InTheWayError(Exception):
    """A file and a folder would have one name."""


class Spool:
    """The folder of uploads."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "spool"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = -1

    def lock(self) -> bool:
        """Have the spool for ourselves until `unlock`; False when another page has it."""
        number = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(number)
            return False
        self._lock = number
        return True

    def unlock(self) -> None:
        """Let another page have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def record(self, number: str) -> Path:
        """Where the record of an upload lies."""
        return self.folder / f"{number}.json"

    def part(self, number: str) -> Path:
        """Where the bytes of a file lie until it is complete and in its folder, or added."""
        return self.folder / f"{number}.part"

    def tree(self, number: str) -> Path:
        """Where the complete files of a folder lie."""
        return self.folder / f"{number}.tree"

    def picture(self, number: str) -> Path:
        """Where a smaller version of a picture lies until it is added."""
        return self.folder / f"{number}{PICTURE}"

    def free(self) -> int:
        """Bytes the disk can still take."""
        return shutil.disk_usage(self.folder).free

    def shares(self) -> bool:
        """Whether a copy of a file takes no room of its own here."""
        with (
            tempfile.TemporaryFile(dir=self.folder) as one,
            tempfile.TemporaryFile(dir=self.folder) as two,
        ):
            one.write(bytes(4096))
            one.flush()
            try:
                fcntl.ioctl(two.fileno(), _FICLONE, one.fileno())
            except OSError:
                return False
        return True

    def load(self) -> Iterator[UploadRecord]:
        """Every record; what belongs to none is removed, and what cannot be read now is kept."""
        records, unread = {}, set()
        for path in self.folder.glob("*.json"):
            try:
                records[path.stem] = read_record(path)
            except ValueError as error:
                _log.warning("a damaged upload is given up", path=str(path), why=str(error))
            except OSError as error:
                _log.error("an upload cannot be read", path=str(path), error=error.strerror)
                unread.add(path.stem)
        for path in list(self.folder.iterdir()):
            number = path.name.partition(".")[0]
            known = number in records or number in unread
            if path.suffix in (".json", ".part", ".tree", ".new", PICTURE) and not known:
                _log.info("removed what a stop left in the spool", path=str(path))
                remove(path)
        yield from records.values()

    def save(self, record: UploadRecord, *, lasting: bool = True) -> None:
        """Keep a record. If not `lasting`, a power cut may bring back the one before. OSError."""
        write_record(self.record(record.id), record, lasting=lasting)

    def make_tree(self, number: str) -> None:
        """Make the place of a folder's files. OSError."""
        self.tree(number).mkdir(mode=0o700)

    def remove(self, number: str) -> None:
        """Remove all of an upload, its record last: half a removal is done again."""
        self.remove_bytes(number)
        remove(self.record(number))

    def remove_bytes(self, number: str) -> None:
        """Remove what an upload brought, but keep what is known of it."""
        for path in (self.part(number), self.tree(number), self.picture(number)):
            remove(path)


def place(part: Path, target: Path, record: UploadRecord) -> int | None:
    """Move a complete file into its folder; the size of what was there before.

    InTheWayError when a file and a folder would have one name; OSError.
    """
    set_mode(part, record)
    if record.modified is not None:
        moment = record.modified * 1_000_000
        os.utime(part, ns=(moment, moment))
    before = None
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            before = target.lstat().st_size
        part.replace(target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InTheWayError from None
    return before


def set_mode(part: Path, record: UploadRecord) -> None:
    """Let a complete file be run, if its source may be. OSError."""
    if record.executable:
        part.chmod(0o700)


def sync_tree(root: Path) -> None:
    """Make every name below a folder durable. OSError."""
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))
    sync_folder(root.parent)


def count_tree(root: Path) -> tuple[int, int, int]:
    """How many files are below a folder, their bytes, and when the last one came (ms)."""
    files = size = last = 0
    for folder, _, names in os.walk(root):
        last = max(last, os.stat(folder).st_mtime_ns // 1_000_000)
        for name in names:
            files += 1
            size += os.lstat(f"{folder}/{name}").st_size
    return files, size, last


def remove(path: Path) -> None:
    """Remove a file or a folder; what cannot be is left to the log."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("cannot remove from the spool", path=str(path), error=error.strerror)
