"""The real page of real daemons in Chromium: upload at one machine, download at another."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from swarm import Peer, Swarm, write_random
from trees import same_file

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
SIZE = 40_000_000


@contextmanager
def browser_page(url: str, **context: Any) -> Iterator[Page]:
    """A fresh browser at a login address; what its console complains of fails the test."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = chromium.new_context(accept_downloads=True, **context).new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        yield page
        chromium.close()
    assert complaints == []


def login_url(swarm: Swarm, peer: Peer) -> str:
    """A fresh one-time address, as soon as the page is up."""
    swarm.wait_until(lambda: swarm.cli(peer, "login").code == 0, "the page is up")
    return str(swarm.ok(peer, "login")["url"])


def test_upload_on_one_machine_and_download_on_another(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b", web=True)
    file = write_random(tmp_path / "Frühling & <b>co<i>.bin", SIZE)

    with browser_page(login_url(swarm, a)) as page:
        page.locator("input[type=file]").first.set_input_files(str(file))
        row = page.get_by_label("Entries").get_by_role("listitem").filter(has_text=file.name)
        expect(row).to_be_visible(timeout=30_000)
        expect(row).to_contain_text("2 of 2", timeout=30_000)
    (entry,) = swarm.ok(a, "ls")["entries"]
    assert (entry["name"], entry["size"]) == (file.name, SIZE)
    file_hash = hashlib.sha256(file.read_bytes()).digest()
    file.unlink()  # what is downloaded below comes from the swarm

    with browser_page(login_url(swarm, b)) as page:
        page.get_by_role("searchbox").fill("nowhere to be found")
        expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
        page.get_by_role("searchbox").fill("frühl")
        row = page.get_by_label("Entries").get_by_role("listitem").filter(has_text=file.name)
        with page.expect_download() as starting:
            row.get_by_role("link", name="Download").click()
        starting.value.save_as(tmp_path / "saved")
    assert hashlib.sha256((tmp_path / "saved").read_bytes()).digest() == file_hash


def test_download_at_a_machine_that_has_nothing_of_it(swarm: Swarm, tmp_path: Path) -> None:
    a, _ = swarm.add_peers("a", "b")
    c = swarm.add_peer("c", web=True, capacity="0")
    file = write_random(tmp_path / "film.mkv", SIZE)
    swarm.ok(a, "add", str(file), "--wait")
    swarm.kill9(a)
    url = login_url(swarm, c)
    with browser_page(url) as page:
        row = page.get_by_label("Entries").get_by_role("listitem").filter(has_text="film.mkv")
        with page.expect_download() as starting:
            row.get_by_role("link", name="Download").click()
        assert starting.value.suggested_filename == "film.mkv"
        starting.value.save_as(tmp_path / "saved")
    assert same_file(tmp_path / "saved", file)
    with browser_page(url) as page:  # a login address is good once
        expect(page.get_by_role("searchbox")).to_have_count(0)
