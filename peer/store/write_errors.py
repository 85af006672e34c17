"""What a person is told when something cannot be written."""

import errno
from pathlib import Path

from peer.errors import PeerError


class DiskFullError(PeerError):
    """There is no room for a piece."""


def write_error(error: OSError, where: Path) -> PeerError:
    """The error to raise instead."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"no room on the disk of {where}: free some space and try again")
    return PeerError(f"cannot write {error.filename or where}: {error.strerror}")
