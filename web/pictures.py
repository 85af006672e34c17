"""Smaller versions of pictures at an address that stays, from wherever their pieces are.

GET /pictures/ID/QUALITY needs a login like everything; if the owner lets other sites show them,
whoever knows the whole id gets them, and nothing else, without one.
"""

import aiohttp.web
from msgspec import Struct

from protocol.messages.operating import EntryView, Show, Shown
from protocol.messages.picture_views import RenditionView
from web.answers import not_found
from web.asking import read_query
from web.daemon import Daemon
from web.downloads import sending
from web.outgoing import Outgoing, SharedFile
from web.routes import Route
from web.upload_rules import UploadRuleBook
from web.views import view_headers

PLACE = "/pictures/"
_FOR_GOOD = "max-age=31536000, immutable"
_QUALITIES = {"very-high": "very high", "high": "high", "medium": "medium", "low": "low"}


class PictureQuery(Struct, frozen=True):
    """`v` is what the rendition is known by now: with it the answer may be kept for good."""

    v: str = ""


class Pictures:
    """The one route."""

    def __init__(self, daemon: Daemon, outgoing: Outgoing, rules: UploadRuleBook) -> None:
        self._daemon = daemon
        self._outgoing = outgoing
        self._rules = rules

    def routes(self) -> list[Route]:
        """GET answers HEAD, too."""
        path = f"{PLACE}{{id:[0-9a-f]{{32}}}}/{{quality:{'|'.join(_QUALITIES)}}}"
        summary = "A smaller version of a picture."
        return [sending(path, self._send, summary, query=PictureQuery, errors=(404,))]

    async def _send(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        given = read_query(request, PictureQuery).v
        entry = await self._entry(request.match_info["id"])
        quality = _QUALITIES[request.match_info["quality"]]
        rendition = next((each for each in entry.renditions if each.quality == quality), None)
        if rendition is None:
            raise not_found(f"There is no {quality} version of “{entry.name}” now.")
        shown = await self._entry(rendition.id)
        file = SharedFile(shown, 0, shown.size, shown.name)
        known = version_of(rendition)
        headers = view_headers(shown.name) | {
            "Cache-Control": f"private, {_FOR_GOOD if given == known else 'no-cache'}",
            "ETag": f'"{known}"',
        }
        if await self._are_open():
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return await self._outgoing.answer(request, file, headers)

    async def lets_in(self, request: aiohttp.web.Request) -> bool:
        """Whether a request is answered without a login."""
        asks = request.method in ("GET", "HEAD") and request.path.startswith(PLACE)
        return asks and await self._are_open()

    async def _are_open(self) -> bool:
        """Whether other sites may show them."""
        return (await self._rules.now()).embed

    async def _entry(self, number: str) -> EntryView:
        return (await self._daemon.ask(Show(call=0, entry=number), Shown)).entry


def version_of(rendition: RenditionView) -> str:
    """What tells the content of one address from what was there before and may come."""
    return f"{rendition.id}-{rendition.version}"
