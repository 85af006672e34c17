"""The page in Chromium when its event stream is cut: it comes back, and has missed nothing."""

from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page, until
from playwright.async_api import Page, expect
from test_web_browser import browser, logged_in

from web.limits import Limits

pytestmark = pytest.mark.browser


async def _heard_once(tab: Page, page: PageUnderTest, text: str) -> None:
    said = tab.get_by_text(text, exact=True)
    await expect(said).to_have_count(1)
    page.page.events.notice(f"after {text}", good=False)
    await expect(tab.get_by_text(f"after {text}")).to_be_visible()
    await expect(said).to_have_count(1)


def test_a_cut_stream_goes_on(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        events = page.page.events
        async with browser() as context:
            tab = await logged_in(context, page)
            await until(lambda: events.open == 1)
            events.notice("nas is back", good=False)
            await expect(tab.get_by_text("nas is back")).to_be_visible()
            page.cut_all()
            await until(lambda: events.open == 0)
            events.notice("while away", good=False)
            await _heard_once(tab, page, "while away")

    run_with_page(tmp_path, work)


def test_a_refused_stream_goes_on_as_well(tmp_path: Path) -> None:
    """After an answer that is no stream a browser does not come back by itself: the page does."""

    async def work(page: PageUnderTest) -> None:
        events = page.page.events
        async with browser() as context:
            tab = await logged_in(context, page)
            await until(lambda: events.open == 1)
            events.notice("nas is back", good=False)
            await expect(tab.get_by_text("nas is back")).to_be_visible()
            page.cut_all()
            await until(lambda: events.open == 0)
            other = await page.http.get(f"{page.origin}/api/v1/events", headers=page.headers())
            async with tab.expect_response(lambda said: said.status == 503):
                pass
            events.notice("while refused", good=False)
            other.close()
            await _heard_once(tab, page, "while refused")

    run_with_page(tmp_path, work, limits=Limits(streams=1, linger_seconds=0.2))
