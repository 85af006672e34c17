"""Downloads: any file of the swarm, or a folder as a zip, streamed as its pieces are verified."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp.web
import msgspec

from protocol.messages.operating import EntryView, Files, FileView, GetFiles, Show, Shown
from web.activity import note
from web.answers import AnswerError
from web.api import ENTRY
from web.daemon import Daemon
from web.download_headers import SANDBOX, content_disposition, content_type
from web.folder_zip import FolderZip
from web.outgoing import Outgoing, SharedFile, cut
from web.routes import Raw, Route, Work
from web.verified_bytes import VerifiedBytes

_Response = aiohttp.web.StreamResponse


class Downloads:
    """The routes under /download."""

    def __init__(self, daemon: Daemon, outgoing: Outgoing | None = None) -> None:
        self._daemon = daemon
        self._outgoing = outgoing or Outgoing(daemon)

    def routes(self) -> list[Route]:
        """A whole entry, and one file of it; GET answers HEAD, too."""
        single = f"/download/{ENTRY}/{{file:[0-9]{{1,15}}}}"
        return [
            sending(f"/download/{ENTRY}", self._whole, "An entry; a folder comes as a zip."),
            sending(single, self._single, "One file of a folder, by its index."),
        ]

    async def _whole(self, request: aiohttp.web.Request) -> _Response:
        entry = await self._entry(request)
        if entry.kind == "folder":
            return await self._send_folder(request, entry)
        return await self._send_file(request, SharedFile(entry, 0, entry.size, entry.name))

    async def _single(self, request: aiohttp.web.Request) -> _Response:
        file = await self._outgoing.find(request.match_info["id"], int(request.match_info["file"]))
        return await self._send_file(request, file)

    async def _entry(self, request: aiohttp.web.Request) -> EntryView:
        question = Show(call=0, entry=request.match_info["id"])
        return (await self._daemon.ask(question, Shown)).entry

    async def _files(self, entry: EntryView, start: int) -> Files:
        return await self._daemon.ask(GetFiles(call=0, entry=entry.id, start=start), Files)

    async def _all_files(self, entry: EntryView) -> AsyncIterator[FileView]:
        count = start = 0
        more = True
        while more:
            page = await self._files(entry, start)
            for file in page.files:
                yield file
            count += len(page.files)
            # Empty folders have numbers, too, and are not listed.
            start = page.files[-1].index + 1 if page.files else page.total
            more = start < page.total
        if count != entry.files:
            raise AnswerError(500, "failed", "The list of files has gaps.")

    async def _send_file(self, request: aiohttp.web.Request, file: SharedFile) -> _Response:
        headers = {
            "Content-Disposition": content_disposition(file.name),
            "Content-Security-Policy": SANDBOX,
            "Content-Type": content_type(file.name),
        }
        response = await self._outgoing.answer(request, file, headers)
        # Players and resumed downloads ask for the rest.
        begun = response.status == 200 or request.headers.get("Range", "").startswith("bytes=0-")
        if begun and request.method == "GET":
            note(request, "download", entry=file.entry.id, text=file.entry.name)
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
            cut(request, entry, error)
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


def sending(
    path: str,
    work: Work,
    summary: str,
    *,
    query: type[msgspec.Struct] | None = None,
    errors: tuple[int, ...] = (),
) -> Route:
    """The route of a file's bytes."""
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
        query=query,
        errors=errors,
    )
