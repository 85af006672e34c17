"""Machines invited and people let in, in Chromium."""

import re
from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import Page, expect
from test_web_browser import browser, logged_in
from test_web_inviting import HERE, NAS, machine
from test_web_revoking import let_in

pytestmark = pytest.mark.browser

NARROW = {"width": 360, "height": 740}


async def fits(tab: Page) -> None:
    """Nothing scrolls sideways, and everything to press is large enough."""
    wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    small = await tab.evaluate(
        "[...document.querySelectorAll('main a, button, select, summary, .choice label')].filter("
        "e => e.checkVisibility() && e.getBoundingClientRect().height < 43.5)"
        ".map(e => e.textContent)"
    )
    assert small == []


def test_a_machine_is_invited_given_a_zone_and_shut_out(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.machines = (machine(HERE, "desk"), machine(NAS, "nas <b>", zone="attic"))
        async with browser(viewport=NARROW) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/machines")
            await tab.get_by_role("button", name="Invite a machine").click()
            await tab.get_by_role("radio", name="1 hour").check()
            await tab.get_by_role("combobox", name="Zone").fill("cellar")
            await fits(tab)
            await tab.keyboard.press("Enter")
            said = tab.get_by_role("textbox", name="invite")
            await expect(said).to_have_value(re.compile("^twofold-invite-"))
            await expect(tab.get_by_role("img", name="QR code of the invite")).to_be_visible()
            await tab.get_by_role("button", name="Copy").click()
            await expect(tab.get_by_text("Copied.")).to_be_visible()
            await fits(tab)
            await tab.get_by_role("button", name="Done").click()
            await expect(tab.get_by_role("dialog")).to_have_count(0)
            rows = tab.get_by_role("region", name="Open invites")
            await expect(rows).to_contain_text("zone cellar")
            await fits(tab)
            await rows.get_by_role("button").click()
            await tab.get_by_role("dialog").get_by_role("button", name="Revoke").click()
            await expect(rows).to_have_count(0)

            await tab.get_by_role("button", name="Set the zone of nas <b>").click()
            await tab.get_by_role("combobox", name="Zone").fill("barn")
            await tab.keyboard.press("Enter")
            card = tab.locator(".machine-card").filter(has_text="nas <b>")
            await expect(card).to_contain_text("barn")
            await tab.get_by_role("button", name="Shut out nas <b>").click()
            await expect(tab.get_by_role("button", name="Cancel")).to_be_focused()
            await tab.keyboard.press("Escape")
            await expect(tab.get_by_role("dialog")).to_have_count(0)
            assert NAS not in double.revoked
            await tab.get_by_role("button", name="Shut out nas <b>").click()
            await tab.get_by_role("button", name="Shut out for good").click()
            await expect(card).to_have_count(0)
            assert NAS in double.revoked
            acts = tab.get_by_role("list", name="What was done")
            await expect(acts).to_contain_text("The owner shut out nas <b>")
            await expect(tab.get_by_role("button", name="Shut out")).to_have_count(0)

    run_with_page(tmp_path, work)


def test_a_person_is_let_in_and_manages_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(HERE, "desk"), machine(NAS, "nas"))
        async with browser(viewport=NARROW) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/machines")
            await tab.get_by_role("button", name="Let a person in").click()
            name = tab.get_by_role("textbox", name="Name")
            await name.fill("...")
            await name.press("Enter")
            await expect(tab.get_by_role("alert")).to_contain_text("letters or digits")
            await name.fill("Ana <i>Lima")
            await name.press("Enter")
            address = await tab.get_by_role("textbox", name="login address").input_value()
            await expect(tab.get_by_text("twofold run --web")).to_be_visible()
            await fits(tab)
            await tab.get_by_role("button", name="Done").click()
            await context.clear_cookies()
            await tab.goto(address)
            await tab.wait_for_url(f"{page.origin}/")
            await tab.goto(f"{page.origin}/#/machines")
            acts = tab.get_by_role("list", name="What was done")
            await expect(acts.get_by_role("listitem")).to_have_count(1)
            await expect(acts).to_contain_text("Ana <i>Lima logged in")
            await expect(tab.locator(".machine-card")).to_have_count(2)
            for button in ("Invite a machine", "Let a person in", "Shut out", "Set the zone"):
                await expect(tab.get_by_role("button", name=button)).to_have_count(0)

    run_with_page(tmp_path, work)


