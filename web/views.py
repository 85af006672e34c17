"""Files shown inside the page: pictures, sound, video and text, and nothing that could act.

A browser that opens one as a document of its own gets it in a sandbox, where no script runs and
which has no part in our origin. Whatever is not on the list is sent as a download.
"""

import aiohttp.web

from web.api import ENTRY
from web.daemon import Daemon
from web.download_headers import content_disposition
from web.downloads import sending
from web.outgoing import Outgoing
from web.routes import Route

_PASSIVE = {
    "apng": "image/apng",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "ogv": "video/ogg",
    "webm": "video/webm",
}
# Also languages that a browser could run, which as plain text it does not; but no markup.
_TEXT_ENDINGS = """
asm bash bat c cc cfg conf cpp cs css csv dart diff env gd go gradle h hpp hs ini ipynb
java js json jsonl jsx kt lock log lua make md mjs nfo nix patch php pl properties ps1 py
r rb rs rst scala sh sql srt swift tex toml ts tsv tsx txt vtt yaml yml zig
"""
_TEXT = frozenset(_TEXT_ENDINGS.split())
_CSP = (
    "default-src 'none'; img-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


class Views:
    """GET /view/{id}/{file}."""

    def __init__(self, daemon: Daemon, outgoing: Outgoing | None = None) -> None:
        self._outgoing = outgoing or Outgoing(daemon)

    def routes(self) -> list[Route]:
        """The one route; GET answers HEAD, too."""
        one = f"/view/{ENTRY}/{{file:[0-9]{{1,15}}}}"
        return [sending(one, self._view, "One file of an entry, to be shown.")]

    async def _view(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        index = int(request.match_info["file"])
        file = await self._outgoing.find(request.match_info["id"], index)
        return await self._outgoing.answer(request, file, view_headers(file.name))


def view_headers(name: str) -> dict[str, str]:
    """What is said of a file of this name that is shown, or sent as a download if it is not."""
    kind = shown_type(name)
    saved = content_disposition(name)
    return {
        "Content-Disposition": saved.replace("attachment", "inline", 1) if kind else saved,
        "Content-Security-Policy": _CSP,
        "Content-Type": kind or "application/octet-stream",
        "X-Content-Type-Options": "nosniff",
    }


def shown_type(name: str) -> str:
    """The type a file of this name is shown as; "" when it is not shown."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending in _TEXT:
        return "text/plain; charset=utf-8"
    return _PASSIVE.get(ending, "")
