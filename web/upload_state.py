"""An upload while this process runs: its record, and who sends or waits for it."""

import asyncio
from dataclasses import dataclass, field

from protocol.messages.operating import Progress
from web.answers import AnswerError, not_found
from web.upload_records import UploadRecord


@dataclass(eq=False)
class Writing:
    """Somebody who sends the bytes of an upload now."""

    moved: float
    """When bytes came last, by the event loop's clock."""
    deadline: asyncio.Timeout | None = None
    syncing: asyncio.Task[None] | None = None
    """What makes durable what came so far, beside what comes."""
    stopped: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Take no more bytes from this one."""
        self.stopped = True
        if self.deadline is not None:
            self.deadline.reschedule(0)


@dataclass(eq=False)
class Upload:
    """A record, and what is true of it only while this process runs."""

    record: UploadRecord
    saved: bool = False
    """Whether its record is on disk."""
    writing: Writing | None = None
    received: int = 0
    """Of a folder: the files that are here in full."""
    placing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of a folder: held by who puts a file in its place and counts it."""
    unsynced: int = 0
    progress: Progress | None = None
    moved: int | None = None
    """When this process last saw it begun or bytes come, by `elapsed_ms`."""
    gone: bool = False
    """Whether it was forgotten: what still comes of it is nobody's."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is added or failed."""


def no_upload() -> AnswerError:
    """A 404."""
    return not_found("There is no such upload any more. Begin it again.")
