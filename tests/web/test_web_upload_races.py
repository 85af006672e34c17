"""Uploads that are given up, finished, doubled or refused by the disk while others work on them."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from page_under_test import until

from web import receiving
from web import spool as spool_module
from web.answers import AnswerError
from web.receiving import Receiving
from web.spool import Spool
from web.upload_book import UploadBook
from web.upload_records import EXPIRE_MS, UploadRecord, now_ms
from web.upload_state import Upload


class Room:
    """A book over a spool of its own, and what it said is complete."""

    def __init__(self, data: Path) -> None:
        self.spool = Spool(data)
        self.book = UploadBook(self.spool)
        self.receiving = Receiving(self.book)
        self.complete: list[Upload] = []
        self.there: list[socket.socket] = []
        self.book.on_complete = self.complete.append
        self._numbers = iter(range(1, 1 << 20))

    def record(self, **more: object) -> UploadRecord:
        said = {"id": f"{next(self._numbers):032x}", "kind": "file", "name": "a", "size": 9}
        return UploadRecord(**(said | {"last": now_ms()} | more))  # type: ignore[arg-type]

    async def begin(self, **more: object) -> Upload:
        upload = await self.book.begin(self.record(**more))
        if not upload.record.folder:
            await self.book.save(upload)
        return upload

    async def unsaved(self) -> Upload:
        """One whose first bytes come with the request that begins it."""
        return await self.book.begin(self.record())

    async def send(self, upload: Upload, content: bytes) -> None:
        await self.receiving.receive(upload, await self.body(content), len(content), None)

    async def body(self, content: bytes) -> aiohttp.StreamReader:
        """A request's body, of which no more comes than this."""
        loop, (here, there) = asyncio.get_running_loop(), socket.socketpair()
        self.there.append(there)
        _, protocol = await loop.create_connection(lambda: BaseProtocol(loop), sock=here)
        reader = aiohttp.StreamReader(protocol, 1 << 20, loop=loop)
        reader.feed_data(content)
        return reader

    async def silent(self, upload: Upload) -> "asyncio.Task[None]":
        """Somebody who sent the beginning of an upload, and waits."""
        work = self.receiving.receive(upload, await self.body(b"123"), 9, None)
        sender = asyncio.create_task(work)
        await until(lambda: upload.writing is not None and upload.writing.deadline is not None)
        return sender

    @property
    def lying(self) -> list[str]:
        return sorted(name for name in os.listdir(self.spool.folder) if name != "lock")


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """As on a disk with so little room: a write takes less than all, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_with_room(data: Path, work: Callable[[Room], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(30):
            room = Room(data)
            assert await room.book.open()
            await work(room)
            room.book.close()
            for each in room.there:
                each.close()

    asyncio.run(scenario())


def test_what_is_given_up_while_a_second_sender_waits_becomes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second sender waits for the first to stop, and so does who gives it up."""
    monkeypatch.setattr(receiving, "MAKE_WAY_SECONDS", 0.0)

    async def second(room: Room, upload: Upload) -> None:
        await room.receiving.settle(upload)
        await room.send(upload, b"123456789"[upload.record.offset :])

    async def work(room: Room) -> None:
        upload = await room.begin()
        first = await room.silent(upload)
        other = asyncio.create_task(second(room, upload))
        await asyncio.sleep(0)
        await room.book.drop(upload)
        results = await asyncio.gather(first, other, return_exceptions=True)
        assert [error.status for error in results if isinstance(error, AnswerError)] == [408, 404]
        assert (room.complete, room.lying) == ([], [])

    run_with_room(tmp_path, work)


