"""The running tracker: listeners, connections from their first byte on, and a good end.

Each connection's troubles end at its own edge here, bugs included: they are logged and close that
connection alone. A stranger gets no byte back, and 10 s.
"""

import functools
import signal
from collections.abc import Callable

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection

from protocol.address import Address
from protocol.connection import Established
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import LocalProtocolError, ProtocolError, RefusedError
from protocol.hello import MemberHello
from protocol.ids import StaticKey
from protocol.operator_access import encode_operator_access, make_operator_access
from tracker import swarm
from tracker.admission import Admission, role_of
from tracker.data_dir import DataDir, SwarmKeys, write_secret
from tracker.database import Database, open_database
from tracker.dispatch import serve
from tracker.errors import DataDirectoryError
from tracker.listening import reachable
from tracker.peer_requests import keep_up
from tracker.session import Session, linger
from tracker.tracker import Tracker, roster_document, wall_clock

HANDSHAKE_TIME = 10.0
MAX_UNFINISHED = 256
_REFUSAL_TIME = 2.0
_STOPPING = "the tracker is stopping"
_log = structlog.get_logger()


class Reception:
    """Takes connections in: handshake, then a session."""

    def __init__(self, tracker: Tracker, admission: Admission) -> None:
        self._tracker = tracker
        self._admission = admission
        self._unfinished = 0

    async def receive(self, stream: trio.abc.HalfCloseableStream) -> None:
        """One connection, to its end. Raises nothing but Cancelled."""
        host = _remote_host(stream)
        try:
            session = await self._open(stream, host)
            if session is not None:
                await self._serve(session)
        except RefusedError as error:
            _log.info("turned away just now", host=host, why=str(error))
        except Exception:
            _log.exception("a connection was closed by a bug", host=host)
        finally:
            await trio.aclose_forcefully(stream)

    async def _open(self, stream: trio.abc.HalfCloseableStream, host: str | None) -> Session | None:
        if self._unfinished >= MAX_UNFINISHED:
            _log.warning("too many connections at once", host=host)
            return None
        self._unfinished += 1
        try:
            channel = TrioChannel(stream, self._admission.credentials(), initiator=False)
            established = await self._handshake(channel, host)
        finally:
            self._unfinished -= 1
        return self._session(channel, established, host) if established else None

    async def _handshake(self, channel: TrioChannel, host: str | None) -> Established | None:
        with trio.move_on_after(HANDSHAKE_TIME):
            try:
                return await channel.handshake()
            except LocalProtocolError:
                raise
            except RefusedError as error:
                _log.info("turned away", host=host, why=str(error))
                await _let_read(channel.stream)
                return None
            except (ProtocolError, ConnectionLostError, OSError) as error:
                _log.debug("a stranger", host=host, why=str(error))
                return None
        _log.debug("a handshake took too long", host=host)
        return None

    def _session(self, channel: TrioChannel, established: Established, host: str | None) -> Session:
        hello, static = established.hello, established.static
        member, role = None, role_of(hello)
        if isinstance(hello, MemberHello):
            member = self._admission.member(hello, static)
            if self._tracker.roster.roster.find(member.peer) is None:
                role = "returning"
        session = Session(channel, role, static, member, host)
        self._tracker.enter(session)
        old = isinstance(hello, MemberHello) and hello.roster < self._tracker.roster.number
        if old and role == "member":
            session.push(roster_document(self._tracker.roster))
        return session

    async def _serve(self, session: Session) -> None:
        try:
            await session.run(
                functools.partial(serve, self._tracker), functools.partial(keep_up, self._tracker)
            )
        finally:
            self._tracker.leave(session)


async def run_tracker(
    directory: DataDir, listen: Address, announce: Callable[[str, str], None]
) -> None:
    """Run until SIGTERM or SIGINT. `announce` is told the swarm's name and where we listen.

    The caller holds the directory's lock. DataDirectoryError when it cannot start.
    """
    directory.operator.unlink(missing_ok=True)
    keys, identity = directory.load_swarm_keys(), directory.make_identity()
    database = open_database(directory.place())
    try:
        begin_anew(database, keys)
        database.read_now(lambda connection: swarm.check_swarm(connection, keys.public))
        listeners = await _listen(listen)
        bound = [_bound(listener) for listener in listeners]
        public = database.read_now(swarm.public_addresses)
        addresses = public or reachable(bound)
        database.write_now(
            lambda connection: swarm.set_trackers(connection, keys.signing, addresses)
        )
        tracker = Tracker(database, keys, identity, addresses)
        operator = X25519PrivateKey.generate()
        access = make_operator_access(_local(bound[0]), keys.psk, operator, identity.static_key)
        write_secret(directory.operator, encode_operator_access(access))
        public_key = StaticKey(operator.public_key().public_bytes_raw())
        admission = Admission(keys, identity, public_key, lambda: tracker.roster)
        try:
            await _serve_until_told(tracker, admission, listeners, bound[0], announce)
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

    lost = database.write_now(begin)
    if lost:
        _log.warning("the database is empty: members are asked for what was in it")
    return lost


async def _serve_until_told(
    tracker: Tracker,
    admission: Admission,
    listeners: list[trio.SocketListener],
    bound: tuple[str, int],
    announce: Callable[[str, str], None],
) -> None:
    reception = Reception(tracker, admission)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tracker.keep_time)
            nursery.start_soon(tracker.get_ready)
            await nursery.start(trio.serve_listeners, reception.receive, listeners)
            address = str(Address(host=bound[0], port=bound[1]))
            _log.info("listening", address=address, roster=tracker.roster.number)
            announce(tracker.roster.roster.name, address)
            async for _ in signals:
                break
            _log.info("stopping")
            await tracker.save_everything()
            for session in list(tracker.sessions):
                session.cut(_STOPPING)
            nursery.cancel_scope.cancel()


async def _listen(listen: Address) -> list[trio.SocketListener]:
    try:
        return list(await trio.open_tcp_listeners(listen.port, host=listen.host))
    except OSError as error:
        why = error.strerror or str(error)
        raise DataDirectoryError(f"cannot listen on {listen}: {why}") from None


def _bound(listener: trio.SocketListener) -> tuple[str, int]:
    name = listener.socket.getsockname()
    return name[0], name[1]


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
