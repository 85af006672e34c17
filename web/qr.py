"""The link of an entry as a QR code, for a telephone to read off the screen."""

import aiohttp.web

from protocol.messages.operating import Show, Shown
from web.api import ENTRY
from web.daemon import Daemon
from web.qr_picture import qr_svg
from web.routes import Raw, Route

_CSP = "default-src 'none'; frame-ancestors 'none'; sandbox"


class QrCodes:
    """GET /api/v1/entries/{id}/qr.svg."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """The one route; GET answers HEAD, too."""
        return [
            Route(
                "GET",
                f"/api/v1/entries/{ENTRY}/qr.svg",
                self._code,
                "The link of an entry as a QR code.",
                {200: Raw("image/svg+xml")},
            )
        ]

    async def _code(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = Show(call=0, entry=request.match_info["id"])
        entry = (await self._daemon.ask(question, Shown)).entry
        headers = {
            "Cache-Control": "private, max-age=86400",
            "Content-Security-Policy": _CSP,
            "Content-Type": "image/svg+xml",
        }
        return aiohttp.web.Response(body=qr_svg(entry.link), headers=headers)
