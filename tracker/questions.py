"""What members and operators may ask without changing anything."""

from functools import partial

import trio

from protocol.messages.health import GetHealth, SwarmHealth
from protocol.messages.shared import (
    GetMachines,
    GetManifest,
    Locate,
    Located,
    Machines,
    ManifestDocument,
)
from protocol.messages.tracking import GetEntry, Listings, Search
from tracker import listing, manifests, searching
from tracker.listing import Page, States
from tracker.searching import Found
from tracker.session import Session
from tracker.shelf import Shelf
from tracker.snapshot import MEMORY, Snapshot
from tracker.tracker import Tracker


async def search(tracker: Tracker, session: Session, request: Search) -> None:
    """Answer one page of what is found; at once if all of it is in memory."""
    # Others have their turn: who asks much at once is not answered at once.
    await trio.lowlevel.checkpoint()
    states, now, shelf = tracker.states(), tracker.wall(), tracker.shelf
    found = searching.find_in_memory(request, states, now, shelf)
    if found is not None and found.is_told_at_once:
        page = searching.tell(MEMORY, found, states, now, shelf)
    else:
        async with tracker.searching:
            page = await tracker.database.look(
                partial(_look, found=found, request=request, states=states, now=now, shelf=shelf)
            )
    await session.send(
        Listings(
            call=request.call,
            listings=page.listings,
            total=page.total,
            cursor=page.cursor,
            more=page.more,
            replaced=page.replaced,
        )
    )


def _look(
    snapshot: Snapshot,
    found: Found | None,
    request: Search,
    states: States,
    now: int,
    shelf: Shelf,
) -> Page:
    if found is None:
        return searching.search(snapshot, request, states, now, shelf)
    return searching.tell(snapshot, found, states, now, shelf)


async def get_entry(tracker: Tracker, session: Session, request: GetEntry) -> None:
    """Answer the entries with this beginning of an id."""
    states, now = tracker.states(), tracker.wall()
    page = await tracker.database.read(
        lambda connection: listing.entries_by_prefix(connection, request.prefix, states, now)
    )
    await session.send(Listings(call=request.call, listings=page.listings, total=page.total))


async def locate(tracker: Tracker, session: Session, request: Locate) -> None:
    """Answer who holds a manifest, and where they are."""
    holders = await tracker.locating.holders(request.manifest)
    await session.send(Located(call=request.call, holders=holders))


async def get_manifest(tracker: Tracker, session: Session, request: GetManifest) -> None:
    """Answer a manifest; NotFound when it is not here."""
    encoded = await tracker.database.read(
        lambda connection: manifests.load_manifest(connection, request.manifest)
    )
    header = ManifestDocument(call=request.call, length=len(encoded), manifest=request.manifest)
    await session.send_document(header, encoded)


async def get_machines(tracker: Tracker, session: Session, request: GetMachines) -> None:
    """Answer the machines of the swarm."""
    found = await tracker.machine_list.get()
    await session.send(Machines(call=request.call, machines=found))


async def get_health(tracker: Tracker, session: Session, request: GetHealth) -> None:
    """Answer how many entries are safe, and who should come back."""
    count = await tracker.health.count(tracker.states(), tracker.wall())
    await session.send(
        SwarmHealth(
            call=request.call,
            entries=count.counts(),
            missing=count.bytes_missing(),
            returns=count.returns(),
        )
    )
