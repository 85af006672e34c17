"""Who holds what, how many copies that makes, and the digest of it."""

from collections.abc import Mapping

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from tracker_support import NOW, Line, admit, entry_of, manifest_of, signed, store_manifest

from protocol.bitfield import Bitfield
from protocol.identity import Identity
from protocol.ids import ManifestId, PeerId
from protocol.inventory import inventory_digest
from protocol.manifest import Manifest
from protocol.messages.shared import Holder, PeerState
from protocol.messages.tracking import Announce, Holding, Search
from tracker import catalogue, holdings, listing, searching
from tracker.copies import worst_copies
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.holdings import Held
from tracker.locating import Locating
from tracker.presence import Presence
from tracker.shelf import Shelf
from tracker.touched import Notes

Made = tuple[Database, SwarmKeys]


def bits(length: int, *held: int) -> bytes:
    field = Bitfield(length)
    field.update(held)
    return field.to_bytes()


def announce(
    made: Made, peer: PeerId, *held: tuple[Manifest, bytes | None], reset: bool = False
) -> frozenset[ManifestId]:
    said = tuple(Holding(manifest=manifest.id, bits=each) for manifest, each in held)
    message = Announce(call=0, reset=reset, stored=7, holdings=said)
    return made[0].write_now(lambda c: holdings.apply_announce(c, peer, message))


def store(made: Made, manifest: Manifest, author: Identity) -> None:
    entry = entry_of(manifest, author, salt=manifest.id[:16])
    made[0].write_now(lambda c: catalogue.store_record(c, signed(entry, author), entry, NOW))
    made[0].write_now(lambda c: store_manifest(c, manifest))


@given(
    pieces=st.integers(0, 40),
    full=st.integers(0, 3),
    held=st.lists(st.sets(st.integers(0, 39)), max_size=9),
)
def test_worst_copies_counts_like_counting(pieces: int, full: int, held: list[set[int]]) -> None:
    partial = [bits(pieces, *(p for p in each if p < pieces)) for each in held]
    counts = [full + sum(piece in each for each in held) for piece in range(pieces)]
    assert worst_copies(pieces, full, partial) == (min(counts) if counts else full)


def test_only_live_holders_make_copies() -> None:
    a, b, c, d = (PeerId(bytes([n]) * 32) for n in range(4))
    states: dict[PeerId, PeerState] = {a: "live", b: "live", c: "suspect"}
    held = [Held(a, None), Held(b, bits(3, 0, 1)), Held(c, None), Held(d, None)]
    have, holders = listing.summarise(3, held, states)
    assert have == 1
    assert [(h.peer, h.pieces, h.state) for h in holders] == [
        (a, 3, "live"),
        (b, 2, "live"),
        (c, 3, "suspect"),
    ]
    assert listing.summarise(2, [Held(a, bits(2, 0)), Held(b, bits(2, 1))], states)[0] == 1
    assert listing.summarise(2, [Held(a, bits(2, 0)), Held(b, bits(2, 0))], states)[0] == 0
    assert listing.summarise(0, [Held(a, None), Held(c, None)], states)[0] == 1


def test_announces_are_differences(made: Made) -> None:
    author, _ = admit(*made)
    first, second = manifest_of(3), manifest_of(9)

    def digest() -> bytes:
        return made[0].read_now(lambda c: holdings.digest(c, author.peer))

    assert digest() == inventory_digest([])
    fresh = announce(made, author.peer, (first, None), (second, bits(9, 8)))
    assert fresh == {first.id, second.id}
    assert digest() == inventory_digest([(second.id, bits(9, 8)), (first.id, None)])
    assert announce(made, author.peer, (second, bits(9, 7, 8))) == frozenset()
    announce(made, author.peer, (first, b""))
    assert digest() == inventory_digest([(second.id, bits(9, 7, 8))])
    assert announce(made, author.peer, (first, None), (second, None), reset=True) == {first.id}
    announce(made, author.peer, reset=True)
    assert digest() == inventory_digest([])


