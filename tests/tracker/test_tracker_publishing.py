"""An entry that comes with its manifest, in one message."""

import pytest
from tracker_support import Swarm, entry_of, manifest_of, signed, tombstone_of

from protocol.manifest import SMALL_MANIFEST
from protocol.messages.shared import GetManifest, ManifestDocument
from protocol.messages.tracking import Publish, Published, Search


@pytest.mark.trio
async def test_an_entry_comes_with_its_manifest(club: Swarm) -> None:
    author = club.admit("nas")
    talk = await club.present(author)
    manifest = manifest_of(3)
    record = signed(entry_of(manifest, author), author)
    for _ in range(2):
        answer = await talk.ask(Publish, record=record, manifest=manifest.encoded)
        assert (type(answer), answer.needs_manifest) == (Published, False)
    (listing,) = (await talk.ask(Search, words="film")).listings
    assert listing.record == record
    await talk.ask(GetManifest, manifest=manifest.id)
    assert talk.documents[ManifestDocument] == manifest.encoded


@pytest.mark.trio
async def test_what_waits_for_the_manifest_is_shown_too(club: Swarm) -> None:
    """An entry of the same content, and an edit that names other content than before."""
    author = club.admit("nas")
    talk = await club.present(author)
    first, second = manifest_of(3), manifest_of(4)
    waiting = entry_of(first, author, salt=b"w" * 16)
    assert (await talk.ask(Publish, record=signed(waiting, author))).needs_manifest
    entry = entry_of(first, author)
    await talk.ask(Publish, record=signed(entry, author), manifest=first.encoded)
    assert (await talk.ask(Search, words="")).total == 2
    edit = signed(entry_of(second, author, sequence=2), author)
    answer = await talk.ask(Publish, record=edit, manifest=second.encoded)
    assert (answer.needs_manifest, answer.held) == (False, False)
    assert edit in {each.record for each in (await talk.ask(Search, words="")).listings}


@pytest.mark.trio
async def test_a_manifest_that_is_another_is_refused(club: Swarm) -> None:
    author, other = club.admit("nas"), club.admit("laptop")
    talk = await club.present(author)
    manifest = manifest_of(3)
    entry = entry_of(manifest, author)
    for record, encoded in (
        (signed(entry, author), manifest_of(4).encoded),
        (signed(entry, author), b"nonsense"),
        (signed(entry_of(manifest, author, pieces=2), author), manifest.encoded),
        (signed(tombstone_of(entry), author), manifest.encoded),
        (signed(entry_of(manifest, other), author), manifest.encoded),
    ):
        assert (await talk.ask(Publish, record=record, manifest=encoded)).kind == "invalid"
    assert (await talk.ask(GetManifest, manifest=manifest.id)).kind == "not_found"
    assert (await talk.ask(Search, words="")).total == 0


@pytest.mark.trio
async def test_a_refused_entry_leaves_no_manifest(club: Swarm) -> None:
    """An older record than the tracker has."""
    author = club.admit("nas")
    talk = await club.present(author)
    first, second = manifest_of(3), manifest_of(4)
    newest = signed(entry_of(first, author, sequence=3), author)
    await talk.ask(Publish, record=newest, manifest=first.encoded)
    older = signed(entry_of(second, author, sequence=2), author)
    assert (await talk.ask(Publish, record=older, manifest=second.encoded)).kind == "refused"
    assert (await talk.ask(GetManifest, manifest=second.id)).kind == "not_found"


def test_the_longest_entry_and_manifest_fit_into_a_message() -> None:
    from protocol.codec import MAX_CONTROL
    from protocol.entry import MAX_ENTRY

    assert MAX_ENTRY + SMALL_MANIFEST + 1024 < MAX_CONTROL
