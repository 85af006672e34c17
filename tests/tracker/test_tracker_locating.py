"""Who holds what, from memory: as new as the database, and of no more than there is room for."""

import pytest
import trio.testing
from tracker_support import Swarm, entry_of, manifest_of, signed

from protocol.messages.shared import Holder, Locate
from protocol.messages.tracking import Announce, Holding, Publish, PutManifest
from tracker import locating, members
from tracker.presence import SILENCE


async def holders(talk: object, manifest: object) -> dict[bytes, Holder]:
    answer = await talk.ask(Locate, manifest=manifest.id)  # type: ignore[attr-defined]
    return {holder.peer: holder for holder in answer.holders}


async def publish(talk: object, machine: object, manifest: object) -> None:
    entry = entry_of(manifest, machine, salt=manifest.id[:16])  # type: ignore[arg-type,attr-defined]
    await talk.ask(Publish, record=signed(entry, machine))  # type: ignore[attr-defined,arg-type]
    header = PutManifest(call=900, length=len(manifest.encoded), manifest=manifest.id)  # type: ignore[attr-defined]
    await talk.channel.send_bytes(header, manifest.encoded)  # type: ignore[attr-defined]


def count_reads(club: Swarm, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    reads: list[None] = []
    read = club.database.read

    async def counting(work):  # type: ignore[no-untyped-def]
        reads.append(None)
        return await read(work)

    monkeypatch.setattr(club.database, "read", counting)
    return reads


@pytest.mark.trio
async def test_what_was_asked_is_not_read_again_until_it_changes(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = club.admit("one"), club.admit("two")
    manifest, another = manifest_of(9), manifest_of(8)
    talk, other = await club.present(one), await club.present(two)
    for each in (manifest, another):
        await publish(talk, one, each)
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, stored=0, holdings=(held,))
    reads = count_reads(club, monkeypatch)
    for _ in range(3):
        assert (await holders(talk, manifest)).keys() == {one.peer}
    assert len(reads) == 1
    await other.ask(Announce, stored=0, holdings=(Holding(manifest=manifest.id, bits=b"\x80\x00"),))
    assert (await holders(talk, manifest))[two.peer].bits == b"\x80\x00"
    await other.ask(Announce, stored=0, holdings=(held,))
    assert (await holders(talk, manifest))[two.peer].bits is None
    reads.clear()
    await holders(talk, manifest)
    await other.ask(Announce, stored=0, holdings=(Holding(manifest=another.id, bits=None),))
    await holders(talk, manifest)
    assert reads == []
    club.database.write_now(lambda c: members.revoke(c, club.keys.signing, "two", 0, 1))
    assert (await holders(talk, manifest)).keys() == {one.peer}


@pytest.mark.trio
async def test_states_and_addresses_are_as_they_were_told(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    one, two = club.admit("one"), club.admit("two")
    manifest = manifest_of(9)
    talk, other = await club.present(one), await club.present(two)
    await publish(talk, one, manifest)
    held = Holding(manifest=manifest.id, bits=None)
    await other.ask(Announce, stored=0, holdings=(held,))
    assert (await holders(talk, manifest))[two.peer].state == "live"
    mock_clock.jump(SILENCE + 1)
    assert (await holders(talk, manifest))[two.peer].state == "live"
    club.tracker.notice_silence()
    assert (await holders(talk, manifest))[two.peer].state == "suspect"


@pytest.mark.trio
async def test_what_is_announced_before_its_manifest_comes_counts_then(club: Swarm) -> None:
    one, manifest = club.admit("one"), manifest_of(9)
    talk = await club.present(one)
    await talk.ask(Announce, stored=0, holdings=(Holding(manifest=manifest.id, bits=b"\xff" * 9),))
    assert (await holders(talk, manifest)).keys() == {one.peer}
    await publish(talk, one, manifest)
    # So many bits are of another manifest.
    assert not await holders(talk, manifest)


@pytest.mark.trio
async def test_no_more_is_remembered_than_there_is_room_for(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locating, "MOST", 20)
    one = club.admit("one")
    talk = await club.present(one)
    some = [manifest_of(1, seed) for seed in range(30)]
    for each in some:
        await publish(talk, one, each)
    reads = count_reads(club, monkeypatch)
    for each in some:
        await holders(talk, each)
    assert len(reads) == 30
    await holders(talk, some[-1])
    assert len(reads) == 30
    await holders(talk, some[0])
    assert len(reads) == 31
