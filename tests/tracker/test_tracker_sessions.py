"""Conversations with a running tracker, over real handshakes on in-memory streams."""

from typing import Any

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text
from tracker_support import (
    NOW,
    Swarm,
    entry_of,
    join_request,
    manifest_of,
    new_token,
    signed,
    tombstone_of,
)

from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import ProtocolError, RefusedError
from protocol.hello import Credentials, MemberHello
from protocol.identity import generate_identity
from protocol.inventory import inventory_digest
from protocol.invite import decode_invite
from protocol.messages.base import Done, Failed, Ping
from protocol.messages.deleting import SetAdmin
from protocol.messages.shared import (
    GetMachines,
    GetManifest,
    Locate,
    ManifestDocument,
    RosterDocument,
)
from protocol.messages.tracking import (
    Announce,
    CreateInvite,
    EntryChanged,
    GetEntry,
    GetMembers,
    Holding,
    Join,
    Joined,
    PeerChanged,
    Present,
    Publish,
    PutManifest,
    Report,
    Revoke,
    Search,
    SetGrace,
    SetZone,
)
from protocol.roster import Member, open_membership_untrusted, sign_membership
from tracker.daemon import MAX_UNFINISHED
from tracker.presence import SILENCE

EMPTY = inventory_digest([])


@pytest.mark.trio
@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 100, b"twofold\0" * 9]
)
async def test_a_stranger_gets_no_byte_and_ten_seconds(
    club: Swarm, mock_clock: trio.testing.MockClock, said: bytes
) -> None:
    stream = club.stranger()
    if said:
        await stream.send_all(said)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(10.01)
    assert await stream.receive_some() == b""


@pytest.mark.trio
async def test_a_join_over_the_wire(club: Swarm) -> None:
    old = await club.present(club.admit("nas"))
    machine = generate_identity()
    talk = await club.joiner(machine)
    token = new_token(club.database, zone="attic")
    joined = await talk.ask(Join, **join_request(machine, talk, token))
    assert isinstance(joined, Joined)
    member = open_membership_untrusted(joined.membership, club.keys.public, machine.static_key)
    assert (member.name, member.zone) == ("laptop", "attic")
    document = await talk.told(RosterDocument)
    assert document.number == club.tracker.roster.number
    assert [m.name for m in club.roster(talk).peers()] == ["laptop", "nas"]
    assert (await old.told(RosterDocument)).number == document.number
    club.memberships[machine.peer] = joined.membership
    again = await club.present(machine, capacity=5)
    assert again.kept(RosterDocument) == []


@pytest.mark.trio
async def test_a_join_needs_the_proof_of_this_connection(club: Swarm) -> None:
    machine = generate_identity()
    other, talk = await club.joiner(machine), await club.joiner(machine)
    token = new_token(club.database)
    stolen = await talk.ask(Join, **join_request(machine, other, token))
    assert (stolen.kind, stolen.text) == ("refused", "the machine did not prove its key")
    unknown = await talk.ask(Join, **join_request(machine, talk, bytes(16)))
    assert unknown.text == "this invite is not known to the tracker"
    assert isinstance(await talk.ask(Join, **join_request(machine, talk, token)), Joined)


@pytest.mark.trio
async def test_a_joiner_may_only_join(club: Swarm) -> None:
    talk = await club.joiner(generate_identity())
    await talk.channel.send(Search(call=1, words=""))
    ended = await talk.channel.receive()
    assert isinstance(ended, Ended)
    assert "not for a joiner" in ended.reason


@pytest.mark.trio
async def test_members_of_nothing_are_turned_away(club: Swarm) -> None:
    machine = generate_identity()
    member = Member(peer=machine.peer, static=machine.static_key, name="x", joined=1)
    hello = MemberHello(version="t", membership=sign_membership(machine.signing, member), roster=0)
    talk = await club.open(machine, hello)
    with pytest.raises(RefusedError):
        await talk.channel.receive()


@pytest.mark.trio
async def test_only_this_runs_operator_operates(club: Swarm) -> None:
    talk = await club.operate(X25519PrivateKey.generate())
    with pytest.raises(RefusedError, match="operator"):
        await talk.channel.receive()


@pytest.mark.trio
async def test_an_old_roster_is_brought_up_to_date(club: Swarm) -> None:
    machine = club.admit()
    talk = await club.member(machine, roster=0)
    assert (await talk.told(RosterDocument)).number == club.tracker.roster.number
    assert club.roster(talk) == club.tracker.roster.roster


