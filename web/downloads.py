"""Downloads: any file of the swarm, or a folder as a zip, streamed as its pieces are verified.

Whatever goes wrong after the first byte cuts the connection, so that the browser shows a failed
download: a short answer never looks complete.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp.web
import structlog

from protocol.messages.operating import EntryView, Files, FileView, GetFiles, Show, Shown
from web.activity import note
from web.answers import AnswerError, not_found
from web.api import ENTRY
from web.daemon import Daemon
from web.download_headers import (
    SANDBOX,
    Part,
    UnsatisfiableError,
    asked_part,
    content_disposition,
    content_type,
    entity_tag,
)
from web.folder_zip import FolderZip
from web.routes import Raw, Route, Work
from web.verified_bytes import VerifiedBytes

_log = structlog.get_logger()
_Response = aiohttp.web.StreamResponse


class Downloads:
    """The routes under /download."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """A whole entry, and one file of it; GET answers HEAD, too."""
        single = f"/download/{ENTRY}/{{file:[0-9]{{1,15}}}}"
        return [
            _sending(f"/download/{ENTRY}", self._whole, "An entry; a folder comes as a zip."),
            _sending(single, self._single, "One file of a folder, by its index."),
        ]

    async def _whole(self, request: aiohttp.web.Request) -> _Response:
        entry = await self._entry(request)
        if entry.kind == "folder":
            return await self._send_folder(request, entry)
        return await self._send_file(request, entry, entry.name, 0, entry.size)

    async def _single(self, request: aiohttp.web.Request) -> _Response:
        entry = await self._entry(request)
        index = int(request.match_info["file"])
        page = await self._files(entry, index)
        file = next((file for file in page.files if file.index == index), None)
        if file is None:
            raise not_found(f"{entry.name} has no file number {index}.")
        name = file.path.rpartition("/")[2] or entry.name
        return await self._send_file(request, entry, name, index, file.size)

    async def _entry(self, request: aiohttp.web.Request) -> EntryView:
        question = Show(call=0, entry=request.match_info["id"])
        return (await self._daemon.ask(question, Shown)).entry

    async def _files(self, entry: EntryView, start: int) -> Files:
        return await self._daemon.ask(GetFiles(call=0, entry=entry.id, start=start), Files)

    async def _all_files(self, entry: EntryView) -> AsyncIterator[FileView]:
        count = total = 0
        while count == 0 or count < total:
            page = await self._files(entry, count)
            total = page.total
            for file in page.files:
                yield file
            count += len(page.files)
            if not page.files:
                break
        if count != total or total != entry.files:
            raise AnswerError(500, "failed", "The list of files has gaps.")

    async def _send_file(
        self, request: aiohttp.web.Request, entry: EntryView, name: str, index: int, size: int
    ) -> _Response:
        tag = entity_tag(entry.id, index)
        headers = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-cache",
            "Content-Disposition": content_disposition(name),
            "Content-Security-Policy": SANDBOX,
            "Content-Type": content_type(name),
            "ETag": tag,
        }
        if request.headers.get("If-None-Match") == tag:
            return aiohttp.web.Response(status=304, headers={"ETag": tag})
        try:
            part = asked_part(request.headers, size, tag)
        except UnsatisfiableError:
            return aiohttp.web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        response = _Response(status=206 if part.partial else 200, headers=headers)
        response.content_length = part.stop - part.start
        if part.partial:
            response.headers["Content-Range"] = part.content_range
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        return await self._send_part(request, response, entry, index, part)

    async def _send_part(
        self,
        request: aiohttp.web.Request,
        response: _Response,
        entry: EntryView,
        index: int,
        part: Part,
    ) -> _Response:
        async with VerifiedBytes(self._daemon, entry.id, index, part.start, part.stop) as verified:
            await response.prepare(request)
            if part.start == 0:  # players and resumed downloads ask for the rest
                note(request, "download", entry=entry.id, text=entry.name)
            try:
                while content := await verified.next():
                    await response.write(content)
            except Exception as error:
                _cut(request, entry, error)
        return response

    async def _send_folder(self, request: aiohttp.web.Request, entry: EntryView) -> _Response:
        name = f"{entry.name}.zip"
        headers = {
            "Cache-Control": "private, no-cache",
            "Content-Disposition": content_disposition(name),
            "Content-Security-Policy": SANDBOX,
            "Content-Type": "application/zip",
        }
        response = _Response(headers=headers)
        if request.method != "HEAD":
            await self._files(entry, 0)  # what cannot be had is told before the first byte
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        note(request, "download", entry=entry.id, text=entry.name)
        try:
            async for content in self._zipped(entry):
                await response.write(content)
        except Exception as error:
            _cut(request, entry, error)
        return response

    async def _zipped(self, entry: EntryView) -> AsyncIterator[bytes]:
        archive = FolderZip(entry.name, entry.created)
        async for file in self._all_files(entry):
            yield archive.begin(file.path, file.size)
            async with VerifiedBytes(self._daemon, entry.id, file.index, 0, file.size) as verified:
                while content := await verified.next():
                    # In a thread for its checksum; nothing else touches the archive meanwhile.
                    yield await asyncio.to_thread(archive.add, content)
            yield archive.end()
        yield archive.finish()


def _sending(path: str, work: Work, summary: str) -> Route:
    return Route(
        "GET",
        path,
        work,
        summary,
        {200: Raw("*/*"), 206: Raw("*/*"), 304: None, 416: None},
        headers={
            "Range": "One range of bytes; of single files only.",
            "If-Range": "The ETag for which Range holds.",
            "If-None-Match": "The ETag of what is there already.",
        },
    )


def _cut(request: aiohttp.web.Request, entry: EntryView, error: Exception) -> None:
    """End the connection: nothing may follow what was sent, least of all another answer."""
    if isinstance(error, AnswerError):
        _log.warning("download cut", entry=entry.id, why=error.text)
    elif not isinstance(error, ConnectionError):
        _log.error("bug in a download", entry=entry.id, exc_info=error)
    if request.transport is not None:
        request.transport.abort()
