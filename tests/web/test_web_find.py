"""Finding on the page, in Chromium: typing, filters, the address, long lists, gallery, keyboard."""

from pathlib import Path

import msgspec
import pytest
from page_under_test import PageUnderTest, run_with_page, until
from playwright.async_api import Locator, Page, expect
from test_web_browser import browser, logged_in

from protocol.messages import operating as op

pytestmark = pytest.mark.browser

MANY = 5_000
IN_DOCUMENT = "document.querySelectorAll('.library .item').length"


def rows(tab: Page) -> Locator:
    return tab.get_by_label("Entries", exact=True).get_by_role("listitem")


def change(page: PageUnderTest, number: str, **fields: object) -> None:
    held = page.double.entries[number]
    held.view = msgspec.structs.replace(held.view, **fields)


def some_entries(page: PageUnderTest) -> None:
    two = op.CopiesView(have=2, want=2)
    page.double.machines = tuple(
        op.MachineView(
            id=name.encode().hex(),
            name=name,
            zone="",
            state="live",
            addresses=(),
            capacity=1,
            stored=0,
            seen=0,
            this=name == "desk",
        )
        for name in ("desk", "nas")
    )
    film = page.double.hold_file("film.mp4", b"x" * 2000, caption="by the sea", author="nas")
    change(page, film, copies=two, size=5_000_000_000)
    page.double.hold_file("film music.flac", b"y", tags=("summer",))
    page.double.hold_file("notes.md", b"z" * 10, created=1_500_000_000_000)
    page.double.hold_folder("photos", {"a.jpg": b"a", "b.jpg": b"b"})


