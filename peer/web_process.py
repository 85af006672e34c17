"""The web page's process: started, watched and started again; and its one-time logins.

The page speaks to the daemon as any operator does. It ends when its standard input does, so it
never outlives the daemon.
"""

import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
import trio

from peer.errors import PeerError
from protocol.address import Address

log = structlog.get_logger()

LOGIN_LIFETIME = 600.0
MOST_LOGINS = 256
LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Login:
    """One token's address on this machine, and on others if there is any."""

    url: str
    elsewhere: str


class WebLogins:
    """One-time tokens, kept as hashes in memory only."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: dict[bytes, tuple[float, str]] = {}
        self.url: str | None = None
        """Where the page is, while it is up."""
        self.elsewhere = ""
        """Where it is for other devices; "" when it is for this machine only."""

    def mint(self, name: str = "", seconds: float = LOGIN_LIFETIME) -> Login:
        """A fresh login for this person, "" for the owner. PeerError when there is no page."""
        if self.url is None:
            raise PeerError("this daemon runs without a web page (--web off), or it is not up yet")
        token = secrets.token_urlsafe(24)
        if len(self._open) >= MOST_LOGINS:
            # The oldest goes; a refusal would lock the owner out for as long as they are good.
            del self._open[next(iter(self._open))]
        self._open[_hash(token)] = (self._now() + seconds, name)
        path = f"/login?token={token}"
        return Login(self.url + path, self.elsewhere + path if self.elsewhere else "")

    def redeem(self, token: str) -> str | None:
        """Use a token up; whose it was, or None when it was not good."""
        now = self._now()
        self._open = {key: login for key, login in self._open.items() if login[0] > now}
        login = self._open.pop(_hash(token), None)
        return None if login is None else login[1]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class WebProcess:
    """Supervises `twofold-web`."""

    def __init__(
        self,
        data: Path,
        listen: Address,
        allowed_hosts: tuple[str, ...],
        on_url: Callable[[str | None], None],
    ) -> None:
        self._data = data
        self._listen = listen
        self._allowed_hosts = allowed_hosts
        self._on_url = on_url

    async def run(self) -> None:
        """Keep the page up for ever; a page that ends is started again, ever more slowly."""
        wait = 1.0
        while True:
            started = trio.current_time()
            code = await self._run_once()
            self._on_url(None)
            if trio.current_time() - started > 60:
                wait = 1.0
            log.error("the web process ended; starting it again", code=code, seconds=wait)
            await trio.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)

    async def _run_once(self) -> int:
        # -P: a folder called web where the daemon was started must not be run instead of ours.
        command = [sys.executable, "-P", "-m", "web", "--data", str(self._data)]
        command += ["--listen", str(self._listen), "--supervised"]
        for host in self._allowed_hosts:
            command += ["--allow-host", host]
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_output, process)
                await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            if process.returncode is None:
                process.terminate()
                with trio.move_on_after(3, shield=True):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
        return process.returncode or 0

    async def _read_output(self, process: trio.Process) -> None:
        received = b""
        if process.stdout is None:
            return
        async for part in process.stdout:
            received += part
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                try:
                    told = msgspec.json.decode(line)
                except msgspec.DecodeError:
                    continue
                if isinstance(told, dict) and told.get("type") == "ready":
                    # The same port again after a restart, so that open pages find it.
                    port = Address.parse(str(told["url"]).rpartition("/")[2]).port
                    self._listen = Address(host=self._listen.host, port=port)
                    self._on_url(str(told["url"]))
