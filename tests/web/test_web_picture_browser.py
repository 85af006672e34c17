"""Pictures as a person sees them: captions asked for, rules told at once, thumbnails, sizes."""

import re
from pathlib import Path

import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, until
from picture_files import picture_of
from playwright.async_api import Page, expect
from test_web_browser import browser, logged_in
from test_web_upload_browser import begun_uploads

from protocol.messages.upload_rules import Resolution, Rules

pytestmark = pytest.mark.browser


def write(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return [folder / name.replace("_", ".") for name in contents]


async def pick(tab: Page, paths: list[Path]) -> None:
    async with tab.expect_file_chooser() as choosing:
        await tab.get_by_role("button", name="Upload files").first.click()
    await (await choosing.value).set_files([str(path) for path in paths])


def captions(page: PageUnderTest) -> dict[str, str]:
    held = [each.view for each in page.double.entries.values()]
    return {view.name: view.caption for view in held if not (view.picture and view.picture.of)}


def test_captions_are_asked_for_and_block_nothing(tmp_path: Path) -> None:
    photo = picture_of(300, 200)
    files = write(tmp_path / "in", a_jpg=photo, b_png=picture_of(30, 20, "PNG"), c_txt=b"words")

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            await pick(tab, files)
            field = tab.get_by_label("What is on “a.jpg”?")
            await expect(field).to_be_focused()
            await until(lambda: len(captions(page)) == 3)  # all are entries, and nothing was said
            await field.press_sequentially("The sea in May")
            await tab.keyboard.press("Enter")
            await until(lambda: captions(page)["a.jpg"] == "The sea in May")
            await expect(tab.get_by_label("What is on “b.png”?")).to_be_focused()
            await tab.keyboard.press("Escape")
            await expect(tab.get_by_role("form", name="Captions of pictures")).to_have_count(0)
            assert captions(page) == {"a.jpg": "The sea in May", "b.png": "", "c.txt": ""}
            await pick(tab, write(tmp_path / "more", d_jpg=photo, e_jpg=photo, f_jpg=photo))
            await tab.get_by_label("What is on “d.jpg”?").fill("Holiday")
            await tab.get_by_label("The same for 2 more").check()
            await tab.get_by_role("button", name="Save caption").click()
            await until(
                lambda: [captions(page).get(f"{name}.jpg") for name in "def"] == ["Holiday"] * 3
            )

    run_with_page(tmp_path, work)


def test_what_is_not_taken_is_told_before_it_is_sent(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path)
    double.rules = Rules(
        types=("image", ".txt"), largest=100_000, least=Resolution(width=1024, height=786)
    )
    files = write(
        tmp_path / "in",
        film_mkv=b"film",
        long_txt=bytes(100_001),
        small_jpg=picture_of(800, 600),
        cut_png=picture_of(2000, 1000, "PNG")[:-900],
        fine_jpg=picture_of(1024, 786),
    )

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            begun = begun_uploads(tab)
            await pick(tab, files)
            listed = tab.get_by_role("region", name=re.compile("Uploads|Uploading"))
            for text in (
                "“film.mkv” is not taken: only pictures, .txt may be uploaded here.",
                "“long.txt” has 100 kB, and uploads here may have 100 kB at most.",
                "“small.jpg” is 800 x 600; pictures here must be at least 1024 x 786. "
                "Upload a larger one.",
                "“cut.png” is not taken: it is cut off or damaged.",
            ):
                await expect(listed.get_by_text(text)).to_be_visible()
            await until(lambda: captions(page).keys() == {"fine.jpg"})
            assert len(begun) == 2  # fine.jpg, and cut.png which no browser could measure

    run_with_page(tmp_path, work, double=double)


def test_thumbnails_in_the_list_and_the_gallery(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path, finds_own=True)
    number = double.hold_file("sea.jpg", picture_of(2000, 1500))
    double.hold_file("raw.jpg", b"no picture")

    async def work(page: PageUnderTest) -> None:
        await until(lambda: len(double.entries[number].view.renditions) == 4)
        async with browser() as context:
            tab = await logged_in(context, page)
            entries = tab.get_by_label("Entries")
            for view, quality in (("", "low"), ("#/?view=gallery", "medium")):
                await tab.goto(f"{page.origin}/{view}")
                shown = entries.locator("img")
                await expect(shown).to_have_count(1)
                await expect(shown).to_have_attribute("loading", "lazy")
                address = re.compile(rf"^/pictures/{number}/{quality}\?v=")
                await expect(shown).to_have_attribute("src", address)
                loaded = "image => image.decode().then(() => image.naturalWidth)"
                assert await shown.evaluate(loaded) == {"low": 124, "medium": 786}[quality]
            # The other one has its kind's icon.
            await expect(entries.locator(".picture svg")).to_have_count(1)

    run_with_page(tmp_path, work, double=double)


def test_the_sizes_of_a_picture_and_their_addresses(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path, finds_own=True)
    number = double.hold_file("sea.jpg", picture_of(2000, 1500))

    async def work(page: PageUnderTest) -> None:
        await until(lambda: len(double.entries[number].view.renditions) == 4)
        async with browser(permissions=["clipboard-read", "clipboard-write"]) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/entry/{number}")
            sizes = tab.get_by_role("region", name="Sizes of the picture")
            await expect(sizes.get_by_role("listitem")).to_have_count(4)
            await expect(sizes).to_contain_text(re.compile("1,024 . 768"))
            await expect(sizes).to_contain_text("twofold rules --embed")
            await sizes.get_by_role("button", name="Copy picture address: Low").click()
            await expect(tab.get_by_text("The address of the picture is copied.")).to_be_visible()
            copied = await tab.evaluate("navigator.clipboard.readText()")
            assert copied == f"{page.origin}/pictures/{number}/low"
            double.rules = Rules(embed=True)
            await tab.reload()
            await expect(sizes).to_contain_text("Pages of other sites may show these addresses")

    run_with_page(tmp_path, work, double=double)


def test_the_owner_sets_the_rules_in_the_page(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path)

    async def work(page: PageUnderTest) -> None:
        async with browser(viewport={"width": 360, "height": 800}) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/settings")
            await expect(tab.get_by_role("heading", name="Uploads to this page")).to_be_visible()
            await tab.get_by_label("Images").check()
            await tab.get_by_label("And names that end in").fill("pdf, .TXT")
            await tab.get_by_label("The largest", exact=True).fill("1.5")
            await tab.get_by_label("Pictures at least this wide").fill("1024")
            await tab.get_by_role("button", name="Save rules").click()
            await expect(tab.get_by_text("The least resolution is two whole")).to_be_visible()
            await tab.get_by_label("and this high, in pixels").fill("786")
            await tab.get_by_label("Pages of other sites may show").check()
            await tab.get_by_role("button", name="Save rules").click()
            await expect(tab.get_by_text("The rules for uploads are saved.")).to_be_visible()
            assert double.rules == Rules(
                types=("image", ".pdf", ".txt"),
                largest=1_500_000_000,
                least=Resolution(width=1024, height=786),
                embed=True,
            )
            await tab.get_by_label("And names that end in").fill("a/b")
            await tab.get_by_role("button", name="Save rules").click()
            await expect(tab.get_by_text("'a/b' is no type of files")).to_be_visible()
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0

    run_with_page(tmp_path, work, double=double)