def test_typed_filtered_and_the_same_after_a_reload(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        async with browser() as context:
            tab = await logged_in(context, page)
            await expect(rows(tab)).to_have_count(4)
            await tab.get_by_role("searchbox").press_sequentially("film")
            await expect(rows(tab)).to_have_count(2)
            assert tab.url.endswith("#/?q=film")
            await tab.get_by_role("button", name="Filters").click()
            await tab.get_by_role("combobox", name="Kind").select_option("Videos")
            await expect(rows(tab)).to_have_count(1)
            await tab.get_by_role("combobox", name="Author").select_option("nas")
            await tab.get_by_role("combobox", name="Size").select_option("1 GB and more")
            await tab.get_by_label("Sort by").select_option("Name")
            await tab.get_by_role("button", name="Gallery").click()
            await expect(rows(tab)).to_contain_text("film.mp4")
            await tab.reload()
            await expect(rows(tab)).to_have_count(1)
            await expect(rows(tab)).to_contain_text("Video · 5.0 GB")
            await expect(tab.get_by_role("searchbox")).to_have_value("film")
            await expect(tab.get_by_label("Sort by")).to_have_value("name")
            chips = tab.get_by_label("Filters that are set").get_by_role("button")
            await expect(chips).to_have_text(["Videos", "1 GB and more", "By nas"])
            await chips.nth(0).click()
            await chips.nth(0).click()
            await tab.get_by_role("button", name="Remove the filter By nas").click()
            await expect(rows(tab)).to_have_count(2)
            await tab.go_back()  # a filter is a step, a letter is none
            await expect(rows(tab)).to_have_count(1)

    run_with_page(tmp_path, work)


def test_what_is_typed_while_an_answer_comes_is_not_undone_by_it(tmp_path: Path) -> None:
    clear = """field => addEventListener("hashchange", () => {
      field.value = "";
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dataset.cleared = "yes";
    }, { once: true })"""

    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        async with browser() as context:
            tab = await logged_in(context, page)
            field = tab.get_by_role("searchbox")
            await field.evaluate(clear)
            await field.fill("film")
            await expect(field).to_have_attribute("data-cleared", "yes")
            await expect(rows(tab)).to_have_count(4)
            await expect(field).to_have_value("")

    run_with_page(tmp_path, work)


def test_what_is_shown_instead_and_what_was_met_inside_is_told(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        page.double.alike = {"summre": "summer"}
        photos = page.double.hold_folder("trip", {"a.jpg": b"a"}, tags=("summer",))
        change(page, photos, inside="<b>summer</b>.jpg")
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.get_by_role("searchbox").fill("summre")
            await expect(rows(tab)).to_have_count(2)
            tally = tab.locator(".tally")
            await expect(tally).to_contain_text("nothing for “summre”, this is for “summer”")
            await expect(rows(tab).filter(has_text="trip")).to_contain_text(
                "inside: <b>summer</b>.jpg"
            )
            await tab.get_by_role("searchbox").fill("summer")
            await expect(tally).to_have_text("2 matches")

    run_with_page(tmp_path, work)


TYPE_AND_CHOOSE = """() => {
  const field = document.querySelector("#search");
  field.value = "film";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const kind = [...document.querySelectorAll(".filters select")][0];
  kind.value = "video";
  kind.dispatchEvent(new Event("change", { bubbles: true }));
}"""


def test_a_filter_that_is_set_while_one_types_stays(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.get_by_role("button", name="Filters").click()
            await expect(tab.get_by_role("combobox", name="Kind")).to_be_visible()
            await tab.evaluate(TYPE_AND_CHOOSE)
            await expect(rows(tab)).to_have_count(1)
            await expect(tab).to_have_url(f"{page.origin}/#/?q=film&kind=video")

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=summer", ["film music.flac"]),
        ("q=SEA", ["film.mp4"]),
        ("q=nas", ["film.mp4"]),
        ("kind=folder", ["photos"]),
        ("age=older", ["notes.md"]),
        ("age=week&sort=smallest", ["film music.flac", "photos", "film.mp4"]),
        ("copies=safe", ["film.mp4"]),
        ("machine=desk&kind=document", ["notes.md"]),
        ("size=under-1mb&sort=name", ["film music.flac", "notes.md", "photos"]),
    ],
)
def test_a_link_finds_what_it_says(tmp_path: Path, query: str, names: list[str]) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/?{query}")
            await expect(tab.locator(".library .name")).to_have_text(names)

    run_with_page(tmp_path, work)


def test_nothing_found_and_filters_that_make_no_sense(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/?q=nowhere&kind=image")
            await expect(tab.get_by_role("heading", name="Nothing found")).to_be_visible()
            await expect(tab.get_by_text("with these filters: Images")).to_be_visible()
            await tab.goto(f"{page.origin}/#/?kind=films")
            await expect(tab.get_by_role("alert").get_by_text("“kind” must be")).to_be_visible()
            await tab.get_by_role("link", name="Remove the filters").click()
            await expect(rows(tab)).to_have_count(4)

    run_with_page(tmp_path, work)


@pytest.mark.parametrize("view", ["", "gallery"])
def test_thousands_scroll_to_the_end_with_few_in_the_document(tmp_path: Path, view: str) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.hold_many([f"file {number:05}.jpg" for number in range(MANY)])
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/?view={view}&sort=name")
            # Until then it is the list from before, in which what is last here comes first.
            await expect(rows(tab).first).to_contain_text("file 00000")
            await expect(rows(tab).first).to_have_attribute("aria-setsize", str(MANY))
            last = rows(tab).filter(has_text=f"file {MANY - 1:05}.jpg")
            most = 0
            while not await last.count():
                await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
                await expect(tab.locator(".library .item a").first).to_be_attached()
                most = max(most, await tab.evaluate(IN_DOCUMENT))
            await expect(last).to_have_attribute("aria-posinset", str(MANY))
            assert most < 100
            # What was let go of comes again.
            await tab.evaluate("scrollTo(0, 0)")
            await expect(rows(tab).filter(has_text="file 00000.jpg")).to_be_visible()
            assert await tab.evaluate(IN_DOCUMENT) < 100

    run_with_page(tmp_path, work)


def test_keys_go_from_entry_to_entry(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.hold_many([f"file {number:03}.jpg" for number in range(120)])
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/?sort=name")
            await expect(rows(tab).first).to_contain_text("file 000")
            await tab.get_by_role("searchbox").press("ArrowDown")
            focused = tab.locator(".library a.what:focus .name")
            await expect(focused).to_have_text("file 000.jpg")
            for key, name in (
                ("ArrowDown", "file 001.jpg"),
                ("End", "file 099.jpg"),  # the last one that is here
                ("ArrowUp", "file 098.jpg"),
                ("Home", "file 000.jpg"),
            ):
                await tab.keyboard.press(key)
                await expect(focused).to_have_text(name)
            # Scrolled away it keeps the focus, and goes on from where it is.
            await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
            await expect(rows(tab).filter(has_text="file 119")).to_be_attached()
            await expect(focused).to_have_text("file 000.jpg")
            await tab.get_by_role("button", name="Gallery").click()
            await expect(tab.locator(".tile").first).to_be_visible()
            await tab.get_by_role("searchbox").press("ArrowDown")
            await tab.keyboard.press("ArrowRight")
            await expect(focused).to_have_text("file 001.jpg")
            await tab.keyboard.press("Enter")
            await expect(tab.get_by_role("heading", name="file 001.jpg")).to_be_visible()

    run_with_page(tmp_path, work)


def test_what_is_added_and_deleted_meanwhile_is_seen_in_its_place(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.hold_many([f"file {number:03}.jpg" for number in range(120)])
        async with browser() as context:
            tab = await logged_in(context, page)
            await expect(rows(tab).first).to_contain_text("file 119")
            page.double.hold_many(["new.jpg"])
            del page.double.entries[list(page.double.entries)[-2]]
            await expect(rows(tab).first).to_contain_text("new.jpg")
            await expect(rows(tab).nth(1)).to_contain_text("file 118")
            asked = page.double.asked.count("Find")
            await until(lambda: page.double.asked.count("Find") > asked)

    run_with_page(tmp_path, work)


def test_narrow_with_filters_and_gallery(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        some_entries(page)
        page.double.hold_file("W" * 200 + ".jpg", b"x")
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            for query in ("view=gallery", "kind=file&author=nas&machine=desk", "q=W"):
                await tab.goto(f"{page.origin}/#/?{query}")
                await expect(tab.get_by_text("Loading")).to_have_count(0)
                if await tab.get_by_label("Kind").count() == 0:
                    await tab.get_by_role("button", name="Filters", exact=False).first.click()
                wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, query
                small = await tab.evaluate(
                    "[...document.querySelectorAll('main a, main button, main select')].filter("
                    "e => e.checkVisibility() && e.getBoundingClientRect().height < 43.5)"
                    ".map(e => e.textContent)"
                )
                assert small == [], query

    run_with_page(tmp_path, work)
