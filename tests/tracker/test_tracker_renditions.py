"""Renditions at the tracker: not found by searches, told with their picture, not counted."""

from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest, tombstone_of

from protocol.delete_brake import FEW
from protocol.entry import Entry, Tombstone
from protocol.identity import Identity
from protocol.messages.tracking import Listing, Search
from protocol.pictures import QUALITIES, Picture, RenditionQuality, rendition_salt
from tracker import catalogue, health, listing, searching
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.shelf import Shelf
from tracker.touched import Notes

MANIFEST = manifest_of(1)
Made = tuple[Database, SwarmKeys]


def store(made: Made, record: Entry | Tombstone, author: Identity) -> catalogue.Stored:
    return made[0].write_now(
        lambda c: catalogue.store_record(c, signed(record, author), record, NOW)
    )


def rendition(of: Entry, author: Identity, quality: RenditionQuality) -> Entry:
    return entry_of(
        MANIFEST,
        author,
        salt=rendition_salt(of.id, of.manifest, quality),
        name=f"sea ({quality}).jpg",
        picture=Picture(width=40, height=30, quality=quality, of=of.id),
    )


def with_picture(made: Made, author: Identity, number: int = 0) -> tuple[Entry, list[Entry]]:
    picture = entry_of(MANIFEST, author, salt=bytes([number]) * 16, name="sea.jpg")
    renditions = [rendition(picture, author, quality) for quality in QUALITIES]
    for entry in (picture, *renditions):
        store(made, entry, author)
    made[0].write_now(lambda c: store_manifest(c, MANIFEST))
    return picture, renditions


def search(made: Made, words: str = "") -> tuple[tuple[Listing, ...], int]:
    request = Search(call=0, words=words)
    page = made[0].look_now(lambda c: searching.search(c, request, {}, 0, Shelf(Notes())))
    return page.listings, page.total


def test_searches_leave_them_out_and_tell_of_them(made: Made) -> None:
    author, _ = admit(*made)
    _, renditions = with_picture(made, author)
    for words in ("", "sea"):
        (listed,), total = search(made, words)
        assert total == 1
        assert [each.quality for each in listed.renditions] == list(QUALITIES)
        assert {(each.width, each.height) for each in listed.renditions} == {(40, 30)}
    assert search(made, "very high") == ((), 0)
    for entry in renditions:
        page = made[0].read_now(lambda c, e=entry: listing.entries_by_prefix(c, e.id, {}, 0))  # type: ignore[misc]
        assert [each.renditions for each in page.listings] == [()]
    counted = made[0].read_now(lambda c: health.count_health(c, {}, NOW))
    assert sum(counted.classes.values()) == 1
    store(made, tombstone_of(renditions[0]), author)
    (listed,), _ = search(made)
    assert [each.quality for each in listed.renditions] == list(QUALITIES[1:])
    made[0].write_now(lambda c: catalogue.index_author(c, author.peer))  # as after a new name
    assert search(made)[1] == 1


def test_the_brake_neither_counts_nor_holds_them(made: Made) -> None:
    author, _ = admit(*made)
    pictures = [with_picture(made, author, number) for number in range(FEW + 2)]
    for _, renditions in pictures[:-1]:
        for each in renditions:
            assert not store(made, tombstone_of(each), author).held
    held = [store(made, tombstone_of(picture), author).held for picture, _ in pictures]
    assert held == [False] * FEW + [True] * 2
    last = pictures[-1][1][0]
    assert not store(made, tombstone_of(last), author).held