@pytest.mark.trio
async def test_publish_put_announce_search_locate(club: Swarm) -> None:
    author = club.admit("nas")
    talk = await club.present(author)
    manifest = manifest_of(3)
    entry = entry_of(manifest, author)
    assert (await talk.ask(Publish, record=signed(entry, author))).needs_manifest
    put = {"manifest": manifest.id, "length": len(manifest.encoded)}
    assert isinstance(await talk.ask(PutManifest, manifest.encoded, **put), Done)
    held = Holding(manifest=manifest.id, bits=None)
    assert isinstance(await talk.ask(Announce, stored=9, holdings=(held,)), Done)
    for reply in (
        await talk.ask(Search, words="film"),
        await talk.ask(GetEntry, prefix=entry.id[:3]),
    ):
        (listing,) = reply.listings
        assert (reply.total, listing.have) == (1, 1)
        assert [(h.peer, h.pieces, h.state) for h in listing.holders] == [(author.peer, 3, "live")]
    (holder,) = (await talk.ask(Locate, manifest=manifest.id)).holders
    assert (holder.addresses, holder.bits) == (("192.168.1.7:4101",), None)
    await talk.ask(GetManifest, manifest=manifest.id)
    assert talk.documents[ManifestDocument] == manifest.encoded
    (machine,) = (await talk.ask(GetMachines)).machines
    assert (machine.name, machine.state, machine.stored) == ("nas", "live", 9)


@pytest.mark.trio
async def test_a_failed_audit_is_counted_out(club: Swarm) -> None:
    author, liar = club.admit("nas"), club.admit("laptop")
    talk, other = await club.present(author), await club.present(liar)
    manifest = manifest_of(3)
    entry = entry_of(manifest, author)
    await talk.ask(Publish, record=signed(entry, author))
    await talk.ask(
        PutManifest, manifest.encoded, manifest=manifest.id, length=len(manifest.encoded)
    )
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, stored=9, holdings=(held,))
    await other.ask(Announce, stored=9, holdings=(held,))
    assert (await talk.ask(Search, words="film")).listings[0].have == 2
    report = {"peer": liar.peer, "manifest": manifest.id, "why": "a wrong digest"}
    assert isinstance(await talk.ask(Report, **report), Done)
    (listing,) = (await talk.ask(Search, words="film")).listings
    assert listing.have == 1
    assert [holder.peer for holder in listing.holders] == [author.peer]
    await other.ask(Announce, stored=9, holdings=(held,))
    assert (await talk.ask(GetEntry, prefix=entry.id[:3])).listings[0].have == 2


@pytest.mark.trio
async def test_wrong_manifests_and_records_are_refused_and_the_connection_lives(
    club: Swarm,
) -> None:
    author, other = club.admit("nas"), club.admit("laptop")
    talk = await club.present(author)
    manifest = manifest_of(1)
    forged = signed(entry_of(manifest, other), author)
    assert (await talk.ask(Publish, record=forged)).kind == "invalid"
    put = {"manifest": manifest.id, "length": 3}
    assert (await talk.ask(PutManifest, b"abc", **put)).kind == "invalid"
    put["length"] = len(manifest.encoded)
    assert (await talk.ask(PutManifest, manifest.encoded, **put)).kind == "refused"
    assert (await talk.ask(GetManifest, manifest=manifest.id)).kind == "not_found"
    assert (await talk.ask(Search, words="", cursor=b"1")).kind == "invalid"
    assert (await talk.ask(Search, words="")).total == 0


@pytest.mark.trio
async def test_announcing_needs_presenting_first(club: Swarm) -> None:
    talk = await club.member(club.admit())
    assert (await talk.ask(Announce, stored=0, holdings=())).kind == "invalid"


@pytest.mark.trio
async def test_a_reconnect_with_the_same_digest_is_in_sync(club: Swarm) -> None:
    machine = club.admit()
    held = [(manifest_of(3).id, None), (manifest_of(9).id, b"\xff\0")]
    talk = await club.present(machine)
    said = tuple(Holding(manifest=manifest, bits=bits) for manifest, bits in held)
    await talk.ask(Announce, stored=0, holdings=said)
    await talk.channel.aclose()
    again = await club.member(machine)
    fields: dict[str, Any] = {"addresses": (), "capacity": 1, "stored": 0, "seen": 0}
    assert (await again.ask(Present, digest=inventory_digest(held), **fields)).in_sync
    assert not (await again.ask(Present, digest=EMPTY, **fields)).in_sync


