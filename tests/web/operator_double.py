"""The daemon's end of the operator protocol over a real socket, with entries on real temp files.

A small daemon of one machine that stores what it is given: a protocol end for tests of the page,
until and besides the real one in tests/swarm.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from managing_double import ManagingDouble, RefusalError
from settings_double import SettingsDouble

from protocol.address import Address
from protocol.connection import Ended
from protocol.drivers.on_asyncio import AsyncioChannel, ConnectionLostError
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import InvalidTextError, ProtocolError
from protocol.hello import Credentials, MemberHello
from protocol.ids import StaticKey
from protocol.kinds import content_kind, is_wanted
from protocol.messages import operating as op
from protocol.messages.base import Failed, Message, Ping, Request
from protocol.messages.deleting import (
    GetTrash,
    Purge,
    Purged,
    Removed,
    Restore,
    Restored,
    TrashListed,
    TrashView,
)
from protocol.messages.editing import Edit, Edited
from protocol.messages.finding import Replaced
from protocol.messages.health import EntryCounts, EventView, GetHealth, Health, ReturnView
from protocol.messages.limiting import RatesView
from protocol.messages.scrubbing import ScrubView
from protocol.messages.upload_rules import (
    ChangeUploadRules,
    GetUploadRules,
    Rules,
    UploadRules,
)
from protocol.operator_access import FILE_NAME, encode_operator_access, make_operator_access
from protocol.pictures import QUALITIES
from protocol.signing import Signed
from protocol.upload_rules import tidy_types

PIECE = 256 << 10
ME = "ab" * 32


@dataclass
class Held:
    """An entry and where its files lie."""

    view: op.EntryView
    files: list[tuple[str, Path]]


ORDERS: dict[str, tuple[Callable[[op.EntryView], Any], bool]] = {
    "oldest": (lambda view: view.created, False),
    "name": (lambda view: view.name.casefold(), False),
    "largest": (lambda view: view.size, True),
    "smallest": (lambda view: view.size, False),
}


def meets(view: op.EntryView, ask: op.Find) -> bool:
    """Whether an entry is what is asked for."""
    wanted = ask.filters
    text = "\n".join((view.name, view.caption, *view.tags, view.author)).casefold()
    holders = [holder.peer for holder in view.holders if holder.pieces == view.pieces]
    short = view.copies.have < view.copies.want
    return (
        all(word in text for word in ask.words.casefold().split())
        and (wanted.kind is None or is_wanted(view.content, wanted.kind))
        and (wanted.least or 0) <= view.size <= (wanted.most or view.size)
        and (wanted.after or 0) <= view.created <= (wanted.before or view.created)
        and wanted.author in (None, view.author)
        and not (view.picture and view.picture.of)
        and (wanted.machine is None or wanted.machine in holders)
        and (wanted.copies is None or short == (wanted.copies == "short"))
    )


@dataclass
class OperatorDouble(ManagingDouble, SettingsDouble):
    """Set the plain fields to make it answer otherwise."""

    data: Path
    entries: dict[str, Held] = field(default_factory=dict)
    trash: dict[str, Held] = field(default_factory=dict)
    tracker_away: bool = False
    tokens: set[str] = field(default_factory=set)
    members: int = 3
    moved: tuple[int, int] = (0, 0)
    """Bytes received and sent since the start."""
    transfers: tuple[op.TransferView, ...] = ()
    machines: tuple[op.MachineView, ...] = ()
    warnings: tuple[str, ...] = ()
    holds_deletions: bool = False
    notices: tuple[op.NoticeView, ...] = ()
    limits: RatesView = field(default_factory=lambda: RatesView(up=None, down=None))
    congestion: tuple[str, ...] = ("bbr",)
    lanes: int = 0
    counts: EntryCounts = field(default_factory=EntryCounts)
    returns: tuple[ReturnView, ...] = ()
    events: tuple[EventView, ...] = ()
    fetched_twice: int = 0
    run_length: int = 1 << 40
    """How many bytes one Readable covers."""
    complete: bool = True
    """Whether a file that comes in one run is said to be complete."""
    breaks_at: int | None = None
    """Read fails from this offset on."""
    asked: list[str] = field(default_factory=list)
    empty_folders: list[str] = field(default_factory=list)
    """Those in the folders that were added."""
    map_bits: bytes | None = None
    rules: Rules = field(default_factory=Rules)
    finds_own: bool = False
    alike: dict[str, str] = field(default_factory=dict)
    """What is searched instead of a word that nothing has."""
    """Whether entries are found by this machine's key, as they are by its name."""
    address: Address | None = None

    def __post_init__(self) -> None:
        self.prepare_managing()
        self.prepare_settings()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._added: dict[str, str] = {}

    async def start(self) -> None:
        """Listen under fresh keys and tell operators how to come in."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address = Address(host="127.0.0.1", port=self._listener.getsockname()[1])
        static, operator, psk = (
            X25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
            os.urandom(32),
        )
        public = StaticKey(static.public_key().public_bytes_raw())
        membership = Signed(b"any", bytes(64))
        credentials = Credentials(
            psk=psk,
            static=static,
            hello=MemberHello(version="test", membership=membership, roster=1),
            admit=lambda hello, key: None,
            ciphers=preferred_ciphers(),
        )
        access = make_operator_access(self.address, psk, operator, public)
        (self.data / FILE_NAME).write_bytes(encode_operator_access(access))
        self._spawn(self._accept(credentials))

    async def stop(self) -> None:
        """Vanish: every connection is cut, nothing listens."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    async def __aenter__(self) -> "OperatorDouble":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def hold_file(self, name: str, content: bytes, **more: object) -> str:
        """An entry of one file; returns its id."""
        path = self.data / "store" / os.urandom(8).hex()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return self._hold(name, "file", [("", path)], **more)

    def hold_many(self, names: list[str], **more: object) -> None:
        """Entries of one file each, all of which lie in one place."""
        path = self.data / "store" / "many"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"the same")
        for name in names:
            self._hold(name, "file", [("", path)], **more)

    def hold_folder(self, name: str, files: Mapping[str, bytes | None], **more: object) -> str:
        """An entry of a folder; returns its id. None is an empty folder in it."""
        folder = self.data / "store" / os.urandom(8).hex()
        held = []
        for path, content in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.mkdir()
            else:
                place.write_bytes(content)
            held.append((path, place))
        return self._hold(name, "folder", held, **more)

    def _hold(self, name: str, kind: str, files: list[tuple[str, Path]], **more: object) -> str:
        real = [path for _, path in files if path.is_file()]
        size = sum(path.stat().st_size for path in real)
        pieces = -(-size // PIECE)
        number = blake3(name.encode() + os.urandom(8)).hexdigest(16)
        view = op.EntryView(
            id=number,
            link=f"twofold-link-{number}",
            name=name,
            kind=kind,  # type: ignore[arg-type]
            content=content_kind(kind, name),  # type: ignore[arg-type]
            size=size,
            files=len(real),
            author="desk",
            caption="",
            tags=(),
            created=int(time.time() * 1000),
            pieces=pieces,
            here=pieces,
            copies=op.CopiesView(have=1, want=2),
            holders=(op.HolderView(peer="desk", pieces=pieces, state="live"),),
        )
        self.entries[number] = Held(msgspec.structs.replace(view, **more), files)
        return number

    def _spawn(self, work) -> None:  # type: ignore[no-untyped-def]
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, credentials: Credentials) -> None:
        loop = asyncio.get_running_loop()
        assert self._listener is not None
        while True:
            sock, _ = await loop.sock_accept(self._listener)
            sock.setblocking(False)
            self._spawn(self._converse(AsyncioChannel(sock, credentials, initiator=False)))

    async def _converse(self, channel: AsyncioChannel) -> None:
        with contextlib.closing(channel), contextlib.suppress(ConnectionLostError, ProtocolError):
            await channel.handshake()
            while not isinstance(event := await channel.receive(), Ended):
                for answer in self._answers(event.message):
                    await channel.send(answer)

    def _answers(self, message: Message) -> list[Message]:
        self.asked.append(type(message).__name__)
        if isinstance(message, Ping):
            return []
        assert isinstance(message, Request)
        try:
            answer = getattr(self, f"_on_{type(message).__name__.lower()}")
            return answer(message)  # type: ignore[no-any-return]
        except RefusalError as refusal:
            kind: Any = refusal.kind
            return [Failed(call=message.call, kind=kind, text=refusal.text, field=refusal.field)]

    def _find(self, text: str) -> Held:
        number = text.removeprefix("twofold-link-")
        found = [held for key, held in self.entries.items() if key.startswith(number)]
        if not number or any(char not in "0123456789abcdef" for char in number):
            raise RefusalError("invalid", "this is not a usable link: a character is missing")
        if len(found) != 1:
            raise RefusalError("not_found", "no such entry in this swarm")
        return found[0]

    def _on_getstatus(self, ask: op.GetStatus) -> list[Message]:
        stored = sum(held.view.size for held in self.entries.values())
        status = op.Status(
            call=ask.call,
            peer=op.PeerView(id=ME, name="desk", version="0.1.0", listen="127.0.0.1:4440"),
            web=None,
            tracker=op.TrackerView(state="connected"),
            swarm=op.SwarmView(name="Studio", roster=4, members=self.members),
            store=op.StoreView(
                bytes=stored, capacity=self.capacity, pieces=len(self.entries), room=100 << 30
            ),
            transfers=self.transfers,
            notices=self.notices,
            scrub=ScrubView(days=7, completed=0, bytes=0, bad=0, healed=0),
            limits=self.limits,
            uploaded=self.moved[1],
            downloaded=self.moved[0],
            fetched_twice=self.fetched_twice,
            congestion=self.congestion,
            lanes=self.lanes,
        )
        return [status]

    def _on_gethealth(self, ask: GetHealth) -> list[Message]:
        health = Health(
            call=ask.call,
            entries=self.counts,
            missing=1_200_000_000 if self.counts.short else 0,
            fetching=1,
            rate=20_000_000,
            left=60 if self.counts.short else 0,
            returns=self.returns,
            events=self.events,
            local=False,
        )
        return [health]

    def _on_getpeers(self, ask: op.GetPeers) -> list[Message]:
        return [op.Peers(call=ask.call, peers=self.machines, local=False, warnings=self.warnings)]

    def _on_find(self, ask: op.Find) -> list[Message]:
        if not (ask.cursor or "0").isdecimal():
            raise RefusalError("invalid", "this is no cursor")
        if self.finds_own and ask.filters.author == ME:
            filters = msgspec.structs.replace(ask.filters, author="desk")
            ask = msgspec.structs.replace(ask, filters=filters)
        replaced = {word: self.alike[word] for word in ask.words.split() if word in self.alike}
        words = " ".join(replaced.get(word, word) for word in ask.words.split())
        ask = msgspec.structs.replace(ask, words=words)
        views = [held.view for held in reversed(self.entries.values()) if meets(held.view, ask)]
        key, reverse = ORDERS.get(ask.sort, (None, False))
        if key is not None:
            views.sort(key=key, reverse=reverse)
        start = int(ask.cursor or 0)
        page = tuple(views[start : start + ask.limit])
        stop = start + len(page)
        cursor = str(stop) if stop < len(views) else ""
        found = op.Found(
            call=ask.call,
            entries=page,
            total=len(views),
            cursor=cursor,
            local=False,
            replaced=tuple(
                Replaced(word=word, instead=(instead,)) for word, instead in replaced.items()
            ),
        )
        return [found]

    def _on_show(self, ask: op.Show) -> list[Message]:
        return [op.Shown(call=ask.call, entry=self._find(ask.entry).view)]

    def _on_getfiles(self, ask: op.GetFiles) -> list[Message]:
        held = self._find(ask.entry)
        real = [
            op.FileView(index=index, path=path, size=place.stat().st_size)
            for index, (path, place) in enumerate(held.files)
            if place.is_file()
        ]
        page = tuple(file for file in real if file.index >= ask.start)[:200]
        total = real[-1].index + 1 if page else ask.start
        return [op.Files(call=ask.call, files=page, total=total)]

    def _on_getpiecemap(self, ask: op.GetPieceMap) -> list[Message]:
        view = self._find(ask.entry).view
        rows = tuple(
            op.PieceMapRow(
                peer=h.peer, state=h.state, bits=None if h.pieces == view.pieces else self.map_bits
            )
            for h in view.holders
        )
        return [op.PieceMap(call=ask.call, pieces=view.pieces, rows=rows)]

    def _on_remove(self, ask: op.Remove) -> list[Message]:
        if not self.holds_deletions:
            number = self._find(ask.entry).view.id
            self.trash[number] = self.entries.pop(number)
        return [Removed(call=ask.call, held=self.holds_deletions)]

    def _on_gettrash(self, ask: GetTrash) -> list[Message]:
        views = tuple(
            TrashView(
                id=number,
                name=held.view.name,
                size=held.view.size,
                deleted=1_700_000_000_000,
                by="desk",
                until=1_702_592_000_000,
                path="",
            )
            for number, held in self.trash.items()
        )[ask.start : ask.start + 100]
        return [TrashListed(call=ask.call, entries=views, total=len(self.trash))]

    def _on_restore(self, ask: Restore) -> list[Message]:
        held = self.trash.pop(ask.entry, None)
        if held is None:
            raise RefusalError("not_found", f"no deleted entry {ask.entry} is known")
        self.entries[ask.entry] = held
        view = held.view
        return [
            Restored(call=ask.call, id=view.id, name=view.name, here=view.pieces, published=True)
        ]

    def _on_purge(self, ask: Purge) -> list[Message]:
        if ask.entry and ask.entry not in self.trash:
            raise RefusalError("not_found", f"no deleted entry {ask.entry} is known")
        gone = [ask.entry] if ask.entry else list(self.trash)
        size = sum(self.trash.pop(number).view.size for number in gone)
        return [Purged(call=ask.call, contents=len(gone), bytes=size)]

    def _on_edit(self, ask: Edit) -> list[Message]:
        held = self._find(ask.entry)
        if held.view.author != "desk":
            raise RefusalError("refused", "only the machine that added an entry can edit it")
        parts = {"name": ask.name, "caption": ask.caption, "tags": ask.tags}
        said = {name: value for name, value in parts.items() if value is not None}
        said |= {"version": held.view.version + 1, "edited": int(time.time() * 1000)}
        held.view = msgspec.structs.replace(held.view, **said)
        return [Edited(call=ask.call, entry=held.view, published=not self.tracker_away)]

    def _on_fetch(self, ask: op.Fetch) -> list[Message]:
        view = self._find(ask.entry).view
        steps = op.Progress(call=ask.call, stage="downloading", done=0, total=view.size)
        fetched = op.Fetched(
            call=ask.call,
            id=view.id,
            path=None,
            files=view.files,
            size=view.size,
            seconds=0.1,
            sources=(),
            received=0,
        )
        return [steps, fetched]

    def _on_add(self, ask: op.Add) -> list[Message]:
        """A copy of its own, as the daemon's; added again it is the same entry."""
        source = Path(ask.path)
        if not source.exists():
            raise RefusalError("invalid", "there is no such file")
        key = f"{ask.picture.of.hex()} {ask.name}" if ask.picture and ask.picture.of else ask.path
        number = self._added.get(key)
        if number is None:
            number = self._added[key] = self._take_in(ask, source)
            self._note_picture(ask, number)
        return [op.Added(call=ask.call, entry=self.entries[number].view, seconds=0.1)]

    def _note_picture(self, ask: op.Add, number: str) -> None:
        picture, held = ask.picture, self.entries[number]
        if picture is None:
            return
        of = picture.of.hex() if picture.of else ""
        view = op.PictureView(
            width=picture.width, height=picture.height, quality=picture.quality, of=of
        )
        held.view = msgspec.structs.replace(held.view, picture=view)
        if picture.quality != "original":
            rendition = op.RenditionView(
                id=number,
                quality=picture.quality,
                width=picture.width,
                height=picture.height,
                size=held.view.size,
                version=1,
            )
            original = self._find(of)
            renditions = (*original.view.renditions, rendition)
            in_order = sorted(renditions, key=lambda each: QUALITIES.index(each.quality))
            original.view = msgspec.structs.replace(original.view, renditions=tuple(in_order))

    def _on_getuploadrules(self, ask: GetUploadRules) -> list[Message]:
        return [UploadRules(call=ask.call, rules=self.rules, file="/data/settings.toml")]

    def _on_changeuploadrules(self, ask: ChangeUploadRules) -> list[Message]:
        try:
            types = tidy_types(ask.rules.types)
        except InvalidTextError as error:
            raise RefusalError("invalid", str(error)) from None
        self.rules = msgspec.structs.replace(ask.rules, types=types)
        return [UploadRules(call=ask.call, rules=self.rules, file="/data/settings.toml")]

    def _take_in(self, ask: op.Add, source: Path) -> str:
        name = ask.name or source.name
        if source.is_file():
            content = source.read_bytes()
            return self.hold_file(name, content, caption=ask.caption, tags=ask.tags)
        paths = sorted(path for path in source.rglob("*") if path.is_file())
        empty = sorted(
            path for path in source.rglob("*") if path.is_dir() and not any(path.iterdir())
        )
        self.empty_folders += [str(path.relative_to(source)) for path in empty]
        files = {str(path.relative_to(source)): path.read_bytes() for path in paths}
        return self.hold_folder(name, files, caption=ask.caption, tags=ask.tags)

    def _on_read(self, ask: op.Read) -> list[Message]:
        held = self._find(ask.entry)
        if self.breaks_at is not None and ask.offset >= self.breaks_at:
            raise RefusalError("unreachable", "no machine that holds the next piece is there")
        path = held.files[ask.file][1]
        size = path.stat().st_size
        run = max(0, min(self.run_length, size - ask.offset))
        whole = self.complete and self.run_length >= size
        found = op.Readable(
            call=ask.call,
            path=str(path),
            position=ask.offset,
            length=run,
            size=size,
            complete=whole,
        )
        return [found]
