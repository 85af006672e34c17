"""The machines of the swarm as an operator is shown them, and what about them endangers copies."""

from peer.errors import UnreachableError
from peer.operator.fitting import fit
from peer.operator.status import standing_of
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.tracker_link import TrackerLink
from protocol.ids import PeerId
from protocol.messages.operating import GetPeers, MachineView, Peers
from protocol.messages.shared import GetMachines, Machine, Machines
from protocol.zones import zone_warnings


class MachinesViewer:
    """Asks the tracker how they are; without one it tells what this machine knows."""

    def __init__(
        self, me: PeerId, tracker: TrackerLink, rosters: RosterBook, presence: Presence
    ) -> None:
        self._me = me
        self._tracker = tracker
        self._rosters = rosters
        self._presence = presence

    async def answer(self, request: GetPeers) -> Peers:
        """All machines that are members, by name."""
        roster = self._rosters.roster
        warnings = zone_warnings(roster) if roster else ()
        try:
            reply, _ = await self._tracker.call(lambda call: GetMachines(call=call), Machines)
        except UnreachableError:
            views, local = self._known(), True
        else:
            views, local = tuple(self._told(machine) for machine in reply.machines), False
        return fit(
            lambda n: Peers(call=request.call, peers=views[:n], local=local, warnings=warnings),
            len(views),
        )

    def _known(self) -> tuple[MachineView, ...]:
        roster = self._rosters.roster
        return tuple(
            MachineView(
                id=member.peer.hex(),
                name=member.name,
                zone=member.zone,
                state=self._presence.state(member.peer),
                addresses=(),
                capacity=member.capacity,
                stored=0,
                seen=0,
                this=member.peer == self._me,
                standing=standing_of(member.state),
                admin=member.admin,
            )
            for member in (roster.peers() if roster else ())
        )

    def _told(self, machine: Machine) -> MachineView:
        return MachineView(
            id=machine.peer.hex(),
            name=machine.name,
            zone=machine.zone,
            state="live" if machine.peer == self._me else machine.state,
            addresses=machine.addresses,
            capacity=machine.capacity,
            stored=machine.stored,
            seen=machine.seen,
            this=machine.peer == self._me,
            standing=standing_of(self._rosters.state_of(machine.peer)),
            admin=machine.peer in self._rosters.admins(),
        )
