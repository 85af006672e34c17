"""The page's process lives exactly as long as its daemon."""

from pathlib import Path

import psutil
import pytest
from swarm import Peer, Swarm

pytestmark = pytest.mark.swarm


def _page_of(peer: Peer) -> psutil.Process:
    assert peer.daemon is not None
    (page,) = psutil.Process(peer.daemon.process.pid).children()
    return page


def test_the_page_ends_with_a_killed_daemon_and_with_a_stopped_one(tmp_path: Path) -> None:
    with Swarm(tmp_path / "swarm") as swarm:
        peer = swarm.add_peer("a", web=True)
        for end in (swarm.kill9, swarm.stop, swarm.kill9):
            swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up")
            page = _page_of(peer)
            end(peer)
            swarm.wait_until(lambda page=page: not page.is_running(), "the page has ended")
            swarm.start(peer)


def test_a_killed_page_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    with Swarm(tmp_path / "swarm") as swarm:
        peer = swarm.add_peer("a", web=True)
        url = swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up")
        killed = _page_of(peer)
        killed.kill()
        swarm.wait_until(lambda: not killed.is_running(), "the page is gone")
        again = swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up again")
        assert again == url
