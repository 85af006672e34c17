"""The answer to each operator request. The one place that knows what an operator may ask."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import trio

from peer.catalogue import Catalogue
from peer.errors import NotPermittedError, PieceUnreadError, UnreachableError, UsageError
from peer.operator.adding import Adding
from peer.operator.choosing import Choosing
from peer.operator.deleting import Deleting
from peer.operator.editing import Editing
from peer.operator.fetching import Fetching
from peer.operator.fitting import fit
from peer.operator.giving_up import GivingUp
from peer.operator.health import HealthViewer
from peer.operator.leaving import Leaving
from peer.operator.limiting import Limiting
from peer.operator.linking import Linking
from peer.operator.lookup import Lookup
from peer.operator.machines import MachinesViewer
from peer.operator.managing import Managing
from peer.operator.publishing import Publishing
from peer.operator.setting import Setting
from peer.operator.sharing import SharesViewer
from peer.operator.status import StatusMaker
from peer.operator.upload_ruling import UploadRuling
from peer.roster_book import RosterBook
from peer.standing import Standing
from peer.store.contents import Contents
from peer.store.piece_store import PieceStore
from peer.store.scrubbing import Scrubbing
from peer.tracker_link import TrackerLink
from peer.web_process import WebLogins
from protocol.ids import PeerId
from protocol.messages.base import Done, Message, Reply, Request
from protocol.messages.deleting import DecideBurst, GetBursts, GetTrash, Purge, Restore
from protocol.messages.editing import Edit
from protocol.messages.health import GetHealth
from protocol.messages.limiting import ChangeLimits, GetLimits, ReloadSettings
from protocol.messages.linking import GetLinks, GetSources
from protocol.messages.logins import LoginMinted, LoginRedeemed, MintLogin, RedeemLogin
from protocol.messages.operating import (
    Add,
    Fetch,
    Files,
    FileView,
    Find,
    GetFiles,
    GetPeers,
    GetPieceMap,
    GetStatus,
    PieceMap,
    PieceMapRow,
    Progress,
    Read,
    Remove,
    Show,
    Shown,
)
from protocol.messages.scrubbing import Scrub
from protocol.messages.settings import ChangeSettings, GetSettings, GetShares
from protocol.messages.shared import Locate, Located
from protocol.messages.standing import Drain, Drop, Leave, OfferRoom, RoomOffered
from protocol.messages.tracking import CreateInvite, GetMembers, Revoke, SetZone
from protocol.messages.upload_rules import ChangeUploadRules, GetUploadRules
from protocol.messages.verifying import Verified, Verify

FILES_IN_ANSWER = 200
ROWS_BYTES = 48_000


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Made once by the daemon; `answer` may run many at a time."""

    me: PeerId
    status: StatusMaker
    adding: Adding
    fetching: Fetching
    choosing: Choosing
    publishing: Publishing
    lookup: Lookup
    catalogue: Catalogue
    contents: Contents
    store: PieceStore
    tracker: TrackerLink
    rosters: RosterBook
    machines: MachinesViewer
    health: HealthViewer
    logins: WebLogins
    limiting: Limiting
    setting: Setting
    shares: SharesViewer
    linking: Linking
    scrubbing: Scrubbing
    standing: Standing
    leaving: Leaving
    giving_up: GivingUp
    deleting: Deleting
    managing: Managing
    editing: Editing
    uploading: UploadRuling

    async def answer(self, request: Request, tell: Callable[[Message], None]) -> Reply:
        """The reply. Raises PeerError for what a person must be told instead."""
        match request:
            case GetStatus():
                return self.status.make(request.call)
            case Add():
                return await self.adding.add(request, tell)
            case Fetch() if request.only:
                return await self.choosing.fetch(request, tell)
            case Fetch():
                return await self.fetching.fetch(request, tell)
            case Read():
                return await self.fetching.read(request)
            case Find():
                return await self.lookup.find(request)
            case Show():
                view = await self.lookup.view(request.entry)
                return Shown(call=request.call, entry=view)
            case GetFiles():
                return await self._files(request)
            case GetPieceMap():
                return await self._piece_map(request)
            case Remove() | Restore() | GetTrash() | Purge() | GetBursts() | DecideBurst():
                return await self.deleting.answer(request)
            case Edit():
                return await self.editing.answer(request)
            case Verify():
                return await self._verify(request, tell)
            case CreateInvite() | GetMembers() | Revoke() | SetZone():
                return await self.managing.answer(request)
            case GetPeers():
                return await self.machines.answer(request)
            case GetHealth():
                return await self.health.answer(request)
            case OfferRoom():
                told = await self.standing.set_capacity(request.capacity)
                return RoomOffered(call=request.call, told=told)
            case Drain():
                await self.standing.drain(on=request.on)
                return Done(call=request.call)
            case Drop():
                return await self.giving_up.answer(request, tell)
            case Leave():
                return await self.leaving.answer(request, tell)
            case Scrub():
                self.scrubbing.start_now()
                return Done(call=request.call)
            case GetLimits():
                return self.limiting.view(request.call)
            case ChangeLimits():
                return await self.limiting.change(request)
            case ReloadSettings():
                return await self.limiting.reload(request.call)
            case GetSettings():
                return self.setting.view(request.call)
            case ChangeSettings():
                return await self.setting.change(request)
            case GetShares():
                return await self.shares.answer(request)
            case GetSources():
                return self.linking.sources(request)
            case GetLinks():
                return await self.linking.links(request.call)
            case GetUploadRules() | ChangeUploadRules():
                return await self.uploading.answer(request)
            case MintLogin():
                made = self.logins.mint(request.name, request.seconds)
                return LoginMinted(call=request.call, url=made.url, elsewhere=made.elsewhere)
            case RedeemLogin():
                name = self.logins.redeem(request.token)
                if name is None:
                    raise NotPermittedError("this login link has been used or is too old")
                return LoginRedeemed(call=request.call, name=name)
            case _:
                raise UsageError(f"a daemon does not answer {type(request).__name__}")

    async def _files(self, request: GetFiles) -> Files:
        entry = await self.lookup.entry(request.entry)
        files = (await self.fetching.manifest(entry)).files
        real = (n for n in range(request.start, len(files)) if not files[n].directory)
        shown = [
            FileView(index=index, path=files[index].path, size=files[index].size)
            for index in islice(real, FILES_IN_ANSWER)
        ]
        # Beyond the last real file there may be empty directories: nothing more to ask for.
        behind = range(len(files) - 1, request.start - 1, -1)
        total = next((n + 1 for n in behind if not files[n].directory), request.start)
        return fit(
            lambda n: Files(call=request.call, files=tuple(shown[:n]), total=total), len(shown)
        )

    async def _piece_map(self, request: GetPieceMap) -> PieceMap:
        entry = await self.lookup.entry(request.entry)
        rows = []
        content = self.contents.get(entry.manifest)
        if content is not None:
            name = self.rosters.name_of(self.me)
            rows.append(PieceMapRow(peer=name, state="live", bits=content.bits.to_wire()))
        try:
            located, _ = await self.tracker.call(
                lambda call: Locate(call=call, manifest=entry.manifest), Located
            )
        except UnreachableError:
            located = Located(call=0, holders=())
        size = sum(len(row.bits or b"") for row in rows)
        for holder in located.holders:
            size += len(holder.bits or b"") + 64
            if holder.peer != self.me and size < ROWS_BYTES:
                name = self.rosters.name_of(holder.peer)
                rows.append(PieceMapRow(peer=name, state=holder.state, bits=holder.bits))
        return PieceMap(call=request.call, pieces=entry.pieces, rows=tuple(rows))

    async def _verify(self, request: Verify, tell: Callable[[Message], None]) -> Verified:
        started = trio.current_time()
        if request.entry is None:
            contents = self.contents.all()
        else:
            entry = await self.lookup.entry(request.entry)
            held = self.contents.get(entry.manifest)
            contents = [held] if held else []
        total = sum(c.size * c.bits.count // max(1, c.pieces) for c in contents)
        state = {"done": 0, "pieces": 0, "told": started}

        def progress(size: int) -> None:
            state["done"] += size
            state["pieces"] += 1
            if trio.current_time() - state["told"] > 0.25:
                state["told"] = trio.current_time()
                done = int(min(state["done"], total))
                tell(Progress(call=request.call, stage="verifying", done=done, total=total))

        bad, unread = 0, None
        for content in contents:
            try:
                bad += len(await self.store.verify(content, progress))
            except PieceUnreadError as error:
                unread = error
        if unread is not None:
            raise unread
        return Verified(
            call=request.call,
            pieces=int(state["pieces"]),
            bad=bad,
            bytes=int(state["done"]),
            seconds=round(trio.current_time() - started, 6),
        )
