"""What may be published, what supersedes what, and when an entry is shown."""

import pytest
from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest, tombstone_of

from protocol.entry import Entry, Tombstone, read_record
from protocol.identity import Identity, generate_identity
from protocol.manifest import Manifest
from protocol.messages.tracking import Search
from tracker import catalogue, listing, members, searching
from tracker.catalogue import Stored
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.shelf import Shelf
from tracker.touched import Notes

Made = tuple[Database, SwarmKeys]


def publish(made: Made, record: Entry | Tombstone, author: Identity) -> Stored:
    return made[0].write_now(
        lambda c: catalogue.store_record(c, signed(record, author), record, NOW)
    )


def put(made: Made, manifest: Manifest) -> None:
    made[0].write_now(lambda c: store_manifest(c, manifest))


def names(made: Made, words: str = "") -> list[str]:
    page = made[0].look_now(
        lambda c: searching.search(c, Search(call=0, words=words), {}, 0, Shelf(Notes()))
    )
    records = [read_record(found.record.body) for found in page.listings]
    assert page.total == len(records)
    return [record.name for record in records if isinstance(record, Entry)]


def test_an_entry_is_shown_when_its_manifest_is_here(made: Made) -> None:
    author, _ = admit(*made)
    manifest = manifest_of(3)
    assert publish(made, entry_of(manifest, author), author).needs_manifest
    assert names(made) == []
    put(made, manifest)
    assert names(made) == ["holiday film.mp4"]
    twin = entry_of(manifest, author, salt=b"2" * 16, name="copy")
    assert not publish(made, twin, author).needs_manifest
    assert sorted(names(made)) == ["copy", "holiday film.mp4"]


def test_a_manifest_nobody_names_is_refused(made: Made) -> None:
    with pytest.raises(RequestFailedError, match="no entry names this manifest"):
        put(made, manifest_of(1))


def test_an_author_must_be_a_member(made: Made) -> None:
    stranger = generate_identity()
    with pytest.raises(RequestFailedError, match="not a member"):
        publish(made, entry_of(manifest_of(1), stranger), stranger)
    author, _ = admit(*made, "nas")
    made[0].write_now(lambda c: members.revoke(c, made[1].signing, "nas", 0, NOW))
    with pytest.raises(RequestFailedError, match="not a member"):
        publish(made, entry_of(manifest_of(1), author), author)


def test_a_higher_sequence_supersedes(made: Made) -> None:
    author, _ = admit(*made)
    manifest = manifest_of(1)
    publish(made, entry_of(manifest, author), author)
    put(made, manifest)
    publish(made, entry_of(manifest, author, sequence=2, name="better name"), author)
    assert names(made) == ["better name"]
    assert names(made, "holiday") == []
    assert names(made, "better") == ["better name"]
    for sequence in (1, 2):
        with pytest.raises(RequestFailedError, match="newer record"):
            publish(made, entry_of(manifest, author, sequence=sequence, name="worse"), author)


def test_publishing_again_changes_nothing(made: Made) -> None:
    author, _ = admit(*made)
    entry = entry_of(manifest_of(1), author)
    first = publish(made, entry, author)
    again = publish(made, entry, author)
    assert (first.change, again.change, again.needs_manifest) == (1, None, True)


def test_a_tombstone_wins_a_tie_and_stays(made: Made) -> None:
    author, _ = admit(*made)
    manifest = manifest_of(1)
    entry = entry_of(manifest, author)
    publish(made, entry, author)
    put(made, manifest)
    assert publish(made, tombstone_of(entry), author).change is not None
    assert names(made) == []
    assert names(made, "holiday") == []
    with pytest.raises(RequestFailedError, match="newer record"):
        publish(made, entry, author)
    revived = entry_of(manifest, author, sequence=2)
    publish(made, revived, author)
    assert names(made, "holiday") == ["holiday film.mp4"]


def test_a_tombstone_for_an_unknown_entry_keeps_it_out(made: Made) -> None:
    author, _ = admit(*made)
    entry = entry_of(manifest_of(1), author)
    assert not publish(made, tombstone_of(entry), author).needs_manifest
    with pytest.raises(RequestFailedError, match="newer record"):
        publish(made, entry, author)


def test_an_edit_to_content_that_is_not_here_is_hidden(made: Made) -> None:
    author, _ = admit(*made)
    old, new = manifest_of(1), manifest_of(2)
    publish(made, entry_of(old, author), author)
    put(made, old)
    edited = entry_of(new, author, sequence=2)
    assert publish(made, edited, author).needs_manifest
    assert names(made, "holiday") == []
    put(made, new)
    assert names(made, "holiday") == ["holiday film.mp4"]


def test_entries_by_the_beginning_of_their_id(made: Made) -> None:
    author, _ = admit(*made)
    manifest = manifest_of(1)
    entry = entry_of(manifest, author)
    publish(made, entry, author)
    put(made, manifest)

    def total(prefix: bytes) -> int:
        return made[0].read_now(lambda c: listing.entries_by_prefix(c, prefix, {}, 0)).total

    assert total(entry.id[:3]) == total(entry.id) == 1
    assert total(bytes([entry.id[0] ^ 1]) + entry.id[1:3]) == 0
    assert total(b"\xff\xff\xff") == int(entry.id.startswith(b"\xff\xff\xff"))


def test_an_authors_new_name_is_found(made: Made) -> None:
    author, _ = admit(*made, "oldname")
    manifest = manifest_of(1)
    publish(made, entry_of(manifest, author), author)
    put(made, manifest)
    assert names(made, "oldname film")
    admit(*made, "newname", author)
    assert names(made, "oldname") == []
    assert names(made, "newname film") == ["holiday film.mp4"]
