"""Invites, members and zones: an admin's machine asks the tracker, which decides."""

import msgspec

from peer.tracker_link import TrackerLink
from protocol.messages.base import Done, Reply, Request
from protocol.messages.tracking import (
    CreateInvite,
    GetMembers,
    Invited,
    Members,
    Revoke,
    Revoked,
    SetZone,
)

ManagingRequest = CreateInvite | GetMembers | Revoke | SetZone
_REPLIES: dict[type[Request], type[Reply]] = {
    CreateInvite: Invited,
    GetMembers: Members,
    Revoke: Revoked,
    SetZone: Done,
}


class Managing:
    """Passes on what only the tracker can do."""

    def __init__(self, tracker: TrackerLink) -> None:
        self._tracker = tracker

    async def answer(self, request: ManagingRequest) -> Reply:
        """The tracker's reply. NotPermittedError when this machine is no admin."""
        reply, _ = await self._tracker.call(
            lambda call: msgspec.structs.replace(request, call=call), _REPLIES[type(request)]
        )
        return msgspec.structs.replace(reply, call=request.call)
