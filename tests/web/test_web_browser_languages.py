"""The page in German and Arabic, in Chromium: nothing stays English, right to left is in order."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import Page, expect
from test_web_browser import browser, transfer
from test_web_languages import FIELD, catalogue

from protocol.messages import operating as op

pytestmark = pytest.mark.browser

PLACES = ("", "transfers", "machines", "health", "trash")
SAME = frozenset(
    ("Archive", "Link", "Name", "Filter", "Twofold", "Transfers", "Audio", "Zone", "Videos")
)
"""Words of both languages; what the page says in German is not English only because of these."""
WHOLE_WORD = re.compile(r"[^\W\d_]{3,}(?: [^\W\d_]+)*\??")


@asynccontextmanager
async def in_language(page: PageUnderTest, locale: str, **options: object) -> AsyncIterator[Page]:
    """A tab of a browser that asks for this language, on the library; complaints fail the test."""
    async with browser(locale=locale, **options) as context:
        tab = await context.new_page()
        complaints: list[str] = []
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        page.double.tokens.add("token")
        await tab.goto(f"{page.origin}/login?token=token")
        await tab.wait_for_url(f"{page.origin}/")
        await expect(tab.get_by_role("searchbox")).to_be_visible()
        yield tab
        assert complaints == []


def fill(page: PageUnderTest) -> tuple[str, ...]:
    """Something in every place; the addresses of all places."""
    double = page.double
    inside = {f"a/{n}.txt": b"z" for n in range(3)} | {"b.txt": b"y"}
    folder = double.hold_folder("x1", inside, tags=("y1",))
    double.hold_file("x2.zip", b"x" * 1000)
    double.transfers = (transfer("x3", sources=()), transfer("x4", purpose="keep", left=None))
    double.machines = (_machine("x5", "live", this=True), _machine("x6", "gone"))
    return *PLACES, f"entry/{folder}"


def _machine(name: str, state: str, *, this: bool = False) -> op.MachineView:
    return op.MachineView(
        id=name.encode().hex(),
        name=name,
        zone="z1",
        state=state,  # type: ignore[arg-type]
        addresses=("192.0.2.1:4100",),
        capacity=1000,
        stored=10,
        seen=5,
        this=this,
        standing="active" if this else "draining",
        admin=this,
    )


async def settle(tab: Page, page: PageUnderTest, place: str) -> None:
    """Go there, and wait until it is drawn."""
    await tab.goto(f"{page.origin}/#/{place}")
    await expect(tab.locator("main h1")).to_be_attached()
    await expect(tab.locator(".waiting")).to_have_count(0)


def test_the_page_in_german_says_nothing_in_english(tmp_path: Path) -> None:
    english = {
        key for key, text in catalogue("de").items() if text != key and not FIELD.search(key)
    } - SAME
    short = {key for key in english if WHOLE_WORD.fullmatch(key)}

    async def work(page: PageUnderTest) -> None:
        places = fill(page)
        async with in_language(page, "de-DE") as tab:
            for place in places:
                await settle(tab, page, place)
                if not place:
                    await tab.get_by_role("button", name="Filter", exact=True).click()
                said = await tab.evaluate(SAID)
                found = {text for text in said if text in english or set(text.split(" · ")) & short}
                assert found == set(), place
            assert await tab.title() == "Eintrag · Twofold"
            assert await tab.evaluate("document.documentElement.lang") == "de"

    run_with_page(tmp_path, work)


SAID = """() => {
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) texts.push(walk.currentNode.data.trim());
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]"))
    for (const name of ["aria-label", "title", "placeholder", "alt"]) texts.push((element.getAttribute(name) ?? "").trim());
  return texts.filter(Boolean);
}"""  # noqa: E501


def test_right_to_left_fits_a_phone(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        places = fill(page)
        async with in_language(page, "ar", viewport={"width": 360, "height": 740}) as tab:
            for place in (*places, "?view=gallery"):
                await settle(tab, page, place)
                assert await tab.evaluate("document.documentElement.dir") == "rtl"
                root = "document.documentElement"
                # In a page from right to left what sticks out does so at the left.
                wide = await tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
                assert wide <= 0, place
                out = await tab.evaluate(STICKS_OUT)
                assert out == [], place

    run_with_page(tmp_path, work)


STICKS_OUT = """() => [...document.querySelectorAll("main *, header *")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  return width > 1 && one.checkVisibility() && !one.closest("svg, .sr") && (left < -1 || right > innerWidth + 1);
}).map((one) => one.outerHTML.slice(0, 120))"""  # noqa: E501


def test_arrow_keys_go_with_the_text(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        *_, entry = fill(page)
        async with in_language(page, "ar") as tab:
            await settle(tab, page, entry)
            tree = tab.get_by_role("tree")
            await tree.focus()
            folder = tree.get_by_role("treeitem").first
            await expect(folder).to_have_attribute("aria-expanded", "false")
            await tree.press("ArrowRight")
            await expect(folder).to_have_attribute("aria-expanded", "false")
            await tree.press("ArrowLeft")
            await expect(folder).to_have_attribute("aria-expanded", "true")
            await tree.press("ArrowRight")
            await expect(folder).to_have_attribute("aria-expanded", "false")
            await settle(tab, page, "?view=gallery")
            tiles = tab.locator(".tiles [data-index] a.what")
            await tiles.nth(0).focus()
            await tab.keyboard.press("ArrowLeft")
            await expect(tiles.nth(1)).to_be_focused()
            first, second = await tiles.nth(0).bounding_box(), await tiles.nth(1).bounding_box()
            assert first is not None and second is not None and second["x"] < first["x"]  # noqa: PT018

    run_with_page(tmp_path, work)


def test_another_language_is_chosen_where_one_is(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        *_, entry = fill(page)
        async with in_language(page, "en-GB") as tab:
            await settle(tab, page, entry)
            address = tab.url
            select = tab.get_by_role("combobox", name="Language")
            await expect(select).to_have_value("en")
            assert await select.locator("option").all_text_contents() == [
                "English",
                "Deutsch",
                "العربية",
            ]
            await select.select_option("de")
            await expect(tab.get_by_role("heading", name="Verlauf")).to_be_visible()
            await expect(tab.get_by_role("heading", name="x1")).to_be_visible()
            assert tab.url == address
            await tab.reload()
            await expect(tab.get_by_role("heading", name="Verlauf")).to_be_visible()
            await tab.get_by_role("combobox", name="Sprache").select_option("ar")
            await expect(tab.locator("html")).to_have_attribute("dir", "rtl")
            await tab.get_by_role("combobox", name="اللغة").select_option("en")
            await expect(tab.get_by_role("heading", name="History")).to_be_visible()
            await expect(tab.locator("html")).to_have_attribute("dir", "ltr")
            assert tab.url == address

    run_with_page(tmp_path, work)


def test_numbers_are_those_of_the_language_and_the_machines_words_are_marked(
    tmp_path: Path,
) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.hold_file("x1.bin", b"x" * 1_500_000)
        changed = op.NoticeView(when=5, text="the file x1 changed")
        page.double.notices = (changed,)
        async with in_language(page, "de-AT") as tab:
            await expect(tab.get_by_label("Einträge")).to_contain_text("1,5\u00a0MB")
            field = tab.get_by_label("Haben Sie einen Link?")
            await field.fill("twofold-link-zzz")
            await field.press("Enter")
            wrong = tab.locator("#link-wrong [lang=en][dir=ltr]")
            await expect(wrong).to_contain_text("a character is missing")
            await settle(tab, page, "transfers")
            await expect(tab.locator(".notices [lang=en]")).to_have_text("the file x1 changed")

    run_with_page(tmp_path, work)


def test_general_troubles_are_told_in_the_pages_words(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with in_language(page, "de") as tab:
            await page.double.stop()
            await expect(tab.get_by_role("status").first).to_contain_text("Daemon dieses Rechners")
            await tab.goto(f"{page.origin}/#/trash")
            trouble = tab.get_by_role("alert").filter(has_text="Das hat nicht geklappt")
            await expect(trouble).to_contain_text("ist gerade nicht da")
            await expect(trouble.get_by_role("button", name="Noch einmal")).to_be_visible()

    run_with_page(tmp_path, work)


def test_the_way_in_speaks_the_browsers_language(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        for asked, tag, title in (
            ("de-CH,en;q=0.7", 'lang="de" dir="ltr"', "Anmelden"),
            ("fr, ar;q=0.5", 'lang="ar" dir="rtl"', "تسجيل الدخول"),
            ("fr", 'lang="en" dir="ltr"', "Log in"),
            ("", 'lang="en" dir="ltr"', "Log in"),
        ):
            headers = {"Accept-Language": asked}
            async with page.http.get(page.origin + "/login", headers=headers) as answer:
                text = (await answer.read()).decode()
            assert f"<html {tag}>" in text
            assert f"<h1>{title}</h1>" in text

    run_with_page(tmp_path, work)
