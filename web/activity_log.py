"""What was done on this page, newest last: a bounded list in memory and in a file beside the keys.

A file that is damaged or cannot be written costs old lines, never an answer. Holds names, never a
token, an invite or an address.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from web.own_files import read_json_lines

FILE = "web-activity.jsonl"
KEPT = 2000
AGAIN_SECONDS = 60

Kind = Literal[
    "login",
    "logout",
    "upload",
    "download",
    "fetch",
    "edit",
    "delete",
    "restore",
    "purge",
    "drop",
    "invite",
    "person",
    "revoke",
    "machine",
    "settings",
]
_Number = Annotated[int, Meta(ge=0, le=1 << 53)]
_log = structlog.get_logger()


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody did something; `when` is milliseconds since 1970, `person` "" for the owner."""

    number: _Number
    when: _Number
    person: str
    kind: Kind
    entry: str = ""
    """The id of what it was done to, if that was an entry."""
    text: str = ""
    """The name of the entry or person; about machines, invites and settings, what was done."""


class ActivityLog:
    """The newest acts; `path` holds them, one JSON object a line, up to twice as many."""

    def __init__(
        self, path: Path, *, kept: int = KEPT, now: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._now = now
        self._acts: deque[Act] = deque(_read(path), maxlen=kept)
        self._next = self._acts[-1].number + 1 if self._acts else 1
        self._lines = 0
        self._write(self._acts, fresh=True)

    def add(self, kind: Kind, person: str, *, entry: str = "", text: str = "") -> None:
        """Note one act. A download that begins again within a minute is the same one."""
        when = int(self._now() * 1000)
        if kind == "download" and self._again(person, entry, when):
            return
        act = Act(
            number=self._next, when=when, person=person, kind=kind, entry=entry, text=text[:300]
        )
        self._next += 1
        self._acts.append(act)
        # At once: a line goes to the kernel's cache, and nothing waits for the disk.
        fresh = self._lines >= 2 * (self._acts.maxlen or KEPT)
        self._write(self._acts if fresh else [act], fresh=fresh)

    def newest(self) -> Iterator[Act]:
        """From the newest on back."""
        return reversed(self._acts)

    def people(self) -> tuple[str, ...]:
        """Everybody who did something, "" for the owner."""
        return tuple(sorted({act.person for act in self._acts}))

    def _again(self, person: str, entry: str, when: int) -> bool:
        for act in self.newest():
            if when - act.when > AGAIN_SECONDS * 1000:
                return False
            if (act.kind, act.person, act.entry) == ("download", person, entry):
                return True
        return False

    def _write(self, acts: "deque[Act] | list[Act]", *, fresh: bool) -> None:
        lines = b"".join(msgspec.json.encode(act) + b"\n" for act in acts)
        try:
            if fresh:
                _replace(self._path, lines)
                self._lines = 0
            else:
                with self._path.open("ab") as file:
                    file.write(lines)
        except OSError as error:
            _log.warning("activity not written", path=str(self._path), why=error.strerror)
        self._lines += len(acts)


def _read(path: Path) -> list[Act]:
    acts: list[Act] = []
    for act in read_json_lines(path, Act):
        if not acts or act.number > acts[-1].number:
            acts.append(act)
    return acts


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
    fresh.replace(path)
