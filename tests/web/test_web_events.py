"""Live events that go on where they were: ids, what a page missed, and how many may listen."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from page_under_test import PageUnderTest, run_with_page, until

from web.events import KEPT
from web.limits import Limits


@dataclass
class Event:
    """One of the stream, as a browser takes it; `last` is what it would come back with."""

    name: str
    text: str
    last: str


class Stream:
    """Reads events as the standard says, but for what we never send."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines
        self._last = ""

    async def next(self) -> Event:
        name = text = ""
        async for line in self._lines:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "id":
                self._last = value
            elif field == "event":
                name = value
            elif field == "data":
                text = value
            elif not field and text:
                return Event(name, json.loads(text).get("text", ""), self._last)
        raise AssertionError("the stream ended")

    async def notices(self, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            event = await self.next()
            if event.name == "notice":
                found.append(event.text)
        return found


@asynccontextmanager
async def _listening(
    page: PageUnderTest, *, last: str = "", query: str = ""
) -> AsyncIterator[Stream]:
    more = {"Last-Event-ID": last} if last else {}
    async with page.http.get(
        f"{page.origin}/api/v1/events{query}", headers=page.headers(**more)
    ) as stream:
        assert stream.status == 200
        yield Stream(aiter(stream.content))


def test_a_page_that_was_away_hears_notices_once(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        events = page.page.events
        events.notice("before anybody listened", good=True)
        async with _listening(page) as stream:
            first = await stream.next()
            assert (first.name, bool(first.last)) == ("status", True)
            events.notice("one", good=True)
            heard = await stream.next()
            assert heard.text == "one"
        await until(lambda: events.open == 0)
        events.notice("two", good=False)
        events.notice("three", good=True)
        async with _listening(page, last=heard.last) as again:
            assert await again.notices(2) == ["two", "three"]
            events.notice("four", good=True)
            assert await again.notices(1) == ["four"]
        async with _listening(page, query=f"?after={heard.last}") as again:
            assert await again.notices(3) == ["two", "three", "four"]

    run_with_page(tmp_path, work)


def test_a_page_that_comes_back_is_sent_the_status_anew(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with _listening(page) as stream:
            first = await stream.next()
            async with _listening(page, last=first.last) as again:
                assert (await again.next()).name == "status"
        await until(lambda: page.page.events.open == 0)
        async with _listening(page, last=first.last) as again:
            assert (await again.next()).name == "status"

    run_with_page(tmp_path, work)


def test_another_process_s_id_brings_all_and_nonsense_brings_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.page.events.notice("kept", good=True)
        async with _listening(page, last="0badcafe-999") as stream:
            assert await stream.notices(1) == ["kept"]
        for last in ("nonsense", "1", "-", "x-²", "x-" + "9" * 40):
            async with _listening(page, last=last) as stream:
                assert (await stream.next()).name == "status"
        async with _listening(page, query="?after=" + "9" * 64) as stream:
            assert (await stream.next()).name == "status"

    run_with_page(tmp_path, work)


def test_only_the_newest_notices_are_kept(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with _listening(page) as stream:
            first = await stream.next()
        for number in range(KEPT + 10):
            page.page.events.notice(str(number), good=True)
        async with _listening(page, last=first.last) as stream:
            heard = await stream.notices(KEPT)
            assert heard == [str(number) for number in range(10, KEPT + 10)]

    run_with_page(tmp_path, work)


def test_streams_are_counted(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        address = page.origin + "/api/v1/events"
        streams = [await page.http.get(address, headers=page.headers()) for _ in range(3)]
        status, body, _ = await page.ask("GET", "/api/v1/events")
        assert status == 503
        assert "Close some" in json.loads(body)["error"]["text"]
        streams[0].close()
        await until(lambda: page.page.events.open == 2)
        async with _listening(page) as stream:  # at once, not after the next heartbeat
            assert (await stream.next()).name == "status"
        for each in streams:
            each.close()

    run_with_page(tmp_path, work, limits=Limits(streams=3, linger_seconds=0.2))


def test_all_streams_end_with_the_process(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with _listening(page) as stream:
            await stream.next()
            await page.page.events.close(page.page.application)
            ended = False
            try:
                await asyncio.wait_for(stream.notices(1), 5)
            except AssertionError:
                ended = True
            assert ended

    run_with_page(tmp_path, work)
