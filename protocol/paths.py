"""Names that come from other machines: what may become a file name here, and what may not."""

import unicodedata

MAX_COMPONENT = 255
MAX_PATH = 4096


def check_relative_path(path: str) -> str:
    """Return `path` if it can only name something below the folder it is joined to.

    ValueError for absolute paths, empty, "." or ".." parts, NUL, lone surrogates, parts over
    255 bytes of UTF-8 and paths over 4096.
    """
    if _is_plain(path):
        return path
    if len(path) > MAX_PATH:
        raise ValueError(f"unsafe path {path[:40]!r}…: it has over {MAX_PATH} characters")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise ValueError(f"unsafe path {path!r}: a part is {part!r}")
        if "\0" in part:
            raise ValueError(f"unsafe path {path!r}: it contains NUL")
        try:
            size = len(part.encode())
        except UnicodeEncodeError:
            raise ValueError(f"path {path!r} is not valid Unicode") from None
        if size > MAX_COMPONENT:
            raise ValueError(f"unsafe path {path[:40]!r}…: a part has {size} bytes, over 255")
    return path


def _is_plain(path: str) -> bool:
    """Whether it is short, ASCII and safe, told at once: manifests have paths by the thousand."""
    if len(path) > MAX_COMPONENT or not path.isascii() or "\0" in path:
        return False
    framed = f"/{path}/"
    return "//" not in framed and "/./" not in framed and "/../" not in framed


def clean_name(name: str) -> str:
    """A name fit to show and to save under: one path part, no controls, at most 255 bytes.

    Controls, bidirectional overrides and slashes become "_"; an empty result becomes "unnamed".
    """
    kept = "".join("_" if _unprintable(char) else char for char in name).strip()
    while len(kept.encode()) > MAX_COMPONENT:
        kept = _shorten(kept).strip()
    return "unnamed" if kept.strip("._ ") == "" else kept


def _unprintable(char: str) -> bool:
    if char in "/\\" or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return char in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def _shorten(name: str) -> str:
    """One character less, taken before the suffix so that the kind of file stays visible."""
    stem, dot, suffix = name.rpartition(".")
    if dot and stem and len(suffix.encode()) < 32:
        return stem[:-1] + dot + suffix if len(stem) > 1 else suffix
    return name[:-1]
