"""HTTP/1.1 by hand, for requests that no proper client sends."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass
class Said:
    """An answer; names of headers in lower case, each with all its values."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def one(self, name: str) -> str:
        [value] = self.headers[name]
        return value


class RawClient:
    """One connection, made anew when the other end closes it."""

    def __init__(self, origin: str) -> None:
        host, _, port = origin.removeprefix("http://").rpartition(":")
        self._place = host, int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place)
        return self._streams

    async def ask(self, method: str, path: str, headers: list[tuple[str, str]]) -> Said:
        reader, writer = await self.open()
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        said = await read_head(reader)
        if "text/event-stream" in said.headers.get("content-type", []):
            self.hang_up()  # it has no end
            return said
        if method != "HEAD" and said.status not in (204, 304):
            said.body = await reader.readexactly(int(said.one("content-length")))
        if said.status == 400 or "close" in said.headers.get("connection", []):
            self.hang_up()
        return said


async def read_head(reader: asyncio.StreamReader) -> Said:
    """Up to the empty line."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return Said(int(first.split()[1]), headers, b"")
