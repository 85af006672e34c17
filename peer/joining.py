"""Joining a swarm: trade an invite's token for a membership, and keep what that gives."""

import trio

from peer.data_dir import DataDir, JoinedSwarm
from peer.database import open_database
from peer.errors import (
    NotPermittedError,
    PeerError,
    UnreachableError,
    UsageError,
    error_of,
)
from peer.roster_book import RosterBook
from peer.version import VERSION
from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import InvalidTextError, RefusedError, RemoteProtocolError
from protocol.hello import Credentials, Hello, JoinHello, MemberHello
from protocol.identity import Identity
from protocol.ids import StaticKey
from protocol.invite import Invite, decode_invite
from protocol.messages.base import Failed
from protocol.messages.shared import RosterDocument
from protocol.messages.tracking import Join, Joined, join_proof_body
from protocol.roster import Roster, open_membership_untrusted

TIMEOUT = 15.0


async def join(
    directory: DataDir, text: str, *, name: str, zone: str | None, capacity: int
) -> tuple[str, Roster]:
    """Join with an invite; the name given to this machine, and the roster.

    Raises UsageError for a mistyped invite, UnreachableError, NotPermittedError when the tracker
    refuses, PeerError when this machine is in a swarm already.
    """
    try:
        invite = decode_invite(text)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None
    directory.create()
    lock = directory.lock()
    del lock  # held until the process ends
    directory.check_joinable(invite.swarm)
    identity = directory.load_identity()
    channel = await _reach(invite, identity)
    try:
        joined, encoded = await _trade(channel, invite, identity, name, zone, capacity)
        database = open_database(directory.database)
        try:
            book = RosterBook(database, invite.swarm)
            await book.offer(encoded)
        finally:
            database.close()
    except (ConnectionLostError, RemoteProtocolError) as error:
        raise PeerError(f"joining failed: {error}") from None
    except RefusedError as error:
        raise NotPermittedError(f"the tracker refuses: {error}") from None
    finally:
        await channel.aclose()
    member = open_membership_untrusted(joined.membership, invite.swarm, identity.static_key)
    directory.save_joined(
        JoinedSwarm(
            swarm=invite.swarm,
            psk=invite.psk,
            tracker=invite.tracker,
            tracker_addresses=tuple(str(address) for address in invite.addresses),
            membership=joined.membership,
            capacity=capacity,
        )
    )
    if book.roster is None:
        raise PeerError("the tracker sent no roster")
    return member.name, book.roster


async def _reach(invite: Invite, identity: Identity) -> TrioChannel:
    def admit(hello: Hello, static: StaticKey) -> None:
        if static != invite.tracker or not isinstance(hello, MemberHello):
            raise RefusedError("this is not the tracker that made the invite")

    credentials = Credentials(
        psk=invite.psk,
        static=identity.static,
        hello=JoinHello(version=VERSION),
        admit=admit,
        ciphers=preferred_ciphers(),
    )
    failures = []
    for address in invite.addresses:
        try:
            with trio.fail_after(TIMEOUT):
                return await open_channel(address.host, address.port, credentials)
        except trio.TooSlowError:
            failures.append(f"{address} does not answer")
        except (ConnectionLostError, RemoteProtocolError) as error:
            failures.append(f"{address}: {error}")
        except RefusedError as error:
            raise NotPermittedError(str(error)) from None
    raise UnreachableError(f"the tracker cannot be reached: {'; '.join(failures)}")


async def _trade(
    channel: TrioChannel,
    invite: Invite,
    identity: Identity,
    name: str,
    zone: str | None,
    capacity: int,
) -> tuple[Joined, bytes]:
    proof = identity.signing.sign(join_proof_body(channel.connection.handshake_hash))
    request = Join(
        call=0,
        token=invite.token,
        peer=identity.peer,
        proof=proof,
        name=name,
        zone=zone,
        capacity=capacity,
    )
    joined: Joined | None = None
    with trio.move_on_after(TIMEOUT):
        await channel.send(request)
        while True:
            event = await channel.receive()
            if isinstance(event, Ended):
                raise ConnectionLostError("the tracker closed the connection")
            if isinstance(event.message, Failed):
                raise error_of(event.message)
            if isinstance(event.message, Joined):
                joined = event.message
            elif isinstance(event.message, RosterDocument):
                encoded = await channel.receive_document(event.following)
                if joined is not None:
                    return joined, encoded
    raise UnreachableError(f"the tracker did not answer within {TIMEOUT:.0f} s")
