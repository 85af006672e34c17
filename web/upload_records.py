"""What is known of an upload, kept beside its bytes in the spool as a small JSON file.

Written whole, in one step, after the bytes it speaks of are durable: after any stop it never says
more than the disk has.
"""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from protocol.fields import MAX_LENGTH

EXPIRE_MS = 86_400_000
"""How long after its last byte an unfinished upload is kept."""

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Size = Annotated[int, Meta(ge=0, le=MAX_LENGTH)]
State = Literal["receiving", "adding", "added", "failed"]


class UploadRecord(Struct, kw_only=True, omit_defaults=True):
    """One file or folder on its way in; moments are milliseconds since 1970.

    A file of a folder names it, and its own `path` in it. `person` began it ("" is the owner).
    `complete` says that every byte is here; `entry` is what it became, `failed` why it became
    nothing, `note` what else is to be told.
    """

    id: Id
    kind: Literal["file", "folder"]
    name: str
    size: Size
    last: int
    offset: Size = 0
    modified: int | None = None
    caption: str = ""
    tags: tuple[str, ...] = ()
    folder: str = ""
    path: str = ""
    executable: bool = False
    files: int = 1
    metadata: str = ""
    person: str = ""
    complete: bool = False
    entry: str = ""
    failed: str = ""
    note: str = ""

    @property
    def state(self) -> State:
        """Where it stands."""
        if not self.complete:
            return "receiving"
        if self.entry:
            return "added"
        return "failed" if self.failed else "adding"

    @property
    def expires(self) -> int:
        """When it is forgotten if nothing more comes."""
        return self.last + EXPIRE_MS


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Milliseconds since some moment, whatever happens to the clock."""
    return time.monotonic_ns() // 1_000_000


def read_record(path: Path) -> UploadRecord:
    """What was written; ValueError when it is damaged, OSError when it cannot be read."""
    return msgspec.json.decode(path.read_bytes(), type=UploadRecord)


def write_record(path: Path, record: UploadRecord, *, lasting: bool = True) -> None:
    """Replace a record as one step, durable at once if it must be `lasting`. OSError."""
    fresh = path.with_name(path.name + ".new")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        content = memoryview(msgspec.json.encode(record))
        while content:  # a disk that is nearly full takes a part of it
            content = content[os.write(number, content) :]
        os.fsync(number)
    finally:
        os.close(number)
    fresh.replace(path)
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
