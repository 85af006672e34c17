"""One operator's request, done by the running tracker or, with none running, right here.

Invariant: the database is opened only under the data directory's lock; whoever does not get the
lock asks the tracker that has it.
"""

import time

import trio

from protocol.address import Address
from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.ids import PeerId
from protocol.messages.base import Failed, Reply, Request
from protocol.messages.shared import PeerState
from protocol.operator_access import decode_operator_access, operator_credentials
from tracker import machines, swarm
from tracker.audit import Actor
from tracker.data_dir import DataDir
from tracker.database import open_database
from tracker.errors import InUseError, RequestFailedError
from tracker.operating import Office
from tracker.tracker import wall_clock
from tracker.version import program_version

_PATIENCE = 10.0
"""Seconds for a tracker that is just starting or stopping to get there."""
_ANSWER_TIME = 30.0
_PAUSE = 0.1


def ask(directory: DataDir, request: Request) -> Reply:
    """The reply to an operator's request; RequestFailedError when it was not done."""
    directory.check_made()
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with directory.locked():
                return _perform_here(directory, request)
        except InUseError:
            try:
                return trio.run(_ask_tracker, directory, request)
            except (ConnectionLostError, FileNotFoundError):
                if time.monotonic() > deadline:
                    raise RequestFailedError(
                        "unreachable", "the running tracker does not answer"
                    ) from None
                time.sleep(_PAUSE)


def _perform_here(directory: DataDir, request: Request) -> Reply:
    keys, identity = directory.load_swarm_keys(), directory.make_identity()
    database = open_database(directory.place())
    try:
        database.read_now(lambda connection: swarm.check_swarm(connection, keys.public))
        now = wall_clock()
        roster = database.read_now(lambda connection: swarm.load_roster(connection, keys.public))
        seen = database.read_now(machines.load_seen)
        office = Office(
            keys=keys,
            tracker=identity.static_key,
            addresses=directory.public() or database.read_now(swarm.public_addresses),
            states=_states(seen, now, roster.roster.grace),
            now=now,
            actor=Actor("operator"),
        )
        return database.write_now(lambda connection: office.perform(connection, request)).reply
    finally:
        database.close()


def _states(seen: dict[PeerId, int], now: int, grace: int) -> dict[PeerId, PeerState]:
    """With no tracker running nobody is live."""
    return {
        peer: "suspect" if now - moment <= grace * 1000 else "gone" for peer, moment in seen.items()
    }


async def _ask_tracker(directory: DataDir, request: Request) -> Reply:
    access = decode_operator_access(directory.operator.read_bytes())
    address = Address.parse(access.address)
    credentials = operator_credentials(access, program_version(), preferred_ciphers())
    with trio.move_on_after(_ANSWER_TIME):
        channel = await open_channel(address.host, address.port, credentials)
        try:
            await channel.send(request)
            while True:
                event = await channel.receive()
                if isinstance(event, Ended):
                    raise ConnectionLostError("the tracker ended the connection")
                message = event.message
                if isinstance(message, Failed):
                    raise RequestFailedError(message.kind, message.text)
                if isinstance(message, Reply):
                    return message
        finally:
            await channel.aclose()
    raise RequestFailedError("unreachable", "the running tracker does not answer")
