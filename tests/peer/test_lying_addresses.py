"""A tracker that misdirects: whom peers dial, and how often, is not for it to say."""

import pytest
import trio
from lied_to import Liar, found, holding, listing, meet, meet_again
from msgspec import structs
from peer_net import Clock, PeerNet, bytes_of, until

from peer.errors import NotFoundError, PeerError, UnreachableError
from peer.swarm.dial_allowance import FREE_TRIES, HOST_BURST, HOST_EVERY
from protocol.ids import EntryId, PeerId
from protocol.messages.shared import Holder, Machine
from protocol.roster import encode_signed, open_roster_untrusted, sign_roster

STRANGER = PeerId(bytes(range(32)))


@pytest.mark.trio
async def test_another_entry_than_was_asked_for_is_not_given(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        other = structs.replace(entry, salt=bytes(16), name="other")
        await found(one)
        liar.lies.listed = listing(two.sign(other))
        assert await one.parts.lookup.entry(entry.id.hex()) == entry
        missing = EntryId(bytes(16)).hex()
        with pytest.raises(NotFoundError):
            await one.parts.lookup.entry(missing)


@pytest.mark.trio
async def test_machines_that_are_no_members_are_passed_over(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, _, entry):
        for number in range(200):
            await liar.push_peer(PeerId(number.to_bytes(32, "big")), f"victim{number}:1")
        liar.lies.machines = (
            Machine(
                peer=STRANGER,
                name="x",
                zone="",
                state="live",
                addresses=("victim:1",),
                capacity=1,
                stored=0,
                seen=1,
            ),
        )
        await meet_again(liar, one)
        holder = Holder(peer=STRANGER, state="live", addresses=("victim:1",), bits=None)
        liar.lies.holders[entry.manifest] = (holder,)
        places = await one.parts.locator.find(entry.manifest)
        assert STRANGER not in {place.peer for place in places}
        assert one.parts.address_book.candidates(STRANGER) == ()
        assert STRANGER not in one.parts.presence.live()
        (rows,) = one.parts.database.connection.execute("SELECT count(*) FROM addresses").fetchone()
        assert rows <= len(one.parts.rosters.peers())


@pytest.mark.trio
async def test_an_address_counts_when_the_key_is_proven_there_and_then_stays(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, _):
        third = (await net.start("three"))[0]
        await liar.push_roster(net.swarm.roster(), net.swarm.number)
        # Another member answers there: it is not the one that was meant.
        await liar.push_peer(two.me, "three:1")
        await trio.sleep(1)
        with pytest.raises(UnreachableError):
            await one.link_to(two)
        assert one.parts.links.find(third.me) is None
        await liar.push_peer(two.me, "two:1")
        await trio.sleep(1)
        link = await one.link_to(two)
        link.cut("to see where it is dialled again")
        await until(lambda: one.parts.links.find(two.me) is None, "it is cut")
        # Once proven, no word of the tracker leads away from there.
        await liar.push_peer(two.me, "victim:1", "three:1")
        await trio.sleep(1)
        before = net.dials
        assert (await one.link_to(two)).peer == two.me
        assert net.dials == before + 1


@pytest.mark.trio
async def test_loopback_link_local_and_multicast_are_refused(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, two = await net.start("one", "two")
    await meet(liar, one)
    bad = ("127.0.0.1:22", "[::1]:22", "localhost:22", "[::ffff:127.0.0.1]:22")
    await liar.push_peer(two.me, *bad, "169.254.169.254:80")
    await liar.push_peer(two.me, "224.0.0.1:1", "[ff02::1]:1", "[fe80::1]:1", "0.0.0.0:1")
    await trio.sleep(1)
    assert {each.host for each in one.parts.address_book.candidates(two.me)} == {"two"}
    await liar.push_peer(two.me, *bad[:2], "10.0.0.9:4441")
    await trio.sleep(1)
    assert {each.host for each in one.parts.address_book.candidates(two.me)} == {"10.0.0.9"}


@pytest.mark.trio
async def test_a_name_that_means_this_machine_is_not_dialled(
    net: PeerNet, liar: Liar, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two")
    await meet(liar, one)

    async def look_up(_: str) -> tuple[str, ...]:
        return ("127.0.0.1", "169.254.1.1")

    monkeypatch.setattr("peer.swarm.address_book.look_up", look_up)
    await liar.push_peer(two.me, "rebound.test:22")
    await trio.sleep(1)
    before = net.dials
    with pytest.raises(UnreachableError):
        await one.link_to(two)
    assert net.dials == before


@pytest.mark.trio
async def test_a_tracker_cannot_make_a_storm_of_dials(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    """Hours of lies: all members are everywhere at the victim's, and come and go all the time."""
    names = [f"m{number}" for number in range(6)]
    one, *others = await net.start("one", *names, replicating=True)
    for other in others:
        await other.kill()
    manifest, _ = await one.hold(bytes_of(300_000))
    await one.publish(manifest)
    await meet(liar, one)
    before = net.dials
    hours, ports = 4, 0
    for _ in range(hours * 60):
        for other in others:
            ports += 8
            told = tuple(f"198.51.100.7:{1 + (ports + n) % 60_000}" for n in range(8))
            await liar.push_peer(other.me, *told)
        await trio.sleep(10)
        for other in others:
            with pytest.raises(PeerError):
                await one.link_to(other)
        await trio.sleep(50)
    assert 0 < net.dials - before <= HOST_BURST + hours * 3600 / HOST_EVERY + 1


@pytest.mark.trio
async def test_one_address_is_tried_ever_less_often_whatever_is_told(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, two = await net.start("one", "two")
    await two.kill()
    await meet(liar, one)
    await liar.push_peer(two.me, "198.51.100.7:80")
    await trio.sleep(1)
    before = net.dials
    for _ in range(3600):
        await liar.push_peer(two.me, "198.51.100.7:80")
        with pytest.raises(PeerError):
            await one.link_to(two)
        await trio.sleep(1)
    # A few at once, and one a minute at most when it is said to have come back.
    assert FREE_TRIES <= net.dials - before <= FREE_TRIES + 60 + 1
    before = net.dials
    for _ in range(3600):
        with pytest.raises(PeerError):
            await one.link_to(two)
        await trio.sleep(1)
    assert net.dials - before <= 7


@pytest.mark.trio
async def test_addresses_of_trackers_in_a_roster_are_tried_seldom_until_proven(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, _ = await net.start("one", "two")
    await meet(liar, one)
    roster = open_roster_untrusted(net.swarm.roster(), net.swarm.key)
    places = ("198.51.100.7:80", "127.0.0.1:22", "second.test:1", "tracker.test:4440")
    roster = structs.replace(roster, trackers=places)
    encoded = encode_signed(sign_roster(net.swarm.signing, roster))
    liar.lies.roster = roster.number
    await liar.push_roster(encoded, roster.number)
    await until(lambda: one.parts.rosters.number == roster.number, "it is taken")
    liar.places = {"second.test"}
    await meet_again(liar, one)
    assert liar.dialled[-1] == "second.test:1"
    # Away for an hour: who has proven to be a tracker is tried all the time, the others are not.
    liar.places = set()
    await liar.cut()
    liar.dialled.clear()
    await trio.sleep(3600)
    victim, loopback = (liar.dialled.count(each) for each in places[:2])
    assert victim <= FREE_TRIES + 12
    assert loopback == 0
    assert liar.dialled.count("second.test:1") > 200
    liar.places = {"second.test"}
    await until(lambda: one.parts.tracker.connected, "it is back", 60)
