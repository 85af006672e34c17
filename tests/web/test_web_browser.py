"""The page as a person uses it, in Chromium: log in, upload, find, download, delete."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from protocol.messages import operating as op
from protocol.messages.health import EntryCounts, EventView, ReturnView
from protocol.messages.limiting import RatesView

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
NAME = "‮урок <b>1<i> & 'größe' 大.bin"


@asynccontextmanager
async def browser(
    arguments: Sequence[str] = ARGUMENTS, **options: object
) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=arguments
        )
        yield await chromium.new_context(accept_downloads=True, **options)  # type: ignore[arg-type]
        await chromium.close()


async def logged_in(context: BrowserContext, page: PageUnderTest) -> Page:
    """A tab on the library; anything it complains about fails the test."""
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.double.tokens.add("token")
    await tab.goto(f"{page.origin}/login?token=token")
    await tab.wait_for_url(f"{page.origin}/")
    await expect(tab.get_by_role("searchbox")).to_be_visible()
    assert complaints == []
    return tab


def test_upload_find_download_delete(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            await expect(tab.get_by_role("heading", name="Share the first file")).to_be_visible()
            file = {"name": NAME, "mimeType": "text/plain", "buffer": content}
            await tab.locator("input[type=file]").first.set_input_files([file])  # type: ignore[list-item]
            row = tab.get_by_role("listitem").filter(has=tab.get_by_text("1 of 2"))
            await expect(row).to_be_visible()
            clean = NAME.replace("‮", "_")
            await expect(row).to_contain_text(clean)  # as text: its tags are not tags
            async with tab.expect_download() as starting:
                await row.get_by_role("link", name="Download").click()
            download = await starting.value
            # Chromium itself replaces what Windows could not save.
            assert download.suggested_filename.endswith("größe' 大.bin")
            await download.save_as(tmp_path / "saved")
            assert (tmp_path / "saved").read_bytes() == content
            await _search(tab, clean)
            await _delete(tab, row)

    run_with_page(tmp_path, work)


async def _search(tab: Page, clean: str) -> None:
    await tab.get_by_role("searchbox").fill("nowhere")
    await expect(tab.get_by_role("heading", name="Nothing found")).to_be_visible()
    await tab.get_by_role("searchbox").fill("größe")
    await expect(tab.get_by_role("listitem").filter(has_text=clean).last).to_be_visible()


async def _delete(tab: Page, row: object) -> None:
    await tab.get_by_label("Entries").get_by_role("listitem").get_by_role("link").first.click()
    await expect(tab.get_by_role("img", name="desk holds all pieces")).to_be_visible()
    await tab.get_by_role("button", name="Delete").click()
    await tab.get_by_role("button", name="Delete for everyone").click()
    await expect(tab.get_by_role("heading", name="Share the first file")).to_be_visible()


def test_a_link_is_fetched_and_a_wrong_one_explained(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("report.pdf", b"x" * 1000)
        async with browser() as context:
            tab = await logged_in(context, page)
            field = tab.get_by_label("Got a link?")
            await field.fill("twofold-link-zzz")
            await field.press("Enter")
            await expect(tab.get_by_text("a character is missing")).to_be_visible()
            await field.fill(page.double.entries[number].view.link)
            await field.press("Enter")
            await expect(tab.get_by_text("report.pdf is on this machine now")).to_be_visible()

    run_with_page(tmp_path, work)


def test_the_daemon_goes_and_comes_back(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.get_by_role("link", name="Transfers").click()
            await expect(tab.get_by_role("heading", name="Nothing on its way")).to_be_visible()
            page.double.transfers = (
                op.TransferView(
                    id="ab",
                    name="film.mkv",
                    purpose="get",
                    size=1000,
                    done=440,
                    rate=10,
                    left=56,
                    sources=("nas", "attic"),
                ),
            )
            await expect(tab.get_by_text("44 % of 1.0 kB · 10 B/s · 56 s left")).to_be_visible()
            await expect(tab.get_by_text("from nas and attic")).to_be_visible()
            await page.double.stop()
            await expect(tab.get_by_text("daemon of this machine is not running")).to_be_visible()
            await page.double.start()
            await expect(tab.get_by_text("daemon of this machine is not running")).to_be_hidden()

    run_with_page(tmp_path, work)


def transfer(name: str, **more: object) -> op.TransferView:
    """A download for a person, a quarter done, unless told otherwise."""
    fields = {"size": 4_000_000_000, "done": 1_000_000_000, "rate": 50_000_000, "left": 60}
    fields |= {"purpose": "get", "sources": ("nas",)} | more  # type: ignore[dict-item]
    return op.TransferView(id=name.encode().hex()[:64], name=name, **fields)  # type: ignore[arg-type]


def test_what_moves_and_how_is_seen(tmp_path: Path) -> None:
    changed = "3 of 40 files in /srv/photos changed or went away since they were shared: <b>a.jpg"

    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.transfers = (
            transfer("film.mkv", sources=("nas", "attic", "desk 2", "<i>van</i>")),
            transfer("photos", purpose="keep", rate=0, left=None, sources=()),
            transfer("album", done=3_999_999_999, left=0),
            transfer("whole", done=4_000_000_000, left=0),
            transfer("slow", rate=1, left=3_000_000_000),
        )
        older = "the tracker's database was set back"
        double.notices = (
            op.NoticeView(when=1_763_700_000_000, text=changed, about="files"),
            op.NoticeView(when=1_763_700_000_000, text=older, about="tracker"),
        )
        double.limits = RatesView(up=5_000_000, down=None)
        double.fetched_twice = 3
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/transfers")
            rows = tab.get_by_label("Transfers").get_by_role("listitem")
            for name, *facts in (
                ("film.mkv", "25 % of 4.0 GB · 50.0 MB/s · 1 min left", "for you"),
                ("film.mkv", "from nas, attic and 2 more"),
                ("photos", "25 % of 4.0 GB · 0 B/s · time left unknown", "kept here for the swarm"),
                ("photos", "looking for a machine that has it"),
                ("album", "99 % of 4.0 GB · 50.0 MB/s · 1 s left", "from nas"),
                ("whole", "100 % of 4.0 GB · 50.0 MB/s · finishing"),
                ("slow", "1 B/s · 34,722 days left"),
            ):
                for fact in facts:
                    await expect(rows.filter(has_text=name)).to_contain_text(fact)
            await expect(
                tab.get_by_role("region", name="Shared files that changed")
            ).to_contain_text(changed)
            about = tab.get_by_role("region", name="The tracker knows less than before")
            await expect(about).to_contain_text(older)
            await expect(about).not_to_contain_text(changed)
            facts = tab.locator("dl")
            await expect(facts).to_contain_text(
                "Sending at most 5.0 MB/s, receiving without a limit"
            )
            await expect(facts).to_contain_text("Congestion controlbbr")
            await expect(facts).to_contain_text("3 pieces came twice")
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0
            double.notices, double.limits = (), RatesView(up=None, down=None)
            double.congestion, double.lanes, double.fetched_twice = ("cubic",), 7, 0
            await expect(tab.get_by_role("region")).to_have_count(0)
            await expect(facts).to_contain_text("Limits nowNone")
            more = "Congestion controlcubic with 7 more connections for pieces"
            await expect(facts).to_contain_text(more)
            double.congestion, double.lanes = (), 0
            await expect(facts).to_contain_text("Congestion controlNot known")
            await expect(facts).not_to_contain_text("twice")

    run_with_page(tmp_path, work)


def test_copies_made_elsewhere_are_seen(tmp_path: Path) -> None:
    """This daemon's own status does not change when other machines make the copies."""

    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("report.pdf", b"x" * 1000)
        async with browser() as context:
            tab = await logged_in(context, page)
            await expect(tab.get_by_text("1 of 2")).to_be_visible()
            held = page.double.entries[number]
            held.view = msgspec.structs.replace(held.view, copies=op.CopiesView(have=2, want=2))
            await expect(tab.get_by_text("2 of 2")).to_be_visible()

    run_with_page(tmp_path, work)


