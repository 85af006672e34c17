"""The link of an entry as a QR code, for a telephone to read off the screen."""

import io

import aiohttp.web
import segno

from protocol.messages.operating import Show, Shown
from web.api import ENTRY
from web.daemon import Daemon
from web.routes import Raw, Route

_CSP = "default-src 'none'; frame-ancestors 'none'; sandbox"
_QUIET_ZONE = 4


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


def qr_svg(text: str) -> bytes:
    """A picture of squares, black on white also where the page is dark, or no camera reads it."""
    out = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(
        out,
        kind="svg",
        border=_QUIET_ZONE,
        dark="#000000",
        light="#ffffff",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        nl=False,
    )
    return out.getvalue()
