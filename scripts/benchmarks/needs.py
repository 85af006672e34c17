"""What a contender needs of this machine: programs, libtorrent, root, a tun device."""

import functools
import importlib.util
import os
import shutil
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_SYSTEM_FOLDERS = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


def is_there(need: str) -> bool:
    """Whether this machine has it: "libtorrent", "root", "tun", or a program's name."""
    if need == "libtorrent":
        return libtorrent_python() is not None
    if need == "root":
        return os.geteuid() == 0
    if need == "tun":
        return os.access("/dev/net/tun", os.R_OK | os.W_OK)
    return find_program(need) is not None


def find_program(name: str) -> str | None:
    """Where a program is, also when it is one that only root has on the PATH."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def program(name: str) -> str:
    """Where a program is that the contender has named as a need."""
    found = find_program(name)
    if found is None:
        raise FileNotFoundError(f"there is no {name}")
    return found


@functools.cache
def libtorrent_python() -> Path | None:
    """A Python that has libtorrent: that of `scripts/setup bench`, or this one."""
    own = _CHECKOUT / ".venv-bench/bin/python"
    if own.exists():
        return own
    return Path(sys.executable) if importlib.util.find_spec("libtorrent") else None
