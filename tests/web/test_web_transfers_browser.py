"""Transfers in Chromium: whom they come from and go to, and telling when a long one ended."""

from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import BrowserContext, Page, expect
from test_web_browser import browser, logged_in
from test_web_browser_inviting import NARROW, fits
from test_web_inviting import HERE, NAS, machine

from protocol.messages.health import ReturnView
from protocol.messages.linking import LinkView, Sources, SourceView
from protocol.messages.operating import TransferView

pytestmark = pytest.mark.browser

MB = 1_000_000
FILM = "ef" * 32
LAPTOP = "12" * 32
SPY = """
window.said = [];
const Real = window.Notification;
if (Real) window.Notification = class extends Real {
  constructor(title, options) { super(title, options); window.said.push(options.body); }
};
document.hasFocus = () => !window.elsewhere;
"""
"""The browser's own messages, written down as they are made; a page that loses the focus."""


def film(**more: object) -> TransferView:
    fields: dict[str, object] = {
        "id": FILM,
        "name": "film <b>.mkv",
        "purpose": "get",
        "size": 400 * MB,
        "done": 100 * MB,
        "rate": 5 * MB,
        "left": 60,
        "sources": ("nas",),
    }
    return TransferView(**(fields | more))  # type: ignore[arg-type]


def source(peer: str, name: str, **more: object) -> SourceView:
    fields: dict[str, object] = {
        "peer": peer,
        "name": name,
        "address": "192.0.2.7",
        "near": True,
        "state": "sends",
        "rate": 5 * MB,
        "pieces": 30,
        "asked": 4,
        "late": 0,
        "received": 90 * MB,
        "connections": 1,
        "answers": 0.0012,
    }
    return SourceView(**(fields | more))  # type: ignore[arg-type]


def taker(**more: object) -> LinkView:
    fields: dict[str, object] = {
        "peer": NAS,
        "name": "nas",
        "address": "192.0.2.7",
        "near": True,
        "connections": 3,
        "received": 0,
        "sent": 600 * MB,
        "rate": 0,
        "asks": 14,
        "fetches": ("film <b>.mkv",),
        "fetching": 2,
    }
    return LinkView(**(fields | more))  # type: ignore[arg-type]


async def transfers_of(context: BrowserContext, page: PageUnderTest) -> Page:
    tab = await logged_in(context, page)
    await tab.goto(f"{page.origin}/#/transfers")
    await expect(tab.get_by_role("heading", name="Transfers")).to_be_visible()
    return tab


@pytest.mark.parametrize("wide", [True, False])
def test_whom_it_comes_from_and_goes_to(tmp_path: Path, wide: bool) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.transfers = (film(),)
        late = source(LAPTOP, "laptop <i>", near=False, state="late", late=3, answers=None)
        sources = (source(NAS, "nas"), late)
        double.sources[FILM] = Sources(call=0, transfer=FILM, pieces=40, sources=sources)
        double.links = (taker(), taker(peer=LAPTOP, name="idle", asks=0, fetches=(), fetching=0))
        async with browser(viewport={"width": 1200, "height": 800} if wide else NARROW) as context:
            tab = await transfers_of(context, page)
            assert "GetSources" not in double.asked  # nobody has looked
            await tab.get_by_role("group").get_by_text("Machines", exact=True).focus()
            await tab.keyboard.press("Enter")
            table = tab.get_by_role("table", name="Machines that film <b>.mkv comes from")
            row = table.get_by_role("row").filter(has=tab.get_by_role("rowheader", name="nas"))
            for text in ("same network", "sends", "5.0 MB/s", "75 %", "30 pieces", "1.2 ms"):
                await expect(row).to_contain_text(text)
            row = table.get_by_role("row").filter(has_text="laptop <i>")
            for text in ("late", "3 late", "not known yet"):
                await expect(row).to_contain_text(text)
            takers = tab.get_by_role("table", name="Machines that fetch from this one")
            await expect(takers).to_contain_text("film <b>.mkv and 1 more")
            await expect(takers).to_contain_text("600 MB")
            await expect(takers.get_by_role("rowheader")).to_have_count(1)
            await fits(tab)
            double.links = (taker(rate=3 * MB),)
            await expect(takers).to_contain_text("3.0 MB/s")
            del double.sources[FILM]
            await expect(tab.get_by_text("this transfer is over")).to_be_visible()
            double.links = ()
            await expect(takers).to_have_count(0)

    run_with_page(tmp_path, work)


