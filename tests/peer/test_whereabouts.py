"""Members tell each other where members are; it counts once the key was proven there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from peer_net import Clock, PeerNet, TestPeer, bytes_of, until

from peer.database import Database, open_database
from peer.errors import UnreachableError
from peer.swarm.address_book import MOST_HEARD, MOST_OLDER, NOT_AGAIN_FOR, AddressBook
from peer.swarm.dial_allowance import FREE_TRIES
from protocol.address import Address
from protocol.ids import PeerId
from protocol.messages.peering import Whereabouts

SOMEBODY = PeerId(bytes(range(32)))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "book.db")
    yield opened
    opened.close()


def hosts(peer: TestPeer, other: TestPeer) -> list[str]:
    return [address.host for address in peer.parts.address_book.candidates(other.me)]


async def forget(peer: TestPeer, other: TestPeer) -> None:
    """As if it had never heard where the other is."""
    await peer.parts.address_book.learn(other.me, ("nowhere:1",))


@pytest.mark.trio
async def test_where_a_member_is_comes_from_another(net: PeerNet, autojump_clock: Clock) -> None:
    one, two, three = await net.start("one", "two", "three")
    await forget(one, three)
    with pytest.raises(UnreachableError):
        await one.link_to(three)
    await two.link_to(three)
    await one.link_to(two)
    await until(lambda: "three" in hosts(one, three), "it was told")
    link = await one.link_to(three)
    assert link.peer == three.me
    # Proven: kept, also on disk, and before what did not answer.
    assert hosts(one, three)[0] == "three"
    again = AddressBook(one.parts.database)
    again.load()
    assert again.candidates(three.me)[0] == Address(host="three", port=1)


@pytest.mark.trio
async def test_a_member_that_moved_says_so_to_whom_it_meets(
    net: PeerNet, autojump_clock: Clock
) -> None:
    one, two, three = await net.start("one", "two", "three")
    await forget(one, three)
    await one.link_to(two)
    three.parts.addresses = ("three:1",)
    # Passed on by the one it met, to those who are there already.
    await three.link_to(two)
    await until(lambda: "three" in hosts(one, three), "it was passed on")
    assert (await one.link_to(three)).peer == three.me


@pytest.mark.trio
async def test_where_a_member_said_it_is_is_known_after_a_restart(
    net: PeerNet, autojump_clock: Clock
) -> None:
    """Without a tracker, who restarts after the others moved knows where they are by this alone."""
    one, two = await net.start("one", "two")
    two.parts.addresses = ("two:1", "elsewhere:1", "127.0.0.1:9")
    await two.link_to(one)
    await until(lambda: "elsewhere" in hosts(one, two), "it was told")
    again = AddressBook(one.parts.database)

    def kept() -> list[str]:
        again.load()
        return [each.host for each in again.candidates(two.me)]

    await until(lambda: "elsewhere" in kept(), "it is kept")
    assert kept()[:2] == ["two", "elsewhere"]


@pytest.mark.trio
async def test_a_member_that_moves_often_is_looked_for_where_it_was_last(
    database: Database, autojump_clock: Clock
) -> None:
    book = AddressBook(database)
    for number in range(20):
        moved = (f"10.0.0.{number}:1", "127.0.0.1:1")
        assert book.hear_itself(SOMEBODY, moved, loopback=False)
        assert not book.hear_itself(SOMEBODY, moved, loopback=False)
    hosts = [each.host for each in book.candidates(SOMEBODY)]
    assert hosts == [f"10.0.0.{number}" for number in range(19, 18 - MOST_OLDER, -1)]
    # The tracker may not know of the last move yet.
    await book.told(SOMEBODY, ("10.0.0.7:1",), loopback=False)
    assert [each.host for each in book.candidates(SOMEBODY)] == ["10.0.0.7", "10.0.0.19"]


@pytest.mark.trio
async def test_what_was_not_kept_the_first_time_is_kept_when_it_is_said_again(
    database: Database, autojump_clock: Clock
) -> None:
    """Of two links at once one is cut, perhaps while what it told is written."""
    book, again = AddressBook(database), AddressBook(database)
    book.hear_itself(SOMEBODY, ("10.0.0.1:1",), loopback=False)
    with trio.CancelScope() as cut:
        cut.cancel()
        await book.keep_heard(SOMEBODY)
    assert cut.cancelled_caught
    again.load()
    assert again.candidates(SOMEBODY) == ()
    book.hear_itself(SOMEBODY, ("10.0.0.1:1",), loopback=False)
    await book.keep_heard(SOMEBODY)
    again.load()
    assert again.candidates(SOMEBODY) == (Address(host="10.0.0.1", port=1),)


@pytest.mark.trio
async def test_a_liar_wins_one_dial(net: PeerNet, autojump_clock: Clock) -> None:
    one, two, three = await net.start("one", "two", "three")
    await forget(one, three)
    link = await two.link_to(one)
    # Where another member answers, and where nobody does.
    for _ in range(5):
        link.put(Whereabouts(members=((three.me, ("two:1", "victim:80")),)))
    await until(lambda: "victim" in hosts(one, three), "it was told")
    before = net.dials
    for _ in range(5):
        with pytest.raises(UnreachableError):
            await one.link_to(three)
        link.put(Whereabouts(members=((three.me, ("two:1", "victim:80")),)))
    assert hosts(one, three) == ["nowhere"]
    assert net.dials - before == FREE_TRIES + 2


@pytest.mark.trio
async def test_strangers_and_oneself_are_passed_over(net: PeerNet, autojump_clock: Clock) -> None:
    one, two = await net.start("one", "two")
    link = await two.link_to(one)
    link.put(Whereabouts(members=((SOMEBODY, ("a:1",)), (one.me, ("b:1",)), (two.me, ("c:1",)))))
    await until(lambda: "c" in hosts(one, two), "it was told")
    assert one.parts.address_book.candidates(SOMEBODY) == ()
    assert one.parts.address_book.candidates(one.me) == ()


@pytest.mark.trio
async def test_without_a_tracker_others_say_who_holds_what(
    net: PeerNet, autojump_clock: Clock
) -> None:
    one, two, three = await net.start("one", "two", "three")
    manifest, _ = await two.hold(bytes_of(700_000))
    entry = await two.publish(manifest)
    await one.parts.catalogue.learn(two.sign(entry))
    await forget(one, two)
    await three.link_to(two)
    await one.link_to(three)
    await until(lambda: "two" in hosts(one, two), "it was told")
    places = await one.parts.locator.find(manifest.id)
    assert {place.peer for place in places} == {two.me, three.me}


@pytest.mark.trio
async def test_only_so_much_is_heard_and_nothing_of_this_machine(
    database: Database, autojump_clock: Clock
) -> None:
    book = AddressBook(database)
    book.hear(SOMEBODY, ("127.0.0.1:1", "[::1]:1", "localhost:1"), loopback=False)
    book.hear(SOMEBODY, ("169.254.1.1:1", "[fe80::1]:1", "224.0.0.1:1"), loopback=True)
    book.hear(SOMEBODY, ("0.0.0.0:1", "[::ffff:127.0.0.1]:1", "10.0.0.1:0"), loopback=False)
    assert book.candidates(SOMEBODY) == ()
    assert book.vouched() == []
    book.hear(SOMEBODY, ("127.0.0.1:1",), loopback=True)
    for number in range(100):
        book.hear(SOMEBODY, (f"10.0.0.{number}:1",), loopback=False)
    assert len(book.candidates(SOMEBODY)) == MOST_HEARD
    first = book.candidates(SOMEBODY)[0]
    book.failed(SOMEBODY, first)
    book.hear(SOMEBODY, (str(first),), loopback=True)
    assert first not in book.candidates(SOMEBODY)
    await trio.sleep(NOT_AGAIN_FOR + 1)
    book.hear(SOMEBODY, (str(first),), loopback=True)
    assert first in book.candidates(SOMEBODY)
