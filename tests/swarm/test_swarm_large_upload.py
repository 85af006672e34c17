"""4 GB from the page, cut three times on the way: the tab, the daemon, the network."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from relay import Relay
from swarm import Peer, Swarm
from test_swarm_page import browser_page
from test_swarm_push import page_url
from test_swarm_uploads import offsets, pick
from trees import same_file

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

SIZE = 4_000_000_000
PART = 64 << 20
REQUESTS = 2_000_000
"""What the page asks and says beside the bytes."""
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


def go_on_in_a_new_tab(page: Page, name: str, file: Path) -> Page:
    """Close a tab in the middle of an upload, and pick the file again in another."""
    context, origin = page.context, page.url.partition("#")[0]
    page.close()
    tab = context.new_page()
    tab.goto(origin)
    expect(tab.get_by_text(re.compile("is here · pick the file again to go on"))).to_be_visible()
    pick(tab, f"Pick {name} again to go on", file)
    return tab


def test_four_gigabytes_with_three_cuts(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.join_peer("a")
    a.web = "127.0.0.2:0"
    swarm.start(a)
    b = swarm.add_peer("b")
    file, spool = write_marked(tmp_path / "film.mkv", SIZE), a.data / "spool"

    def has(share: float) -> bool:
        return offsets(spool) > SIZE * share

    with behind_a_network(swarm, a) as (url, relay), browser_page(url) as page:
        pick(page, "Upload files", file)
        swarm.wait_until(lambda: has(0.45), "half of it came", SECONDS)
        tab = go_on_in_a_new_tab(page, file.name, file)
        swarm.wait_until(lambda: has(0.5), "it goes on", SECONDS)
        swarm.kill9(a)
        swarm.start(a)
        swarm.wait_until(lambda: has(0.55), "it goes on by itself", SECONDS)
        (spooled,) = (part.stat().st_ino for part in spool.glob("*.part"))
        relay.cut()
        expect(tab.get_by_text("no connection, goes on by itself")).to_be_visible()
        before = relay.turned_away
        swarm.wait_until(lambda: relay.turned_away > before + 2, "it is tried again", SECONDS)
        relay.mend()
        expect(tab.get_by_text("4.0 GB · shared")).to_be_visible(timeout=SECONDS * 1000)
        assert SIZE < relay.up <= SIZE + 3 * PART + REQUESTS, relay.up - SIZE
    (entry,) = swarm.ok(b, "ls")["entries"]
    swarm.wait_until(lambda: swarm.copies(b, entry["id"]) == (2, 2), "2 of 2", SECONDS)
    ours, theirs = content_of(a), content_of(b)
    assert ours.stat().st_ino == spooled  # it was taken over, not copied
    assert same_file(ours, file)
    assert same_file(theirs, file)
    file.unlink()


def content_of(peer: Peer) -> Path:
    """The one content file of a machine."""
    (found,) = (path for path in peer.content.rglob("*") if path.is_file())
    return found
