"""What is known of each machine beyond its membership: where it was, what it stores, when seen.

Addresses are what a peer says of itself, as far as they could be dialled, and where it was seen.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from sqlalchemy import Connection, bindparam, select, update

from protocol import codec
from protocol.address import Address
from protocol.errors import InvalidTextError
from protocol.ids import PeerId
from protocol.messages.shared import Machine, PeerState
from tracker import tables
from tracker.listing import REPLY_SPACE
from tracker.rows import change_rows
from tracker.swarm import join_lines, split_lines

MAX_ADDRESSES = 16
MAX_MACHINES = 1000
_table = tables.members
_NOTE_PRESENT = (
    update(_table)
    .where(_table.c.peer == bindparam("of"))
    .values(addresses=bindparam("addresses"), stored=bindparam("stored"), seen=bindparam("seen"))
)
_SAVE_SEEN = (
    update(_table)
    .where(_table.c.peer == bindparam("of"), _table.c.seen < bindparam("moment"))
    .values(seen=bindparam("moment"))
)

States = Mapping[PeerId, PeerState]


def note_present(
    connection: Connection, arrived: Iterable[tuple[PeerId, tuple[str, ...], int, int]]
) -> None:
    """Members have connected: their addresses, the bytes they store, and when that was."""
    rows = [
        {"of": peer, "addresses": join_lines(addresses), "stored": stored, "seen": now}
        for peer, addresses, stored, now in arrived
    ]
    if rows:
        connection.execute(_NOTE_PRESENT, rows)


def save_seen(connection: Connection, seen: Mapping[PeerId, int]) -> None:
    """Write down when members were last heard, but for those that another tracker heard later."""
    rows = [{"of": peer, "moment": moment} for peer, moment in seen.items()]
    change_rows(connection, _SAVE_SEEN, rows)


def load_addresses(connection: Connection) -> dict[PeerId, tuple[str, ...]]:
    """Every member, and where it was last."""
    found = select(_table.c.peer, _table.c.addresses).where(tables.inside)
    return {PeerId(row.peer): split_lines(row.addresses) for row in connection.execute(found)}


def load_seen(connection: Connection) -> dict[PeerId, int]:
    """When every member was last heard, as far as it was written down."""
    found = select(_table.c.peer, _table.c.seen)
    return {PeerId(row.peer): row.seen for row in connection.execute(found)}


def list_machines(
    connection: Connection,
    states: States,
    addresses: Mapping[PeerId, tuple[str, ...]],
    seen: Mapping[PeerId, int],
) -> tuple[Machine, ...]:
    """The members by name, as many as one message takes."""
    inside = select(_table).where(tables.inside)
    rows = connection.execute(inside.order_by(_table.c.name, _table.c.peer).limit(MAX_MACHINES))
    machines: list[Machine] = []
    space = REPLY_SPACE
    for row in rows:
        peer = PeerId(row.peer)
        machine = Machine(
            peer=peer,
            name=row.name,
            zone=row.zone,
            state=states.get(peer, "suspect"),
            addresses=addresses.get(peer, split_lines(row.addresses)),
            capacity=row.capacity,
            stored=row.stored,
            seen=max(row.seen, seen.get(peer, 0)),
        )
        space -= len(codec.encode(machine))
        if space < 0:
            break
        machines.append(machine)
    return tuple(machines)


def usable_addresses(told: Iterable[str], host: str | None) -> tuple[str, ...]:
    """The addresses that could be dialled, and the one a connection from `host` suggests."""
    parsed = [address for text in told if (address := _parse(text)) is not None]
    usable = list(dict.fromkeys(address for address in parsed if _dialable(address)))
    ports = [address.port for address in parsed if address.port]
    if host is not None and ports:
        suggested = _parse(str(Address(host=host, port=ports[0])))
        if suggested is not None and suggested not in usable:
            usable = [*usable[: MAX_ADDRESSES - 1], suggested]
    return tuple(str(address) for address in usable[:MAX_ADDRESSES])


def _parse(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except InvalidTextError:
        return None


def _dialable(address: Address) -> bool:
    """Not the port of nobody, nor an address that means "all of mine"."""
    if address.port == 0:
        return False
    try:
        return not ip_address(address.host.partition("%")[0]).is_unspecified
    except ValueError:
        return True
