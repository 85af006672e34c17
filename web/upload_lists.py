"""What is on its way in, for people and programs; and folders, which become one entry each.

A folder is begun here, its files come by tus, and finishing it checks that all of them are there.
"""

import asyncio
import contextlib
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

import aiohttp.web
from msgspec import Meta, Struct

from protocol.fields import Caption
from web.activity import note
from web.answers import json_answer
from web.asking import StartQuery, read_json, read_query
from web.part import in_thread
from web.people import PERSON
from web.quotas import Quotas
from web.routes import Route
from web.upload_adding import UploadAdding
from web.upload_book import UploadBook
from web.upload_limits import check_about, check_rules, checked_name, checked_path
from web.upload_records import State, UploadRecord, now_ms
from web.upload_rules import UploadRuleBook
from web.upload_state import Upload
from web.uploads import UPLOAD, UPLOADS, tags_of

FOLDERS = "/api/v1/folders"
FOLDER = FOLDERS + "/{id:[0-9a-f]{32}}"
LONGEST_WAIT = 30
_LONGEST_BODY = 1_000_000
_PAGE = 2000


class UploadView(Struct, frozen=True, kw_only=True):
    """An upload as it stands; moments are milliseconds since 1970.

    `received` counts the files of a folder that are here in full, `added` the bytes that the daemon
    has taken over. `entry` is the id of what it became, `text` why it became nothing; `note` is
    why a picture has no smaller versions.
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
    note: str
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


class NewCaption(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of PUT /api/v1/uploads/ID/caption."""

    caption: Caption


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


class WaitQuery(Struct, frozen=True):
    """Seconds to wait for an end, good or bad."""

    wait: Annotated[int, Meta(ge=0, le=LONGEST_WAIT)] = 0


class UploadLists:
    """The routes beside the protocol."""

    def __init__(
        self, book: UploadBook, adding: UploadAdding, rules: UploadRuleBook, quotas: Quotas
    ) -> None:
        self._book = book
        self._adding = adding
        self._rules = rules
        self._quotas = quotas

    def routes(self) -> list[Route]:
        """All of them."""
        said, gone = UploadView, {204: None}
        return [
            Route("GET", UPLOADS, self._list, "What is not an entry yet.", {200: UploadList}),
            Route(
                "GET",
                UPLOAD,
                self._one,
                "How far an upload is.",
                {200: said},
                query=WaitQuery,
                head=False,
            ),
            Route(
                "POST",
                UPLOAD + "/add",
                self._add,
                "Try again to share what could not be shared.",
                {202: said},
                errors=(409,),
            ),
            Route(
                "PUT",
                UPLOAD + "/caption",
                self._say,
                "Say what an upload is, also when it has become an entry.",
                {200: said},
                body=NewCaption,
            ),
            Route(
                "POST",
                FOLDERS,
                self._begin,
                "Begin a folder, whose files come one by one.",
                {201: said},
                body=NewFolder,
                errors=(409, 413, 423, 507),
            ),
            Route(
                "GET",
                FOLDER + "/files",
                self._files,
                "Files of a folder that are here in full.",
                {200: PlacedFiles},
                query=StartQuery,
            ),
            Route(
                "POST",
                FOLDER + "/finish",
                self._finish,
                "All files of a folder are sent.",
                {202: said},
                body=FinishedFolder,
                errors=(409, 423, 507),
            ),
            Route("DELETE", FOLDER, self._delete, "Give a folder up.", gone, errors=(409, 423)),
        ]

    async def _list(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        found = [view_of(each) for each in self._book.all() if each.record.state != "added"]
        found = [view for view in found if not (view.folder and view.state != "receiving")]
        return json_answer(UploadList(found))

    async def _one(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        """One upload; with `wait`, once the daemon has added it or refused, or time is up."""
        wait = read_query(request, WaitQuery).wait
        upload = self._book.find(request.match_info["id"])
        if wait and upload.record.state == "adding" and not upload.record.folder:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await upload.settled.wait()
        return json_answer(view_of(upload))

    async def _add(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        upload = self._book.find(request.match_info["id"])
        await self._book.again(upload)
        return json_answer(view_of(upload), status=202)

    async def _say(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        caption = (await read_json(request, NewCaption)).caption
        upload = self._book.find(request.match_info["id"])
        check_about(caption, ())
        await self._adding.describe(upload, caption)
        return json_answer(view_of(upload))

    async def _begin(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await read_json(request, NewFolder)
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
            person=request[PERSON],
        )
        check_about(record.caption, record.tags)
        rules = await self._rules.now()
        check_rules(record.name, record.size, rules, folder=True)
        await self._quotas.check(record, rules.quota)
        upload = await self._book.begin(record)
        await self._book.save(upload)
        return json_answer(view_of(upload), status=201)

    async def _files(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = read_query(request, StartQuery).start
        folder = self._book.folder(request.match_info["id"])
        tree = self._book.spool.tree(folder.record.id)
        return json_answer(await in_thread(_placed, tree, start))

    async def _finish(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await read_json(request, FinishedFolder, most=_LONGEST_BODY)
        folder = self._book.folder(request.match_info["id"])
        tree = self._book.spool.tree(folder.record.id)
        empty = [checked_path(path, tree) for path in wanted.empty]
        await self._book.finish_folder(folder, empty)
        note(request, "upload", text=folder.record.name)
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
        note=record.note,
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
