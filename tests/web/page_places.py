"""Every place of the page and what can stand in it: how a tab comes to see it."""

import re
from collections.abc import Awaitable, Callable

import msgspec
from operator_double import OperatorDouble
from page_under_test import PageUnderTest
from playwright.async_api import Page, expect
from test_web_browser import transfer
from test_web_inviting import HERE, NAS, machine
from test_web_looking import pdf, png, wav

from protocol.messages import operating as op
from protocol.messages.health import EntryCounts, EventView, ReturnView
from protocol.messages.limiting import RatesView

Place = Callable[[Page, PageUnderTest], Awaitable[None]]
PLACES: dict[str, Place] = {}
WHEN = 1_763_700_000_000


def place(opened: Place) -> Place:
    """Goes by the name of what opens it."""
    PLACES[opened.__name__] = opened
    return opened


def filled(double: OperatorDouble) -> dict[str, str]:
    """Entries of every kind, machines and people; ids by name."""
    both = op.CopiesView(have=2, want=2)
    holders = tuple(
        op.HolderView(peer=name, pieces=pieces, state=state)  # type: ignore[arg-type]
        for name, pieces, state in (("desk", 1, "live"), ("nas", 1, "suspect"), ("van", 0, "gone"))
    )
    files = {
        "sea.png": png(320, 200),
        "tone.wav": wav(1),
        "report.pdf": pdf(),
        "a.py": b"# why\ndef go():\n    return 'x' * 42\n",
        "film.mkv": b"x" * 900,
        "broken.jpg": b"no picture",
    }
    found = {name: double.hold_file(name, content) for name, content in files.items()}
    found["big"] = double.hold_file("big.mp4", b"y" * 900_000, here=1, size=9_000_000_000)
    tree = {f"{'deep/' * (n % 3)}{n}.txt": b"z" for n in range(30)}
    more = {"caption": "All of it.\nTwo lines.", "tags": ("summer", "t" * 60), "copies": both}
    found["holiday"] = double.hold_folder("holiday " + "x" * 90, tree, holders=holders, **more)
    double.machines = (
        machine(HERE, "desk", stored=1 << 29, addresses=("192.168.1.2:4440",)),
        machine(NAS, "nas", zone="attic", state="suspect", standing="draining"),
        machine("ef" * 32, "van", state="gone", capacity=0),
    )
    return found


async def go(tab: Page, page: PageUnderTest, address: str, heading: str | re.Pattern[str]) -> None:
    await tab.goto(f"{page.origin}/{address}")
    await expect(tab.get_by_role("heading", name=heading).first).to_be_attached()
    await expect(tab.get_by_text("Loading…")).to_have_count(0)


async def _library(tab: Page, page: PageUnderTest) -> None:
    filled(page.double)
    await tab.reload()
    await expect(tab.locator(".library [data-index]").first).to_be_visible()


@place
async def empty_library(tab: Page, page: PageUnderTest) -> None:
    await expect(tab.get_by_role("heading", name="Share the first file")).to_be_visible()


@place
async def first_machine(tab: Page, page: PageUnderTest) -> None:
    page.double.members, page.double.machines = 1, (machine(HERE, "desk"),)
    await tab.reload()
    await expect(tab.get_by_role("heading", name="Invite a second machine")).to_be_visible()


@place
async def library_list(tab: Page, page: PageUnderTest) -> None:
    await _library(tab, page)


@place
async def library_gallery_with_filters(tab: Page, page: PageUnderTest) -> None:
    await _library(tab, page)
    await tab.get_by_role("button", name="Gallery").click()
    await tab.get_by_role("button", name=re.compile("^Filters")).click()
    await tab.get_by_role("combobox", name="Kind").select_option("image")
    await expect(tab.get_by_role("button", name="Remove the filter Images")).to_be_visible()


@place
async def nothing_found(tab: Page, page: PageUnderTest) -> None:
    await go(tab, page, "#/?q=nowhere&kind=video", "Nothing found")


