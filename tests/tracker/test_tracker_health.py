"""How well everything is kept: each class by example, and what somebody coming back would do."""

import pytest
import trio
from test_tracker_holdings import announce, bits
from tracker_support import (
    NOW,
    Swarm,
    admit,
    entry_of,
    manifest_of,
    signed,
    store_manifest,
    tombstone_of,
)

from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.health import GetHealth, Return, SwarmHealth
from protocol.messages.shared import PeerState
from protocol.messages.tracking import Announce, Holding, Publish, PutManifest
from tracker import catalogue, health, holdings
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.health import SwarmCount

Made = tuple[Database, SwarmKeys]
LATER = NOW + 3_600_000
PIECE = 256 << 10


class Books:
    """A tracker's database with three machines; the first is the author of everything."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.who = [admit(*made, name)[0] for name in ("desk", "nas", "laptop")]
        self.desk, self.nas, self.laptop = (each.peer for each in self.who)
        self.states: dict[PeerId, PeerState] = {each.peer: "live" for each in self.who}
        self._salts = 0

    def share(self, pieces: int, seed: int = 0, copies: int = 2, **changes: int) -> Manifest:
        manifest, author = manifest_of(pieces, seed), self.who[0]
        self._salts += 1
        entry = entry_of(manifest, author, salt=bytes([self._salts]) * 16, copies=copies, **changes)
        write = self.made[0].write_now
        write(lambda c: catalogue.store_record(c, signed(entry, author), entry, NOW))
        write(lambda c: store_manifest(c, manifest))
        return manifest

    def hold(self, peer: PeerId, manifest: Manifest, held: bytes | None = None) -> None:
        announce(self.made, peer, (manifest, held))

    def count(self, now: int = LATER) -> SwarmCount:
        return self.made[0].read_now(lambda c: health.count_health(c, self.states, now))

    def only(self, now: int = LATER) -> str:
        """The class of the one entry there is."""
        ((kind, number),) = self.count(now).classes.items()
        assert number == 1
        return kind


@pytest.fixture
def books(made: Made) -> Books:
    return Books(made)


def test_no_entries_are_all_safe(books: Books) -> None:
    count = books.count()
    assert count.counts().safe == count.missing == 0
    assert count.returns() == ()


def test_as_many_live_copies_as_wanted_are_safe_and_wanted_is_wanted(books: Books) -> None:
    manifest = books.share(3, copies=3)
    for peer in (books.desk, books.nas):
        books.hold(peer, manifest)
    assert books.only() == "short"
    assert books.count().missing == manifest.size
    books.hold(books.laptop, manifest)
    assert books.only() == "safe"
    # That no fourth machine exists makes nobody content with three.
    books.share(5, seed=2, copies=4)
    for peer in books.states:
        books.hold(peer, manifest_of(5, 2))
    assert books.count().counts().short == 1


def test_a_silent_holder_makes_it_short_and_its_return_safe(books: Books) -> None:
    manifest = books.share(3)
    books.hold(books.desk, manifest)
    books.hold(books.nas, manifest)
    for state in ("suspect", "gone"):
        books.states[books.nas] = state  # type: ignore[assignment]
        assert books.only() == "short"
        assert books.count().missing == manifest.size
        assert books.count().returns() == (Return(peer=books.nas, safe=1, found=0),)


def test_what_only_machines_that_are_away_have_is_lost_for_now(books: Books) -> None:
    manifest = books.share(3)
    books.hold(books.nas, manifest)
    books.hold(books.laptop, manifest)
    books.states[books.nas] = books.states[books.laptop] = "gone"
    assert books.only() == "away"
    # Nobody can copy it now.
    assert books.count().missing == 0
    assert {(each.safe, each.found) for each in books.count().returns()} == {(0, 1)}
    del books.states[books.nas], books.states[books.laptop]
    assert books.only() == "lost"
    assert books.count().returns() == ()


def test_what_nobody_announced_is_lost_but_not_in_its_first_minute(books: Books) -> None:
    books.share(3)
    assert books.only(NOW + 1000) == "short"
    assert books.only(NOW + health.JUST_SHARED) == "lost"


@pytest.mark.parametrize("created", [NOW - 10**9, NOW + 10**9])
def test_the_first_minute_is_by_our_clock_and_not_by_the_authors(
    books: Books, created: int
) -> None:
    books.share(3, created=created)
    assert books.only(NOW + 1000) == "short"
    assert books.only(NOW + health.JUST_SHARED) == "lost"
    # Our own may be set back.
    assert books.only(NOW - 1) == "lost"


def test_other_words_about_it_do_not_make_it_new(books: Books) -> None:
    manifest, author = books.share(3), books.who[0]
    for again, kind in ((manifest, "lost"), (manifest_of(4, 9), "short")):
        sequence = 2 + (kind == "short")
        entry = entry_of(again, author, salt=bytes([1]) * 16, copies=2, sequence=sequence)
        write = books.made[0].write_now
        write(lambda c, e=entry: catalogue.store_record(c, signed(e, author), e, LATER))  # type: ignore[misc]
        write(lambda c, m=again: store_manifest(c, m))  # type: ignore[misc]
        assert books.only(LATER + 1) == kind


def test_bits_that_complement_each_other_make_one_copy(books: Books) -> None:
    manifest = books.share(4)
    books.hold(books.desk, manifest, bits(4, 0, 1))
    books.hold(books.nas, manifest, bits(4, 2, 3))
    assert books.only() == "repairing"
    assert books.count().counts().short == 1
    assert books.count().missing == manifest.size
    books.hold(books.laptop, manifest, bits(4, 0, 2))
    assert books.count().missing == manifest.size // 2
    books.states[books.nas] = "suspect"
    assert books.only() == "away"
    assert books.count().returns() == (Return(peer=books.nas, safe=0, found=1),)
    del books.states[books.nas]
    assert books.only() == "lost"


def test_two_halves_and_a_whole_are_two_copies(books: Books) -> None:
    manifest = books.share(4)
    books.hold(books.desk, manifest)
    books.hold(books.nas, manifest, bits(4, 2, 3))
    assert books.only() == "repairing"
    assert books.count().missing == manifest.size // 2
    books.hold(books.laptop, manifest, bits(4, 0, 1))
    assert books.only() == "safe"
    books.states[books.laptop] = "suspect"
    assert books.only() == "repairing"
    assert books.count().returns() == (Return(peer=books.laptop, safe=1, found=0),)


def test_bits_of_another_length_count_for_nothing(books: Books) -> None:
    manifest = manifest_of(3)
    books.hold(books.nas, manifest, b"\xff\xff")
    books.share(3)
    assert books.only() == "lost"
    books.hold(books.desk, manifest)
    assert books.only() == "short"


def test_a_doubted_copy_does_not_count(books: Books) -> None:
    manifest = books.share(3)
    books.hold(books.desk, manifest)
    books.hold(books.nas, manifest)
    books.made[0].write_now(lambda c: holdings.doubt(c, books.nas, manifest.id, LATER))
    assert books.only() == "short"
    assert books.only(LATER + holdings.DOUBTED_FOR) == "safe"


def test_two_entries_of_the_same_content_have_its_bytes_copied_once(books: Books) -> None:
    manifest = books.share(3, copies=2)
    books.share(3, copies=3)
    books.hold(books.desk, manifest)
    count = books.count()
    assert count.counts().short == 2
    assert count.missing == 2 * manifest.size
    books.hold(books.nas, manifest, bits(3, 0))
    assert books.count().missing == 2 * manifest.size - manifest.size // 3
    books.hold(books.nas, manifest)
    assert (books.count().classes["safe"], books.count().missing) == (1, manifest.size)


def test_empty_content_has_copies_too(books: Books) -> None:
    manifest = books.share(0)
    books.hold(books.desk, manifest)
    assert books.only() == "short"
    books.hold(books.nas, manifest)
    assert books.only() == "safe"


def test_deleted_entries_are_not_counted(books: Books, made: Made) -> None:
    manifest = books.share(3)
    author = books.who[0]
    stone = tombstone_of(entry_of(manifest, author, salt=bytes([1]) * 16), 2)
    made[0].write_now(lambda c: catalogue.store_record(c, signed(stone, author), stone, NOW))
    assert not books.count().classes


def test_twenty_machines_fit_and_who_alone_has_something_comes_first() -> None:
    count = SwarmCount()
    for number in range(30):
        count.safe_with[PeerId(bytes([number]) * 32)] = 100 + number
    alone = PeerId(b"a" * 32)
    count.found_with[alone] = 1
    returns = count.returns()
    assert len(returns) == 20
    assert returns[0].peer == alone
    assert [each.safe for each in returns[1:3]] == [129, 128]


@pytest.mark.trio
async def test_members_and_operators_ask_and_one_count_serves_all(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    desk, nas = club.admit("desk"), club.admit("nas")
    talk, other = await club.present(desk), await club.present(nas)
    manifest = manifest_of(3)
    entry = entry_of(manifest, desk)
    await talk.ask(Publish, record=signed(entry, desk))
    await talk.ask(
        PutManifest,
        content=manifest.encoded,
        manifest=manifest.id,
        length=len(manifest.encoded),
    )

    async def hold(who: object) -> None:
        said = (Holding(manifest=manifest.id, bits=None),)
        await who.ask(Announce, stored=1, holdings=said)  # type: ignore[attr-defined]

    await hold(talk)
    told: SwarmHealth = await talk.ask(GetHealth)
    assert (told.entries.short, told.entries.safe, told.missing) == (1, 0, manifest.size)
    await hold(other)
    assert (await other.ask(GetHealth)).entries == told.entries
    mock_clock.jump(health.FRESH_FOR + 1)
    operator = await club.operate()
    assert (await operator.ask(GetHealth)).entries.safe == 1
    # Who comes or goes is counted at once.
    mock_clock.jump(20)
    told = await operator.ask(GetHealth)
    assert {each.peer for each in told.returns} == {desk.peer, nas.peer}
    assert told.entries.away == 1
