"""Every upload this page knows: begun, read back after a restart, complete, expired, forgotten.

Decides what may be begun. The bytes are `receiving`'s, adding is `adding`'s; both tell this.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from web import upload_records
from web.answers import AnswerError, invalid, not_found
from web.folder_share import check_all_here, check_open, check_share
from web.part import in_thread
from web.spool import InTheWayError, Spool, count_tree, place, set_mode, sync_tree
from web.upload_limits import check_files, check_number, check_room, check_size
from web.upload_records import EXPIRE_MS, UploadRecord
from web.upload_state import Upload, no_upload

UNSYNCED = 64 << 20
"""Bytes of small files whose names may be not durable yet."""
_log = structlog.get_logger()


class UploadBook:
    """The uploads of one spool. Methods raise AnswerError with what a person must be told."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.on_complete: Callable[[Upload], None] = lambda _: None
        """Called with what is here in full, and only to be added yet."""
        self._uploads: dict[str, Upload] = {}
        self._shares = False
        self._open = False

    async def open(self) -> bool:
        """Take the spool and read back what is there; False while another page has it."""
        if not self.spool.lock():
            return False
        await in_thread(self._load)
        self._open = True
        await self.sweep()
        for upload in list(self._uploads.values()):
            if upload.record.state == "adding" and not upload.record.folder:
                self.on_complete(upload)
        return True

    def close(self) -> None:
        """Let go of the spool."""
        self._open = False
        self.spool.unlock()

    def all(self) -> Iterator[Upload]:
        """Every upload, files of folders too."""
        yield from self._uploads.values()

    def unfinished(self) -> Iterator[UploadRecord]:
        """Files and folders that are no entries yet."""
        return (upload.record for upload in self._tops() if not upload.record.entry)

    def find(self, number: str) -> Upload:
        """An upload by its id: 404 when there is none, 410 when it has just expired."""
        upload = self._uploads.get(number)
        if not self._open:
            raise _taken()
        if upload is None:
            raise no_upload()
        owner = self._uploads.get(upload.record.folder, upload)
        if self._is_old(owner):
            self._forget(owner)
            text = "This upload was left alone for a day, and is forgotten. Begin it again."
            raise AnswerError(410, "expired", text)
        return upload

    def folder(self, number: str) -> Upload:
        """A folder by its id."""
        upload = self.find(number)
        if upload.record.kind != "folder":
            raise not_found("There is no such folder upload any more. Begin it again.")
        return upload

    def expires(self, upload: Upload) -> int:
        """When an upload is forgotten if nothing more comes: a folder's file goes with it."""
        return self._uploads.get(upload.record.folder, upload).record.expires

    async def begin(self, record: UploadRecord) -> Upload:
        """Begin a file or a folder, if there may be one like this."""
        if not self._open:
            raise _taken()
        check_size(record.name, record.size)
        if record.folder:
            self._check_in_folder(record)
        else:
            check_number(sum(u.record.state == "receiving" for u in self._tops()))
            check_room(record.name, self._needed(record), self._free())
        if record.kind == "folder":
            check_files(record.name, record.files)
        upload = Upload(record, moved=upload_records.elapsed_ms())
        self._uploads[record.id] = upload
        if record.kind == "folder":
            try:
                await in_thread(self.spool.make_tree, record.id)
            except AnswerError:
                self._leave_out(upload)
                raise
        return upload

    async def save(self, upload: Upload) -> None:
        """Keep what is known of an upload, durably."""
        if self._uploads.get(upload.record.id) is upload:
            # An old name lost with the power says less than there is, never more.
            lasting = upload.record.complete or not upload.saved
            try:
                await in_thread(self.spool.save, upload.record, lasting=lasting)
            except AnswerError:
                if not upload.saved:  # nobody was told of it
                    self._leave_out(upload)
                    await in_thread(self.spool.remove, upload.record.id)
                raise
            upload.saved = True

    async def note_bytes(self, upload: Upload, offset: int) -> None:
        """So much of a file is durable; at its end it is complete."""
        if upload.gone:
            return
        record, before = upload.record, upload.record.offset
        record.offset, record.last = offset, upload_records.now_ms()
        upload.moved = upload_records.elapsed_ms()
        folder = self._uploads.get(record.folder)
        if folder is not None:
            folder.record.last, folder.moved = record.last, upload.moved
        if offset == record.size and not record.complete:
            try:
                await self._complete(upload, folder)
            except BaseException:
                # Who asks how far it is must not hear that nothing is left to send.
                record.complete, record.offset = False, before
                raise
            await self._after(upload, folder)
        elif offset or upload.saved:
            await self.save(upload)
        elif self._uploads.get(record.id) is upload:
            self._forget(upload)  # nobody was told of it, and nothing of it came

    async def finish_folder(self, folder: Upload, empty: list[str]) -> None:
        """Every file of a folder has come: it is complete."""
        record, tree = folder.record, self.spool.tree(folder.record.id)
        async with folder.placing:
            if record.complete:
                return
            check_all_here(folder)
            record.complete, record.last = True, upload_records.now_ms()  # nobody may add to it now
        try:
            await in_thread(_make_folders, tree, empty)
            await in_thread(sync_tree, tree)
            await self.save(folder)
        except InTheWayError:
            record.complete = False
            raise invalid("One of the empty folders has the name of a file.") from None
        except BaseException:
            record.complete = False
            raise
        self.on_complete(folder)

    async def settle(self, upload: Upload, *, entry: str = "", failed: str = "") -> None:
        """It became an entry, or could not."""
        record = upload.record
        record.entry, record.failed = entry, failed
        record.last = upload_records.now_ms()
        await self.save(upload)
        if entry:
            await in_thread(self.spool.remove_bytes, record.id)
            for part in self._files_of(record.id):
                self._forget(part)
        upload.progress = None
        upload.settled.set()

    async def again(self, upload: Upload) -> None:
        """Add once more what could not be added."""
        if upload.record.state == "failed":
            upload.record.failed = ""
            upload.settled.clear()
            await self.save(upload)
            self.on_complete(upload)

    async def drop(self, upload: Upload) -> None:
        """Forget an upload and all its bytes."""
        if upload.record.state == "adding" and not upload.record.folder:
            raise AnswerError(409, "conflict", "It is complete, and just being added.")
        dropped = [*self._files_of(upload.record.id), upload]
        # First of all: while its senders end, nobody may begin to send more.
        for each in dropped:
            self._leave_out(each)
        for each in dropped:
            if each.writing is not None:
                each.writing.stop()
                await each.writing.ended.wait()
        for each in dropped:
            await in_thread(self.spool.remove, each.record.id)

    async def sweep(self) -> None:
        """Forget what nobody went on with for a day."""
        for upload in [upload for upload in self._tops() if self._is_old(upload)]:
            _log.info("an upload expired", id=upload.record.id)
            self._forget(upload, remove=False)
            await in_thread(self.spool.remove, upload.record.id)

    def _load(self) -> None:
        self._shares = self.spool.shares()
        for record in self.spool.load():
            self._uploads[record.id] = self._read_back(record)
        for upload in [upload for upload in self._uploads.values() if upload.record.folder]:
            folder = self._uploads.get(upload.record.folder)
            if folder is None:
                self._forget(upload)
            else:
                folder.record.last = max(folder.record.last, upload.record.last)

    def _read_back(self, record: UploadRecord) -> Upload:
        upload = Upload(record, saved=True)
        if record.kind == "folder" and not record.entry:
            upload.received, record.offset, last = count_tree(self.spool.tree(record.id))
            record.last = max(record.last, last)
        elif not record.complete:
            part = self.spool.part(record.id)
            record.offset = min(record.offset, part.stat().st_size if part.exists() else 0)
        if record.state in ("added", "failed"):
            upload.settled.set()
        return upload

    async def _complete(self, upload: Upload, folder: Upload | None) -> None:
        record = upload.record
        if folder is None:
            record.complete = True  # nobody may give it up now
            await in_thread(set_mode, self.spool.part(record.id), record)
            await self.save(upload)
            return
        try:
            async with folder.placing:
                await self._place(upload, folder)
        except InTheWayError:
            self._forget(upload)
            text = f"“{record.path}” would be a file and a folder at once. Rename one of them."
            raise invalid(text) from None

    async def _place(self, upload: Upload, folder: Upload) -> None:
        record = upload.record
        tree = self.spool.tree(folder.record.id)
        try:
            check_open(folder.record)
            check_share(folder, tree, {record.path: record.size})
        except AnswerError:
            self._forget(upload)
            raise
        before = await in_thread(place, self.spool.part(record.id), tree / record.path, record)
        record.complete = True
        folder.received += before is None
        folder.record.offset += record.size - (before or 0)
        folder.unsynced += record.size

    async def _after(self, upload: Upload, folder: Upload | None) -> None:
        if folder is None:
            self.on_complete(upload)
            return
        if folder.unsynced > UNSYNCED:
            folder.unsynced = 0
            await in_thread(sync_tree, self.spool.tree(folder.record.id))
        if upload.saved:
            # Who lost the last answer asks again: it must not be sent once more.
            await self.save(upload)
        else:
            self._uploads.pop(upload.record.id, None)

    def _check_in_folder(self, record: UploadRecord) -> None:
        folder = self.folder(record.folder)
        check_open(folder.record)
        tree, coming = self.spool.tree(folder.record.id), {record.path: record.size}
        for each in self._files_of(folder.record.id):
            if not each.record.complete:
                coming.setdefault(each.record.path, each.record.size)
        check_number(len(coming) - 1)
        check_share(folder, tree, coming)

    def _free(self) -> int:
        """What the disk has left beside what is promised to unfinished uploads."""
        return self.spool.free() - sum(
            self._needed(upload.record) - upload.record.offset
            for upload in self._tops()
            if not upload.record.entry
        )

    def _needed(self, record: UploadRecord) -> int:
        """A folder is copied into the store: twice its size, where copies take room."""
        return record.size * (2 if record.kind == "folder" and not self._shares else 1)

    def _tops(self) -> Iterator[Upload]:
        return (upload for upload in self._uploads.values() if not upload.record.folder)

    def _files_of(self, number: str) -> list[Upload]:
        return [upload for upload in self._uploads.values() if upload.record.folder == number]

    def _is_old(self, upload: Upload) -> bool:
        # What is complete waits for the daemon, however long that is away.
        if upload.record.expires > upload_records.now_ms() or upload.record.state == "adding":
            return False
        # A clock that was set right by days is no day without a byte.
        if upload.moved is not None and upload_records.elapsed_ms() - upload.moved < EXPIRE_MS:
            return False
        return all(each.writing is None for each in [upload, *self._files_of(upload.record.id)])

    def _forget(self, upload: Upload, *, remove: bool = True) -> None:
        number = upload.record.id
        for each in [*self._files_of(number), upload]:
            self._leave_out(each)
            if remove or each is not upload:
                self.spool.remove(each.record.id)

    def _leave_out(self, upload: Upload) -> None:
        self._uploads.pop(upload.record.id, None)
        upload.gone = True
        upload.settled.set()


def _make_folders(tree: Path, empty: list[str]) -> None:
    for path in empty:
        try:
            (tree / path).mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InTheWayError from None


def _taken() -> AnswerError:
    text = "Another page of this machine takes its uploads. Close that, or use it."
    return AnswerError(503, "unreachable", text)
