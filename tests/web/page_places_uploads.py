"""Uploads, as they can stand in the page: waiting, failed, cut off, asking for words."""

import asyncio
import os
import re

from operator_double import RefusalError
from page_places import place
from page_under_test import PageUnderTest
from playwright.async_api import Page, Route, expect
from test_web_looking import png

from protocol.messages import operating as op
from protocol.messages.upload_rules import Rules

LONG = 2_000_000
"""Too long to go with the request that begins an upload."""


async def _pick(tab: Page, page: PageUnderTest, *names: str, size: int = 4) -> None:
    folder = page.double.data / "picked"
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
        os.truncate(folder / name, size)
    await tab.locator("input[type=file]").first.set_input_files([folder / name for name in names])


async def _sending_without_end(tab: Page) -> None:
    """Uploads begin, and their bytes never arrive."""

    async def wait(route: Route) -> None:
        if route.request.method != "PATCH":
            await route.continue_()

    await tab.route("**/api/v1/uploads/*", wait)


@place
async def uploads_under_way(tab: Page, page: PageUnderTest) -> None:
    await _sending_without_end(tab)
    await _pick(tab, page, *(f"{n}.bin" for n in range(6)), size=LONG)
    await tab.get_by_role("button", name="Pause 0.bin").click()
    await tab.get_by_role("button", name="Cancel the upload of 1.bin").click()
    for state in ("· paused", "Cancelled", "· waiting"):
        await expect(tab.get_by_text(state).first).to_be_visible()


@place
async def uploads_without_a_connection(tab: Page, page: PageUnderTest) -> None:
    await _pick(tab, page, "first.txt")  # loads what sends
    await expect(tab.get_by_text("· shared")).to_be_visible()
    page.vanish()
    await _pick(tab, page, "film.mkv", size=LONG)
    await expect(tab.get_by_text("no connection, goes on by itself")).to_be_visible()
    await expect(tab.get_by_text("No connection to this machine.")).to_be_visible()


@place
async def uploads_that_could_not_begin(tab: Page, page: PageUnderTest) -> None:
    page.vanish()
    await _pick(tab, page, "film.mkv")
    failed = tab.locator(".about.failed")
    await expect(failed).to_have_text("A part of this page did not load. Is the machine still on?")


@place
async def uploads_that_ended(tab: Page, page: PageUnderTest) -> None:
    add = page.double._on_add

    def refuse(ask: op.Add) -> list[op.Message]:
        if ask.name == "bad.txt":
            raise RefusalError("failed", "the store is full")
        return add(ask)

    page.double._on_add = refuse  # type: ignore[method-assign]
    await _pick(tab, page, "good.txt", "bad.txt")
    await expect(tab.get_by_text("· shared")).to_be_visible()
    await expect(tab.locator(".about.failed")).to_have_text("the store is full")


@place
async def uploads_left_by_a_reload(tab: Page, page: PageUnderTest) -> None:
    await _sending_without_end(tab)
    tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    async with tab.expect_request(lambda request: request.method == "PATCH"):
        await _pick(tab, page, "film.mkv", size=LONG)
    await tab.reload()
    await expect(tab.get_by_text(re.compile("is here · pick the file again"))).to_be_visible()


@place
async def uploads_that_ask_for_captions(tab: Page, page: PageUnderTest) -> None:
    folder = page.double.data / "picked"
    folder.mkdir()
    for name in ("sea.png", "hill.png"):
        (folder / name).write_bytes(png(320, 200))
    await tab.locator("input[type=file]").first.set_input_files(sorted(folder.iterdir()))
    await expect(tab.get_by_role("form", name="Captions of pictures")).to_be_visible()
    await expect(tab.get_by_label("The same for one more")).to_be_visible()
    await expect(tab.get_by_text("· shared")).to_have_count(2)


@place
async def uploads_that_are_refused(tab: Page, page: PageUnderTest) -> None:
    page.double.rules = Rules(types=("image",))
    await _pick(tab, page, "words.txt")
    await expect(tab.locator(".about.failed")).to_contain_text("is not taken: only")
