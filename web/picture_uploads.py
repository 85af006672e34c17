"""An uploaded picture on its way to an entry: looked at before, with its largest rendition after.

Nothing here keeps anything: after a stop at any moment the upload is looked at again, and what is
added twice is the same entry.
"""

from dataclasses import dataclass
from pathlib import Path

import structlog

from protocol.ids import EntryId
from protocol.kinds import content_kind
from protocol.messages.operating import Add, Added, EntryView
from protocol.messages.upload_rules import Rules
from protocol.pictures import Picture, RenditionQuality, may_be_picture
from web.answers import AnswerError
from web.daemon import Daemon
from web.part import in_thread
from web.picture_workers import Looked, Made, PictureError, PictureWorkers
from web.spool import Spool, remove
from web.upload_limits import check_resolution, size_text
from web.upload_records import UploadRecord
from web.upload_rules import UploadRuleBook

FIRST: RenditionQuality = "very high"
LARGEST = 1 << 30
"""Bytes of a picture that is looked at."""
_LONGEST_STEM = 150
_log = structlog.get_logger()


@dataclass(frozen=True)
class Looking:
    """What was found: None for what is no picture, and why a picture cannot be used."""

    looked: Looked | None = None
    note: str = ""


class PictureUploads:
    """Looks at uploads by the rules of the owner."""

    def __init__(
        self, daemon: Daemon, spool: Spool, rules: UploadRuleBook, workers: PictureWorkers
    ) -> None:
        self._daemon = daemon
        self._spool = spool
        self._rules = rules
        self._workers = workers

    async def look(self, record: UploadRecord) -> Looking:
        """Look at a complete upload; AnswerError when it breaks the rules."""
        if record.kind != "file" or content_kind("file", record.name) != "image":
            return Looking()
        rules = await self._rules.now()
        try:
            looked = await self._measure(record)
        except PictureError as error:
            if _is_strict(rules):
                raise AnswerError(422, "picture", _refusal(record.name, error, rules)) from None
            return Looking(note=f"Shared as it is, without smaller versions: {error}.")
        except OSError as error:
            _log.error("cannot look at a picture", id=record.id, error=error.strerror)
            text = "This machine could not look at the picture; its log says why. Try again."
            raise AnswerError(500, "failed", text) from None
        if looked is None:
            return Looking()
        check_resolution(record.name, looked.width, looked.height, rules.least)
        return Looking(looked)

    async def add_first(self, record: UploadRecord, entry: EntryView, looking: Looking) -> None:
        """Add the rendition that was made while looking; a failure is left to `renditions`."""
        for made in looking.looked.made if looking.looked else ():
            try:
                await add_rendition(self._daemon, self._spool.picture(record.id), entry, made)
            except AnswerError as error:
                _log.warning("a rendition was not added", entry=entry.id, why=error.text)

    async def _measure(self, record: UploadRecord) -> Looked | None:
        if not may_be_picture("file", record.name):
            if _is_strict(await self._rules.now()):
                raise PictureError("pictures of this kind cannot be opened here. Save it as JPEG")
            return None
        check_size(record.size)
        place = self._spool.picture(record.id)
        await in_thread(remove, place)  # not written over: it may be the store's by now
        source = self._spool.part(record.id)
        return await self._workers.make(source, record.name, [(FIRST, place)])


async def add_rendition(daemon: Daemon, path: Path, entry: EntryView, made: Made) -> None:
    """Make a rendition that lies in the spool an entry. AnswerError."""
    await daemon.ask(_request(path, entry, made), Added, within=None)


def _request(path: Path, entry: EntryView, made: Made) -> Add:
    of = EntryId(bytes.fromhex(entry.id))
    picture = Picture(width=made.width, height=made.height, quality=made.quality, of=of)
    stem = entry.name.rpartition(".")[0][:_LONGEST_STEM]
    name = f"{stem} ({made.quality}).{made.ending}"
    return Add(call=0, path=str(path.resolve()), name=name, owned=True, picture=picture)


def check_size(size: int) -> None:
    """PictureError for a file that nobody looks into."""
    if size > LARGEST:
        raise PictureError(f"it has {size_text(size)}, more than pictures may have to be opened")


def _is_strict(rules: Rules) -> bool:
    """Whether what is called a picture must be one that can be opened."""
    return rules.least is not None or bool(rules.types)


def _refusal(name: str, error: PictureError, rules: Rules) -> str:
    text = f"“{name}” is not taken: {error}."
    if rules.least is not None:
        text += f" Pictures here must be at least {rules.least.width} x {rules.least.height}."
    return text
