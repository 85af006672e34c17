"""PATCH of an entry: another name, caption or tags."""

from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.fields import Caption, Name, Tags
from protocol.messages.editing import Edit, Edited
from protocol.messages.operating import EntryView
from web.activity import note
from web.answers import json_answer
from web.api import ENTRY
from web.asking import read_json
from web.daemon import Daemon
from web.routes import Route

_LONGEST = 64 << 10
_Tags = Annotated[Tags, Meta(description="All tags it has from now on.")]


class EntryChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of PATCH /api/v1/entries/{id}; what is left out stays as it is."""

    name: Name | None = None
    caption: Caption | None = None
    tags: _Tags | None = None


class EntryChanged(msgspec.Struct, frozen=True):
    """The answer; `published` is false while the tracker is away: others see it when it is back."""

    entry: EntryView
    published: bool


class Edits:
    """The one route."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """PATCH of one entry."""
        edit = Route(
            "PATCH",
            f"/api/v1/entries/{ENTRY}",
            self._edit,
            "Give an entry of this machine another name, caption or tags.",
            {200: EntryChanged},
            body=EntryChange,
        )
        return [edit]

    async def _edit(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        change = await read_json(request, EntryChange, most=_LONGEST)
        question = Edit(
            call=0,
            entry=request.match_info["id"],
            name=change.name,
            caption=change.caption,
            tags=change.tags,
        )
        done = await self._daemon.ask(question, Edited)
        note(request, "edit", entry=done.entry.id, text=done.entry.name)
        return json_answer(EntryChanged(done.entry, done.published))
