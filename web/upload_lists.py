"""What is on its way in, for people and programs; and folders, which become one entry each.

A folder is begun here, its files come by tus, and finishing it checks that all of them are there.
"""

import asyncio
import contextlib
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import aiohttp.web
import msgspec
from msgspec import Meta, Struct

from web.answers import AnswerError, invalid, json_answer
from web.api import number_in_query
from web.part import in_thread
from web.upload_book import UploadBook
from web.upload_limits import check_about, checked_name, checked_path
from web.upload_records import State, UploadRecord, now_ms
from web.upload_state import Upload
from web.uploads import UPLOAD, UPLOADS, tags_of

FOLDERS = "/api/v1/folders"
FOLDER = FOLDERS + "/{id:[0-9a-f]{32}}"
LONGEST_WAIT = 30
_LONGEST_BODY = 1_000_000
_BODY_SECONDS = 30.0
_PAGE = 2000
_T = TypeVar("_T")


class UploadView(Struct, frozen=True, kw_only=True):
    """An upload as it stands; moments are milliseconds since 1970.

    `received` counts the files of a folder that are here in full, `added` the bytes that the daemon
    has taken over. `entry` is the id of what it became, `text` why it became nothing.
    """

    id: str
    kind: Literal["file", "folder"]
    name: str
    size: int
    offset: int
    modified: int | None
    folder: str
    path: str
    files: int
    received: int
    state: State
    added: int
    entry: str
    text: str
    expires: int


class UploadList(Struct, frozen=True):
    """Answer of GET /api/v1/uploads: what is not an entry yet, the newest last."""

    uploads: list[UploadView]


class NewFolder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/folders: `files` counts them, `size` is their bytes together."""

    name: Annotated[str, Meta(min_length=1, max_length=4096)]
    files: Annotated[int, Meta(ge=0, le=1 << 53)]
    size: Annotated[int, Meta(ge=0, le=1 << 53)]
    modified: int | None = None
    caption: str = ""
    tags: tuple[str, ...] = ()


class FinishedFolder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/folders/ID/finish: folders in it that have nothing in them."""

    empty: Annotated[list[str], Meta(max_length=100_000)] = []


class PlacedFile(Struct, frozen=True, kw_only=True):
    """A file of a folder that is here in full."""

    path: str
    size: int
    modified: int


class PlacedFiles(Struct, frozen=True):
    """Answer of GET /api/v1/folders/ID/files; `next` is where to go on, or null."""

    files: list[PlacedFile]
    next: int | None


class UploadLists:
    """The routes beside the protocol."""

    def __init__(self, book: UploadBook) -> None:
        self._book = book

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """All of them."""
        web = aiohttp.web
        return [
            web.get(UPLOADS, self._list),
            web.get(UPLOAD, self._one, allow_head=False),
            web.post(UPLOAD + "/add", self._add),
            web.post(FOLDERS, self._begin),
            web.get(FOLDER + "/files", self._files),
            web.post(FOLDER + "/finish", self._finish),
            web.delete(FOLDER, self._delete),
        ]

    async def _list(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        found = [view_of(each) for each in self._book.all() if each.record.state != "added"]
        found = [view for view in found if not (view.folder and view.state != "receiving")]
        return json_answer(UploadList(found))

    async def _one(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        """One upload; with `wait`, once the daemon has added it or refused, or time is up."""
        wait = number_in_query(request, "wait", default=0, least=0, most=LONGEST_WAIT)
        upload = self._book.find(request.match_info["id"])
        if wait and upload.record.state == "adding" and not upload.record.folder:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(upload.settled.wait(), wait)
        return json_answer(view_of(upload))

    async def _add(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        upload = self._book.find(request.match_info["id"])
        await self._book.again(upload)
        return json_answer(view_of(upload), status=202)

    async def _begin(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await _read_body(request, NewFolder)
        record = UploadRecord(
            id=secrets.token_hex(16),
            kind="folder",
            name=checked_name(wanted.name),
            size=min(wanted.size, 1 << 48),
            files=wanted.files,
            last=now_ms(),
            modified=wanted.modified,
            caption=wanted.caption,
            tags=tags_of(list(wanted.tags)),
        )
        check_about(record.caption, record.tags)
        upload = await self._book.begin(record)
        await self._book.save(upload)
        return json_answer(view_of(upload), status=201)

    async def _files(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = number_in_query(request, "start", default=0, least=0, most=1 << 53)
        folder = self._book.folder(request.match_info["id"])
        tree = self._book.spool.tree(folder.record.id)
        return json_answer(await in_thread(_placed, tree, start))

    async def _finish(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await _read_body(request, FinishedFolder)
        folder = self._book.folder(request.match_info["id"])
        tree = self._book.spool.tree(folder.record.id)
        empty = [checked_path(path, tree) for path in wanted.empty]
        await self._book.finish_folder(folder, empty)
        return json_answer(view_of(folder), status=202)

    async def _delete(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        await self._book.drop(self._book.folder(request.match_info["id"]))
        return aiohttp.web.Response(status=204)


def view_of(upload: Upload) -> UploadView:
    """The view of an upload."""
    record = upload.record
    return UploadView(
        id=record.id,
        kind=record.kind,
        name=record.name,
        size=record.size,
        offset=record.offset,
        modified=record.modified,
        folder=record.folder,
        path=record.path,
        files=record.files,
        received=upload.received if record.kind == "folder" else int(record.complete),
        state=record.state,
        added=upload.progress.done if upload.progress else 0,
        entry=record.entry,
        text=record.failed,
        expires=record.expires,
    )


def _placed(tree: Path, start: int) -> PlacedFiles:
    """The files of a folder in a fixed order, a page from `start` on."""
    found: list[PlacedFile] = []
    number = 0
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            if number >= start + _PAGE:
                return PlacedFiles(found, number)
            if number >= start:
                path = f"{folder}/{name}"
                status = os.lstat(path)
                modified = status.st_mtime_ns // 1_000_000
                inner = os.path.relpath(path, tree)
                found.append(PlacedFile(path=inner, size=status.st_size, modified=modified))
            number += 1
    return PlacedFiles(found, None)


async def _read_body(request: aiohttp.web.Request, kind: type[_T]) -> _T:
    if (request.content_length or 0) > _LONGEST_BODY:
        raise AnswerError(413, "too_large", "That is too long.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
        return msgspec.json.decode(body, type=kind)
    except TimeoutError:
        raise AnswerError(408, "failed", "The request did not come in time.") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise invalid(f"Send the fields of {kind.__name__} as JSON.") from None
