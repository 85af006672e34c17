"""The settings in Chromium: by keyboard, mistakes at their field, narrow, and for guests."""

from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import Page, expect
from test_web_browser import browser, logged_in
from test_web_browser_inviting import NARROW, fits
from test_web_inviting import HERE, NAS, machine

pytestmark = pytest.mark.browser

DASH = "\u2013"


async def settings_of(context: object, page: PageUnderTest) -> Page:
    page.double.machines = (machine(HERE, "desk"), machine(NAS, "nas <b>"))
    tab = await logged_in(context, page)  # type: ignore[arg-type]
    await tab.goto(f"{page.origin}/#/settings")
    await expect(tab.get_by_role("heading", name="Settings of desk")).to_be_visible()
    return tab


async def type_into(tab: Page, text: str) -> None:
    """Over what stands in the field that has the focus."""
    await tab.keyboard.press("Control+A")
    await tab.keyboard.type(text)


def test_limits_and_schedule_by_keyboard(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        book = page.double.limit_book
        async with browser(viewport=NARROW) as context:
            tab = await settings_of(context, page)
            limits = tab.get_by_role("form", name="Limits for all machines together")
            send = limits.get_by_label("Send at most")
            await send.focus()
            await type_into(tab, "0.01")
            await tab.keyboard.press("Enter")
            await expect(limits.get_by_role("alert").first).to_have_text(
                "the least rate is 50KB a second"
            )
            await expect(send).to_be_focused()
            await expect(send).to_have_attribute("aria-invalid", "true")
            await fits(tab)
            await type_into(tab, "fast")
            await tab.keyboard.press("Enter")
            await expect(limits.get_by_role("alert").first).to_contain_text("Write a number")
            await type_into(tab, "2,5")
            await tab.keyboard.press("Tab")
            await type_into(tab, "20")
            await tab.keyboard.press("Enter")
            await expect(
                tab.get_by_text("Now: sending at most 2.5 MB/s, receiving at most 20 MB/s.")
            ).to_be_visible()
            base = book.settings.limits.base
            assert (base.up, base.down) == (2_500_000, 20_000_000)

            await tab.get_by_role("checkbox", name="No limits for machines").press("Space")
            await expect(
                tab.get_by_role("checkbox", name="No limits for machines")
            ).not_to_be_checked()

            await tab.get_by_role("button", name="Limit a machine").press("Enter")
            one = tab.get_by_role("form", name="Limits of one machine")
            await one.get_by_label("Machine").select_option("nas <b>")
            await one.get_by_label("Receive at most").fill("0.8")
            await fits(tab)
            await one.get_by_label("Receive at most").press("Enter")
            row = tab.get_by_role("listitem").filter(has_text="nas <b>")
            await expect(row).to_contain_text("sending without a limit, receiving at most 0.8 MB/s")
            assert book.settings.limits.peers["nas <b>"].down == 800_000
            assert book.settings.limits.lan is True

            await tab.get_by_role("button", name="Add a window").press("Enter")
            window = tab.get_by_role("form", name="A window of the schedule")
            for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"):
                await window.get_by_role("checkbox", name=day).press("Space")
            await window.get_by_role("button", name="Save window").press("Enter")
            await expect(window.get_by_text("Choose at least one day.")).to_be_visible()
            await window.get_by_role("checkbox", name="Saturday").press("Space")
            await window.get_by_label("To", exact=True).fill("25:00")
            await window.get_by_label("Send at most").fill("1")
            await fits(tab)
            await window.get_by_label("Send at most").press("Enter")
            await expect(window.get_by_text("'25:00' is no time of day")).to_be_visible()
            await expect(window.get_by_label("From")).to_be_focused()
            await window.get_by_label("To", exact=True).fill("9:30")
            await window.get_by_label("To", exact=True).press("Enter")
            rows = tab.get_by_role("region", name="Weekly schedule").get_by_role("listitem")
            await expect(rows).to_contain_text(f"Sat 08:00{DASH}09:30")
            await tab.get_by_role("button", name="Change the window Sat 08:00").press("Enter")
            await window.get_by_role("checkbox", name="Sunday").press("Space")
            await window.get_by_role("button", name="Save window").press("Enter")
            await expect(rows).to_have_count(1)
            await expect(rows).to_contain_text(f"Sat and Sun 08:00{DASH}09:30")
            (only,) = book.settings.limits.windows
            assert (only.times.days, only.up, only.down) == (frozenset({5, 6}), 1_000_000, None)
            await tab.get_by_role("button", name="Remove the window Sat and Sun").press("Enter")
            await tab.get_by_role("dialog").get_by_role("button", name="Remove").press("Enter")
            await expect(rows).to_have_count(0)
            assert book.settings.limits.windows == ()

    run_with_page(tmp_path, work)


def test_space_care_and_the_file(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.hold_file("film.bin", b"x" * 3_000_000)
        async with browser(viewport=NARROW) as context:
            tab = await settings_of(context, page)
            offers = tab.get_by_label("This machine offers")
            await offers.fill("-1")
            await offers.press("Enter")
            await expect(tab.get_by_text("“capacity” is wrong")).to_be_visible()
            await offers.fill("0.001")
            await expect(tab.get_by_text("less than what is kept now")).to_be_visible()
            await fits(tab)
            double.tracker_away = True
            await offers.press("Enter")
            await expect(tab.get_by_text("The others hear of it when the tracker")).to_be_visible()
            assert double.capacity == 1_000_000
            days = tab.get_by_label("Read everything kept here once in")
            await days.fill("9999")
            await days.press("Enter")
            await expect(tab.get_by_text("out of bounds: 0.01 to 3650")).to_be_visible()
            await days.fill("30")
            await days.press("Enter")
            await expect(tab.get_by_text("Saved.", exact=True)).to_be_visible()
            await tab.get_by_role("checkbox", name="Look for machines").press("Space")
            await expect(tab.get_by_role("checkbox", name="Look for machines")).not_to_be_checked()
            file = tmp_path / "settings.toml"
            assert file.read_text().endswith("[scrub]\ndays = 30\n\n[lan]\ndiscover = false\n")
            file.write_text("[scrub]\ndays = 90\n")
            await tab.get_by_role("button", name="Read it again").press("Enter")
            await expect(days).to_have_value("90")
            file.write_text("[scrub]\nday = 90\n")
            await tab.get_by_role("button", name="Read it again").press("Enter")
            await expect(tab.get_by_text("scrub.day: there is no such setting")).to_be_visible()
            await fits(tab)

    run_with_page(tmp_path, work)


def test_a_path_is_shared_and_given_up(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    film = tmp_path_factory.mktemp("place") / "film <b>.mkv"

    async def work(page: PageUnderTest) -> None:
        double = page.double
        film.write_bytes(b"x" * 900)
        double.dropped_at_once = False
        async with browser(viewport=NARROW) as context:
            tab = await settings_of(context, page)
            path = tab.get_by_label("Share another path of this machine")
            await path.fill("films/film.mkv")
            await path.press("Enter")
            await expect(tab.get_by_text("Write the whole path")).to_be_visible()
            await expect(path).to_be_focused()
            await path.fill(str(film))
            await path.press("Enter")
            await expect(tab.get_by_text("film <b>.mkv is shared.")).to_be_visible()
            await expect(path).to_have_value("")
            (held,) = double.entries.values()
            double.share_in_place(str(film), held.view)
            await tab.reload()
            row = tab.get_by_role("list", name="Shared paths").get_by_role("listitem")
            await expect(row).to_contain_text(str(film))
            await fits(tab)
            await row.get_by_role("button", name="Stop sharing").press("Enter")
            dialog = tab.get_by_role("dialog")
            await expect(dialog).to_contain_text("Your files stay at")
            await fits(tab)
            await dialog.get_by_role("button", name="Stop sharing").press("Enter")
            await expect(row).to_contain_text("goes from here once others hold it")
            await row.get_by_role("button", name="Keep sharing").press("Enter")
            await expect(row.get_by_role("button", name="Stop sharing")).to_be_visible()
            await row.get_by_role("button", name="Delete").press("Enter")
            await dialog.get_by_role("button", name="Delete").press("Enter")
            await expect(tab.get_by_text("is deleted. The files stay.")).to_be_visible()
            assert double.entries == {}

    run_with_page(tmp_path, work)


def test_who_was_let_in_sees_the_settings_only(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.page.sessions.book.expect("token", "Ana", 3600)
        async with browser(viewport=NARROW) as context:
            tab = await settings_of(context, page)
            await expect(tab.get_by_text("Only the owner of this machine can")).to_be_visible()
            await expect(tab.get_by_label("This machine offers")).to_be_disabled()
            await expect(tab.get_by_label("This machine offers")).to_have_value("107.3741824")
            await expect(tab.get_by_role("main").get_by_role("button")).to_have_count(0)
            await expect(tab.get_by_text("shared from here")).to_have_count(0)
            await expect(tab.get_by_role("link", name="Settings")).to_have_count(0)
            await fits(tab)

    run_with_page(tmp_path, work)