def test_machines_that_go_and_zones_in_the_way_are_shown(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (
            op.MachineView(
                id="ab" * 16,
                name="nas",
                zone="attic",
                state="live",
                addresses=(),
                capacity=100 << 30,
                stored=0,
                seen=0,
                this=True,
                standing="draining",
            ),
        )
        page.double.warnings = ("all machines are in zone 'attic' & <so on>",)
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/#/machines")
            await expect(tab.locator(".machine-card")).to_contain_text("draining")
            await expect(tab.locator(".notices")).to_have_text(page.double.warnings[0])

    run_with_page(tmp_path, work)


def test_health_at_one_glance(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.counts = EntryCounts(safe=1310)
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            link = tab.get_by_role("link", name="Health : all safe")
            await link.click()
            await expect(tab.get_by_role("heading", name="Health all safe")).to_be_visible()
            await expect(tab.locator("dl")).to_contain_text("Safe1,310")
            await expect(tab.get_by_text("Nothing that this machine noticed")).to_be_visible()
            double.counts = EntryCounts(safe=998, short=312, repairing=3, away=12)
            double.returns = (
                ReturnView(name="nas <b>", state="suspect", safe=312, found=12, out=1740),
            )
            double.events = (
                EventView(
                    when=1_763_700_000_000,
                    kind="left",
                    text="nas left: 312 entries at 1 of 2, repair starts in 29 min",
                ),
            )
            await tab.reload()
            await expect(tab.get_by_role("heading", name="Health some lost")).to_be_visible()
            await expect(tab.locator("dl")).to_contain_text("Short of copies312 3 being repaired")
            await expect(tab.locator("dl")).to_contain_text("1.2 GB 1 min at 20.0 MB/s")
            back = tab.get_by_role("region", name="Machines to bring back")
            await expect(back).to_contain_text("nas <b> saves 12 entries that nobody else has")
            await expect(back).to_contain_text("Repair starts in 29 min")
            await expect(tab.get_by_role("region", name="What happened")).to_contain_text(
                "nas left: 312 entries at 1 of 2"
            )
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0

    run_with_page(tmp_path, work)


def test_a_login_address_works_when_another_site_links_to_it(tmp_path: Path) -> None:
    """Strict cookies stay away from what another site starts, also from its redirects."""

    async def work(page: PageUnderTest) -> None:
        page.double.tokens.add("token")
        address = f"{page.origin}/login?token=token"
        link = f'<a href="{address}">in</a>'

        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(link)}\r\n\r\n"
            )
            writer.write((head + link).encode())

        async with (
            await asyncio.start_server(elsewhere, "localhost", 0) as other,
            browser() as context,
        ):
            tab = await context.new_page()
            port = other.sockets[0].getsockname()[1]
            await tab.goto(f"http://localhost:{port}/")
            await tab.get_by_role("link").click()
            await tab.wait_for_url(f"{page.origin}/")
            await expect(tab.get_by_role("searchbox")).to_be_visible()

    run_with_page(tmp_path, work)


