"""The peer daemon: makes every part, ties them together, and runs them until told to stop."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from peer.admission import Admission
from peer.announcer import Announcer
from peer.catalogue import Catalogue
from peer.data_dir import DataDir, write_private
from peer.database import open_database
from peer.errors import UnreachableError
from peer.listener import Listener
from peer.operator.adding import Adding
from peer.operator.fetching import Fetching
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing
from peer.operator.requests import Requests
from peer.operator.session import OperatorSession
from peer.operator.status import StatusMaker
from peer.own_addresses import own_addresses
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.address_book import AddressBook
from peer.swarm.downloads import Downloads
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from peer.swarm.replication import Replication
from peer.swarm.services import PeerServices, Traffic
from peer.tracker_link import TrackerLink
from peer.web_process import WebLogins, WebProcess
from protocol.address import Address
from protocol.drivers.on_trio import TrioChannel
from protocol.entry import Tombstone
from protocol.errors import ProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import GetMachines, Holder, Locate, Located, Machines
from protocol.messages.tracking import EntryChanged, PeerChanged, Present, Presented
from protocol.operator_access import encode_operator_access, make_operator_access

log = structlog.get_logger()

TRIM_EVERY = 20.0


@dataclass(frozen=True, kw_only=True)
class DaemonConfig:
    """What `twofold run` is told. `web` None: no page."""

    data: Path
    listen: Address
    web: Address | None
    advertise: tuple[str, ...] = ()


class Daemon:
    """One running peer. Constructing it opens the data directory and may raise PeerError."""

    def __init__(self, config: DaemonConfig, say: Callable[[str, dict[str, object]], None]) -> None:
        self._config = config
        self._say = say
        self._dir = DataDir(config.data)
        self._dir.create()
        self._lock = self._dir.lock()
        self._joined = self._dir.load_joined()
        self._identity = self._dir.load_identity()
        self._me = self._identity.peer
        self._database = open_database(self._dir.database)
        self._chance = random.Random(os.urandom(16))
        self._traffic = Traffic()
        self._logins = WebLogins()
        self._addresses: tuple[str, ...] = ()
        self._port = 0
        self._build()

    def _build(self) -> None:
        database, joined = self._database, self._joined
        self._rosters = RosterBook(database, joined.swarm)
        self._catalogue = Catalogue(database, self._rosters)
        self._contents = Contents(database, self._dir.content)
        self._store = PieceStore(self._contents, self._dir.trash)
        self._admission = Admission(self._identity, joined, self._rosters)
        self._announcer = Announcer(self._contents)
        self._tracker = TrackerLink(
            self._admission.dialling_tracker, self._tracker_addresses, self._announcer, self._chance
        )
        self._address_book = AddressBook(database)
        self._links = Links(
            self._me, self._address_book, self._admission.dialling, self._rosters.name_of
        )
        self._presence = Presence(lambda peer: self._links.find(peer) is not None, self._me)
        self._downloads = Downloads(
            self._contents, self._store, self._links, self._traffic, self._locate, self._chance
        )
        self._replication = Replication(
            self._me,
            self._contents,
            self._catalogue,
            self._rosters,
            self._presence,
            self._links,
            self._downloads,
            self._capacity,
        )
        self._publishing = Publishing(
            self._identity, self._catalogue, self._contents, self._tracker, _now_ms
        )
        self._tie()
        self._requests = self._make_requests()
        self._listener = Listener(
            self._admission,
            self._links,
            self._serve_operator,
            lambda peer: self._downloads.shunned.is_shunned(PeerId(peer), trio.current_time()),
        )

    def _tie(self) -> None:
        """What each part tells the others."""
        self._links.services = PeerServices(
            contents=self._contents,
            store=self._store,
            pieces=self._downloads,
            take_roster=self._take_roster,
            consider_offer=self._replication.consider,
            locate_here=self._locate_here,
            traffic=self._traffic,
        )
        self._links.roster = lambda: (self._rosters.number, self._rosters.encoded)
        self._links.on_opened = lambda _: self._replication.wake()
        self._links.on_closed = self._link_closed
        self._downloads.on_recorded = lambda content, _: self._changed(content)
        self._downloads.on_finished = lambda _: self._replication.wake()
        self._store.on_lost = self._lost
        self._tracker.present = self._present
        self._tracker.stored = self._contents.stored_bytes
        self._tracker.take_roster = self._take_roster
        self._tracker.take_entry = self._take_entry
        self._tracker.take_peer = self._take_peer
        self._tracker.on_connected = self._tracker_connected

    def _make_requests(self) -> Requests:
        lookup = Lookup(
            self._me,
            self._joined.swarm,
            self._tracker,
            self._catalogue,
            self._rosters,
            self._contents,
            self._replication,
            self._presence,
        )
        self._status = StatusMaker(
            self._me,
            self._rosters,
            self._contents,
            self._downloads,
            self._tracker,
            self._traffic,
            self._capacity,
        )
        return Requests(
            me=self._me,
            status=self._status,
            adding=Adding(
                self._store,
                self._downloads,
                self._publishing,
                lookup,
                lambda: self._rosters.roster.copies if self._rosters.roster else 2,
                self._added,
                self._dir.spool,
            ),
            fetching=Fetching(
                self._contents,
                self._store,
                self._downloads,
                self._links,
                lookup,
                self._tracker,
                self._rosters,
            ),
            publishing=self._publishing,
            lookup=lookup,
            catalogue=self._catalogue,
            contents=self._contents,
            store=self._store,
            tracker=self._tracker,
            rosters=self._rosters,
            presence=self._presence,
            logins=self._logins,
        )

    # Running

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises PeerError when it cannot start."""
        self._rosters.load()
        self._catalogue.load()
        self._contents.load()
        self._address_book.load()
        listeners = await self._listener.bind(self._config.listen)
        self._port = listeners[0].socket.getsockname()[1]
        self._find_addresses()
        self._write_operator_access()
        try:
            async with trio.open_nursery() as nursery:
                self._start(nursery, listeners)
                await self._wait_signal()
                log.info("stopping")
                nursery.cancel_scope.cancel()
        finally:
            self._dir.operator_file.unlink(missing_ok=True)
            self._store.close()
            self._database.close()

    def _start(self, nursery: trio.Nursery, listeners: list[trio.SocketListener]) -> None:
        self._links.start(nursery)
        self._downloads.start(nursery)
        nursery.start_soon(self._listener.serve, listeners)
        nursery.start_soon(self._tracker.run)
        nursery.start_soon(self._replication.run)
        nursery.start_soon(self._trim)
        listen = str(Address(host=self._config.listen.host, port=self._port))
        self._status.listen = listen
        roster = self._rosters.roster
        self._say(
            "listening",
            {"listen": listen, "peer": self._rosters.name_of(self._me), "swarm": roster.name}
            if roster
            else {"listen": listen, "peer": self._me.hex()[:12]},
        )
        if self._config.web is not None:
            web = WebProcess(self._dir.root, self._config.web, self._web_url)
            nursery.start_soon(web.run)

    async def _wait_signal(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                return

    async def _trim(self) -> None:
        while True:
            await trio.sleep(TRIM_EVERY)
            self._store.trim()

    async def _serve_operator(self, channel: TrioChannel) -> None:
        await OperatorSession(channel, self._requests).run()

    def _web_url(self, url: str | None) -> None:
        first = self._logins.url is None and url is not None
        self._logins.url = self._status.web = url
        if first and url is not None:
            self._say("web", {"url": url, "login": self._logins.mint()})

    def _find_addresses(self) -> None:
        found = self._config.advertise or own_addresses(self._config.listen.host, self._port)
        self._addresses = tuple(found)

    def _write_operator_access(self) -> None:
        host = self._config.listen.host
        reach = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
        access = make_operator_access(
            Address(host=reach, port=self._port),
            self._joined.psk,
            self._admission.operator_key,
            self._identity.static_key,
        )
        write_private(self._dir.operator_file, encode_operator_access(access))

    # What the parts tell

    def _capacity(self) -> int:
        return self._joined.capacity

    def _tracker_addresses(self) -> tuple[str, ...]:
        roster = self._rosters.roster
        listed = roster.trackers if roster else ()
        return tuple(dict.fromkeys(listed + self._joined.tracker_addresses))

    def _present(self, call: int) -> Present:
        return Present(
            call=call,
            addresses=self._addresses,
            capacity=self._capacity(),
            stored=self._contents.stored_bytes(),
            digest=self._announcer.digest(),
            seen=self._seen_change(),
        )

    def _seen_change(self) -> int:
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'change'"
        ).fetchone()
        return int(row[0]) if row else 0

    async def _remember_change(self, change: int) -> None:
        await self._database.run(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES ('change', ?)", (change,))
        )

    async def _take_roster(self, encoded: bytes) -> None:
        if await self._rosters.offer(encoded) and self._rosters.roster is not None:
            self._links.cut_revoked(self._rosters.roster.revoked())
            self._links.tell_roster(self._rosters.number, encoded)
            self._replication.wake()

    async def _take_entry(self, changed: EntryChanged) -> None:
        try:
            record, new = await self._catalogue.learn(changed.record)
        except ProtocolError as error:
            log.warning("entry from the tracker refused", reason=str(error))
            return
        await self._remember_change(changed.change)
        if new and isinstance(record, Tombstone):
            await self._drop_unwanted(record.manifest)
        self._replication.wake()

    async def _drop_unwanted(self, manifest: ManifestId) -> None:
        """Put aside what no entry names any more."""
        content = self._contents.get(manifest)
        if content is None or self._catalogue.copies_wanted(manifest):
            return
        running = self._downloads.find(manifest)
        if running is not None:
            self._downloads.stop(manifest, "the entry was deleted")
            await running.closed.wait()
        await self._store.trash(content, _now_ms())
        self._announcer.mark(manifest)
        self._tracker.mark()

    async def _take_peer(self, changed: PeerChanged) -> None:
        self._presence.tell(changed.peer, changed.state)
        if changed.peer != self._me:
            await self._address_book.learn(changed.peer, changed.addresses)
        self._replication.wake()

    async def _tracker_connected(self, presented: Presented) -> None:
        await self._publishing.send_unpublished()
        machines, _ = await self._tracker.call(lambda call: GetMachines(call=call), Machines)
        for machine in machines.machines:
            self._presence.tell(machine.peer, machine.state)
            if machine.peer != self._me:
                await self._address_book.learn(machine.peer, machine.addresses)
        self._replication.wake()

    async def _locate(self, manifest: ManifestId) -> list[PeerId]:
        """Peers that may hold pieces: the tracker's word, else everybody we know."""
        try:
            located, _ = await self._tracker.call(
                lambda call: Locate(call=call, manifest=manifest), Located, timeout=5.0
            )
        except UnreachableError:
            roster = self._rosters.roster
            return [m.peer for m in (roster.peers() if roster else ()) if m.peer != self._me]
        for holder in located.holders:
            if holder.peer != self._me:
                await self._address_book.learn(holder.peer, holder.addresses)
        return [holder.peer for holder in located.holders if holder.peer != self._me]

    def _locate_here(self, manifest: ManifestId) -> tuple[Holder, ...]:
        content = self._contents.get(manifest)
        if content is None:
            return ()
        bits = content.bits.to_wire()
        return (Holder(peer=self._me, state="live", addresses=self._addresses, bits=bits),)

    def _link_closed(self, link: PeerLink) -> None:
        self._downloads.link_closed(link)
        self._replication.link_closed(link)

    def _changed(self, content: Content) -> None:
        self._announcer.mark(content.id)
        self._tracker.mark()

    def _added(self, content: Content) -> None:
        self._changed(content)
        self._replication.wake()

    def _lost(self, content: Content, pieces: list[int], why: str) -> None:
        log.warning("pieces no longer count", manifest=content.id.hex()[:12], why=why, n=len(pieces))
        self._changed(content)
        self._replication.wake()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