@place
async def a_wrong_link(tab: Page, page: PageUnderTest) -> None:
    field = tab.get_by_label("Got a link?")
    await field.fill("twofold-link-zzz")
    await field.press("Enter")
    await expect(tab.get_by_text("a character is missing")).to_be_visible()


async def open_entry(tab: Page, page: PageUnderTest, name: str) -> None:
    number = filled(page.double)[name]
    await go(tab, page, f"#/entry/{number}", "History")


@place
async def entry_picture(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "sea.png")
    await expect(tab.get_by_role("img", name="Picture: sea.png")).to_be_visible()


@place
async def entry_sound(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "tone.wav")
    await expect(tab.locator("audio")).to_be_visible()


@place
async def entry_text(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "a.py")
    await expect(tab.locator("pre")).to_be_visible()


@place
async def entry_pdf(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "report.pdf")
    await expect(tab.get_by_text("2 pages")).to_be_visible()


@place
async def entry_that_cannot_be_shown(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "broken.jpg")
    await expect(tab.get_by_role("alert")).to_be_visible()


@place
async def entry_that_is_elsewhere(tab: Page, page: PageUnderTest) -> None:
    number = filled(page.double)["big"]
    held = page.double.entries[number]
    said = {"notice": "2 files changed", "safety": "away", "safety_text": "nas has the rest"}
    held.view = msgspec.structs.replace(held.view, **said, author="nas")
    await go(tab, page, f"#/entry/{number}", "History")
    await expect(tab.get_by_role("button", name="Play")).to_be_visible()


@place
async def entry_folder(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "holiday")
    tree = tab.get_by_role("tree")
    await tree.focus()
    await tree.press("Enter")
    await tab.get_by_role("treeitem", name=re.compile(r"^0\.txt")).click()
    await expect(tab.get_by_role("group", name="0.txt")).to_be_visible()


@place
async def editing(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "holiday")
    await tab.get_by_role("button", name="Edit").click()
    await tab.get_by_role("textbox", name="Name").fill("")
    await tab.get_by_role("button", name="Save").click()
    await expect(tab.get_by_text("Give it a name.")).to_be_visible()


@place
async def deleting(tab: Page, page: PageUnderTest) -> None:
    await open_entry(tab, page, "a.py")
    await tab.get_by_role("button", name="Delete").click()
    await expect(tab.get_by_role("dialog")).to_be_visible()


@place
async def entry_that_is_gone(tab: Page, page: PageUnderTest) -> None:
    await go(tab, page, f"#/entry/{'ab' * 16}", "That did not work")


@place
async def no_transfers(tab: Page, page: PageUnderTest) -> None:
    await go(tab, page, "#/transfers", "Nothing on its way")


