"""Paths as people give them, made whole before they go to the daemon."""

from pathlib import Path

from peer.errors import UsageError


def whole_path(path: Path) -> Path:
    """The absolute path, without ".."; a link at its end stays one. UsageError if not Unicode."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="replace").decode()
        raise UsageError(f"the path {shown!r} is not valid Unicode; rename it first") from None
    absolute = path.absolute()
    if absolute.name in ("", ".."):
        return absolute.resolve()
    return absolute.parent.resolve() / absolute.name
