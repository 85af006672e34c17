"""tracker-publish, tracker-announce, tracker-locate: what members ask of a tracker all the time.

Several members ask at once, each over its own connection, so that the answer to one need not be
waited for by another. A publish is durable when it is answered.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import trio
from benchmarks.footprint import Account
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from benchmarks.tracker_member import Asked, TrackerMember, present
from swarm import Swarm

from peer.data_dir import DataDir
from protocol.entry import Entry, sign_record
from protocol.geometry import Geometry
from protocol.hashing import hash_piece
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId
from protocol.manifest import FileRecord, Manifest, make_manifest
from protocol.messages.base import Failed
from protocol.messages.shared import Locate
from protocol.messages.tracking import Announce, Holding, Publish

MEMBERS = 8
AT_ONCE = 32
MANIFESTS = 1000
"""As many as one announce may be about."""
PIECES = 16
_PIECE = 256 << 10
_CHANCE = random.Random(7)


def measure_tracker_publish(plan: Plan) -> Cases:
    """`size` new entries, each with a manifest of its own, as members bring them."""

    def load(members: Sequence[TrackerMember], _: list[ManifestId]) -> list[list[Asked]]:
        share = plan.size // MEMBERS
        return [_publishing(_manifests(share), member.identity) for member in members]

    yield from _measured(plan, "publish", load, each=1)


def measure_tracker_announce(plan: Plan) -> Cases:
    """`size` changes of which pieces of a manifest a machine has, many in a message."""

    def load(members: Sequence[TrackerMember], known: list[ManifestId]) -> list[list[Asked]]:
        messages = plan.size // MEMBERS // MANIFESTS
        return [[_announcing(known) for _ in range(messages)] for _ in members]

    yield from _measured(plan, "announce", load, each=MANIFESTS)


def measure_tracker_locate(plan: Plan) -> Cases:
    """`size` questions who holds a manifest, which all members hold."""

    def load(members: Sequence[TrackerMember], known: list[ManifestId]) -> list[list[Asked]]:
        share = plan.size // MEMBERS
        return [
            [Asked(Locate(call=0, manifest=_CHANCE.choice(known))) for _ in range(share)]
            for _ in members
        ]

    yield from _measured(plan, "locate", load, each=1)


Load = Callable[[Sequence[TrackerMember], list[ManifestId]], list[list[Asked]]]


def _measured(plan: Plan, label: str, load: Load, each: float) -> Cases:
    """A load of one kind; a request counts for `each` of what is measured."""
    with Swarm(plan.folder) as swarm:
        names = [f"m{number}" for number in range(MEMBERS)]
        folders = [DataDir(swarm.join_peer(name, capacity="0").data) for name in names]
        assert swarm.tracker is not None
        tracker = swarm.tracker.process.pid
        contender = Contender(OWN, lambda _: trio.run(_ask, folders, tracker, load, each))
        yield Case([contender], label=label, told={"members": MEMBERS, "at_once": AT_ONCE})


async def _ask(folders: list[DataDir], tracker: int, load: Load, each: float) -> Figures:
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(present(folder)) for folder in folders]
        known = _manifests(MANIFESTS)
        await _at_once(members[:1], [_publishing(known, members[0].identity)])
        held = [Holding(manifest=one.id, bits=None) for one in known]
        announced = Asked(Announce(call=0, reset=True, stored=0, holdings=tuple(held)))
        await _at_once(members, [[announced] for _ in members])
        asked = load(members, [one.id for one in known])
        account, began = Account(tracker), time.perf_counter()
        await _at_once(members, asked)
        seconds = time.perf_counter() - began
        account.note()
        await _at_once(
            members, [[Asked(Announce(call=0, reset=True, stored=0, holdings=()))]] * MEMBERS
        )
    done = each * sum(map(len, asked))
    cpu = account.cpu_seconds
    return {"seconds": seconds, "per_second": done / seconds, "per_cpu_second": done / cpu}


async def _at_once(members: Sequence[TrackerMember], asked: list[list[Asked]]) -> None:
    async with trio.open_nursery() as nursery:
        for member, own in zip(members, asked, strict=True):
            nursery.start_soon(_well_answered, member, own)


async def _well_answered(member: TrackerMember, asked: list[Asked]) -> None:
    for _, reply in await member.ask(asked, AT_ONCE):
        assert not isinstance(reply, Failed), reply


def _manifests(number: int) -> list[Manifest]:
    hashes = [hash_piece(_CHANCE.randbytes(8)) for _ in range(PIECES)]
    found = []
    for _ in range(number):
        hashes[0] = hash_piece(_CHANCE.randbytes(8))
        length = PIECES * _PIECE
        geometry = Geometry(piece_length=_PIECE, length=length, short={})
        record = FileRecord(path="", offset=0, size=length)
        found.append(make_manifest(geometry, list(hashes), [record]))
    return found


def _publishing(manifests: list[Manifest], author: Identity) -> list[Asked]:
    asked = []
    for manifest in manifests:
        entry = Entry(
            salt=_CHANCE.randbytes(16),
            author=AuthorKey(author.peer),
            sequence=1,
            name=f"film {_CHANCE.randrange(10**6)}.mkv",
            manifest=manifest.id,
            size=manifest.size,
            pieces=manifest.pieces,
            files=1,
            kind="file",
            created=int(time.time() * 1000),
        )
        record = sign_record(entry, author.signing)
        asked.append(Asked(Publish(call=0, record=record, manifest=manifest.encoded)))
    return asked


def _announcing(known: list[ManifestId]) -> Asked:
    bits = (_CHANCE.randbytes(PIECES // 8) for _ in known)
    held = tuple(Holding(manifest=one, bits=some) for one, some in zip(known, bits, strict=True))
    return Asked(Announce(call=0, stored=0, holdings=held))
