"""What is shared in a measure: random files, folders of many small files, and their comparison."""

import os
import shutil
import stat
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

SMALL_FILE = 4096
FILES_A_FOLDER = 100
# Made while programs run, or installed beside the library: not the same everywhere.
_NOT_LIBRARY = ("__pycache__", "site-packages", "dist-packages")


def small_files(folder: Path, number: int) -> Path:
    """A folder of `number` random files of 4 KiB, a hundred in each of its folders."""
    for each in range(number):
        where = folder / f"{each // FILES_A_FOLDER:04}"
        if each % FILES_A_FOLDER == 0:
            where.mkdir(parents=True)
        (where / f"{each:06}").write_bytes(os.urandom(SMALL_FILE))
    return folder


def library_files(folder: Path) -> Path:
    """A copy of the running Python's standard library: a real source tree that is everywhere.

    Regular files alone, without what is compiled or installed.
    """
    library = sysconfig.get_path("stdlib")

    def passed_over(where: str, names: list[str]) -> list[str]:
        return [name for name in names if name in _NOT_LIBRARY or not _is_plain(Path(where, name))]

    shutil.copytree(library, folder, ignore=passed_over)
    return folder


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder, in order; of a file, itself."""
    if folder.is_file():
        yield folder
    for where, names, files in os.walk(folder):
        names.sort()
        yield from (Path(where, name) for name in sorted(files))


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    return sum(each.stat().st_size for each in files_below(path))


def check_same(source: Path, copy: Path) -> None:
    """SystemExit when a copy is not, byte by byte, what was sent."""
    wanted = {each.relative_to(source): each for each in files_below(source)}
    found = {each.relative_to(copy): each for each in files_below(copy)}
    if wanted.keys() != found.keys():
        raise SystemExit(f"{copy} does not have the files that were sent")
    for name, path in wanted.items():
        if not _same_bytes(path, found[name]):
            raise SystemExit(f"{found[name]} is not what was sent")


def sync_seconds(path: Path) -> float:
    """Make a file durable; how long that took."""
    began = time.perf_counter()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return time.perf_counter() - began


def remove(path: Path) -> None:
    """Take away a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_plain(path: Path) -> bool:
    return stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)


def _same_bytes(one: Path, other: Path) -> bool:
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        while piece := first.read(1 << 20):
            if second.read(1 << 20) != piece:
                return False
        return not second.read(1)