def test_a_file_begun_while_its_folder_is_given_up_becomes_nothing(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        folder = await room.begin(kind="folder", files=2, size=18)
        inside = {"folder": folder.record.id}
        one = await room.begin(path="one", **inside)
        first = await room.silent(one)
        dropping = asyncio.create_task(room.book.drop(folder))
        await asyncio.sleep(0)
        with pytest.raises(AnswerError) as refused:
            await room.send(await room.begin(path="two", **inside), b"123456789")
        assert refused.value.status == 404
        await asyncio.gather(dropping, first, return_exceptions=True)
        assert (room.complete, room.lying) == ([], [])

    run_with_room(tmp_path, work)


def test_a_folder_does_not_expire_while_a_file_of_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slowly."""

    async def work(room: Room) -> None:
        folder = await room.begin(kind="folder", files=1, size=9)
        one = await room.begin(path="one", folder=folder.record.id)
        sender = await room.silent(one)
        later = now_ms() + 2 * EXPIRE_MS
        monkeypatch.setattr("web.upload_records.now_ms", lambda: later)
        monkeypatch.setattr("web.upload_records.elapsed_ms", lambda: later)
        await room.book.sweep()
        assert room.book.find(one.record.id) is one
        assert one.writing is not None
        one.writing.stop()
        await asyncio.gather(sender, return_exceptions=True)
        assert one.record.offset == 3
        await room.send(one, b"456789")
        assert (folder.received, folder.record.offset) == (1, 9)

    run_with_room(tmp_path, work)


def test_a_record_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        upload = await room.begin(caption="x" * 3000)
        path = room.spool.record(upload.record.id)
        before = path.read_bytes()
        upload.record.caption = "y" * 3000
        with files_at_most(2000), pytest.raises(AnswerError):
            await room.book.save(upload)
        assert path.read_bytes() == before

    run_with_room(tmp_path, work)


def test_a_record_that_cannot_be_read_now_does_not_cost_its_bytes(tmp_path: Path) -> None:
    async def begin(room: Room) -> None:
        await room.send(await room.begin(size=20), b"123456789")
        (record,) = room.spool.folder.glob("*.json")
        record.rename(tmp_path / "aside")
        record.symlink_to(record.name)  # it is there, and reading it fails

    async def look(room: Room) -> None:
        assert list(room.book.all()) == []
        assert len(list(room.spool.folder.glob("*.part"))) == 1

    run_with_room(tmp_path, begin)
    run_with_room(tmp_path, look)


@pytest.mark.parametrize("saved", [True, False])
def test_an_end_that_cannot_be_noted_can_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    """It must neither look complete nor be promised room for ever."""
    write = spool_module.write_record
    full = True

    def sometimes(path: Path, record: UploadRecord, *, lasting: bool) -> None:
        if full and record.complete:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, record, lasting=lasting)

    monkeypatch.setattr(spool_module, "write_record", sometimes)

    async def work(room: Room) -> None:
        nonlocal full
        upload = await (room.begin if saved else room.unsaved)()
        with pytest.raises(AnswerError) as refused:
            await room.send(upload, b"123456789")
        assert (refused.value.status, room.complete) == (507, [])
        full = False
        if saved:
            assert (upload.record.state, upload.record.offset) == ("receiving", 0)
            await room.send(upload, b"123456789")
            assert room.complete == [upload]
        else:
            assert (list(room.book.all()), room.lying) == ([], [])

    run_with_room(tmp_path, work)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_cannot_be_begun_is_promised_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool_module, "write_record", full)

    async def work(room: Room) -> None:
        with pytest.raises(AnswerError):
            await room.begin(kind=kind)
        assert (list(room.book.all()), room.lying) == ([], [])

    run_with_room(tmp_path, work)


def test_one_file_sent_by_two_is_counted_once(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        names = [f"{number}" for number in range(100)]
        folder = await room.begin(kind="folder", files=len(names), size=9 * len(names))
        for name in names:
            twins = [await room.begin(path=name, folder=folder.record.id) for _ in range(2)]
            await asyncio.gather(*(room.send(twin, b"123456789") for twin in twins))
        assert (folder.received, folder.record.offset) == (len(names), 9 * len(names))
        await room.book.finish_folder(folder, [])

    run_with_room(tmp_path, work)


def test_a_folder_takes_no_more_than_was_said(tmp_path: Path) -> None:
    """Room was promised for that much only."""

    async def work(room: Room) -> None:
        folder = await room.begin(kind="folder", files=3, size=20)
        inside = {"folder": folder.record.id}
        await room.send(await room.begin(path="one", **inside), b"123456789")
        half = await room.begin(path="two", **inside)
        for more in ({"path": "three"}, {"path": "one", "size": 12}):
            with pytest.raises(AnswerError) as refused:
                await room.begin(**inside, **more)
            assert refused.value.status == 413
        await room.send(await room.begin(path="one", size=11, **inside), b"12345678901")
        await room.send(half, b"123456789")
        await room.send(await room.begin(path="three", size=0, **inside), b"")
        with pytest.raises(AnswerError) as refused:
            await room.begin(path="four", size=0, **inside)
        assert refused.value.status == 413
        assert (folder.received, folder.record.offset) == (3, 20)

    run_with_room(tmp_path, work)


def test_a_file_replaced_while_its_folder_is_finished(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        for _ in range(30):
            folder = await room.begin(kind="folder", files=1, size=9)
            inside = {"path": "one", "folder": folder.record.id}
            await room.send(await room.begin(**inside), b"123456789")
            shorter = await room.begin(size=3, **inside)
            sending = asyncio.create_task(room.send(shorter, b"123"))
            tree = room.spool.tree(folder.record.id)
            await until(lambda shorter=shorter: shorter.record.offset == 3)  # type: ignore[misc]
            finishing = asyncio.create_task(room.book.finish_folder(folder, []))
            results = await asyncio.gather(sending, finishing, return_exceptions=True)
            assert [type(result) for result in results].count(AnswerError) == 1, results
            assert folder.record.complete == ((tree / "one").stat().st_size == 9)

    run_with_room(tmp_path, work)


def test_a_clock_that_is_set_right_costs_no_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a small machine without a battery, some time after its start."""

    async def work(room: Room) -> None:
        upload = await room.begin()
        later = now_ms() + 2 * EXPIRE_MS
        monkeypatch.setattr("web.upload_records.now_ms", lambda: later)
        await room.book.sweep()
        await room.send(room.book.find(upload.record.id), b"123456789")
        assert room.complete == [upload]

    run_with_room(tmp_path, work)
