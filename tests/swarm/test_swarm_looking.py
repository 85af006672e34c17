"""Looking at entries on the real page of real daemons: playing, folders, editing, the trash."""

import re
import wave
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from swarm import Swarm
from test_swarm_page import browser_page, login_url

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

SECONDS, RATE = 540, 48_000
NOISE = 1 << 16


def write_sound(path: Path) -> Path:
    """About 100 MB that any browser plays, no piece of it like another."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        with Path("/dev/urandom").open("rb") as noise:
            for _ in range(SECONDS * RATE * 4 // NOISE):
                sound.writeframesraw(noise.read(NOISE))
    return path


def open_entry(page: Page, entry: str) -> None:
    """Go there, once the login has led to the library."""
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.goto(f"{page.url.partition('#')[0]}#/entry/{entry}")


def of_entry(page: Page, entry: str, rest: str = "") -> dict:  # type: ignore[type-arg]
    return page.evaluate(f"fetch('/api/v1/entries/{entry}{rest}').then(said => said.json())")  # type: ignore[no-any-return]


def holds(page: Page, entry: str, piece: int) -> bool:
    """Whether this page's machine has a piece, durably."""
    (row,) = [row for row in of_entry(page, entry, "/pieces")["rows"] if row["peer"] == "c"]
    return any(start <= piece < start + length for start, length in row["runs"])


def test_seeking_in_what_is_not_here_yet(swarm: Swarm, tmp_path: Path) -> None:
    """At four fifths it plays while at most a twentieth of the pieces is here."""
    a = swarm.add_peer("a")
    c = swarm.add_peer("c", web=True, capacity="0")
    swarm.ok(a, "limit", "--up", "400KB", "--lan", "limited")
    entry = swarm.ok(a, "add", str(write_sound(tmp_path / "concert.wav")))
    with browser_page(login_url(swarm, c)) as page:
        open_entry(page, entry["id"])
        expect(page.get_by_text("and plays meanwhile")).to_be_visible()
        page.get_by_role("button", name="Play").click()
        sound = page.locator("audio")
        swarm.wait_until(lambda: sound.evaluate("e => e.readyState >= 1"), "its length is known")
        sound.evaluate("e => { e.muted = true; e.currentTime = e.duration * 0.8; e.play(); }")
        plays = "e => !e.seeking && e.readyState >= 2 && e.currentTime > e.duration * 0.8"
        swarm.wait_until(lambda: sound.evaluate(plays), "it plays", seconds=30)
        # What plays is verified; a moment later it is durable, too, and counts as here.
        at = int(entry["pieces"] * 0.8)
        swarm.wait_until(lambda: holds(page, entry["id"], at), "what plays is durable")
        held = of_entry(page, entry["id"])
        assert 0 < held["here"] <= held["pieces"] * 0.05, held["here"]
        expect(page.get_by_role("img", name="c holds")).to_be_visible()


def test_a_folder_on_another_machine(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a"), swarm.add_peer("b", web=True)
    folder = tmp_path / "project"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "deep" / "main.py").write_text("import this  # <script>window.bad = 1\n")
    (folder / "page.html").write_text("<script>window.bad = 1</script>")
    entry = swarm.ok(a, "add", str(folder), "--caption", "first")
    with browser_page(login_url(swarm, b)) as page:
        open_entry(page, entry["id"])
        tree = page.get_by_role("tree", name="Files")
        expect(tree.get_by_role("treeitem", name=re.compile("^src, .*, folder$"))).to_be_visible()
        tree.focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("pre.text")).to_have_text("import this  # <script>window.bad = 1")
        expect(page.locator(".t-word")).to_have_text("import")
        tree.focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        expect(page.locator("pre.text")).to_have_text("<script>window.bad = 1</script>")
        index = next(
            file["index"]
            for file in of_entry(page, entry["id"], "/files?start=0")["files"]
            if file["path"] == "page.html"
        )
        kept = page.evaluate(
            f"fetch('/view/{entry['id']}/{index}').then(said => [said.status,"
            "said.headers.get('content-type'), said.headers.get('content-disposition')])"
        )
        assert kept[:2] == [200, "application/octet-stream"]
        assert kept[2].startswith("attachment")
        assert page.evaluate("window.bad") is None
        code = page.get_by_role("img", name="QR code of the link")
        expect(code).to_be_visible()
        assert code.evaluate("e => e.naturalWidth") > 0
        # Edited elsewhere, from the command line; only its author's page offers it.
        expect(page.get_by_role("button", name="Edit")).to_have_count(0)
        said = swarm.ok(a, "edit", entry["id"], "--caption", "second", "--tag", "x", "--tag", "y")
        assert (said["caption"], said["tags"], said["published"]) == ("second", ["x", "y"], True)
        page.reload()
        expect(page.locator(".caption")).to_have_text("second")
        expect(page.get_by_text("Last edited by a")).to_be_visible()
    refused = swarm.cli(b, "edit", entry["id"], "--name", "mine")
    assert (refused.code, "only the machine that added" in refused.result["error"]) == (5, True)
    assert swarm.cli(a, "edit", entry["id"], "--tag", "x", "--no-tags").code == 2


def test_edited_and_brought_back_on_the_page(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b")
    file = tmp_path / "notes.txt"
    file.write_text("some text\n")
    entry = swarm.ok(a, "add", str(file), "--import", "--wait")
    with browser_page(login_url(swarm, a)) as page:
        open_entry(page, entry["id"])
        expect(page.locator("pre.text")).to_have_text("some text")
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Name").fill("better.txt")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="better.txt")).to_be_visible()
        assert swarm.ok(b, "show", entry["id"])["name"] == "better.txt"
        assert [e["name"] for e in swarm.ok(b, "search", "better")["entries"]] == ["better.txt"]
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete for everyone").click()
        expect(page.get_by_role("heading", name="Share the first file")).to_be_visible()
        page.get_by_role("link", name="Trash").click()
        page.get_by_role("button", name="Bring back better.txt").click()
        expect(page.get_by_text("better.txt is back in the library")).to_be_visible()
        expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    assert swarm.ok(b, "show", entry["id"])["version"] == 4


def test_an_edit_waits_for_the_tracker(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    file = tmp_path / "notes.txt"
    file.write_text("some text\n")
    entry = swarm.ok(a, "add", str(file), "--wait")
    assert swarm.tracker is not None
    swarm.tracker.stop()
    assert swarm.ok(a, "edit", entry["id"], "--caption", "offline")["published"] is False
    swarm.start_tracker()
    swarm.wait_until(
        lambda: swarm.ok(b, "show", entry["id"])["caption"] == "offline", "the edit arrives"
    )
