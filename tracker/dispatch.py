"""Which remote may say what, and who in the tracker does it.

Anything else a remote says is against the protocol and ends its connection. A request that cannot
be done is answered with why.
"""

import functools
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio
from structlog.contextvars import bind_contextvars

from protocol.connection import Received
from protocol.errors import RemoteProtocolError
from protocol.messages.base import Failed, Message, Ping, Request
from protocol.messages.deleting import DecideBurst, GetBursts, GetHeld, PublishApproval, SetAdmin
from protocol.messages.health import GetHealth
from protocol.messages.rebuilding import GiveEntries, GiveManifests, HandRoster, OfferEntries
from protocol.messages.shared import GetMachines, GetManifest, Locate
from protocol.messages.tending import GetAudit, GetTrackerStatus
from protocol.messages.tracking import (
    Announce,
    ChangeCapacity,
    ChangeState,
    CreateInvite,
    GetEntry,
    GetMembers,
    Join,
    Present,
    Publish,
    PutManifest,
    Report,
    Revoke,
    Search,
    SetGrace,
    SetZone,
)
from tracker import figures, joining, peer_requests, presenting, questions, rebuilding
from tracker.admission import Role
from tracker.errors import RequestFailedError
from tracker.limits import Wait
from tracker.operating import Office
from tracker.peer_requests import Rest
from tracker.resting import PING
from tracker.session import Session
from tracker.tracker import Tracker

Step = Callable[[Tracker, Session, Any], Awaitable[Rest | None]]
"""Does what is asked, or has begun to: the rest is done while the next request is read."""


async def operate(tracker: Tracker, session: Session, request: Request) -> None:
    """Do what the operator asks, and go by the roster that comes of it."""
    office = Office(
        keys=tracker.keys,
        tracker=tracker.identity.static_key,
        addresses=tracker.everywhere,
        states=tracker.states(),
        now=tracker.wall(),
        actor=session.actor,
    )
    outcome = await tracker.database.write(
        lambda connection: office.perform(connection, request),
        then=tracker.go_by,
    )
    session.log.info("done for an operator", did=type(request).__name__)
    await session.send(outcome.reply)


async def manage(tracker: Tracker, session: Session, request: Request) -> None:
    """The same for a member, if it is an admin."""
    if session.member is None or session.member.peer not in tracker.roster.roster.admins():
        raise RequestFailedError(
            "refused",
            "only an admin machine may do this; on the tracker's machine, "
            "'twofold-tracker admin NAME' makes it one",
        )
    await operate(tracker, session, request)


_QUESTIONS: dict[type[Message], Step] = {
    Search: questions.search,
    GetEntry: questions.get_entry,
    Locate: questions.locate,
    GetManifest: questions.get_manifest,
    GetMachines: questions.get_machines,
    GetHealth: questions.get_health,
}
STEPS: dict[Role, dict[type[Message], Step]] = {
    "joiner": {Join: joining.join},
    "returning": {Present: rebuilding.greet, HandRoster: rebuilding.hand_roster},
    "member": _QUESTIONS
    | {
        Present: presenting.present,
        Announce: peer_requests.announce,
        Report: peer_requests.report,
        Publish: peer_requests.publish,
        PublishApproval: peer_requests.publish_approval,
        GetHeld: peer_requests.get_held,
        GetBursts: peer_requests.get_bursts,
        PutManifest: peer_requests.put_manifest,
        HandRoster: rebuilding.hand_roster,
        OfferEntries: rebuilding.offer_entries,
        GiveEntries: rebuilding.give_entries,
        GiveManifests: rebuilding.give_manifests,
        ChangeCapacity: peer_requests.change_capacity,
        ChangeState: peer_requests.change_state,
        CreateInvite: manage,
        GetMembers: manage,
        Revoke: manage,
        SetZone: manage,
    },
    "operator": _QUESTIONS
    | {
        CreateInvite: operate,
        GetMembers: operate,
        Revoke: operate,
        SetGrace: operate,
        SetAdmin: operate,
        GetBursts: operate,
        DecideBurst: operate,
        SetZone: operate,
        GetTrackerStatus: figures.get_status,
        GetAudit: operate,
    },
}
_SIDE_BY_SIDE = (Announce, Publish, PutManifest)
"""Written in the order in which they come; the rest of one may end while others are read."""


async def serve(tracker: Tracker, session: Session, received: Received) -> None:
    """Do what one message asks. RemoteProtocolError when this remote may not say it."""
    message = received.message
    if isinstance(message, Ping):
        if session.answers_ping(trio.current_time()):
            session.push(PING)
        return
    step = STEPS[session.role].get(type(message))
    if step is None or not isinstance(message, Request):
        raise RemoteProtocolError(f"{type(message).__name__} is not for a {session.role} to say")
    # Until the next one: to unbind it each time would cost as much again.
    bind_contextvars(call=message.call)
    asked = _Asked(tracker, session, message, trio.current_time())
    if await asked.is_put_off(received.following):
        return
    if type(message) not in _SIDE_BY_SIDE:
        # It finds all that was written before on this connection.
        await session.alone()
    rest = await asked.do(functools.partial(step, tracker, session, message))
    if rest is not None:
        await session.alongside(functools.partial(asked.do, rest))


@dataclass(frozen=True)
class _Asked:
    """A request, and when it came."""

    tracker: Tracker
    session: Session
    request: Request
    began: float

    async def is_put_off(self, following: int) -> bool:
        """Whether this member asks too much just now; `following` bytes come behind it."""
        tracker, session, request = self.tracker, self.session, self.request
        if session.member is None:
            return False
        wait = tracker.limits.request(session.member.peer, request, self.began)
        if wait is None:
            return False
        tracker.metrics.limited(wait.kind)
        session.log.info("put off", request=type(request).__name__, seconds=wait.seconds)
        if following:
            await session.receive_document(following)
        await session.send(_busy(request, wait))
        self._count("busy")
        return True

    async def do(self, part: Callable[[], Awaitable[Rest | None]]) -> Rest | None:
        """Do it, or a part: what is left of it then. Whoever asked is told if it fails."""
        outcome, rest = "cut", None
        try:
            rest = await part()
            outcome = "done"
        except RequestFailedError as error:
            request = self.request
            self.session.log.info("request failed", request=type(request).__name__, why=error.text)
            await self.session.send(Failed(call=request.call, kind=error.kind, text=error.text))
            outcome = error.kind
        finally:
            if rest is None:
                self._count(outcome)
        return rest

    def _count(self, outcome: str) -> None:
        name, now = type(self.request).__name__, trio.current_time()
        self.tracker.metrics.request(name, outcome, now - self.began, now)
        self.session.log.debug("served", request=name, outcome=outcome)


def _busy(request: Request, wait: Wait) -> Failed:
    again = math.ceil(wait.seconds * 1000)
    text = f"too many {wait.kind} by this machine: again in {again / 1000:.1f} s"
    return Failed(call=request.call, kind="busy", text=text, again=again)