def test_no_admin_and_an_empty_library_say_what_to_do(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.members, double.machines = 1, (machine(HERE, "desk"),)
        async with browser(viewport=NARROW) as context:
            tab = await logged_in(context, page)
            await tab.get_by_role("link", name="Invite a second machine").click()
            await expect(tab.get_by_role("heading", name="Invite a machine")).to_be_visible()
            await expect(tab.get_by_role("dialog")).to_be_visible()
            await tab.keyboard.press("Escape")
            await expect(tab.get_by_role("dialog")).to_have_count(0)
            double.machines = (machine(HERE, "desk", admin=False),)
            await tab.goto(f"{page.origin}/#/")
            await expect(tab.get_by_role("heading", name="Share the first file")).to_be_visible()
            await expect(tab.get_by_text("twofold-tracker admin desk")).to_be_visible()
            await tab.goto(f"{page.origin}/#/machines")
            await expect(tab.get_by_text("twofold-tracker admin desk")).to_be_visible()
            await expect(tab.get_by_role("button", name="Invite a machine")).to_have_count(0)
            await fits(tab)

    run_with_page(tmp_path, work)


def test_the_last_hour_is_drawn_and_told(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        now, rates = [0.0], page.page.rates
        rates._now = lambda: now[0]
        for step in range(50):
            now[0] = step * 10.0
            page.double.moved = (step * 50_000_000, step * 10_000_000)
            await rates.look()
        async with browser(viewport=NARROW) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/transfers")
            await expect(
                tab.get_by_role("img", name="received up to 5.0 MB/s and sent up to 1.0 MB/s")
            ).to_be_visible()
            region = tab.locator(".rates")
            await expect(region).to_contain_text("Received 5.0 MB/s")
            await fits(tab)

    run_with_page(tmp_path, work)


def test_a_person_is_shown_and_their_access_revoked(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(HERE, "desk"),)
        await let_in(page, "Ben")
        url = await let_in(page, "Ana <i>Lima")
        async with browser(viewport=NARROW) as context, browser() as hers:
            tab = await logged_in(context, page)
            ana = await hers.new_page()
            await ana.goto(url)
            await ana.wait_for_url(f"{page.origin}/")
            await expect(ana.get_by_text("Ana <i>Lima")).to_be_visible()
            await expect(ana.get_by_role("searchbox")).to_be_visible()
            await tab.goto(f"{page.origin}/#/machines")
            rows = tab.get_by_role("region", name="People let in")
            row = rows.get_by_role("listitem").filter(has_text="Ana <i>Lima")
            await expect(row).to_contain_text("last seen")
            await expect(rows).to_contain_text("address not used yet")
            await fits(tab)
            await row.get_by_role("button", name="Revoke the access of Ana <i>Lima").click()
            await expect(tab.get_by_role("dialog")).to_contain_text("What is open there ends now")
            await expect(tab.get_by_role("button", name="Cancel")).to_be_focused()
            await tab.get_by_role("dialog").get_by_role("button", name="Revoke").click()
            await expect(row).to_have_count(0)
            # Her page, without her doing anything.
            await ana.wait_for_url(f"{page.origin}/login")
            acts = tab.get_by_role("list", name="What was done")
            await expect(acts).to_contain_text("The owner revoked the access of Ana <i>Lima")
            await rows.get_by_role("button", name="Log out there").click()
            await tab.get_by_role("dialog").get_by_role("button", name="Log out there").click()
            await expect(rows.get_by_role("listitem")).to_have_count(1)  # Ben's address
            await fits(tab)
            await tab.get_by_role("button", name="Log out").click()
            await tab.wait_for_url(f"{page.origin}/login")
            await tab.goto(f"{page.origin}/")
            await tab.wait_for_url(f"{page.origin}/login")

    run_with_page(tmp_path, work)
