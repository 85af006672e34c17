"""Looking at entries in Chromium: previews, the tree by keyboard, the piece map, editing, trash."""

import asyncio
import io
import os
import random
import re
import struct
import wave
import zlib
from pathlib import Path

import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page
from playwright.async_api import Page, expect
from test_web_browser import browser, logged_in

from protocol.bitfield import Bitfield
from protocol.messages import operating as op

pytestmark = pytest.mark.browser

HOSTILE = "<script>window.bad=1</script><img src=x onerror='window.bad=1'>\n"


def png(width: int, height: int) -> bytes:
    """A picture."""

    def part(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = b"".join(b"\0" + bytes(range(3)) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def wav(seconds: int) -> bytes:
    """Sound that every browser plays."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(os.urandom(16_000 * seconds))
    return out.getvalue()


def pdf(pages: int = 2) -> bytes:
    """Pages with a line of text, and an action that would run a script."""
    said = b"BT /F1 24 Tf 30 120 Td (Hello from a PDF) Tj ET"
    kids = b" ".join(b"%d 0 R" % (5 + n) for n in range(pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>>>"  # noqa: E501
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % pages,
        b"<</Length %d>>stream\n" % len(said) + said + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *[page] * pages,
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj" % number + content + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n" % count + table
    tail += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(out))
    return out + tail


async def wait_for(tab: Page, condition: str) -> None:
    """As `wait_for_function`, which the page's CSP does not let go on looking."""
    while not await tab.evaluate(condition):  # noqa: ASYNC110 - it is in another process
        await asyncio.sleep(0.02)


async def look(tab: Page, page: PageUnderTest, number: str) -> None:
    await tab.goto(f"{page.origin}/#/entry/{number}")
    await expect(tab.get_by_role("heading", name="History")).to_be_visible()


def test_pictures_sound_and_text_are_shown(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        picture = double.hold_file("sea.png", png(320, 200))
        sound = double.hold_file("tone.wav", wav(5))
        broken = double.hold_file("broken.jpg", b"not a picture")
        code = double.hold_file("a.py", b"# why\ndef go():\n    return 'x' * 42\n")
        markup = double.hold_file("a.svg", HOSTILE.encode())
        long = double.hold_file("long.txt", b"0123456789abcde\n" * 60_000)
        async with browser() as context:
            tab = await logged_in(context, page)
            await look(tab, page, picture)
            image = tab.get_by_role("img", name="Picture: sea.png")
            await expect(image).to_be_visible()
            assert await image.evaluate("e => [e.naturalWidth, e.naturalHeight]") == [320, 200]
            await look(tab, page, sound)
            audio = tab.locator("audio")
            await expect(audio).to_be_visible()
            await wait_for(tab, "document.querySelector('audio').readyState > 0")
            assert round(await audio.evaluate("e => e.duration")) == 5
            await look(tab, page, broken)
            await expect(tab.get_by_role("alert")).to_contain_text("cannot be shown here")
            await look(tab, page, code)
            for kind, text in (("comment", "# why"), ("word", "def"), ("number", "42")):
                await expect(tab.locator(f".t-{kind}").first).to_have_text(text)
            await look(tab, page, markup)
            await expect(tab.locator("pre")).to_have_text(HOSTILE.strip())
            await look(tab, page, long)
            await expect(tab.get_by_text("The first 262 kB of 960 kB")).to_be_visible()
            assert await tab.evaluate("window.bad") is None

    run_with_page(tmp_path, work)


def test_a_pdf_is_drawn_where_it_can_reach_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("paper.pdf", pdf())
        broken = page.double.hold_file("broken.pdf", b"%PDF-1.4\nnothing")
        async with browser() as context:
            tab = await logged_in(context, page)
            asked: list[str] = []
            tab.on("request", lambda request: asked.append(request.url))
            await look(tab, page, number)
            await expect(tab.get_by_text("2 pages")).to_be_visible()
            drawn = tab.frame_locator("iframe.pdf")
            await expect(drawn.get_by_label("Page 1 of 2")).to_have_text("Hello from a PDF")
            inside = next(frame for frame in tab.frames if "/pdf/frame.html" in frame.url)
            assert await inside.evaluate("self.origin") == "null"
            tries = "try {{ {} ; 'in' }} catch (error) {{ error.name }}"
            for reach in ("parent.document", "document.cookie", "localStorage"):
                assert await inside.evaluate(tries.format(reach)) == "SecurityError", reach
            blocked = "fetch('/api/v1/status').then(() => 'in', () => 'blocked')"
            assert await inside.evaluate(blocked) == "blocked"
            assert all(url.startswith((page.origin, "data:", "blob:")) for url in asked)
            await look(tab, page, broken)
            await expect(tab.get_by_role("alert")).to_contain_text("cannot be shown here")

    run_with_page(tmp_path, work)


def test_a_view_opened_by_itself_runs_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        text = page.double.hold_file("a.txt", HOSTILE.encode())
        picture = page.double.hold_file("a.png", png(64, 48))
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.goto(f"{page.origin}/view/{text}/0")
            assert await tab.evaluate("[window.bad ?? null, self.origin]") == [None, "null"]
            assert HOSTILE.strip() in await tab.inner_text("body")
            await tab.goto(f"{page.origin}/view/{picture}/0")
            assert await tab.evaluate("document.images[0].naturalWidth") == 64

    run_with_page(tmp_path, work)


def test_what_is_not_here_is_asked_for_first(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.wav", wav(3), here=0, pieces=40, size=40_000_000)
        async with browser() as context:
            tab = await logged_in(context, page)
            await look(tab, page, number)
            await expect(tab.get_by_text("it fetches 40.0 MB, and plays meanwhile")).to_be_visible()
            assert "Read" not in page.double.asked
            await tab.get_by_role("button", name="Play").click()
            await wait_for(tab, "document.querySelector('audio')?.readyState > 0")
            part = page.double.hold_file("b.wav", wav(3), here=10, pieces=40, size=40_000_000)
            await look(tab, page, part)
            await expect(tab.get_by_text("it fetches the other 30.0 MB")).to_be_visible()

    run_with_page(tmp_path, work)


def test_ten_thousand_files_by_keyboard(tmp_path: Path) -> None:
    files = {f"all/{n // 100:02}/file {n}.txt": b"content %d" % n for n in range(10_000)}
    double = OperatorDouble(tmp_path)

    async def work(page: PageUnderTest) -> None:
        number = double.hold_folder("archive", files | {"zz.txt": b"the last"})
        async with browser() as context:
            tab = await logged_in(context, page)
            await look(tab, page, number)
            tree = tab.get_by_role("tree", name="Files")
            await expect(tree.get_by_label("all, 10,000 files, folder")).to_be_visible(
                timeout=30_000
            )
            await tree.focus()
            for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight", "End", "ArrowUp"):
                await tab.keyboard.press(key)
            for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowDown"):
                await tab.keyboard.press(key)
            active = tab.locator(".tree-row.active")
            await expect(active).to_have_attribute("aria-level", "3")
            await expect(active).to_have_attribute("aria-label", "file 101.txt, 11 B")
            assert await tree.get_attribute("aria-activedescendant") == await active.get_attribute(
                "id"
            )
            assert await tab.locator(".tree-row").count() < 40  # however many there are
            await tab.keyboard.press("Enter")
            await expect(tab.locator("pre.text")).to_have_text("content 101")
            link = tab.locator(".chosen").get_by_role("link", name="Download")
            assert (await link.get_attribute("href")).endswith("/101")  # type: ignore[union-attr]
            await tree.focus()
            await tab.keyboard.press("ArrowLeft")
            await expect(active).to_have_attribute("aria-label", "01, 100 files, folder")
            await expect(active).to_have_attribute("aria-expanded", "true")
            await tab.keyboard.press("ArrowLeft")
            await expect(active).to_have_attribute("aria-expanded", "false")
            await tab.keyboard.press("z")
            await expect(active).to_have_attribute("aria-label", "zz.txt, 8 B")
            await tab.get_by_label("Find in this folder").fill("99 file 9950")
            await expect(tab.get_by_role("treeitem")).to_have_count(1)
            await expect(tab.get_by_role("treeitem")).to_contain_text("all/99/file 9950.txt")

    run_with_page(tmp_path, work, double=double)


def test_the_piece_map_says_what_it_shows(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        bits = Bitfield(100_000)
        bits.update(n for n in range(100_000) if n % 4 < 2)
        page.double.map_bits = bits.to_wire()
        number = page.double.hold_file(
            "big.bin",
            b"x",
            pieces=100_000,
            holders=(
                op.HolderView(peer="desk", pieces=100_000, state="live"),
                op.HolderView(peer="nas", pieces=50_000, state="suspect"),
            ),
        )
        async with browser() as context:
            tab = await logged_in(context, page)
            await look(tab, page, number)
            await expect(tab.get_by_role("img", name="desk holds all pieces")).to_be_visible()
            said = "nas holds 50,000 of 100,000 pieces: 1 to 2, 5 to 6, 9 to 10"
            await expect(tab.get_by_role("img", name=re.compile(said))).to_be_visible()
            await expect(tab.get_by_text("50,000 of 100,000 50 %")).to_be_visible()
            await tab.get_by_text("In words").click()
            await expect(tab.get_by_text("24,950 more runs")).to_be_visible()
            tops = "[...document.querySelectorAll('.piece-map canvas')].map(c => Math.max(...c.getContext('2d').getImageData(0, 0, c.width, 1).data.filter((_, n) => n % 4 === 3)))"  # noqa: E501
            await wait_for(tab, f"{tops}[0] === 255")
            full, half = await tab.evaluate(tops)
            assert full == 255
            assert 100 < half < 160

    run_with_page(tmp_path, work)


def test_shares_of_columns_are_those_of_pieces(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        rng = random.Random(5)
        async with browser() as context:
            tab = await logged_in(context, page)
            for pieces, width in ((1, 7), (10, 1000), (999, 100), (100_000, 640)):
                held = sorted(rng.sample(range(pieces), rng.randint(1, pieces)))
                runs = [[piece, 1] for piece in held]
                found = await tab.evaluate(
                    "async ([runs, pieces, width]) => [...(await import('/static/piece_band.js'))"
                    ".shares(runs, pieces, width)]",
                    [runs, pieces, width],
                )
                assert sum(found) == pytest.approx(len(held) * width / pieces, rel=1e-3)
                assert max(found) < 1.001

    run_with_page(tmp_path, work)


def test_an_entry_is_edited_and_its_link_shown(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("old.bin", b"x", caption="before", tags=("one",))
        other = page.double.hold_file("other.bin", b"x", author="attic", restored_by="nas")
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            await look(tab, page, number)
            await tab.get_by_role("button", name="Edit").click()
            await tab.get_by_label("Name").fill(" ")
            await tab.get_by_role("button", name="Save").click()
            await expect(tab.get_by_role("alert")).to_have_text("Give it a name.")
            await tab.get_by_label("Name").fill("<b>new</b>.bin")
            await tab.get_by_label("Caption").fill("line 1\nline 2")
            await tab.get_by_label("Tags, with commas").fill("two, one,, two")
            await tab.get_by_label("Tags, with commas").press("Enter")
            await expect(tab.get_by_role("heading", name="<b>new</b>.bin")).to_be_visible()
            await expect(tab.locator(".caption")).to_have_text("line 1\nline 2")
            await expect(tab.get_by_role("list", name="Tags").get_by_role("listitem")).to_have_text(
                ["two", "one"]
            )
            await expect(tab.get_by_text("Last edited by desk")).to_be_visible()
            await expect(tab.get_by_text("This is version 2")).to_be_visible()
            code = tab.get_by_role("img", name="QR code of the link")
            await expect(code).to_be_visible()
            assert await code.evaluate("e => e.complete && e.naturalWidth > 0")
            link = page.double.entries[number].view.link
            await expect(tab.get_by_label("Link to this entry")).to_have_value(link)
            # As on a plain-http address in the network: there is no clipboard API.
            await tab.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
            await tab.get_by_role("button", name="Copy", exact=True).click()
            await expect(tab.get_by_text("The link to <b>new</b>.bin is copied")).to_be_visible()
            await look(tab, page, other)
            await expect(tab.get_by_role("button", name="Edit")).to_have_count(0)
            await expect(tab.get_by_text("Brought back from the trash by nas")).to_be_visible()
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0

    run_with_page(tmp_path, work)


def test_the_trash_brings_back_and_is_emptied(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        for n in range(3):
            number = double.hold_file(f"{n} <b>.bin", b"x" * 1000)
            double.trash[number] = double.entries.pop(number)
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            await tab.get_by_role("link", name="Trash").click()
            rows = tab.get_by_label("Deleted entries").get_by_role("listitem")
            await expect(rows).to_have_count(3)
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0
            await tab.get_by_role("button", name="Bring back 0 <b>.bin").click()
            await expect(tab.get_by_text("0 <b>.bin is back in the library")).to_be_visible()
            await expect(rows).to_have_count(2)
            await tab.get_by_role("button", name="Remove 1 <b>.bin for good").click()
            await tab.get_by_role("button", name="Keep it").click()
            assert len(double.trash) == 2
            await tab.get_by_role("button", name="Remove 1 <b>.bin for good").click()
            await tab.get_by_role("button", name="Remove for good", exact=True).click()
            await expect(rows).to_have_count(1)
            await tab.get_by_role("button", name="Empty the trash").click()
            await tab.get_by_role("button", name="Remove for good", exact=True).click()
            await expect(tab.get_by_role("heading", name="The trash is empty")).to_be_visible()
            assert double.trash == {}

    run_with_page(tmp_path, work)
