"""Uploads as a person does them, in Chromium: dropped folders, pauses, cuts, reloads."""

import asyncio
import os
import re
from pathlib import Path

import pytest
from operator_double import OperatorDouble, RefusalError
from page_under_test import PageUnderTest, run_with_page, until
from playwright.async_api import Page, Request, expect
from test_web_browser import browser, logged_in
from tus_client import Tus

from protocol.messages import operating as op

pytestmark = pytest.mark.browser

DROP = """async ([host, files]) => {
  const made = new DataTransfer();
  for (const [name, text] of files) made.items.add(new File([text], name));
  document.body.dispatchEvent(new DragEvent(host, { bubbles: true, dataTransfer: made }));
}"""


def begun_uploads(page: Page) -> list[str]:
    """Collects the lengths of the files that the browser begins to send, from now on."""
    lengths: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "upload-length" in request.headers:
            lengths.append(request.headers["upload-length"])

    page.on("request", note)
    return lengths


def make_folder(root: Path, files: int, size: int) -> Path:
    for number in range(files):
        path = root / f"{number % 7}" / f"deep {number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return root


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def held(page: PageUnderTest) -> dict[str, bytes]:
    (entry,) = page.double.entries.values()
    return {path: place.read_bytes() for path, place in entry.files}


def placed(page: PageUnderTest) -> int:
    trees = (page.double.data / "spool").glob("*.tree")
    return sum(1 for tree in trees for path in tree.rglob("*") if path.is_file())


async def pick(tab: Page, button: str, path: Path) -> None:
    async with tab.expect_file_chooser() as choosing:
        await tab.get_by_role("button", name=button).first.click()
    await (await choosing.value).set_files(str(path))


def test_a_folder_of_1000_files_with_a_reload_in_the_middle(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "holiday", 1000, 3000)

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            await pick(tab, "Upload a folder", folder)
            await expect(tab.get_by_text("of 1,000 files")).to_be_visible()
            await until(lambda: placed(page) > 300)
            tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
            await tab.reload()
            again = tab.get_by_text(re.compile("is here · pick the folder again to go on"))
            await expect(again).to_be_visible()
            before = placed(page)
            assert before < 1000
            begun = begun_uploads(tab)
            await pick(tab, "Pick the folder again", folder)
            await expect(
                tab.get_by_role("status").get_by_text("holiday is shared.")
            ).to_be_attached(timeout=180_000)
            assert set(begun) == {"3000"}
            assert len(begun) <= 1000 - before
            assert held(page) == files_of(folder)
            row = tab.get_by_label("Entries").get_by_role("listitem")
            await expect(row).to_contain_text("1,000 files")

    run_with_page(tmp_path, work)


def test_dropped_files_become_entries(tmp_path: Path) -> None:
    files = [[f"{number}.txt", f"text {number}"] for number in range(39)] + [["empty", ""]]

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            await tab.evaluate(DROP, ["dragenter", files])
            await expect(tab.locator(".drop")).to_have_text(re.compile("Drop files and folders"))
            await tab.evaluate(DROP, ["drop", files])
            await expect(tab.locator(".drop")).to_have_count(0)
            await until(lambda: len(page.double.entries) == 40)
            await expect(tab.get_by_text("and 10 more")).to_be_visible()
            await tab.get_by_role("button", name="Clear finished").click()
            await expect(tab.get_by_text("and 10 more")).to_be_hidden()
        texts = {h.view.name: h.files[0][1].read_text() for h in page.double.entries.values()}
        assert texts == dict(files)

    run_with_page(tmp_path, work)


def test_a_dropped_folder_keeps_its_tree(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "größe & <b>", 150, 10)
    (folder / "nothing" / "here").mkdir(parents=True)
    loose = tmp_path / "loose.txt"
    loose.write_text("loose")

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            session = await context.new_cdp_session(tab)
            dropped = {"items": [], "files": [str(folder), str(loose)], "dragOperationsMask": 1}
            for kind in ("dragEnter", "dragOver", "drop"):
                event = {"type": kind, "x": 200, "y": 300, "data": dropped}
                await session.send("Input.dispatchDragEvent", event)
            await until(lambda: len(page.double.entries) == 2)
            by_name = {h.view.name: h for h in page.double.entries.values()}
            assert by_name["loose.txt"].files[0][1].read_text() == "loose"
            got = {path: place.read_bytes() for path, place in by_name[folder.name].files}
            assert got == files_of(folder)
            assert page.double.empty_folders == ["nothing/here"]

    run_with_page(tmp_path, work)


def test_pause_go_on_offline_and_cancel(tmp_path: Path) -> None:
    file = tmp_path / "film.mkv"
    file.write_bytes(os.urandom(40_000_000))

    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            session = await context.new_cdp_session(tab)
            slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
            await session.send("Network.enable")
            limits = slow | {"uploadThroughput": 8_000_000}
            await session.send("Network.emulateNetworkConditions", limits)
            await pick(tab, "Upload files", file)
            row = tab.get_by_role("region", name="Uploading 1 item").get_by_role("listitem")
            await expect(row).to_contain_text(re.compile(r"\d % of 40.0 MB · .*/s · \d+ s left"))
            await tab.get_by_role("button", name="Pause film.mkv").click()
            await expect(tab.get_by_text("· paused")).to_be_visible()
            await tab.get_by_role("button", name="Go on with film.mkv").click()
            await expect(tab.get_by_role("button", name="Pause film.mkv")).to_be_visible()
            page.vanish()
            await expect(tab.get_by_text("no connection, goes on by itself")).to_be_visible()
            page.come_back()
            await expect(tab.get_by_text("40.0 MB · shared")).to_be_visible(timeout=30_000)
            assert held(page) == {"": file.read_bytes()}
            file.write_bytes(os.urandom(40_000_000))
            await session.send("Network.emulateNetworkConditions", limits)
            await pick(tab, "Upload files", file)
            await expect(tab.get_by_text(re.compile("s left")).first).to_be_visible()
            await tab.get_by_role("button", name="Cancel the upload of film.mkv").click()
            await expect(tab.get_by_text("Cancelled")).to_be_visible()
            await until(lambda: not list((tmp_path / "spool").glob("*.part")))
            assert await Tus(page).listed() == []

    run_with_page(tmp_path, work)


def test_what_is_refused_is_explained_and_tried_again(tmp_path: Path) -> None:
    class Refuses(OperatorDouble):
        refuses = True

        def _on_add(self, ask: op.Add) -> list[object]:  # type: ignore[override]
            if self.refuses:
                raise RefusalError("failed", "the store is full")
            return super()._on_add(ask)  # type: ignore[return-value]

    double = Refuses(tmp_path)
    file = tmp_path / "a.txt"
    file.write_text("text")

    async def work(page: PageUnderTest) -> None:
        async with browser(viewport={"width": 360, "height": 740}) as context:
            tab = await logged_in(context, page)
            await pick(tab, "Upload files", file)
            await expect(
                tab.get_by_text("a.txt was not uploaded: the store is full")
            ).to_be_visible()
            await tab.reload()  # what failed is still there
            double.refuses = False
            await tab.get_by_role("button", name="Try again: a.txt").click()
            await expect(tab.get_by_text("· shared")).to_be_visible()
            wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0

    run_with_page(tmp_path, work, double=double)
