"""Real peers and a tracker that forges, replays, rolls back, hides and misdirects."""

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fetching import get
from lied_to import Liar, found, holding, listing, meet, meet_again, shown
from msgspec import structs
from peer_net import Clock, PeerNet, bytes_of, until

from peer.errors import NotFoundError
from peer.rollbacks import AGAIN_AFTER, LOOK_EVERY
from protocol.entry import Tombstone, sign_record
from protocol.ids import AuthorKey
from protocol.messages.shared import Holder
from protocol.messages.tracking import GetEntry
from protocol.roster import encode_signed, open_roster_untrusted, sign_roster
from protocol.signing import Signed

# Forging


@pytest.mark.trio
async def test_forged_entries_are_not_learnt(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        newer = structs.replace(entry, sequence=2, name="forged")
        other = Ed25519PrivateKey.generate()
        stranger = structs.replace(
            entry, author=AuthorKey(other.public_key().public_bytes_raw()), name="stranger's"
        )
        gone = Tombstone(
            salt=entry.salt, author=entry.author, sequence=5, manifest=entry.manifest, deleted=1
        )
        forged = [
            Signed(body=sign_record(newer, other).body, signature=bytes(64)),
            sign_record(newer, one.identity.signing),
            sign_record(stranger, other),
            Signed(body=two.sign(gone).body, signature=two.sign(entry).signature),
            sign_record(gone, one.identity.signing),
            Signed(body=b"\x80", signature=bytes(64)),
        ]
        assert await found(one) == ["film"]
        liar.lies.listed = listing(*forged)
        assert await found(one) == []
        for change, record in enumerate(forged):
            await liar.push_entry(record, change + 1)
        await trio.sleep(5)
        known = await one.parts.catalogue.find(entry.id)
        assert known is not None
        assert known[0] == entry
        assert (await one.parts.catalogue.find(stranger.id)) is None
        # Nor does what is refused count as known.
        assert one.parts.catalogue.seen_change == 0
        assert one.parts.tracker.connected


@pytest.mark.trio
async def test_manifests_and_pieces_of_other_content_are_not_taken(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, _, entry):
        other, _ = await one.hold(bytes_of(300_000, 9), "other.bin")
        for content in (other.encoded, b"\x80", b"\xc1nonsense"):
            liar.lies.manifests[entry.manifest] = content
            manifest = await one.parts.requests.fetching.manifest(entry)
            # From a member then, as what the tracker gave is not what was asked for.
            assert manifest.id == entry.manifest


@pytest.mark.trio
async def test_rosters_that_the_swarm_did_not_sign_are_not_taken(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, two = await net.start("one", "two")
    await meet(liar, one)
    encoded = one.parts.rosters.encoded
    roster = open_roster_untrusted(encoded, net.swarm.key)
    forged = structs.replace(roster, number=99, members=roster.members[:1])
    for bad in (
        encode_signed(sign_roster(Ed25519PrivateKey.generate(), forged)),
        encoded[:-1] + bytes([encoded[-1] ^ 1]),
        b"\xc1",
    ):
        before = liar.connections
        await liar.push_roster(bad, 99)
        await until(lambda b=before: liar.connections > b, "it was hung up on")  # type: ignore[misc]
        await until(lambda: one.parts.tracker.connected, "and called again")
        assert one.parts.rosters.encoded == encoded
    assert two.me in one.parts.rosters.peers()


# Replaying and rolling back


@pytest.mark.trio
async def test_an_old_roster_brings_nobody_back_and_is_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, two = await net.start("one", "two")
    await meet(liar, one)
    old = one.parts.rosters.encoded
    await liar.push_roster(net.swarm.roster(revoked=frozenset({two.me})), 2)
    await until(lambda: one.parts.rosters.number == 2, "the new one is taken")
    await liar.push_roster(old, 1)
    await until(lambda: bool(shown(one)), "it is shown")
    assert "older list of members (1)" in shown(one)[0]
    # Nor under a higher number, nor as another one of this number.
    await liar.push_roster(net.swarm.roster(), 3)
    await until(lambda: any("forgets who was revoked" in text for text in shown(one)), "shown")
    net.swarm.number, net.swarm.copies = 1, 3
    await liar.push_roster(net.swarm.roster(revoked=frozenset({two.me})), 2)
    await until(lambda: any("with one number (2)" in text for text in shown(one)), "shown too")
    assert one.parts.rosters.number == 2
    assert one.parts.rosters.state_of(two.me) == "revoked"


@pytest.mark.trio
async def test_a_database_that_was_set_back_is_shown_also_after_a_restart(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, _ = await net.start("one", "two")
    liar.lies.change = 40
    await meet(liar, one)
    assert shown(one) == []
    await meet_again(liar, one)
    assert shown(one) == []
    # This peer was told of none of these changes: all the same it remembers the number.
    liar.lies.change = 39
    await meet_again(liar, one)
    assert ["knows 39 changes, and knew 40" in text for text in shown(one)] == [True]
    await one.kill()
    again = await net.restart("one")
    assert ["knows 39 changes" in text for text in shown(again)] == [True]
    liar.lies.change = 38
    await meet(liar, again)
    await until(lambda: "knows 38 changes, and knew 39" in shown(again)[0], "the newest is shown")
    liar.lies.epoch = bytes(16)
    await meet_again(liar, again)
    assert any("another database than before" in text for text in shown(again))


@pytest.mark.trio
async def test_a_tracker_with_an_older_roster_is_given_ours_and_that_is_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    one, _ = await net.start("one", "two")
    await meet(liar, one)
    await one.parts.rosters.offer(net.swarm.roster())
    await meet_again(liar, one)
    assert "older list of members (1) than this machine (2)" in shown(one)[0]
    assert "HandRoster" in {type(each).__name__ for each in liar.asked}


@pytest.mark.trio
async def test_changes_told_backwards_do_not_hide_a_rollback(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        await liar.push_entry(two.sign(entry), 50)
        await until(lambda: one.parts.catalogue.seen_change == 50, "it is known")
        await liar.push_entry(two.sign(entry), 3)
        await trio.sleep(5)
        assert one.parts.catalogue.seen_change == 50
        liar.lies.change = 20
        await meet_again(liar, one, two)
        assert any("knows 20 changes, and knew 50" in text for text in shown(one))


@pytest.mark.trio
async def test_an_older_version_of_an_entry_is_not_believed_and_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        newer = structs.replace(entry, sequence=2, name="newer")
        liar.lies.listed = listing(two.sign(newer))
        assert await found(one) == ["newer"]
        liar.lies.listed = listing(two.sign(entry))
        await found(one)
        known = await one.parts.catalogue.find(entry.id)
        assert known is not None
        assert known[0] == newer
        # News may have crossed: it is asked again before anything is said.
        assert shown(one) == []
        await trio.sleep(AGAIN_AFTER + 5)
        assert ["an older version of newer" in text for text in shown(one)] == [True]


@pytest.mark.trio
async def test_what_only_crossed_is_not_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        newer = structs.replace(entry, sequence=2, name="newer")
        for record in (newer, entry):
            liar.lies.listed = listing(two.sign(record))
            await found(one)
        liar.lies.listed = listing(two.sign(newer))
        await trio.sleep(AGAIN_AFTER + 5)
        # Nor what a member told, and the tracker never did.
        newest = structs.replace(entry, sequence=3, name="newest")
        await one.parts.catalogue.learn(two.sign(newest))
        await found(one)
        await trio.sleep(AGAIN_AFTER + 5)
        assert shown(one) == []


@pytest.mark.trio
async def test_a_deleted_entry_that_is_listed_again_stays_deleted_and_is_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        await found(one)
        gone = Tombstone(
            salt=entry.salt, author=entry.author, sequence=2, manifest=entry.manifest, deleted=1
        )
        await liar.push_entry(two.sign(gone), 1)
        await trio.sleep(1)
        assert await found(one) == []
        with pytest.raises(NotFoundError):
            await one.parts.lookup.entry(entry.id.hex())
        await trio.sleep(AGAIN_AFTER + 5)
        assert any("an older version" in text for text in shown(one))


# Hiding


@pytest.mark.trio
async def test_what_is_hidden_is_still_found_here_and_that_is_shown(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        assert await found(one) == await found(two) == ["film"]
        liar.lies.listed = listing()
        for peer in (one, two):
            assert (await peer.parts.lookup.entry(entry.id.hex())).name == "film"
        await trio.sleep(AGAIN_AFTER + 5)
        assert ["no longer lists film" in text for text in shown(two)] == [True]
        # Who does not hold it is not told of deletions: it may just be one.
        assert shown(one) == []


@pytest.mark.trio
async def test_hiding_is_noticed_though_nobody_looks(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (_, two, _entry):
        await found(two)
        liar.lies.listed = listing()
        before = sum(isinstance(each, GetEntry) for each in liar.asked)
        await trio.sleep(LOOK_EVERY * 2 + 10)
        assert ["no longer lists film" in text for text in shown(two)] == [True]
        # Now and then, and of one entry.
        assert sum(isinstance(each, GetEntry) for each in liar.asked) - before <= 3 * 2


@pytest.mark.trio
async def test_content_is_fetched_though_its_holders_are_hidden(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    async with holding(net, liar) as (one, two, entry):
        manifest = await one.parts.requests.fetching.manifest(entry)
        with trio.fail_after(60):
            download = await get(one, manifest)
        assert one.bytes_held(manifest) == two.bytes_held(manifest)
        # Others that are said to hold it keep nobody from it either.
        third = (await net.start("three"))[0]
        holder = Holder(peer=one.me, state="live", addresses=("198.51.100.7:1",), bits=None)
        liar.lies.holders[entry.manifest] = (holder,)
        await meet(liar, third)
        with trio.fail_after(60):
            await get(third, manifest)
        assert third.bytes_held(manifest) == two.bytes_held(manifest)
        assert download.error is None
