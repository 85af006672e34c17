"""The page itself: the files of web/static, read once at start and sent with strong ETags."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp.web

from web.answers import not_found

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The frame that draws PDFs: a sandbox of an opaque origin, so its own parts are foreign to it.
_FRAME = "pdf/frame.html"
_FRAME_PARTS = ("pdf/", "vendor/pdf/")
_FRAME_CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src blob: data:; font-src blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)

_COMMENT = re.compile(rb"^[ \t]*(?://.*|/\*\*(?:[^*]|\*(?!/))*\*/)[ \t]*$", re.MULTILINE)
"""Lines of JavaScript that are comment and nothing else."""


@dataclass(frozen=True)
class _StaticFile:
    kind: str
    content: bytes
    packed: bytes
    tag: str


class StaticFiles:
    """Serves "/" and /static/; only what was there at start can be named."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            str(path.relative_to(folder)): _load(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """The page and its parts."""
        return [
            aiohttp.web.get("/", self._index),
            aiohttp.web.get("/static/{name:.+}", self._named),
        ]

    async def _index(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        return self._send(request, "index.html")

    async def _named(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        return self._send(request, request.match_info["name"])

    def _send(self, request: aiohttp.web.Request, name: str) -> aiohttp.web.Response:
        file = self._files.get(name)
        if file is None:
            raise not_found("There is nothing under this address.")
        headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if name.startswith(_FRAME_PARTS):
            headers["Access-Control-Allow-Origin"] = "*"
        if name == _FRAME:
            headers["Content-Security-Policy"] = _FRAME_CSP
        if file.tag in request.headers.get("If-None-Match", ""):
            return aiohttp.web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.kind
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return aiohttp.web.Response(body=file.content, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return aiohttp.web.Response(body=file.packed, headers=headers)


def without_comments(script: bytes) -> bytes:
    """The same with each line where it was: types and reasons are for who reads the source."""
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), script)


def _load(path: Path) -> _StaticFile:
    content = path.read_bytes()
    if path.suffix == ".js":
        content = without_comments(content)
    packed = gzip.compress(content, mtime=0)
    # Weak: the packed and the plain form share it.
    tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    return _StaticFile(_TYPES[path.suffix], content, packed, tag)
