"""Everything by keyboard alone, and on an address that browsers do not trust."""

import re
from pathlib import Path

import pytest
from page_checks import DESK
from page_under_test import PageUnderTest, run_with_page, until
from playwright.async_api import Locator, Page, expect
from test_web_browser import ARGUMENTS, browser, logged_in
from test_web_inviting import HERE, machine
from test_web_looking import png
from test_web_upload_browser import DROP, files_of, make_folder

pytestmark = pytest.mark.browser


async def to(tab: Page, wanted: Locator, key: str = "Tab", most: int = 60) -> None:
    """Press the key until this has the focus."""
    for _ in range(most):
        if await wanted.evaluate("e => e === document.activeElement"):
            return
        await tab.keyboard.press(key)
    raise AssertionError(f"{key} does not come to {wanted}")


async def press(tab: Page, wanted: Locator, key: str = "Enter") -> None:
    """Go there by the Tab key, and press it."""
    await expect(wanted).to_be_visible()
    await to(tab, wanted)
    await tab.keyboard.press(key)


def test_all_of_it_by_keyboard(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("text")

    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.machines = (machine(HERE, "desk"),)
        number = double.hold_file("sea.png", png(320, 200))
        double.hold_file("other.txt", b"x")
        async with browser(viewport=DESK) as context:
            tab = await logged_in(context, page)
            # From now on: it takes a moment until the browser hands its choosers over.
            tab.on("filechooser", lambda _: None)
            button = lambda name: tab.get_by_role("button", name=name, exact=True)  # noqa: E731
            # Find, and go from the field into what was found.
            await to(tab, tab.get_by_role("searchbox"))
            await tab.keyboard.type("sea")
            await expect(tab.get_by_text("1 match")).to_be_visible()
            await tab.keyboard.press("ArrowDown")
            row = tab.get_by_label("Entries").get_by_role("link").first
            await expect(row).to_be_focused()
            await tab.keyboard.press("Enter")
            await expect(tab.get_by_role("img", name="Picture: sea.png")).to_be_visible()
            # Edit; the focus comes back to where it was.
            await press(tab, button("Edit"), "Space")
            await to(tab, tab.get_by_label("Caption"))
            await tab.keyboard.type("by keyboard")
            await press(tab, button("Save"))
            await expect(tab.locator(".caption")).to_have_text("by keyboard")
            await expect(button("Edit")).to_be_focused()
            async with tab.expect_download() as download:
                await press(tab, tab.get_by_role("link", name="Download", exact=True))
            assert (await download.value).suggested_filename == "sea.png"
            # Delete: the safe button has the focus; Escape leaves.
            await press(tab, button("Delete"))
            await expect(button("Keep it")).to_be_focused()
            await tab.keyboard.press("Escape")
            await expect(button("Delete")).to_be_focused()
            await tab.keyboard.press("Enter")
            await press(tab, button("Delete for everyone"))
            await until(lambda: number in double.trash)
            await expect(tab.get_by_role("searchbox")).to_be_visible()
            # Restore.
            await press(tab, tab.get_by_role("link", name="Trash"))
            await press(tab, button("Bring back sea.png"))
            await until(lambda: number in double.entries)
            await press(tab, tab.get_by_role("link", name="Library").first)
            # Upload: the browser's own dialog opens.
            pick = button("Upload files")
            await expect(pick).to_be_visible()
            await to(tab, pick)
            async with tab.expect_file_chooser() as choosing:
                await tab.keyboard.press("Enter")
            await (await choosing.value).set_files(str(file))
            await until(lambda: len(double.entries) == 3)
            # Invite, in a dialog that keeps the focus inside.
            await press(tab, tab.get_by_role("link", name="Machines"))
            await press(tab, button("Invite a machine"))
            day = tab.get_by_role("radio", name="1 day")
            await to(tab, day)
            await tab.keyboard.press("ArrowRight")
            await expect(tab.get_by_role("radio", name="7 days")).to_be_checked()
            await press(tab, button("Make the invite"))
            await expect(tab.get_by_role("textbox", name="invite")).to_be_visible()
            await press(tab, button("Copy"))
            await expect(tab.get_by_text("Copied.")).to_be_visible()
            await press(tab, button("Done"))
            await expect(button("Invite a machine")).to_be_focused()

    run_with_page(tmp_path, work)


def test_an_address_that_browsers_do_not_trust(tmp_path: Path) -> None:
    """Plain http on a LAN: no clipboard and no crypto there; everything works all the same."""
    folder = make_folder(tmp_path / "holiday", 5, 100)

    async def work(page: PageUnderTest) -> None:
        double = page.double
        picture = double.hold_file("sea.png", png(320, 200))
        port = page.origin.rpartition(":")[2]
        page.origin = f"http://twofold.test:{port}"
        arguments = [*ARGUMENTS, "--host-resolver-rules=MAP twofold.test 127.0.0.1"]
        async with browser(arguments, viewport=DESK) as context:
            # Not `logged_in`: Chromium complains that it heeds no COOP there.
            tab = await context.new_page()
            double.tokens.add("token")
            await tab.goto(f"{page.origin}/login?token=token")
            await tab.wait_for_url(f"{page.origin}/")
            assert await tab.evaluate("[isSecureContext, Boolean(navigator.clipboard)]") == [
                False,
                False,
            ]
            await tab.get_by_role("button", name="Copy the link to sea.png").click()
            await expect(tab.get_by_text("The link to sea.png is copied.")).to_be_visible()
            paste = tab.get_by_label("Got a link?")
            await paste.press("Control+V")
            await expect(paste).to_have_value(double.entries[picture].view.link)
            await tab.evaluate(DROP, ["drop", [["dropped.txt", "text"]]])
            await until(lambda: len(double.entries) == 2)
            async with tab.expect_file_chooser() as choosing:
                await tab.get_by_role("button", name="Upload a folder").first.click()
            await (await choosing.value).set_files(str(folder))
            await until(lambda: len(double.entries) == 3)
            [held] = [each for each in double.entries.values() if each.view.name == "holiday"]
            got = {path: place.read_bytes() for path, place in held.files}
            assert got == files_of(folder)
            await tab.goto(f"{page.origin}/#/entry/{picture}")
            image = tab.get_by_role("img", name="Picture: sea.png")
            await expect(image).to_be_visible()
            assert await image.evaluate("e => e.naturalWidth") == 320
            async with tab.expect_download() as download:
                await tab.get_by_role("link", name="Download", exact=True).click()
            assert (await download.value).suggested_filename == "sea.png"

    run_with_page(tmp_path, work, allow_hosts=("twofold.test",))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_frame_has_the_colours_of_the_system(tmp_path: Path, scheme: str) -> None:
    """Before any script has run: what is painted then is what stays."""
    ground = {"light": "rgb(246, 247, 247)", "dark": "rgb(16, 22, 21)"}[scheme]

    async def work(page: PageUnderTest) -> None:
        async with browser(color_scheme=scheme, reduced_motion="reduce") as context:
            tab = await logged_in(context, page)
            look = "getComputedStyle(document.body).backgroundColor"
            assert await tab.evaluate(look) == ground
            # Styles block the first frame; the module comes after it, and is held up here.
            await tab.route("**/static/app.js", lambda route: None)
            await tab.goto(page.origin, wait_until="commit")
            await expect(tab.locator("link[rel=stylesheet]").first).to_be_attached()
            await tab.evaluate("new Promise((frame) => requestAnimationFrame(frame))")
            assert await tab.evaluate(look) == ground
            head = await tab.evaluate("document.head.innerHTML")
            assert re.search(r'<meta name="color-scheme" content="light dark">', head)
            dark = {"light": "dark", "dark": "light"}[scheme]
            await tab.emulate_media(color_scheme=dark)  # type: ignore[arg-type]
            assert await tab.evaluate(look) != ground

    run_with_page(tmp_path, work)
