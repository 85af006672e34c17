"""Every place of the page, as everyone must be able to use it: axe-core, sizes, names, focus."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import page_places_settings  # noqa: F401, its places are in PLACES then
import page_places_uploads  # noqa: F401
import pytest
from page_checks import DESK, PHONE, by_axe, by_layout, by_tab_key
from page_places import PLACES
from page_under_test import PageUnderTest, running_page
from playwright.async_api import Browser, async_playwright
from test_web_browser import ARGUMENTS, logged_in

pytestmark = pytest.mark.browser


@dataclass
class _Chromium:
    """One for all tests: it lives in an event loop of its own, and only while a test runs."""

    loop: asyncio.AbstractEventLoop
    browser: Browser

    def run(self, data: Path, work: Callable[[Browser, PageUnderTest], Awaitable[None]]) -> None:
        async def scenario() -> None:
            async with asyncio.timeout(120), running_page(data) as page:
                await work(self.browser, page)

        self.loop.run_until_complete(scenario())


@pytest.fixture(scope="module")
def chromium() -> Iterator[_Chromium]:
    with asyncio.Runner() as runner:
        playwright = runner.run(async_playwright().start())
        launched = runner.run(
            playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        )
        yield _Chromium(runner.get_loop(), launched)
        runner.run(launched.close())
        runner.run(playwright.stop())


@pytest.mark.parametrize("name", PLACES)
def test_everyone_can_use(chromium: _Chromium, tmp_path: Path, name: str) -> None:
    async def work(browser: Browser, page: PageUnderTest) -> None:
        wrong = []
        context = await browser.new_context(viewport=PHONE, reduced_motion="reduce")  # type: ignore[arg-type]
        try:
            tab = await logged_in(context, page)
            await PLACES[name](tab, page)
            wrong += [f"360: {each}" for each in await by_layout(tab)]
            for width, size in (("360", PHONE), ("1200", DESK)):
                await tab.set_viewport_size(size)  # type: ignore[arg-type]
                wrong += [f"{width}: {each}" for each in await by_axe(tab)]
                # Nothing else depends on the theme.
                await tab.emulate_media(color_scheme="dark")
                wrong += [f"dark: {each}" for each in await by_axe(tab, "color-contrast")]
                await tab.emulate_media(color_scheme="light")
            await tab.set_viewport_size(PHONE)  # type: ignore[arg-type]
            wrong += [f"Tab: {each}" for each in await by_tab_key(tab)]
        finally:
            await context.close()
        assert not wrong, "\n".join(wrong)

    chromium.run(tmp_path, work)