@pytest.mark.trio
async def test_holders_hear_of_edits_and_deletes(club: Swarm) -> None:
    author, holder = club.admit("nas"), club.admit("laptop")
    manifest = manifest_of(1)
    entry = entry_of(manifest, author)
    here, there = await club.present(author), await club.present(holder)
    idle = await club.present(club.admit("idle"))
    await here.ask(Publish, record=signed(entry, author))
    await here.ask(
        PutManifest, manifest.encoded, manifest=manifest.id, length=len(manifest.encoded)
    )
    held = (Holding(manifest=manifest.id, bits=None),)
    await there.ask(Announce, stored=0, holdings=held)
    first = await there.told(EntryChanged)
    assert (first.change, first.record) == (1, signed(entry, author))
    edited = entry_of(manifest, author, sequence=2, name="b")
    await here.ask(Publish, record=signed(edited, author))
    second = await there.told(EntryChanged)
    assert second.change > first.change
    await there.channel.aclose()
    gone = signed(tombstone_of(edited), author)
    await here.ask(Publish, record=gone)
    digest = inventory_digest([(manifest.id, None)])
    back = await club.present(holder, digest=digest, seen=second.change)
    assert (await back.told(EntryChanged)).record == gone
    late = await club.present(club.admit("late"), seen=second.change + 1)
    await late.ask(Announce, stored=0, holdings=held)
    assert (await late.told(EntryChanged)).record == gone
    await idle.ask(Search, words="")
    assert idle.kept(EntryChanged) == []


@pytest.mark.trio
async def test_who_held_an_old_version_hears_of_the_new_one(club: Swarm) -> None:
    author = club.admit("nas")
    old, new = manifest_of(1), manifest_of(2)
    talk = await club.present(author)
    await talk.ask(Announce, stored=0, holdings=(Holding(manifest=old.id, bits=None),))
    await talk.ask(Publish, record=signed(entry_of(old, author), author))
    edited = signed(entry_of(new, author, sequence=2), author)
    await talk.ask(Publish, record=edited)
    first, second = [(await talk.told(EntryChanged)).change for _ in range(2)]
    assert first < second


