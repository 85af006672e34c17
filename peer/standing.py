"""This machine as a member: the room it offers, and whether it drains, leaves or has left.

The roster has the last word, and only the tracker makes rosters.
"""

from typing import Literal

from msgspec import structs

from peer.data_dir import DataDir, JoinedSwarm
from peer.errors import PeerError, UnreachableError
from peer.roster_book import RosterBook
from peer.tracker_link import TrackerLink
from protocol.ids import PeerId
from protocol.messages.base import Done
from protocol.messages.tracking import ChangeCapacity, ChangeState
from protocol.roster import MemberState


class Standing:
    """Asks the tracker for what should be different; a reply means that the roster says so."""

    def __init__(
        self,
        me: PeerId,
        directory: DataDir,
        joined: JoinedSwarm,
        rosters: RosterBook,
        tracker: TrackerLink,
    ) -> None:
        self._me = me
        self._directory = directory
        self._joined = joined
        self._rosters = rosters
        self._tracker = tracker

    @property
    def state(self) -> MemberState:
        """As the newest roster known lists this machine."""
        return self._rosters.state_of(self._me)

    @property
    def capacity(self) -> int:
        """Bytes this machine offers."""
        return self._joined.capacity

    async def set_capacity(self, capacity: int) -> bool:
        """Offer so much from now on; whether the tracker knows already.

        It is kept first, and the tracker is told at each connect what a machine offers.
        """
        self._joined = structs.replace(self._joined, capacity=capacity)
        self._directory.save_joined(self._joined)
        try:
            await self._tracker.call(
                lambda call: ChangeCapacity(call=call, capacity=capacity), Done
            )
        except UnreachableError:
            return False
        return True

    async def drain(self, *, on: bool) -> None:
        """Take nothing new, or take again. PeerError when it cannot be."""
        if self.state == "leaving":
            raise PeerError("this machine is leaving; to stay after all: twofold leave --cancel")
        await self._change("draining" if on else "active", self._rosters.number)

    async def leaving(self, *, on: bool) -> None:
        """Be out of the ring from now on, or in it again. PeerError when it cannot be."""
        await self._change("leaving" if on else "active", self._rosters.number)

    async def leave(self, roster: int) -> None:
        """Be no member any more, unless there is a newer roster than this number.

        PeerError when there is, or when it cannot be; then nothing has changed.
        """
        await self._change("left", roster)
        self.note_left()

    def note_left(self) -> None:
        """Keep on disk that this machine is no member any more."""
        name = self._rosters.roster.name if self._rosters.roster else ""
        self._directory.mark_left(self._joined.swarm, name)

    async def _change(
        self, state: Literal["active", "draining", "leaving", "left"], roster: int
    ) -> None:
        if state == self.state:
            return
        try:
            await self._tracker.call(
                lambda call: ChangeState(call=call, state=state, roster=roster), Done
            )
        except UnreachableError:
            raise UnreachableError(
                "the tracker cannot be reached, and only it can tell everybody: "
                "try again when it is back"
            ) from None
