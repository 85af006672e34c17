"""Settings, tables of transfers and sizes of pictures, as they can stand in the page."""

import msgspec
from page_places import filled, go, place
from page_under_test import PageUnderTest
from playwright.async_api import Page, expect
from test_web_inviting import HERE, NAS, machine
from test_web_transfers_browser import FILM, LAPTOP, film, source, taker

from protocol.messages.health import ReturnView
from protocol.messages.linking import Sources
from protocol.messages.operating import PictureView, RenditionView


@place
async def settings(tab: Page, page: PageUnderTest) -> None:
    page.double.machines = (machine(HERE, "desk"), machine(NAS, "nas"))
    await go(tab, page, "#/settings", "Settings of desk")
    await expect(tab.get_by_label("And names that end in")).to_be_visible()


@place
async def settings_that_are_changed(tab: Page, page: PageUnderTest) -> None:
    await settings(tab, page)
    limits = tab.get_by_role("form", name="Limits for all machines together")
    await limits.get_by_label("Send at most").fill("fast")
    await limits.get_by_label("Send at most").press("Enter")
    await expect(tab.get_by_text("Write a number")).to_be_visible()
    await tab.get_by_role("button", name="Limit a machine").click()
    one = tab.get_by_role("form", name="Limits of one machine")
    await one.get_by_label("Machine").select_option("nas")
    await one.get_by_label("Receive at most").fill("0.8")
    await one.get_by_label("Receive at most").press("Enter")
    await expect(tab.get_by_role("button", name="Change the limits of nas")).to_be_visible()
    await tab.get_by_role("button", name="Add a window").click()
    await tab.get_by_role("button", name="Save window").click()
    await expect(tab.get_by_role("button", name="Remove the window Mon\u2013Fri")).to_be_visible()
    await tab.get_by_role("button", name="Add a window").click()
    await tab.get_by_label("This machine offers").fill("0")


@place
async def shared_paths(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    held = filled(double)
    for name in ("a.py", "holiday"):
        double.share_in_place(f"/srv/{name}", double.entries[held[name]].view)
    await go(tab, page, "#/settings", "Settings of desk")
    row = tab.get_by_role("list", name="Shared paths").get_by_role("listitem")
    await expect(row).to_have_count(2)


@place
async def giving_up_a_shared_path(tab: Page, page: PageUnderTest) -> None:
    await shared_paths(tab, page)
    await tab.get_by_role("button", name="Stop sharing a.py from here").click()
    await expect(tab.get_by_role("dialog")).to_be_visible()


@place
async def settings_for_a_guest(tab: Page, page: PageUnderTest) -> None:
    await tab.goto("about:blank")  # a page that finds itself logged out goes to the login by itself
    await tab.context.clear_cookies()
    page.page.sessions.book.expect("token", "Ana", 3600)
    page.double.tokens.add("token")
    await tab.goto(f"{page.origin}/login?token=token")
    await tab.wait_for_url(f"{page.origin}/")
    await settings(tab, page)
    await expect(tab.get_by_text("Only the owner of this machine can")).to_be_visible()


@place
async def whom_it_comes_from_and_goes_to(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    double.transfers = (film(),)
    late = source(LAPTOP, "laptop", near=False, state="late", late=3, answers=None)
    slow = source("34" * 32, "van", state="limited")
    sources = (source(NAS, "nas"), late, slow)
    double.sources[FILM] = Sources(call=0, transfer=FILM, pieces=40, sources=sources)
    double.links = (taker(),)
    await go(tab, page, "#/transfers", "Goes to")
    await tab.get_by_role("group").get_by_text("Machines", exact=True).click()
    await expect(tab.get_by_text("not known yet")).to_be_visible()


@place
async def telling_the_end(tab: Page, page: PageUnderTest) -> None:
    page.double.transfers = (film(),)
    await go(tab, page, "#/transfers", "Transfers")
    switch = tab.get_by_role("checkbox", name="Tell me when it ends")
    await switch.evaluate("() => { Notification.requestPermission = async () => 'denied'; }")
    await switch.click()
    await expect(switch).to_be_checked()


@place
async def machines_to_bring_back(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    filled(double)
    double.returns = (ReturnView(name="nas", state="suspect", safe=312, found=12, out=1740),)
    double.links = (taker(),)
    await go(tab, page, "#/machines", "van")
    await expect(tab.get_by_text("Bring it back")).to_be_visible()


@place
async def sizes_of_a_picture(tab: Page, page: PageUnderTest) -> None:
    number = filled(page.double)["sea.png"]
    held = page.double.entries[number]
    sizes = tuple(
        RenditionView(id=id_ * 16, quality=quality, width=side, height=side, size=4096, version=1)  # type: ignore[arg-type]
        for id_, quality, side in (("aa", "high", 1024), ("bb", "low", 124))
    )
    picture = PictureView(width=320, height=200, quality="original", of="")
    held.view = msgspec.structs.replace(held.view, renditions=sizes, picture=picture)
    await go(tab, page, f"#/entry/{number}", "Sizes of the picture")
    await expect(tab.get_by_text("Only who is logged in here")).to_be_visible()
