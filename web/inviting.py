"""Machines of the swarm, managed from the page of an admin's machine: invites, zones, revoking.

Only for the owner of this machine. Whether the machine is an admin the tracker decides.
"""

from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.messages.base import Done
from protocol.messages.operating import GetPeers, MachineView, Peers
from protocol.messages.tracking import (
    CreateInvite,
    GetMembers,
    Invited,
    InviteSummary,
    Members,
    Revoke,
    Revoked,
    SetZone,
)
from web.activity import note
from web.answers import AnswerError, invalid, json_answer, not_found
from web.asking import read_json
from web.daemon import Daemon
from web.people import require_owner
from web.qr_picture import qr_picture
from web.routes import Route

_ID = "{id:[0-9a-f]{6,64}}"
Zone = Annotated[str, Meta(max_length=64)]


class WantedInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/invites: seconds for which it is good, and the new machine's zone."""

    expires: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 86_400
    zone: Zone = ""


class MadeInvite(msgspec.Struct, frozen=True):
    """The invite as text, told this once; `qr` is an address of a picture, "" when too long."""

    id: str
    invite: str
    expires: int
    """Milliseconds since 1970."""
    qr: str


class OpenInvites(msgspec.Struct, frozen=True):
    """Those that a machine can still join by."""

    invites: tuple[InviteSummary, ...]


class WantedZone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of PATCH /api/v1/machines/{id}: "" for a zone of its own."""

    zone: Zone


class Inviting:
    """The routes of /api/v1/invites and /api/v1/machines."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """All of them."""
        invites, machine = "/api/v1/invites", f"/api/v1/machines/{_ID}"
        return [
            Route(
                "GET",
                invites,
                self._invites,
                "The open invites.",
                {200: OpenInvites},
                errors=(403,),
            ),
            Route(
                "POST",
                invites,
                self._invite,
                "Make an invite for one machine.",
                {201: MadeInvite},
                body=WantedInvite,
            ),
            Route(
                "DELETE",
                f"{invites}/{_ID}",
                self._withdraw,
                "Make an invite worthless.",
                {204: None},
            ),
            Route(
                "PATCH", machine, self._zone, "Give a machine a zone.", {204: None}, body=WantedZone
            ),
            Route("DELETE", machine, self._revoke, "Shut a machine out for good.", {204: None}),
        ]

    async def _invites(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        return json_answer(OpenInvites(await self._open()))

    async def _invite(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, WantedInvite)
        question = CreateInvite(call=0, expires=wanted.expires, zone=wanted.zone)
        made = await self._daemon.ask(question, Invited)
        note(request, "invite", text="made an invite")
        # Upper case is read as well, and makes a much smaller code.
        qr = qr_picture(made.invite.upper(), error="l")
        return json_answer(MadeInvite(made.id, made.invite, made.expires, qr), status=201)

    async def _withdraw(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        # By its whole id, and only an open one: a machine may be called like a part of it.
        known = {each.id for each in await self._open()}
        invite = request.match_info["id"]
        if invite not in known:
            raise not_found("This invite is not open any more: it was used, revoked, or expired.")
        await self._daemon.ask(Revoke(call=0, target=invite), Revoked)
        note(request, "invite", text="revoked an invite")
        return aiohttp.web.Response(status=204)

    async def _zone(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, WantedZone)
        machine = await self._machine(request)
        await self._daemon.ask(SetZone(call=0, target=machine.id, zone=wanted.zone), Done)
        note(request, "machine", text=f"set the zone of {machine.name}")
        return aiohttp.web.Response(status=204)

    async def _revoke(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        machine = await self._machine(request)
        if machine.this:
            raise invalid("This machine cannot shut itself out. To leave, run: twofold leave")
        await self._daemon.ask(Revoke(call=0, target=machine.id), Revoked)
        note(request, "machine", text=f"shut out {machine.name}")
        return aiohttp.web.Response(status=204)

    async def _open(self) -> tuple[InviteSummary, ...]:
        members = await self._daemon.ask(GetMembers(call=0), Members)
        return tuple(each for each in members.invites if each.state == "open")

    async def _machine(self, request: aiohttp.web.Request) -> MachineView:
        peers = (await self._daemon.ask(GetPeers(call=0), Peers)).peers
        wanted = request.match_info["id"]
        found = next((machine for machine in peers if machine.id == wanted), None)
        if found is None:
            raise AnswerError(404, "not_found", "There is no such machine in this swarm any more.")
        return found
