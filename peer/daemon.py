"""The peer daemon: runs the parts until it is told to stop."""

import ipaddress
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from peer.data_dir import write_private
from peer.errors import PeerError
from peer.listener import Listener
from peer.memory import MemoryKeeper
from peer.operator.session import OperatorSession
from peer.own_addresses import own_addresses
from peer.parts import Parts, now_ms
from peer.reactions import Reactions
from peer.store.piece_store import TRASH_KEPT
from peer.web_process import WebProcess
from protocol.address import Address
from protocol.drivers.on_trio import TrioChannel
from protocol.ids import ManifestId
from protocol.operator_access import encode_operator_access, make_operator_access

log = structlog.get_logger()

TRIM_EVERY = 20.0
ANSWER_HEARD = 1.0
"""Seconds for whoever told the daemon to leave to read the answer."""
EMPTY_TRASH_EVERY = 3600.0
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, kw_only=True)
class DaemonConfig:
    """What `twofold run` is told. `web` None: no page. `advertise`: addresses to announce.

    `allow_hosts`: further names under which the page may be visited. `lan`: whether to look for
    members on the same network, if the settings do not forbid it.
    """

    data: Path
    listen: Address
    web: Address | None
    advertise: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    lan: bool = True


class Daemon:
    """One running peer. Making it opens the data directory and may raise PeerError."""

    def __init__(self, config: DaemonConfig, say: Callable[[str, dict[str, object]], None]) -> None:
        self._config = config
        self._say = say
        self._parts = Parts(config.data)
        Reactions(self._parts)
        self._listener = Listener(
            self._parts.admission, self._parts.links, self._serve_operator, self._parts.shunned
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises PeerError when it cannot start."""
        parts = self._parts
        parts.load()
        if parts.standing.state == "left":
            # It was stopped between the tracker's answer and our note of it.
            parts.standing.note_left()
            parts.directory.load_joined()
        listeners = await self._listener.bind(self._config.listen)
        try:
            self._know_addresses(listeners[0].socket.getsockname()[1])
            async with trio.open_nursery() as nursery:
                self._start(nursery, listeners)
                nursery.start_soon(self._stop_when_left, nursery.cancel_scope)
                await _wait_signal()
                log.info("stopping")
                nursery.cancel_scope.cancel()
        finally:
            parts.directory.operator_file.unlink(missing_ok=True)
            parts.close()
        if parts.leaving.left.is_set() and not parts.leaving.keeps_stored:
            self._delete_stored()

    def _start(self, nursery: trio.Nursery, listeners: list[trio.SocketListener]) -> None:
        parts = self._parts
        parts.links.start(nursery)
        parts.downloads.start(nursery)
        nursery.start_soon(self._listener.serve, listeners)
        nursery.start_soon(parts.tracker.run)
        nursery.start_soon(parts.rebuilding.run)
        nursery.start_soon(parts.rollbacks.run)
        nursery.start_soon(parts.presence_watch.run)
        nursery.start_soon(parts.health_watch.run)
        nursery.start_soon(parts.events.run)
        nursery.start_soon(parts.replication.run)
        nursery.start_soon(parts.dropping.run)
        nursery.start_soon(parts.eviction.run)
        nursery.start_soon(parts.watch.run)
        nursery.start_soon(parts.trash.run)
        nursery.start_soon(parts.renditions.run)
        nursery.start_soon(parts.approvals.settle)
        parts.proving.start(nursery)
        nursery.start_soon(parts.auditing.run)
        nursery.start_soon(parts.scrubbing.run)
        nursery.start_soon(parts.second_looks.run)
        nursery.start_soon(self._trim)
        nursery.start_soon(self._empty_trash)
        nursery.start_soon(parts.limits.run)
        nursery.start_soon(self._reload_on_hangup)
        if self._config.lan:
            names = [listener.socket.getsockname() for listener in listeners]
            nursery.start_soon(parts.lan.run, [str(name[0]) for name in names], names[0][1])
        name = parts.rosters.name_of(parts.me)
        self._say("listening", {"peer": name, "listen": parts.status.listen})
        if self._config.web is not None:
            web = WebProcess(
                parts.directory.root, self._config.web, self._config.allow_hosts, self._web_url
            )
            nursery.start_soon(web.run)

    async def _stop_when_left(self, everything: trio.CancelScope) -> None:
        await self._parts.leaving.left.wait()
        await trio.sleep(ANSWER_HEARD)
        everything.cancel()

    def _delete_stored(self) -> None:
        parts = self._parts
        users = [content.path for content in parts.contents.all() if content.path is not None]
        try:
            for folder in parts.directory.delete_stored(users):
                log.warning("kept: files that were shared lie in it", folder=str(folder))
        except OSError as error:
            log.error("what was stored cannot be deleted", error=str(error))

    async def _trim(self) -> None:
        memory = MemoryKeeper()
        while True:
            await trio.sleep(TRIM_EVERY)
            self._parts.store.trim()
            self._parts.contents.trim()
            memory.look()

    async def _empty_trash(self) -> None:
        def is_wanted(manifest: ManifestId) -> bool:
            return self._parts.catalogue.copies_wanted(manifest) > 0

        while True:
            try:
                await self._parts.letting_go.tidy(now_ms())
                await self._parts.store.empty_trash(now_ms(), is_wanted)
                await self._parts.catalogue.forget_former(now_ms() - TRASH_KEPT)
                await self._parts.store.in_thread(self._parts.quarantine.tidy, now_ms())
            except (PeerError, OSError) as error:
                log.error("the trash cannot be emptied", error=str(error))
            await trio.sleep(EMPTY_TRASH_EVERY)

    async def _reload_on_hangup(self) -> None:
        """SIGHUP: the settings are read again, or the terminal is gone and we with it."""
        terminals = [number for number in range(3) if os.isatty(number)]
        with trio.open_signal_receiver(signal.SIGHUP) as signals:
            async for _ in signals:
                if not all(os.isatty(number) for number in terminals):
                    _turn_to_nothing(terminals)
                    signal.raise_signal(signal.SIGTERM)
                    continue
                try:
                    await self._parts.limits.reload()
                except PeerError as error:
                    log.error("settings not read", reason=str(error))

    async def _serve_operator(self, channel: TrioChannel) -> None:
        await OperatorSession(channel, self._parts.requests).run()

    def _web_url(self, url: str | None) -> None:
        logins = self._parts.logins
        first = logins.url is None and url is not None
        logins.url = self._parts.status.web = url
        if url is not None and self._config.web is not None:
            logins.elsewhere = for_others(self._config.web.host, url)
        if first and url is not None:
            made = logins.mint()
            self._say("web", {"url": url, "login": made.url, "elsewhere": made.elsewhere})

    def _know_addresses(self, port: int) -> None:
        """Now that the port is known, tell operators and others where this peer is."""
        parts, host = self._parts, self._config.listen.host
        parts.addresses = self._config.advertise or tuple(own_addresses(host, port))
        parts.locator.own_addresses = parts.addresses
        parts.status.listen = str(Address(host=host, port=port))
        access = make_operator_access(
            Address(host=_REACHED_AT.get(host, host), port=port),
            parts.joined.psk,
            parts.admission.operator_key,
            parts.identity.static_key,
        )
        write_private(parts.directory.operator_file, encode_operator_access(access))


def _turn_to_nothing(descriptors: list[int]) -> None:
    """What is still logged must not fail for want of a terminal."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in descriptors:
        os.dup2(nothing, number)


async def _wait_signal() -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


def for_others(host: str, url: str) -> str:
    """Where the page that listens on `host` is for other devices; "" when it is nowhere."""
    address = own_addresses(host, Address.parse(url.rpartition("/")[2]).port)[0]
    name = Address.parse(address).host
    try:
        here = ipaddress.ip_address(name).is_loopback
    except ValueError:
        here = name == "localhost"
    return "" if here else f"http://{address}"
