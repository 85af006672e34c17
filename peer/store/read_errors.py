"""What an error says about the bytes that were to be read. Decided here, and nowhere else."""

import errno
from enum import Enum


class Fault(Enum):
    """Why a file could not be read."""

    PASSING = "passing"
    """For a reason of our own, such as too many open files: the bytes may be as they were."""
    DISK = "disk"
    """The disk, or its file system, does not give them: for once, or from now on."""
    AWAY = "away"
    """It cannot be come at: not permitted, or what it lies on is not there."""
    GONE = "gone"
    """It is not there, or something else is. It may come back, as all of a disk does."""


UNDECIDED = frozenset({Fault.PASSING, Fault.DISK})
"""What a second look after some seconds decides."""
LOOK_AGAIN_AFTER = 5.0
"""Seconds."""

_DISK = {errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO}
"""What the kernel says when a device or a file system has lost something."""
_AWAY = {
    errno.EACCES,
    errno.EPERM,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENXIO,
    errno.ENOMEDIUM,
    errno.ENOKEY,
    errno.ENOTCONN,
    errno.ESHUTDOWN,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESPIPE}


def fault_of(error: OSError) -> Fault:
    """What an error says; nothing about the bytes, if we do not know it."""
    for fault, numbers in ((Fault.DISK, _DISK), (Fault.AWAY, _AWAY), (Fault.GONE, _GONE)):
        if error.errno in numbers:
            return fault
    return Fault.PASSING