@place
async def transfers(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    double.transfers = (
        transfer("film.mkv", sources=("nas", "attic", "desk 2", "van")),
        transfer("photos", purpose="keep", rate=0, left=None, sources=()),
    )
    double.notices = (
        op.NoticeView(when=WHEN, text="3 of 40 files in /srv/photos changed", about="files"),
    )
    double.limits = RatesView(up=5_000_000, down=None)
    await go(tab, page, "#/transfers", "Shared files that changed")


@place
async def machines(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    filled(double)
    double.warnings = ("all machines are in zone 'attic'",)
    await go(tab, page, "#/machines", "van")
    await expect(tab.get_by_role("list", name="What was done")).to_be_visible()


@place
async def inviting(tab: Page, page: PageUnderTest) -> None:
    filled(page.double)
    await go(tab, page, "#/machines/invite", "Invite a machine")


@place
async def an_invite(tab: Page, page: PageUnderTest) -> None:
    await inviting(tab, page)
    await tab.get_by_role("button", name="Make the invite").click()
    await expect(tab.get_by_role("img", name="QR code of the invite")).to_be_visible()


@place
async def letting_in(tab: Page, page: PageUnderTest) -> None:
    filled(page.double)
    await go(tab, page, "#/machines", "van")
    await tab.get_by_role("button", name="Let a person in").click()
    await tab.get_by_role("textbox", name="Name").fill("...")
    await tab.get_by_role("button", name="Make the address").click()
    await expect(tab.get_by_role("dialog").get_by_role("alert")).to_contain_text("letters")


@place
async def shutting_out(tab: Page, page: PageUnderTest) -> None:
    filled(page.double)
    await go(tab, page, "#/machines", "van")
    await tab.get_by_role("button", name="Shut out nas").click()
    await expect(tab.get_by_role("dialog")).to_be_visible()


@place
async def health_good(tab: Page, page: PageUnderTest) -> None:
    page.double.counts = EntryCounts(safe=1310)
    await tab.reload()
    await go(tab, page, "#/health", "Health all safe")


@place
async def health_short(tab: Page, page: PageUnderTest) -> None:
    page.double.counts = EntryCounts(safe=10, short=3, repairing=3)
    await tab.reload()
    await go(tab, page, "#/health", "Health some short of copies")


@place
async def health_bad(tab: Page, page: PageUnderTest) -> None:
    double = page.double
    double.counts = EntryCounts(safe=998, short=312, repairing=3, away=12, lost=2)
    double.returns = (ReturnView(name="nas", state="suspect", safe=312, found=12, out=1740),)
    double.events = (EventView(when=WHEN, kind="left", text="nas left: 312 entries at 1 of 2"),)
    await tab.reload()
    await go(tab, page, "#/health", "Health some lost")


@place
async def trash(tab: Page, page: PageUnderTest) -> None:
    for number in list(filled(page.double).values())[:3]:
        page.double.trash[number] = page.double.entries.pop(number)
    await go(tab, page, "#/trash", "Trash of this machine")
    await expect(tab.get_by_role("button", name="Empty the trash")).to_be_visible()


@place
async def emptying_the_trash(tab: Page, page: PageUnderTest) -> None:
    await trash(tab, page)
    await tab.get_by_role("button", name="Empty the trash").click()
    await expect(tab.get_by_role("dialog")).to_be_visible()


@place
async def empty_trash(tab: Page, page: PageUnderTest) -> None:
    await go(tab, page, "#/trash", "The trash is empty")


@place
async def the_daemon_is_away(tab: Page, page: PageUnderTest) -> None:
    await page.double.stop()
    await expect(tab.get_by_text("daemon of this machine is not running")).to_be_visible()


@place
async def machines_that_cannot_be_asked(tab: Page, page: PageUnderTest) -> None:
    await page.double.stop()
    await go(tab, page, "#/machines", "That did not work")


@place
async def health_that_cannot_be_asked(tab: Page, page: PageUnderTest) -> None:
    await page.double.stop()
    await tab.reload()
    await go(tab, page, "#/health", "That did not work")


@place
async def dropping(tab: Page, page: PageUnderTest) -> None:
    await _library(tab, page)
    await tab.evaluate(
        "() => { const made = new DataTransfer(); made.items.add(new File(['x'], 'x'));"
        " document.body.dispatchEvent("
        "new DragEvent('dragenter', { bubbles: true, dataTransfer: made })); }"
    )
    await expect(tab.locator(".drop")).to_be_visible()


async def _small_page(tab: Page, page: PageUnderTest, path: str, title: str) -> None:
    await tab.context.clear_cookies()
    await tab.goto(page.origin + path)
    await expect(tab.get_by_role("heading", name=title)).to_be_visible()


@place
async def login(tab: Page, page: PageUnderTest) -> None:
    await _small_page(tab, page, "/login", "Log in")


@place
async def login_that_was_used(tab: Page, page: PageUnderTest) -> None:
    await _small_page(tab, page, "/login?token=used", "This address no longer works")


@place
async def not_found(tab: Page, page: PageUnderTest) -> None:
    await tab.goto(f"{page.origin}/static/nothing")
    await expect(tab.get_by_role("heading", name="Not found")).to_be_visible()
