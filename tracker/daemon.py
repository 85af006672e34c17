"""The running tracker: listeners, connections from their first byte on, and a good end.

Each connection's troubles end at its own edge here, bugs included: they are logged and close that
connection alone. A stranger gets no byte back, and 10 s.
"""

import functools
import math
import secrets
import signal
from collections import Counter
from collections.abc import Callable

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from protocol.address import Address
from protocol.connection import Established
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import LocalProtocolError, ProtocolError, RefusedError
from protocol.hello import MemberHello
from protocol.ids import StaticKey
from protocol.messages.tending import ComeBack
from protocol.operator_access import encode_operator_access, make_operator_access
from protocol.roster import Member
from tracker import swarm
from tracker.accepting import take_connections
from tracker.admission import Admission, role_of
from tracker.catching_up import keep_up
from tracker.data_dir import DataDir, SwarmKeys, write_secret
from tracker.database import Database, open_database
from tracker.dispatch import serve
from tracker.errors import DataDirectoryError
from tracker.figures import gauges
from tracker.interpreter import suit_crowds
from tracker.kept_shelf import KeptShelf
from tracker.limits import Limits, source_of
from tracker.listening import reachable
from tracker.options import Options
from tracker.others import Others
from tracker.plain_http import PlainHttp
from tracker.probes import Probes
from tracker.resting import Resting
from tracker.session import Session, linger
from tracker.sockets import address_of, bound_at, listen_for_watchers, open_listeners
from tracker.tracker import Tracker, roster_document, wall_clock

HANDSHAKE_TIME = 10.0
MAX_UNFINISHED = 256
MOST_OF_SOURCE = 128
"""Of the unfinished handshakes, those of one address: nobody alone keeps all others out."""
MOST_IN_LINE = 10_000
"""Connections that wait for their handshake, of all addresses."""
STOP_TIME = 5.0
"""Seconds for what is being served to be answered when the tracker stops."""
_COME_BACK, _PER_PEER = 500, 5
"""Milliseconds that peers stay away when the tracker stops, and by how many each adds to the time
over which they come back."""
_REFUSAL_TIME = 2.0
_STOPPING = "the tracker is stopping"
_log = structlog.get_logger()