def test_a_phone_shows_everything_without_sideways_scrolling(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_folder(
            "x" * 200,
            {f"{'y' * 90}/{n}": b"z" for n in range(5)},
            caption="w" * 300,
            tags=("t" * 60,),
        )
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            for place in ("#/", f"#/entry/{number}", "#/transfers", "#/machines"):
                await tab.goto(f"{page.origin}/{place}")
                await expect(tab.locator("main h1")).to_be_attached()
                await expect(tab.get_by_text("Loading")).to_have_count(0)
                wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, place
                small = await tab.evaluate(
                    "[...document.querySelectorAll('main a, nav a, button')].filter(e => "
                    "e.checkVisibility() && e.getBoundingClientRect().height < 43.5)"
                    ".map(e => e.textContent)"
                )
                assert small == [], place

    run_with_page(tmp_path, work)


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_everything_is_ours(tmp_path: Path, language: str) -> None:
    """No request leaves for another site, and the first page is small, in every language."""
    double = OperatorDouble(tmp_path)

    async def work(page: PageUnderTest) -> None:
        async with browser(locale=language) as context:
            asked: list[str] = []
            context.on("request", lambda request: asked.append(request.url))
            await logged_in(context, page)
            assert all(url.startswith((page.origin, "data:")) for url in asked)
        total = 0
        for url in {url for url in asked if "/static/" in url}:
            path = url.removeprefix(page.origin)
            total += len((await page.ask("GET", path, headers={"Accept-Encoding": "gzip"}))[1])
        assert total <= 60_000

    run_with_page(tmp_path, work, double=double)
