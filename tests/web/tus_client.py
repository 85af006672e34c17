"""A small tus client for tests: says exactly what a test wants said."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from page_under_test import PageUnderTest

UPLOADS = "/api/v1/uploads"
BODY = {"Content-Type": "application/offset+octet-stream"}


def metadata(**said: object) -> str:
    """Upload-Metadata of these."""
    pairs = [f"{k} {base64.b64encode(str(v).encode()).decode()}" for k, v in said.items()]
    return ",".join(pairs)


class Tus:
    """Uploads to one page."""

    def __init__(self, page: PageUnderTest) -> None:
        self.page = page

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> tuple[int, Any, Mapping[str, str]]:
        """One request: status, the JSON or bytes it answered, headers."""
        said = {"Tus-Resumable": "1.0.0"} | dict(headers or {})
        status, body, got = await self.page.ask(method, path, headers=said, **more)
        try:
            return status, json.loads(body), got  # type: ignore[return-value]
        except ValueError:
            return status, body, got  # type: ignore[return-value]

    async def begin(self, size: int, data: bytes | None = None, **said: object) -> str:
        """A new upload; its path."""
        headers = {"Upload-Length": str(size), "Upload-Metadata": metadata(**said)}
        if data is not None:
            headers |= BODY
        status, body, got = await self.ask("POST", UPLOADS, headers, data=data)
        assert status == 201, body
        return got["Location"]

    async def patch(
        self, path: str, offset: int, data: bytes, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send bytes."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(
            "PATCH", path, BODY | {"Upload-Offset": str(offset)} | more, data=data
        )

    async def offset(self, path: str) -> int:
        """How far an upload is."""
        status, _, got = await self.ask("HEAD", path)
        assert status == 200, status
        return int(got["Upload-Offset"])

    async def settled(self, path: str) -> dict[str, Any]:
        """What became of a complete upload."""
        status, view, _ = await self.ask("GET", f"{path}?wait=20")
        assert status == 200, view
        return view  # type: ignore[no-any-return]

    async def listed(self) -> list[dict[str, Any]]:
        """What is not an entry yet."""
        return (await self.ask("GET", UPLOADS))[1]["uploads"]  # type: ignore[no-any-return]

    async def folder(self, **said: object) -> str:
        """A new folder; its id."""
        status, view, _ = await self.ask("POST", "/api/v1/folders", json=said)
        assert status == 201, view
        return str(view["id"])
