"""A page killed in the middle of an upload and started again: at most a part comes twice."""

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest
from operator_double import OperatorDouble
from page_under_test import until
from test_web_process import _start
from tus_client import BODY, UPLOADS, metadata

from web.receiving import PART_LENGTH

SIZE = 3 * PART_LENGTH + 12_345


class KilledPage:
    """A page in a process of its own, and what a browser sends to it."""

    def __init__(self, data: Path, http: aiohttp.ClientSession) -> None:
        self.data, self.http, self.url = data, http, ""
        self.process: asyncio.subprocess.Process

    async def start(self, double: OperatorDouble) -> None:
        self.process = await _start(self.data, "--listen", "127.0.0.1:0", "--supervised")
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        self.url = line.decode().split('"url":"')[1].split('"')[0]
        double.tokens = {"token"}
        async with self.http.get(f"{self.url}/login?token=token") as answer:
            assert answer.status == 200

    async def begin(self, size: int) -> tuple[str, dict[str, str]]:
        """Begin an upload; its path, and the headers to send all of it."""
        named = {"Upload_Metadata": metadata(name="film"), "Upload_Length": str(size)}
        _, headers, _ = await self.ask("POST", UPLOADS, **named)
        content = {"Content_Length": str(size), "Content_Type": BODY["Content-Type"]}
        return headers["Location"], {"Upload_Offset": "0"} | content

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def ask(
        self, method: str, path: str, data: object = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said |= {"Origin": self.url, "Tus-Resumable": "1.0.0"}
        async with self.http.request(method, self.url + path, headers=said, data=data) as answer:
            return answer.status, dict(answer.headers), await answer.read()


@pytest.mark.parametrize("spared", [False, True])
def test_a_killed_page_has_all_but_the_last_part(tmp_path: Path, spared: bool) -> None:
    content = os.urandom(1 << 20) * (SIZE >> 20) + os.urandom(SIZE % (1 << 20))
    arrived = asyncio.Event()

    async def body(length: int):  # type: ignore[no-untyped-def]
        for start in range(0, length, 1 << 20):
            yield content[start : min(start + (1 << 20), length)]
        await arrived.wait()

    async def scenario() -> None:
        async with (
            OperatorDouble(tmp_path) as double,
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        ):
            page = KilledPage(tmp_path, http)
            await page.start(double)
            path, patch = await page.begin(SIZE)
            sent = 2 * PART_LENGTH + (5 << 20)
            sending = asyncio.create_task(page.ask("PATCH", path, body(sent), **patch))
            part = tmp_path / "spool" / f"{path.rpartition('/')[2]}.part"
            await until(lambda: part.exists() and part.stat().st_size >= sent)
            if spared:  # a stop in good order loses nothing
                page.process.terminate()
                await page.process.wait()
            else:
                await page.kill()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await page.start(double)
            _, headers, _ = await page.ask("HEAD", path)
            offset = int(headers["Upload-Offset"])
            assert offset == sent if spared else sent - PART_LENGTH <= offset <= sent
            patch = {"Upload_Offset": str(offset), "Content_Type": BODY["Content-Type"]}
            status, _, _ = await page.ask("PATCH", path, content[offset:], **patch)
            assert status == 204
            await until(lambda: len(double.entries) == 1)
            (held,) = double.entries.values()
            assert held.files[0][1].read_bytes() == content
            await page.kill()

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_a_page_that_stops_throws_nothing_away(tmp_path: Path) -> None:
    """What it can no longer keep stays with the sender, who sends it once, to the next page."""
    sent = 0
    block = os.urandom(1 << 20)

    async def body():  # type: ignore[no-untyped-def]
        nonlocal sent
        while True:
            sent += len(block)
            yield block

    async def scenario() -> None:
        async with (
            OperatorDouble(tmp_path) as double,
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        ):
            page = KilledPage(tmp_path, http)
            await page.start(double)
            path, patch = await page.begin(8 << 30)
            sending = asyncio.create_task(page.ask("PATCH", path, body(), **patch))
            part = tmp_path / "spool" / f"{path.rpartition('/')[2]}.part"
            await until(lambda: part.exists() and part.stat().st_size > 1 << 20)
            page.process.terminate()
            await page.process.wait()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            # All but what was on its way in the buffers of both ends.
            assert 0 < sent - part.stat().st_size < PART_LENGTH

    asyncio.run(asyncio.wait_for(scenario(), 120))
