"""Comparing files and folders byte for byte."""

import filecmp
import os
from pathlib import Path


def same_file(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    return filecmp.cmp(one, other, shallow=False)


def tree_difference(one: Path, other: Path) -> list[str]:
    """What differs between two folders, names and bytes."""
    names, others = _names(one), _names(other)
    different = [f"only in one of them: {name}" for name in sorted(names ^ others)]
    for name in sorted(names & others):
        if (one / name).is_file() and not same_file(one / name, other / name):
            different.append(f"different bytes: {name}")
    return different


def count_files(folder: Path) -> int:
    """How many files are below a folder."""
    return sum(len(files) for _, _, files in os.walk(folder))


def allocated(folder: Path) -> int:
    """Bytes that lie on disk below a folder, holes not counted."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.stat(os.path.join(root, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
