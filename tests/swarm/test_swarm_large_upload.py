"""A file of 4 GB and a folder of 1,000, cut on the way: the tab, the daemon, the network."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from relay import Relay
from swarm import Peer, Swarm, write_random
from test_swarm_page import browser_page
from test_swarm_push import page_url
from test_swarm_uploads import offsets, pick
from trees import same_file, tree_difference

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

SIZE = 4_000_000_000
PART = 64 << 20
REQUESTS = 2_000_000
"""What the page asks and says beside the bytes."""
FILES, EACH = 1000, 30_000
OVERHEAD = 2000
"""What is said beside the bytes of each file: a request, its answers, and what a list asks."""
STRIDE, MARK = 64 << 10, 4 << 10
SECONDS = 240


def write_marked(path: Path, size: int) -> Path:
    """A large file in which no two runs of 64 KiB are the same, quickly made."""
    with path.open("wb") as file:
        file.truncate(size)
        for at in range(0, size - MARK, 1024 * STRIDE):
            noise = os.urandom(1024 * MARK)
            for number in range(min(1024, (size - MARK - at) // STRIDE + 1)):
                mark = noise[number * MARK : (number + 1) * MARK]
                os.pwrite(file.fileno(), mark, at + number * STRIDE)
    return path


@contextmanager
def behind_a_network(swarm: Swarm, peer: Peer) -> Iterator[tuple[str, Relay]]:
    """A login address at a network of ours, to a page that does not know of it."""
    url = page_url(swarm, peer)
    host, port = url.removeprefix("http://").split(":")
    login = str(swarm.ok(peer, "login")["url"])
    with Relay(("127.0.0.1", int(port)), (host, int(port))) as relay:
        yield login.replace(host, "127.0.0.1"), relay


def go_on_in_a_new_tab(page: Page, kind: str, source: Path) -> Page:
    """Close a tab in the middle of an upload, and pick the same again in another."""
    context, origin = page.context, page.url.partition("#")[0]
    page.close()
    tab = context.new_page()
    tab.goto(origin)
    again = tab.get_by_text(re.compile(f"is here · pick the {kind} again to go on"))
    expect(again).to_be_visible()
    pick(tab, f"Pick the {kind} again to go on: {source.name}", source)
    return tab


@contextmanager
def cut_three_times(
    swarm: Swarm, a: Peer, source: Path, has: Callable[[float], bool]
) -> Iterator[tuple[Page, Relay]]:
    """Uploads from a page, half of it, and then the tab, the daemon and the network go away."""
    kind = "folder" if source.is_dir() else "file"
    with behind_a_network(swarm, a) as (url, relay), browser_page(url) as page:
        pick(page, "Upload a folder" if source.is_dir() else "Upload files", source)
        swarm.wait_until(lambda: has(0.45), "half of it came", SECONDS)
        tab = go_on_in_a_new_tab(page, kind, source)
        swarm.wait_until(lambda: has(0.5), "it goes on", SECONDS)
        swarm.kill9(a)
        swarm.start(a)
        swarm.wait_until(lambda: has(0.55), "it goes on by itself", SECONDS)
        relay.cut()
        expect(tab.get_by_text("no connection, goes on by itself")).to_be_visible()
        before = relay.turned_away
        swarm.wait_until(lambda: relay.turned_away > before + 2, "it is tried again", SECONDS)
        relay.mend()
        yield tab, relay


def large_swarm(swarm: Swarm) -> tuple[Peer, Peer]:
    """Two machines; the page of the first at an address that leaves another to a network."""
    a = swarm.join_peer("a")
    a.web = "127.0.0.2:0"
    swarm.start(a)
    return a, swarm.add_peer("b")


def test_four_gigabytes_with_three_cuts(swarm: Swarm, tmp_path: Path) -> None:
    a, b = large_swarm(swarm)
    file, spool = write_marked(tmp_path / "film.mkv", SIZE), a.data / "spool"

    with cut_three_times(swarm, a, file, lambda share: offsets(spool) > SIZE * share) as (
        tab,
        relay,
    ):
        (spooled,) = (part.stat().st_ino for part in spool.glob("*.part"))
        expect(tab.get_by_text("4.0 GB · shared")).to_be_visible(timeout=SECONDS * 1000)
        assert SIZE < relay.up <= SIZE + 3 * PART + REQUESTS, relay.up - SIZE
    (entry,) = swarm.ok(b, "ls")["entries"]
    swarm.wait_until(lambda: swarm.copies(b, entry["id"]) == (2, 2), "2 of 2", SECONDS)
    ours, theirs = content_of(a), content_of(b)
    assert ours.stat().st_ino == spooled  # it was taken over, not copied
    assert same_file(ours, file)
    assert same_file(theirs, file)
    file.unlink()


def test_a_thousand_files_with_three_cuts(swarm: Swarm, tmp_path: Path) -> None:
    a, b = large_swarm(swarm)
    folder, trees = tmp_path / "holiday", a.data / "spool"
    for number in range(FILES):
        (folder / f"{number % 10}").mkdir(parents=True, exist_ok=True)
        write_random(folder / f"{number % 10}" / f"{number}.jpg", EACH)

    def has(share: float) -> bool:
        return sum(path.is_file() for path in trees.glob("*.tree/*/*")) > FILES * share

    with cut_three_times(swarm, a, folder, has) as (tab, relay):
        said = tab.get_by_text(re.compile(r"^1,000 files, .* · shared"))
        expect(said).to_be_visible(timeout=SECONDS * 1000)
        # Of what was on its way at each cut, a few files go again: never a tenth of all.
        assert relay.up < FILES * (EACH + OVERHEAD) + 3 * (FILES // 10) * EACH
    (entry,) = swarm.ok(b, "ls")["entries"]
    swarm.wait_until(lambda: swarm.copies(b, entry["id"]) == (2, 2), "2 of 2", SECONDS)
    swarm.ok(b, "get", entry["id"], "-o", str(tmp_path / "out"))
    assert tree_difference(tmp_path / "out", folder) == []


def content_of(peer: Peer) -> Path:
    """The one content file of a machine."""
    (found,) = (path for path in peer.content.rglob("*") if path.is_file())
    return found
