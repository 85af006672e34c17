"""Uploads that are given up, finished, doubled or refused by the disk while others work on them."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from page_under_test import until

from web import receiving
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
    """As after a clock that was set right by a day in the middle."""

    async def work(room: Room) -> None:
        folder = await room.begin(kind="folder", files=1, size=9)
        one = await room.begin(path="one", folder=folder.record.id)
        sender = await room.silent(one)
        later = now_ms() + 2 * EXPIRE_MS
        monkeypatch.setattr("web.upload_records.now_ms", lambda: later)
        await room.book.sweep()
        assert room.book.find(one.record.id) is one
        assert one.writing is not None
        one.writing.stop()
        await asyncio.gather(sender, return_exceptions=True)
        assert one.record.offset == 3
        await room.send(one, b"456789")
        assert (folder.received, folder.record.offset) == (1, 9)

    run_with_room(tmp_path, work)
