"""The newest roster this machine knows: kept on disk, only ever replaced by a higher number."""

from collections.abc import Awaitable, Callable

import structlog

from peer.database import Database
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.ids import PeerId, SwarmKey
from protocol.ring import Ring
from protocol.roster import Member, MemberState, Roster, check_not_revoked, open_roster_untrusted

log = structlog.get_logger()

DEFAULT_GRACE = 1800


class RosterBook:
    """Holds one roster and the ring made from it. `changes` counts replacements."""

    def __init__(self, database: Database, swarm: SwarmKey) -> None:
        self._database = database
        self._swarm = swarm
        self.roster: Roster | None = None
        self.encoded = b""
        self.ring = Ring([])
        self._members: dict[PeerId, Member] = {}
        self.on_wrong: Callable[[str, str], Awaitable[None]] = _ignore
        """Called with a kind and a text when a roster is signed and yet cannot be right."""

    @property
    def number(self) -> int:
        """The number of the roster, 0 before the first."""
        return self.roster.number if self.roster else 0

    @property
    def grace(self) -> int:
        """Seconds for which a silent peer keeps its place in the ring."""
        return self.roster.grace if self.roster else DEFAULT_GRACE

    def load(self) -> None:
        """Read the roster kept from an earlier run."""
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'roster'"
        ).fetchone()
        if row:
            self._install(row[0], open_roster_untrusted(row[0], self._swarm))

    async def offer(self, encoded: bytes, *, from_tracker: bool = False) -> bool:
        """Take a roster somebody sent if it is newer; whether it was.

        RemoteProtocolError when it is not signed by the swarm.
        """
        roster = open_roster_untrusted(encoded, self._swarm)
        if roster.number <= self.number:
            if roster.number == self.number and encoded != self.encoded:
                text = f"there are two lists of members with one number ({roster.number}), both "
                await self.on_wrong("two rosters", text + "signed by the swarm's key")
            elif from_tracker and roster.number < self.number:
                text = f"the tracker sent an older list of members ({roster.number}) than "
                await self.on_wrong("roster", text + f"this machine has ({self.number})")
            return False
        forgotten = self._revoked() - _revoked(roster)
        if forgotten:
            # Revoked is for good: who made this does not know what the tracker once knew.
            text = f"a list of members ({roster.number}) was refused: it forgets who was revoked"
            await self.on_wrong("forgets", text)
            return False
        self._install(encoded, roster)
        await self._database.run(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES ('roster', ?)", (encoded,))
        )
        log.info("new roster", number=roster.number, members=len(roster.peers()))
        return True

    def check(self, member: Member) -> None:
        """RefusedError when the roster says this member is revoked."""
        check_not_revoked(self.roster, member)

    def find(self, peer: PeerId) -> Member | None:
        """A machine by id, also one that is no member any more."""
        return self._members.get(peer)

    def state_of(self, peer: PeerId) -> MemberState:
        """What the roster lists a machine as; one it does not list yet will be active."""
        member = self.find(peer)
        return member.state if member else "active"

    def peers(self) -> tuple[PeerId, ...]:
        """The members that are peers."""
        return tuple(member.peer for member in self.roster.peers()) if self.roster else ()

    def admins(self) -> frozenset[PeerId]:
        """The members that are admins."""
        return self.roster.admins() if self.roster else frozenset()

    def name_of(self, key: bytes) -> str:
        """The name of a machine or author, or the beginning of its key when it is unknown."""
        member = self.find(PeerId(key))
        return member.name if member else key.hex()[:12]

    def _revoked(self) -> frozenset[PeerId]:
        return _revoked(self.roster) if self.roster else frozenset()

    def _install(self, encoded: bytes, roster: Roster) -> None:
        try:
            ring = roster.ring()
        except LocalProtocolError as error:
            raise RemoteProtocolError(f"roster refused: {error}") from None
        self.encoded, self.roster, self.ring = encoded, roster, ring
        self._members = {member.peer: member for member in roster.members}


async def _ignore(_kind: str, _text: str) -> None:
    return None


def _revoked(roster: Roster) -> frozenset[PeerId]:
    return frozenset(m.peer for m in roster.members if m.state == "revoked")
