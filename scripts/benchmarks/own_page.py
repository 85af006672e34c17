"""The page of a peer as it is measured: logged in, and its process told from the daemon's."""

import http.client
import os
import urllib.parse
from pathlib import Path

from benchmarks.footprint import Account, family
from benchmarks.own_swarm import SECONDS, daemon_pid
from benchmarks.rounds import Figures
from swarm import Peer, Swarm

ROOM_MIB = 80.0
"""What the page's process may take while it sends or receives: the aim."""


class OwnPage:
    """Where a peer's page is, and the cookie of a session."""

    def __init__(self, swarm: Swarm, peer: Peer) -> None:
        swarm.wait_until(lambda: swarm.cli(peer, "login").code == 0, "the page is up", SECONDS)
        self._swarm = swarm
        self._peer = peer
        page = urllib.parse.urlsplit(self.login_url())
        self.host, self.port = page.hostname or "", page.port or 80
        self.url = f"http://{self.host}:{self.port}"
        connection = self.connect()
        connection.request("GET", f"{page.path}?{page.query}")
        answer = connection.getresponse()
        answer.read()
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
        self.headers = {"Cookie": cookie, "Origin": self.url}
        connection.close()

    def login_url(self) -> str:
        """A fresh one-time address."""
        return str(self._swarm.ok(self._peer, "login")["url"])

    def connect(self) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)

    def watch(self) -> "Watch":
        """What its processes use from now on."""
        return Watch(daemon_pid(self._peer))


class Watch:
    """Processor time of daemon and page together, memory of the page's process alone."""

    def __init__(self, daemon: int) -> None:
        pages = [pid for pid in family(daemon) if _is_page(pid)]
        if len(pages) != 1:
            raise SystemExit(f"the daemon has {len(pages)} processes for its page")
        self._both, self._page = Account(daemon), Account(pages[0])

    def figures(self, size: int) -> Figures:
        """So far, for `size` bytes."""
        self._both.note()
        self._page.note()
        return {
            "cpu_s_per_gb": self._both.cpu_seconds / (size / 1e9),
            "page_cpu_s_per_gb": self._page.cpu_seconds / (size / 1e9),
            "page_peak_mib": self._page.peak_mib,
        }


def _is_page(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode("web") in words
