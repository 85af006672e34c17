"""Putting a spooled file in the place of a content file. Blocking."""

import errno
import os
import secrets
from pathlib import Path

from peer.data_dir import sync_directory

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def take_in(spooled: Path, target: Path, *, keep_name: bool) -> None:
    """Make a spooled file the content file `target`, durably. OSError.

    With `keep_name` it stays in the spool too, where the file system has hard links.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with spooled.open("rb") as file:
        os.fsync(file.fileno())
    if not (keep_name and _link(spooled, target)):
        os.replace(spooled, target)
    sync_directory(target.parent)
    sync_directory(target.parent.parent)


def _link(spooled: Path, target: Path) -> bool:
    """Give it a second name, in the place of what has that name now; False if there are none."""
    fresh = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
    try:
        os.link(spooled, fresh)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    os.replace(fresh, target)
    # Two names of one file are left as they are by a rename.
    fresh.unlink(missing_ok=True)
    return True