def test_machines_say_what_moves_between_them_and_this_one(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.machines = (machine(HERE, "desk"), machine(NAS, "nas"))
        attic = machine(LAPTOP, "attic", state="gone")
        double.machines = (*double.machines, attic)
        double.returns = (ReturnView(name="attic", state="gone", safe=2, found=1, out=None),)
        double.links = (taker(),)
        async with browser(viewport=NARROW) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/machines")
            away = tab.locator(".machine-card").filter(has_text="attic")
            await expect(away).to_contain_text(
                "Bring it back: it saves 1 entry that nobody else has, makes 2 entries safe again."
            )
            card = tab.locator(".machine-card").filter(has_text="nas")
            await expect(card).to_contain_text("0 B/s from it, 0 B/s to it")
            double.links = (taker(rate=3 * MB),)
            await expect(card).to_contain_text("3.0 MB/s to it")
            when = tab.get_by_role("combobox", name="When")
            await when.select_option("Last 7 days")
            acts = tab.get_by_role("list", name="What was done")
            await expect(acts).to_contain_text("logged in")
            await fits(tab)

    run_with_page(tmp_path, work)


# --- telling of the end -------------------------------------------------------------------------


async def run_long(tab: Page, page: PageUnderTest, seconds: int = 25) -> None:
    """A download goes on for so long by the page's clock, and ends while nobody looks."""
    page.double.transfers = (film(),)
    await expect(tab.get_by_role("list", name="Transfers")).to_be_visible()
    await tab.evaluate("window.elsewhere = true")
    await tab.clock.fast_forward(seconds * 1000)
    page.double.transfers = ()
    await expect(tab.get_by_role("heading", name="Nothing on its way")).to_be_attached()


def test_a_message_tells_the_end_once_it_is_switched_on(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with browser(viewport=NARROW) as context:
            await context.grant_permissions(["notifications"], origin=page.origin)
            await context.add_init_script(SPY)
            await context.clock.install()
            tab = await transfers_of(context, page)
            await run_long(tab, page)
            assert await tab.evaluate("said") == []
            page.double.transfers = (film(),)
            switch = tab.get_by_role("checkbox", name="Tell me when it ends")
            await switch.press("Space")
            await expect(switch).to_be_checked()
            await fits(tab)
            await tab.reload()
            await expect(switch).to_be_checked()  # it is remembered
            await run_long(tab, page, seconds=5)
            assert await tab.evaluate("said") == []  # it was short
            await run_long(tab, page)
            assert await tab.evaluate("said") == ["The download of film <b>.mkv has ended."]
            assert await tab.title() == "Transfers · Twofold"
            page.double.transfers = (film(),)
            await switch.press("Space")
            assert await tab.evaluate("localStorage.length") == 0

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("before", "hint"),
    [
        ("Object.defineProperty(window, 'isSecureContext', {value: false});", "only for pages by"),
        ("Object.defineProperty(window, 'localStorage', {get() { throw new Error(); }});", ""),
    ],
)
def test_where_there_are_no_messages_the_title_tells(
    tmp_path: Path, before: str, hint: str
) -> None:
    """Over plain http, or refused; and a browser that lets nothing be remembered does no harm."""

    async def work(page: PageUnderTest) -> None:
        async with browser(viewport=NARROW) as context:
            await context.add_init_script(before + SPY)
            await context.clock.install()
            page.double.transfers = (film(),)
            tab = await transfers_of(context, page)
            await tab.get_by_role("checkbox", name="Tell me when it ends").press("Space")
            await expect(tab.get_by_text(hint or "This browser refused messages")).to_be_visible()
            await fits(tab)
            await run_long(tab, page)
            await expect(tab).to_have_title("✓ done · Twofold")
            await tab.evaluate("window.elsewhere = false; dispatchEvent(new Event('focus'))")
            await expect(tab).to_have_title("Transfers · Twofold")
            assert await tab.evaluate("said") == []

    run_with_page(tmp_path, work)
