"""How much each person who was let in has put here, and that it stays within the owner's quota.

What somebody uploaded counts until its entry is deleted; what the owner uploads does not count. The
counts are in a file beside the keys, an entry a line; a damaged line costs one count.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from protocol.fields import MAX_LENGTH
from protocol.messages.operating import Show, Shown
from web.answers import AnswerError
from web.daemon import Daemon
from web.own_files import read_json_lines, write_secret
from web.upload_limits import size_text
from web.upload_records import UploadRecord

FILE = "web-quotas.jsonl"
AGAIN_SECONDS = 30.0
"""How long it is believed that no entry of somebody was deleted."""
_log = structlog.get_logger()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one person put here: an entry, and its bytes; `gone` once it is deleted."""

    entry: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    person: str
    size: Annotated[int, Meta(ge=0, le=MAX_LENGTH)]
    gone: bool = False


class Quotas:
    """Counts by person; `unfinished` gives what is on its way in."""

    def __init__(
        self,
        daemon: Daemon,
        path: Path,
        unfinished: Callable[[], Iterable[UploadRecord]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._daemon = daemon
        self._path = path
        self._unfinished = unfinished
        self._clock = clock
        self._looked: dict[str, float] = {}
        self._shares: dict[str, Share] = {}
        self._read()

    def _used(self, person: str) -> int:
        """Bytes that count against a person's quota."""
        shared = sum(share.size for share in self._shares.values() if share.person == person)
        return shared + sum(each.size for each in self._unfinished() if each.person == person)

    async def check(self, record: UploadRecord, quota: int | None) -> None:
        """AnswerError when this upload would be over the quota of who begins it."""
        person = record.person
        if quota is None or not person:
            return
        if self._used(person) + record.size > quota:
            await self._forget_deleted(person)
        used = self._used(person)
        if used + record.size > quota:
            text = (
                f"“{record.name}” has {size_text(record.size)}, and you have "
                f"{size_text(max(0, quota - used))} left here, of {size_text(quota)}. Delete "
                "something of yours, or ask the owner of this machine for more."
            )
            raise AnswerError(413, "quota", text)

    def note(self, record: UploadRecord, entry: str) -> None:
        """This upload became this entry."""
        if record.person:
            share = Share(entry=entry, person=record.person, size=record.size)
            self._shares[share.entry] = share
            self._append(share)

    async def _forget_deleted(self, person: str) -> None:
        """Ask for everything of somebody: entries are deleted in many places."""
        now = self._clock()
        if now - self._looked.get(person, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        self._looked[person] = now
        for share in [each for each in self._shares.values() if each.person == person]:
            try:
                await self._daemon.ask(Show(call=0, entry=share.entry), Shown)
            except AnswerError as error:
                if error.status != 404:
                    return
                self._shares.pop(share.entry, None)
                self._append(msgspec.structs.replace(share, gone=True))

    def _append(self, share: Share) -> None:
        try:
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "ab") as file:
                file.write(msgspec.json.encode(share) + b"\n")
        except OSError as error:
            _log.warning("quotas not written", path=str(self._path), why=error.strerror)

    def _read(self) -> None:
        """Take what is in the file; the newest word of an entry holds. Then keep no more of it."""
        shares = read_json_lines(self._path, Share)
        for share in shares:
            self._shares[share.entry] = share
        self._shares = {entry: share for entry, share in self._shares.items() if not share.gone}
        if len(shares) == len(self._shares):
            return
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in self._shares.values())
        try:
            write_secret(self._path, lines)
        except OSError as error:
            _log.warning("quotas not written", path=str(self._path), why=error.strerror)