@pytest.mark.trio
async def test_peers_hear_who_comes_goes_and_falls_silent(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    nas, laptop = club.admit("nas"), club.admit("laptop")
    first = await club.present(nas)
    second = await club.present(laptop, addresses=("10.0.0.9:4101", "0.0.0.0:1", "bad", "h:0"))
    came = await first.told(PeerChanged)
    assert (came.peer, came.state, came.addresses) == (laptop.peer, "live", ("10.0.0.9:4101",))
    other = await second.told(PeerChanged)
    assert (other.peer, other.state) == (nas.peer, "live")
    mock_clock.jump(SILENCE + 0.1)
    await first.channel.send(Ping())
    await trio.testing.wait_all_tasks_blocked()
    club.tracker.notice_silence()
    silent = await first.told(PeerChanged)
    assert (silent.peer, silent.state) == (laptop.peer, "suspect")
    await second.channel.send(Ping())
    await trio.testing.wait_all_tasks_blocked()
    club.tracker.notice_silence()
    assert (await first.told(PeerChanged)).state == "live"
    await second.channel.aclose()
    assert (await first.told(PeerChanged)).state == "suspect"
    mock_clock.jump(1801)
    await first.channel.send(Ping())
    await trio.testing.wait_all_tasks_blocked()
    club.tracker.notice_silence()
    assert (await first.told(PeerChanged)).state == "gone"


@pytest.mark.trio
async def test_the_tracker_answers_pings(club: Swarm) -> None:
    talk = await club.present(club.admit())
    await talk.channel.send(Ping())
    event = await talk.channel.receive()
    assert not isinstance(event, Ended)
    assert event.message == Ping()


@pytest.mark.trio
async def test_a_second_connection_replaces_the_first(club: Swarm) -> None:
    machine, other = club.admit("nas"), await club.present(club.admit("laptop"))
    first = await club.present(machine)
    assert (await other.told(PeerChanged)).state == "live"
    await club.present(machine)
    ended = await first.channel.receive()
    assert isinstance(ended, Ended)
    assert "newer connection" in ended.reason
    await trio.testing.wait_all_tasks_blocked()
    assert club.tracker.states()[machine.peer] == "live"


@pytest.mark.trio
async def test_a_revoked_member_is_cut_and_everybody_told(club: Swarm) -> None:
    nas, laptop = club.admit("nas"), club.admit("laptop")
    first, second = await club.present(nas), await club.present(laptop)
    operator = await club.operate()
    done = await operator.ask(Revoke, target="laptop")
    assert (done.what, done.name, done.id) == ("member", "laptop", laptop.peer.hex())
    with pytest.raises(RefusedError, match="laptop has been revoked"):
        await second.until_the_end()
    await first.told(RosterDocument)
    assert club.roster(first).outside() == {laptop.peer}
    again = await club.member(laptop)
    with pytest.raises(RefusedError, match="revoked"):
        await again.channel.receive()


@pytest.mark.trio
async def test_what_an_operator_does(club: Swarm) -> None:
    nas = club.admit("nas")
    peer = await club.present(nas)
    operator = await club.operate()
    made = await operator.ask(CreateInvite, expires=60, zone="attic")
    assert made.expires == NOW + 60_000
    invite = decode_invite(made.invite)
    assert [str(address) for address in invite.addresses] == ["nas.local:4100"]
    assert invite.tracker == club.identity.static_key
    assert isinstance(await operator.ask(SetGrace, seconds=60), Done)
    await peer.told(RosterDocument)
    assert club.roster(peer).grace == club.tracker.presence.grace == 60
    listed = await operator.ask(GetMembers)
    assert listed.machines == ((nas.peer, "nas", "", "live", 1),)
    assert {(each.zone, each.state) for each in listed.invites} == {("attic", "open"), ("", "used")}
    missing = await operator.ask(Revoke, target="nobody")
    assert isinstance(missing, Failed)
    assert missing.kind == "not_found"
    await peer.channel.send(SetGrace(call=9, seconds=1))
    ended = await peer.channel.receive()
    assert isinstance(ended, Ended)
    assert "not for a member" in ended.reason


@pytest.mark.trio
async def test_an_admin_invites_and_revokes_and_nobody_else_does(club: Swarm) -> None:
    nas, laptop = club.admit("nas"), club.admit("laptop")
    boss, other = await club.present(nas), await club.present(laptop)
    operator = await club.operate()
    assert isinstance(await operator.ask(SetAdmin, target="nas", admin=True), Done)
    made = await boss.ask(CreateInvite, expires=60, zone="attic")
    assert decode_invite(made.invite).swarm == club.keys.public
    listed = await boss.ask(GetMembers)
    assert ("attic", "open") in {(each.zone, each.state) for each in listed.invites}
    assert isinstance(await boss.ask(SetZone, target="laptop", zone="cellar"), Done)
    for request, fields in (
        (CreateInvite, {"expires": 60, "zone": ""}),
        (GetMembers, {}),
        (Revoke, {"target": "nas"}),
        (SetZone, {"target": "nas", "zone": "x"}),
    ):
        refused = await other.ask(request, **fields)
        assert isinstance(refused, Failed)
        assert (refused.kind, "admin" in refused.text) == ("refused", True)
    assert (await boss.ask(Revoke, target=made.id)).what == "invite"
    assert (await boss.ask(Revoke, target="laptop")).what == "member"
    assert isinstance(await operator.ask(SetAdmin, target="nas", admin=False), Done)
    assert isinstance(await boss.ask(GetMembers), Failed)


@pytest.mark.trio
async def test_offering_other_room_makes_a_roster(club: Swarm) -> None:
    machine = club.admit(capacity=1)
    talk = await club.present(machine, capacity=77)
    await talk.told(RosterDocument)
    assert club.roster(talk).members[0].capacity == 77


@pytest.mark.trio
async def test_garbage_and_cuts_end_one_connection_only(club: Swarm) -> None:
    first, second = await club.present(club.admit("a")), await club.present(club.admit("b"))
    await first.channel.stream.send_all(b"\0\x20" + bytes(32))
    with pytest.raises((ConnectionLostError, ProtocolError)):
        await first.until_the_end()
    assert (await second.ask(Search, words="")).total == 0


@pytest.mark.trio
async def test_a_bug_closes_one_connection_and_is_logged(
    club: Swarm, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = [club.admit("a"), club.admit("b")]
    first, second = [await club.present(machine) for machine in machines]
    await first.told(PeerChanged)
    club.database.write_now(lambda c: c.execute(text("ALTER TABLE manifests RENAME TO gone")))
    await first.channel.send(GetManifest(call=9, manifest=manifest_of(1).id))
    assert isinstance(await first.channel.receive(), Ended)
    assert (await second.ask(Search, words="")).total == 0
    assert "manifests" in capsys.readouterr().out


@pytest.mark.trio
async def test_who_does_not_read_is_cut_and_holds_nobody_up(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    deaf, other = club.admit("deaf"), club.admit("other")
    ours, theirs = trio.testing.lockstep_stream_pair()
    listed = club.memberships[deaf.peer]
    club.nursery.start_soon(club.reception.receive, theirs)
    channel = TrioChannel(
        ours,
        Credentials(
            psk=club.keys.psk,
            static=deaf.static,
            hello=MemberHello(version="t", membership=listed, roster=0),
            admit=lambda _hello, _static: None,
            ciphers=preferred_ciphers(),
        ),
        initiator=True,
    )
    await channel.handshake()
    await trio.testing.wait_all_tasks_blocked()
    assert len(club.tracker.sessions) == 1
    talk = await club.present(other)
    assert (await talk.ask(Search, words="")).total == 0
    mock_clock.jump(60)
    await trio.testing.wait_all_tasks_blocked()
    assert [session.member and session.member.name for session in club.tracker.sessions] == [
        "other"
    ]


@pytest.mark.trio
async def test_too_many_unfinished_handshakes_are_shut_at_once(club: Swarm) -> None:
    for _ in range(MAX_UNFINISHED):
        club.stranger()
    await trio.testing.wait_all_tasks_blocked()
    assert await club.stranger().receive_some() == b""