class Reception:
    """Takes connections in: handshake, then a session."""

    def __init__(self, tracker: Tracker, admission: Admission) -> None:
        self._tracker = tracker
        self._admission = admission
        self._unfinished = self._in_line = 0
        self._of_source: Counter[str] = Counter()
        self.stopping = False
        self.resting = Resting()

    async def receive(self, stream: trio.abc.HalfCloseableStream) -> None:
        """One connection, to its end. Raises nothing but Cancelled."""
        structlog.contextvars.bind_contextvars(connection=secrets.token_hex(4))
        host = _remote_host(stream)
        try:
            session = await self._open(stream, host) if await self._has_turn(host) else None
            if session is not None:
                await self._serve(session)
        except RefusedError as error:
            _log.info("turned away just now", host=host, why=str(error))
        except Exception:
            _log.exception("a connection was closed by a bug", host=host)
        finally:
            await trio.aclose_forcefully(stream)

    def has_gone(self) -> None:
        """A connection had given up before it was taken."""
        self._tracker.metrics.turned_away("gone")

    async def _has_turn(self, host: str | None) -> bool:
        """Whether a connection gets a handshake, when its address has its turn."""
        if host is None:
            return True
        wait = self._tracker.limits.handshake(source_of(host), trio.current_time())
        if wait == 0.0:
            return True
        self._tracker.metrics.limited("handshakes")
        if wait is None or self._in_line >= MOST_IN_LINE:
            _log.debug("too many connections from one address", host=host)
            return False
        self._in_line += 1
        try:
            await trio.sleep(wait)
        finally:
            self._in_line -= 1
        return True

    async def _open(self, stream: trio.abc.HalfCloseableStream, host: str | None) -> Session | None:
        source = source_of(host) if host is not None else ""
        if self._unfinished >= MAX_UNFINISHED or self._of_source[source] >= MOST_OF_SOURCE:
            _log.warning("too many connections at once", host=host)
            self._tracker.metrics.turned_away("crowded")
            return None
        self._unfinished += 1
        self._of_source[source] += host is not None
        try:
            channel = TrioChannel(stream, self._admission.credentials(), initiator=False)
            established = await self._handshake(channel, host)
        finally:
            self._unfinished -= 1
            self._of_source[source] -= host is not None
            if not self._of_source[source]:
                del self._of_source[source]
        return self._session(channel, established, host) if established else None

    async def _handshake(self, channel: TrioChannel, host: str | None) -> Established | None:
        with trio.move_on_after(HANDSHAKE_TIME):
            try:
                return await channel.handshake()
            except LocalProtocolError:
                raise
            except RefusedError as error:
                _log.info("turned away", host=host, why=str(error))
                self._tracker.metrics.turned_away("refused")
                await _let_read(channel.stream)
                return None
            except (ProtocolError, ConnectionLostError, OSError) as error:
                _log.debug("a stranger", host=host, why=str(error))
                self._tracker.metrics.turned_away("stranger")
                return None
        _log.debug("a handshake took too long", host=host)
        self._tracker.metrics.turned_away("slow")
        return None

    def _session(self, channel: TrioChannel, established: Established, host: str | None) -> Session:
        hello, static = established.hello, established.static
        member, role = None, role_of(hello)
        if isinstance(hello, MemberHello):
            member = self._admission.member(hello, static)
            if self._tracker.roster.roster.find(member.peer) is None:
                role = "returning"
        session = Session(channel, role, static, member, host, self.resting, self._tracker.busy)
        self._tracker.enter(session)
        if self.stopping:
            session.finish(_STOPPING, self._farewell())
        elif member is not None and host is not None:
            self._push_back(session, member, host)
        old = isinstance(hello, MemberHello) and hello.roster < self._tracker.roster.number
        if old and role == "member":
            session.push(roster_document(self._tracker.roster))
        return session

    def _push_back(self, session: Session, member: Member, host: str) -> None:
        """Too many came from there lately: this one has its place later."""
        limits, now = self._tracker.limits, trio.current_time()
        wait = limits.session(source_of(host), member.peer, now)
        if wait > 0:
            self._tracker.metrics.limited("sessions")
            later = ComeBack(after=math.ceil(wait * 1000), spread=1000, why="too many at once")
            session.finish("too many machines come from this address at once", later)

    async def stop(self) -> None:
        """Answer what is being asked, tell all peers to come back, and end within STOP_TIME."""
        self.stopping = True
        farewell = self._farewell()
        for session in list(self._tracker.sessions):
            session.finish(_STOPPING, farewell)
        with trio.move_on_after(STOP_TIME):
            await self._tracker.wait_empty()
        for session in list(self._tracker.sessions):
            session.cut(_STOPPING)

    def _farewell(self) -> ComeBack:
        spread = max(1000, _PER_PEER * len(self._tracker.sessions))
        return ComeBack(after=_COME_BACK, spread=spread, why="stopping")

    async def _serve(self, session: Session) -> None:
        try:
            await session.run(
                functools.partial(serve, self._tracker), functools.partial(keep_up, self._tracker)
            )
        finally:
            self._tracker.leave(session)