def test_bits_must_fit_a_manifest_that_is_here(made: Made) -> None:
    author, _ = admit(*made)
    manifest, other = manifest_of(3), manifest_of(4)
    store(made, manifest, author)
    for wrong in (b"\xff", b"\xe0\0"):
        with pytest.raises(RequestFailedError, match="do not fit") as refused:
            announce(made, author.peer, (other, None), (manifest, wrong))
        assert refused.value.kind == "invalid"
    assert not made[0].read_now(lambda c: holdings.load_holders(c, [other.id]))[other.id]
    announce(made, author.peer, (manifest, b"\xe0"))


def test_what_is_said_of_an_unknown_manifest_counts_once_it_is_here(made: Made) -> None:
    author, _ = admit(*made)
    liar, _ = admit(*made, "liar")
    manifest = manifest_of(3)
    announce(made, author.peer, (manifest, bits(3, 0, 1, 2)))
    announce(made, liar.peer, (manifest, b"\xff\xff"))
    store(made, manifest, author)
    states: dict[PeerId, PeerState] = {author.peer: "live", liar.peer: "live"}
    page = made[0].look_now(
        lambda c: searching.search(c, Search(call=0, words=""), states, 0, Shelf(Notes()))
    )
    (found,) = page.listings
    assert found.have == 1
    assert [holder.peer for holder in found.holders] == [author.peer]


def test_a_doubted_holding_counts_again_after_an_hour_or_a_new_announce(made: Made) -> None:
    author, _ = admit(*made)
    other, _ = admit(*made, "nas")
    manifest = manifest_of(3)
    store(made, manifest, author)
    announce(made, author.peer, (manifest, None))
    announce(made, other.peer, (manifest, None))
    states: dict[PeerId, PeerState] = {author.peer: "live", other.peer: "live"}

    def have(now: int) -> int:
        page = made[0].look_now(
            lambda c: searching.search(c, Search(call=0, words=""), states, now, Shelf(Notes()))
        )
        return page.listings[0].have

    def doubt(peer: PeerId, about: ManifestId) -> bool:
        return made[0].write_now(lambda c: holdings.doubt(c, peer, about, NOW))

    before = made[0].read_now(lambda c: holdings.digest(c, other.peer))
    assert have(NOW) == 2
    assert doubt(other.peer, manifest.id)
    assert not doubt(other.peer, manifest_of(4).id)
    assert (have(NOW), have(NOW + 3_599_999), have(NOW + 3_600_000)) == (1, 1, 2)
    # What is counted is not what was said, and to find it is another question.
    assert made[0].read_now(lambda c: holdings.digest(c, other.peer)) == before
    assert len(located(made[0], manifest.id, states)) == 2
    announce(made, other.peer, (manifest_of(5), None))
    assert have(NOW) == 1
    announce(made, other.peer, (manifest, b"\xc0"))
    assert have(NOW) == 1
    announce(made, other.peer, (manifest, None))
    assert have(NOW) == 2


def located(
    database: Database, manifest: ManifestId, states: Mapping[PeerId, PeerState]
) -> tuple[Holder, ...]:
    presence = Presence(1800)
    for peer, state in states.items():
        if state == "live":
            presence.arrive(peer, ("10.0.0.1:1",), Line(0.0))
        else:
            presence.expect(peer, ("10.0.0.1:1",), 0.0)
    assert presence.version
    list(presence.changes(0.0))
    return trio.run(Locating(database, presence).holders, manifest)


def test_strangers_hold_nothing(made: Made) -> None:
    with pytest.raises(RequestFailedError, match="not a member"):
        announce(made, PeerId(bytes(32)))


def test_locate_leaves_out_bits_that_do_not_fit(made: Made) -> None:
    manifest = ManifestId(b"m" * 32)
    huge = b"\x80" * 30_000
    states: dict[PeerId, PeerState] = {}
    for number in range(3):
        author, _ = admit(*made, f"nas{number}")
        states[author.peer] = "live" if number else "suspect"
        said = Announce(call=0, stored=0, holdings=(Holding(manifest=manifest, bits=huge),))
        made[0].write_now(lambda c, p=author.peer, s=said: holdings.apply_announce(c, p, s))  # type: ignore[misc]
    found = located(made[0], manifest, states)
    assert [holder.state for holder in found] == ["live", "live", "suspect"]
    assert [holder.bits for holder in found] == [huge, b"", b""]
