"""One file or folder pushed: found again if the page knows it, sent, finished, added."""

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from peer.errors import NotFoundError, PeerError, UsageError
from peer.pushing.pushing import FOLDERS, Pushing, Source
from peer.pushing.senders import send_together
from peer.store.splitter import Survey, survey

AT_ONCE = 4


@dataclass(frozen=True)
class Item:
    """What is pushed: a path on this machine, and what is said of it there."""

    path: Path
    name: str
    caption: str
    tags: tuple[str, ...]


Tell = Callable[[int, int], None]
"""Called with bytes the page has, and bytes in all."""


def push_item(pushing: Pushing, item: Item, tell: Tell) -> tuple[str, list[str]]:
    """Send it all; the id of the upload it was, and what was passed over. Raises PeerError."""
    found = survey(item.path)
    if found.single:
        return _push_file(pushing, item, found, tell), []
    return _push_folder(pushing, item, found, tell), found.skipped


def _push_file(pushing: Pushing, item: Item, found: Survey, tell: Tell) -> str:
    source = _source(found, 0)
    looks = {"kind": "file", "name": item.name, "size": source.size, "modified": source.modified}
    known = next(_known(pushing.uploads(), looks), None)
    said = {"name": item.name, "modified": source.modified}
    said |= {"caption": item.caption} if item.caption else {}
    said |= {"tags": ",".join(item.tags)} if item.tags else {}
    said |= {"executable": "1"} if source.executable else {}
    numbers: list[str] = []

    def send() -> None:
        numbers.append(pushing.file(source, said, known["id"] if known else None))

    send_together(pushing, [send], 1, lambda: tell(min(pushing.done, found.size), found.size))
    return numbers[0]


def _push_folder(pushing: Pushing, item: Item, found: Survey, tell: Tell) -> str:
    numbers = [n for n, record in enumerate(found.files) if not record.directory]
    looks = {"kind": "folder", "name": item.name, "size": found.size, "files": len(numbers)}
    paths, uploads = {found.files[n].path for n in numbers}, pushing.uploads()
    # One with a file of another name in it would never be complete.
    alike = (
        each
        for each in _known(uploads, looks)
        if each["state"] != "receiving" or paths.issuperset(_paths(pushing, each["id"], uploads))
    )
    folder = next(alike, None)
    if folder is None:
        about = {"caption": item.caption, "tags": list(item.tags)}
        fields = {"name": item.name, "files": len(numbers), "size": found.size, **about}
        folder = pushing.json("POST", FOLDERS, fields)
    number = str(folder["id"])
    if folder["state"] == "receiving":
        _send_files(pushing, number, found, numbers, tell)
        empty = [record.path for record in found.files if record.directory]
        pushing.json("POST", f"{FOLDERS}/{number}/finish", {"empty": empty})
    return number


def _send_files(
    pushing: Pushing, folder: str, found: Survey, numbers: list[int], tell: Tell
) -> None:
    """Every file of a folder that is not there yet, a few at a time."""
    begun = {u["path"]: u for u in pushing.uploads() if u["folder"] == folder}
    there = _there(pushing, folder)

    def send(number: int) -> None:
        source, path = _source(found, number), found.files[number].path
        if there.get(path) == (source.size, source.modified):
            pushing.count(done=source.size)
            return
        half = begun.get(path)
        same = half and (half["size"], half["modified"]) == (source.size, source.modified)
        said = {"folder": folder, "path": path, "modified": source.modified}
        said |= {"executable": "1"} if source.executable else {}
        pushing.file(source, said, str(half["id"]) if half and same else None)

    sending = (partial(send, number) for number in numbers)
    send_together(
        pushing, sending, AT_ONCE, lambda: tell(min(pushing.done, found.size), found.size)
    )


def _there(pushing: Pushing, folder: str) -> dict[str, tuple[int, int]]:
    """The files of a folder that the page has in full: size and time by path."""
    found: dict[str, tuple[int, int]] = {}
    start: int | None = 0
    while start is not None:
        page = pushing.json("GET", f"{FOLDERS}/{folder}/files?start={start}")
        found |= {each["path"]: (each["size"], each["modified"]) for each in page["files"]}
        start = page["next"]
    return found


def _known(uploads: list[dict[str, Any]], looks: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Unfinished uploads of the same thing, whoever began them."""
    for upload in uploads:
        same = all(upload[key] == value for key, value in looks.items())
        if same and not upload["folder"]:
            yield upload


def _paths(pushing: Pushing, folder: str, uploads: list[dict[str, Any]]) -> set[str]:
    """The files that were begun in a folder, and those that are there in full."""
    begun = {upload["path"] for upload in uploads if upload["folder"] == folder}
    return begun | set(_there(pushing, folder))


def _source(found: Survey, number: int) -> Source:
    path = Path(found.path_of(number))
    try:
        status = path.stat()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no file any more")
    if status.st_size != found.files[number].size:
        raise PeerError(f"{path} changed while it was sent; send it again")
    return Source(path, status)
