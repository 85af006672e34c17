"""What went wrong with what is kept, counted by day: rot, disks that give errors, failed audits.

Kept on disk for 30 days. Each is told to the owner; a disk only when it gave several errors, as
any disk gives one now and then.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from peer.database import Database
from protocol.messages.operating import NoticeView
from protocol.messages.scrubbing import DiskView

KEPT_DAYS = 30
SEVERAL = 3
"""Errors within 30 days from which on a disk should be replaced."""
DAY = 86_400_000

Kind = Literal["rot", "file", "disk", "audit"]
"""`rot`: in our own content file; `file`: in a user's. `audit`: another machine failed some."""


@dataclass(frozen=True)
class Fault:
    """So many times the same: `about` tells it from others, `subject` is what people are told.

    `noticed` is the last time, in milliseconds since 1970.
    """

    kind: Kind
    about: bytes
    subject: str
    count: int
    noticed: int

    @property
    def text(self) -> str:
        """What the owner is told."""
        match self.kind:
            case "rot":
                pieces = "1 damaged piece" if self.count == 1 else f"{self.count} damaged pieces"
                return (
                    f"{pieces} of {self.subject} were found on this machine's disk; "
                    "they are fetched again from others"
                )
            case "file":
                pieces = "1 piece" if self.count == 1 else f"{self.count} pieces"
                return (
                    f"{self.subject} has rotted on the disk: {pieces} of it are damaged, though "
                    "nobody changed it; replace it with a good copy: twofold get"
                )
            case "disk":
                return (
                    f"the disk of {self.subject} gave {self.count} errors in 30 days: "
                    "copy what matters and replace it"
                )
            case "audit":
                return (
                    f"{self.subject} failed an audit: it could not prove that it keeps what it "
                    "says it does; look after its disk"
                )

    @property
    def is_told(self) -> bool:
        """Whether the owner should know."""
        return self.kind != "disk" or self.count >= SEVERAL


class Faults:
    """Faults by kind and what they are about."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_day: dict[tuple[Kind, bytes, int], Fault] = {}

    def load(self) -> None:
        """Read the faults of an earlier run."""
        for kind, about, day, subject, count, noticed in self._database.connection.execute(
            "SELECT kind, about, day, subject, count, noticed FROM faults"
        ):
            self._by_day[(kind, about, day)] = Fault(kind, about, subject, count, noticed)

    async def note(self, kind: Kind, about: bytes, subject: str, count: int, now: int) -> Fault:
        """Count something that went wrong; the sum of it in the last 30 days. PeerError.

        `now` in milliseconds since 1970.
        """
        key = (kind, about, now // DAY)
        before = self._by_day.get(key)
        fault = Fault(kind, about, subject, count + (before.count if before else 0), now)
        self._by_day[key] = fault
        self._forget_old(now)
        await self._database.run(lambda connection: _write(connection, now // DAY, fault))
        return next(f for f in self._sums(now) if (f.kind, f.about) == (kind, about))

    async def drop(self, kind: Kind, about: bytes) -> None:
        """There is nothing to know any more. PeerError."""
        keys = [key for key in self._by_day if key[:2] == (kind, about)]
        for key in keys:
            del self._by_day[key]
        if keys:
            await self._database.run(
                lambda c: c.execute(
                    "DELETE FROM faults WHERE kind = ? AND about = ?", (kind, about)
                )
            )

    def notices(self, now: int) -> list[NoticeView]:
        """What the owner should know."""
        told = [fault for fault in self._sums(now) if fault.is_told]
        return [NoticeView(when=fault.noticed, text=fault.text) for fault in told]

    def disks(self, now: int) -> tuple[DiskView, ...]:
        """The disks that gave several errors."""
        bad = [fault for fault in self._sums(now) if fault.kind == "disk" and fault.is_told]
        return tuple(DiskView(path=fault.subject, errors=fault.count) for fault in bad)

    def _sums(self, now: int) -> Iterable[Fault]:
        """The faults of the last 30 days, all of a kind and about the same as one."""
        sums: dict[tuple[Kind, bytes], Fault] = {}
        for (kind, about, day), fault in sorted(self._by_day.items(), key=lambda item: item[0][2]):
            if day > now // DAY - KEPT_DAYS:
                before = sums.get((kind, about))
                count = fault.count + (before.count if before else 0)
                sums[(kind, about)] = replace(fault, count=count)
        return sums.values()

    def _forget_old(self, now: int) -> None:
        for key in [key for key in self._by_day if key[2] <= now // DAY - KEPT_DAYS]:
            del self._by_day[key]


def _write(connection: sqlite3.Connection, day: int, fault: Fault) -> None:
    connection.execute("DELETE FROM faults WHERE day <= ?", (day - KEPT_DAYS,))
    connection.execute(
        "INSERT OR REPLACE INTO faults (kind, about, day, subject, count, noticed) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (fault.kind, fault.about, day, fault.subject, fault.count, fault.noticed),
    )