async def run_tracker(
    directory: DataDir,
    listen: Address,
    announce: Callable[[str, str, str], None],
    options: Options,
) -> None:
    """Run until SIGTERM or SIGINT. `announce` is told the swarm's name, and where we listen.

    The caller holds the directory's lock. DataDirectoryError when it cannot start.
    """
    directory.operator.unlink(missing_ok=True)
    keys, identity = directory.load_swarm_keys(), directory.make_identity()
    database = open_database(directory.place())
    try:
        begin_anew(database, keys)
        database.read_now(lambda connection: swarm.check_swarm(connection, keys.public))
        listeners = await open_listeners(listen)
        watched = await listen_for_watchers(options.metrics)
        bound = [bound_at(listener) for listener in listeners]
        public = directory.public() or database.read_now(swarm.public_addresses)
        addresses = public or reachable(bound)
        aside = database.engines.aside
        if aside is None:
            database.write_now(lambda c: swarm.set_trackers(c, keys.signing, addresses))
        kept = KeptShelf(directory.shelf, str(directory.place()))
        tracker = Tracker(database, keys, identity, addresses, kept_shelf=kept)
        if aside is not None:
            tracker.others = Others(tracker, aside, *directory.new_run(), addresses)
        tracker.limits = Limits(options.rates)
        tracker.metrics.look(gauges(tracker))
        tracker.metrics_address = address_of(watched[0]) if watched else ""
        operator = X25519PrivateKey.generate()
        access = make_operator_access(_local(bound[0]), keys.psk, operator, identity.static_key)
        write_secret(directory.operator, encode_operator_access(access))
        public_key = StaticKey(operator.public_key().public_bytes_raw())
        admission = Admission(keys, identity, public_key, lambda: tracker.roster)
        try:
            await _serve_until_told(tracker, admission, listeners, watched, announce)
        finally:
            directory.operator.unlink(missing_ok=True)
    finally:
        database.close()


def begin_anew(database: Database, keys: SwarmKeys) -> bool:
    """Begin in a database if it has nothing in it: the members know what there was."""

    def begin(connection: Connection) -> bool:
        lost = not swarm.has_swarm(connection)
        if lost:
            swarm.found_swarm(connection, keys.signing, swarm.NAMELESS, (), rebuilt=wall_clock())
        return lost

    try:
        lost = database.write_now(begin)
    except (IntegrityError, DataDirectoryError):
        lost = False  # Another tracker has begun in it just now.
    if lost:
        _log.warning("the database is empty: members are asked for what was in it")
    return lost


async def _serve_until_told(
    tracker: Tracker,
    admission: Admission,
    listeners: list[trio.SocketListener],
    watched: list[trio.SocketListener],
    announce: Callable[[str, str, str], None],
) -> None:
    suit_crowds()
    reception = Reception(tracker, admission)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tracker.keep_time)
            nursery.start_soon(reception.resting.run)
            nursery.start_soon(tracker.readiness.start)
            if tracker.others is not None:
                nursery.start_soon(tracker.others.run)
            probes = Probes(tracker.database, tracker.metrics, tracker.sizes, nursery)
            if watched:
                http = PlainHttp(probes.paths())
                await nursery.start(trio.serve_listeners, http.serve, watched)
            let_in = trio.CancelScope()
            nursery.start_soon(_let_in, let_in, reception, listeners)
            address = address_of(listeners[0])
            _log.info(
                "listening",
                address=address,
                metrics=tracker.metrics_address,
                roster=tracker.roster.number,
            )
            announce(tracker.roster.roster.name, address, tracker.metrics_address)
            probes.listening = True
            async for _ in signals:
                break
            _log.info("stopping")
            probes.listening = False
            let_in.cancel()
            await tracker.save_everything()
            await reception.stop()
            await tracker.readiness.keep()
            nursery.cancel_scope.cancel()
    _log.info("stopped")


async def _let_in(
    scope: trio.CancelScope, reception: Reception, listeners: list[trio.SocketListener]
) -> None:
    """Take connections until `scope` is cancelled; those that are open go on."""
    async with trio.open_nursery() as connections:
        with scope:
            async with trio.open_nursery() as taking:
                for each in listeners:
                    args = (each, reception.receive, connections, reception.has_gone)
                    taking.start_soon(take_connections, *args)


def _local(bound: tuple[str, int]) -> Address:
    """How a program on this machine reaches a listener."""
    host, port = bound
    return Address(host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port=port)


def _remote_host(stream: trio.abc.HalfCloseableStream) -> str | None:
    if not isinstance(stream, trio.SocketStream):
        return None
    try:
        host: str = stream.socket.getpeername()[0]
    except OSError:
        return None
    return host.removeprefix("::ffff:")


async def _let_read(stream: trio.abc.HalfCloseableStream) -> None:
    with trio.move_on_after(_REFUSAL_TIME):
        try:
            await linger(stream)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            return
