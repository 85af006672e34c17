"""What answers operators, made for `peer.parts` of what is there already."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from peer.operator.choosing import Choosing
from peer.operator.deleting import Deleting
from peer.operator.editing import Editing
from peer.operator.fetching import Fetching
from peer.operator.limiting import Limiting
from peer.operator.linking import Linking
from peer.operator.machines import MachinesViewer
from peer.operator.managing import Managing
from peer.operator.requests import Requests
from peer.operator.setting import Setting
from peer.operator.sharing import SharesViewer
from peer.operator.upload_ruling import UploadRuling

if TYPE_CHECKING:
    from peer.parts import Parts


def make_fetching(parts: "Parts") -> Fetching:
    """What fetches entries for people."""
    return Fetching(
        parts.contents,
        parts.store,
        parts.watch,
        parts.downloads,
        parts.links,
        parts.lookup,
        parts.tracker,
        parts.rosters,
        parts.letting_go,
        parts.presence,
        parts.handing_on,
    )


def make_choosing(parts: "Parts", fetching: Fetching) -> Choosing:
    """What fetches chosen files of entries."""
    return Choosing(
        fetching,
        parts.contents,
        parts.store,
        parts.watch,
        parts.downloads,
        parts.letting_go,
        parts.lookup,
        parts.rosters,
    )


def make_requests(parts: "Parts", now_ms: Callable[[], int]) -> Requests:
    """What hands each request to who answers it."""
    fetching = make_fetching(parts)
    choosing = make_choosing(parts, fetching)
    return Requests(
        me=parts.me,
        status=parts.status,
        adding=parts.adding,
        managing=Managing(parts.tracker),
        fetching=fetching,
        choosing=choosing,
        publishing=parts.publishing,
        lookup=parts.lookup,
        catalogue=parts.catalogue,
        contents=parts.contents,
        store=parts.store,
        tracker=parts.tracker,
        rosters=parts.rosters,
        machines=MachinesViewer(parts.me, parts.tracker, parts.rosters, parts.presence),
        health=parts.health,
        logins=parts.logins,
        limiting=Limiting(parts.limits, parts.rosters),
        setting=Setting(parts.limits),
        shares=SharesViewer(
            parts.me, parts.contents, parts.catalogue, parts.notices, parts.handing_on
        ),
        linking=Linking(parts.links, parts.downloads, parts.traffic, parts.limits, parts.catalogue),
        scrubbing=parts.scrubbing,
        standing=parts.standing,
        leaving=parts.leaving,
        giving_up=parts.giving_up,
        deleting=Deleting(
            parts.identity,
            parts.publishing,
            parts.lookup,
            parts.catalogue,
            parts.approvals,
            parts.trash,
            parts.contents,
            parts.rosters,
            parts.tracker,
            parts.renditions,
            now_ms,
        ),
        editing=Editing(parts.me, parts.publishing, parts.lookup, parts.catalogue),
        uploading=UploadRuling(parts.limits),
    )
