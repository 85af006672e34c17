"""What the tracker's operator may do: the same functions with the tracker running and without.

An `Office` does one request on an open database; whoever holds the data directory's lock has one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from protocol import codec
from protocol.address import Address
from protocol.ids import PeerId, StaticKey
from protocol.invite import MOST_ADDRESSES, TOKEN_LENGTH, Invite, encode_invite
from protocol.messages.base import Done, Reply, Request
from protocol.messages.deleting import BurstDecided, Bursts, DecideBurst, GetBursts, SetAdmin
from protocol.messages.shared import PeerState
from protocol.messages.tending import AuditAct, GetAudit, GetTrackerStatus
from protocol.messages.tracking import (
    CreateInvite,
    GetMembers,
    Invited,
    Members,
    Revoke,
    Revoked,
    SetGrace,
    SetZone,
)
from tracker import approvals, audit, invites, members, swarm
from tracker.approvals import Decision
from tracker.audit import Actor
from tracker.data_dir import SwarmKeys
from tracker.errors import RequestFailedError
from tracker.listing import REPLY_SPACE
from tracker.swarm import StoredRoster

States = Mapping[PeerId, PeerState]


@dataclass(frozen=True)
class Outcome:
    """The reply, the new roster if the request made one, and what was decided."""

    reply: Reply
    roster: StoredRoster | None = None
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class Office:
    """The swarm's secrets, and what is known from outside the database at this moment."""

    keys: SwarmKeys
    tracker: StaticKey
    addresses: tuple[str, ...]
    """Where the tracker listens; () when nobody knows."""
    states: States
    now: int
    actor: Actor

    def perform(self, connection: Connection, request: Request) -> Outcome:
        """Do what an operator asks; RequestFailedError when it cannot be done."""
        outcome = self._perform(connection, request)
        noted = _noted(request, outcome.reply)
        if noted is not None:
            act, what, more = noted
            audit.note(connection, self.actor, act, what, self.now, more)
        return outcome

    def _perform(self, connection: Connection, request: Request) -> Outcome:
        signing: Ed25519PrivateKey = self.keys.signing
        if isinstance(request, CreateInvite):
            return Outcome(self._invite(connection, request))
        if isinstance(request, GetMembers):
            return Outcome(self._members(connection, request))
        if isinstance(request, Revoke):
            done = members.revoke(connection, signing, request.target, request.call, self.now)
            return Outcome(done.reply, done.roster)
        if isinstance(request, SetGrace):
            roster = swarm.set_grace(connection, signing, request.seconds)
            return Outcome(Done(call=request.call), roster)
        if isinstance(request, SetZone):
            rezoned = members.set_zone(connection, signing, request.target, request.zone)
            return Outcome(Done(call=request.call), rezoned)
        if isinstance(request, SetAdmin):
            named = members.set_admin(connection, signing, request.target, admin=request.admin)
            return Outcome(Done(call=request.call), named)
        if isinstance(request, GetBursts):
            return Outcome(Bursts(call=request.call, bursts=approvals.bursts(connection)))
        if isinstance(request, DecideBurst):
            return self._decide(connection, request)
        if isinstance(request, GetAudit):
            return Outcome(audit.page(connection, request))
        if isinstance(request, GetTrackerStatus):
            raise RequestFailedError("unreachable", "the tracker is not running")
        raise RequestFailedError("invalid", "the tracker does not do this for an operator")

    def _decide(self, connection: Connection, request: DecideBurst) -> Outcome:
        known = swarm.load_roster(connection, self.keys.public).roster
        reply, decisions = approvals.decide_as_operator(
            connection, self.keys.signing, known, request, self.now
        )
        return Outcome(reply, decisions=decisions)

    def _invite(self, connection: Connection, request: CreateInvite) -> Invited:
        if not self.addresses:
            raise RequestFailedError(
                "failed",
                "where this tracker will listen is not known: start it first, or give "
                "--public HOST:PORT to `twofold-tracker init`",
            )
        token = os.urandom(TOKEN_LENGTH)
        expires = self.now + request.expires * 1000
        zone = members.clean_zone(request.zone)
        made = invites.record_invite(connection, token, zone=zone, expires=expires, now=self.now)
        invite = Invite(
            addresses=tuple(Address.parse(text) for text in self.addresses[:MOST_ADDRESSES]),
            tracker=self.tracker,
            swarm=self.keys.public,
            psk=self.keys.psk,
            token=token,
        )
        return Invited(call=request.call, invite=encode_invite(invite), id=made.id, expires=expires)

    def _members(self, connection: Connection, request: GetMembers) -> Members:
        machines, summaries, admins = [], [], []
        space = REPLY_SPACE
        for member in members.list_members(connection):
            state = self.states.get(member.peer, "suspect")
            shown = state if member.state == "active" else member.state
            space -= 64 + 40 * member.admin + len(member.name.encode()) + len(member.zone.encode())
            if space < 0:
                break
            machines.append((member.peer, member.name, member.zone, shown, member.capacity))
            admins += [member.peer] if member.admin else []
        for invite in invites.list_invites(connection, self.now):
            space -= len(codec.encode(invite))
            if space < 0:
                break
            summaries.append(invite)
        return Members(
            call=request.call,
            machines=tuple(machines),
            invites=tuple(summaries),
            admins=tuple(admins),
        )


def _noted(request: Request, reply: Reply) -> tuple[AuditAct, str, str] | None:
    """What of a request that was done belongs into the audit log: act, what, and more of it."""
    if isinstance(reply, Revoked):
        return "revoked", f"{reply.what} {reply.name or reply.id}", reply.id[:12]
    if isinstance(request, SetAdmin):
        return "admin", request.target, "made an admin" if request.admin else "no admin any more"
    if isinstance(request, DecideBurst) and isinstance(reply, BurstDecided):
        did = "approved" if request.approve else "rejected"
        return "decided", f"deletions of {reply.name}", f"{did} {reply.entries}"
    return None
