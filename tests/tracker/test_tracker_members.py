"""Invites, joins, revocations and the rosters they make."""

import pytest
from tracker_support import NOW, admit, new_token

from protocol.identity import generate_identity
from protocol.roster import check_not_revoked, open_membership_untrusted
from tracker import invites, members, swarm
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError

Made = tuple[Database, SwarmKeys]


def test_a_join_gives_a_membership_and_the_next_roster(made: Made) -> None:
    database, keys = made
    identity, admitted = admit(database, keys, "laptop", zone="attic")
    assert admitted.roster.number == 2
    member = open_membership_untrusted(admitted.membership, keys.public, identity.static_key)
    assert (member.name, member.zone, member.capacity) == ("laptop", "attic", 1)
    assert admitted.roster.roster.find(identity.peer) == member
    stored = database.read_now(lambda c: swarm.load_roster(c, keys.public))
    assert stored == admitted.roster


def test_an_unknown_invite_is_refused(made: Made) -> None:
    with pytest.raises(RequestFailedError, match="this invite is not known to the tracker") as e:
        admit(*made, token=bytes(16))
    assert e.value.kind == "refused"


def test_an_invite_admits_once(made: Made) -> None:
    database, keys = made
    token = new_token(database)
    admit(database, keys, token=token)
    with pytest.raises(RequestFailedError, match="used already"):
        admit(database, keys, token=token)
    assert len(database.read_now(members.list_members)) == 1


def test_an_invite_expires(made: Made) -> None:
    database, keys = made
    token = new_token(database, expires=NOW + 1000)
    with pytest.raises(RequestFailedError, match="has expired"):
        admit(database, keys, token=token, now=NOW + 1000)
    admit(database, keys, token=token, now=NOW + 999)


def test_a_revoked_invite_is_refused(made: Made) -> None:
    database, keys = made
    token = new_token(database)
    (summary,) = database.read_now(lambda c: invites.list_invites(c, NOW))
    done = database.write_now(lambda c: members.revoke(c, keys.signing, summary.id, 0, NOW))
    assert (done.reply.what, done.reply.id, done.roster) == ("invite", summary.id, None)
    with pytest.raises(RequestFailedError, match="has been revoked"):
        admit(database, keys, token=token)


def test_the_invites_zone_is_the_default(made: Made) -> None:
    database, keys = made
    _, first = admit(database, keys, token=new_token(database, zone="cellar"))
    _, second = admit(database, keys, token=new_token(database, zone="cellar"), zone="roof")
    assert (first.member.zone, second.member.zone) == ("cellar", "roof")


def test_names_are_cleaned_and_unique(made: Made) -> None:
    names = [admit(*made, name)[1].member.name for name in ("nas", "NAS", "nas", "a/b\n")]
    assert names == ["nas", "NAS-2", "nas-3", "a_b_"]
    long = "é" * 127
    assert [len(admit(*made, long)[1].member.name.encode()) for _ in range(2)] == [254, 254]


def test_a_machine_that_joins_again_keeps_its_place(made: Made) -> None:
    database, keys = made
    identity, first = admit(database, keys, "nas")
    _, again = admit(database, keys, "big nas", identity, capacity=9, now=NOW + 5)
    assert (again.member.name, again.member.capacity) == ("big nas", 9)
    assert again.member.joined == first.member.joined
    assert len(again.roster.roster.members) == 1


def test_a_revoked_key_stays_out(made: Made) -> None:
    database, keys = made
    identity, _ = admit(database, keys, "nas")
    done = database.write_now(lambda c: members.revoke(c, keys.signing, "nas", 0, NOW))
    assert done.peer == identity.peer
    assert done.roster is not None
    assert done.roster.roster.outside() == {identity.peer}
    with pytest.raises(RequestFailedError, match="this machine has been revoked"):
        admit(database, keys, "nas", identity)
    other = generate_identity()
    other.static_key = identity.static_key
    with pytest.raises(RequestFailedError, match="this machine has been revoked"):
        admit(database, keys, "nas", other)
    admit(database, keys, "nas")
    with pytest.raises(Exception, match="revoked"):
        check_not_revoked(done.roster.roster, done.roster.roster.members[0])


def test_a_transport_key_belongs_to_one_member(made: Made) -> None:
    identity, _ = admit(*made, "nas")
    thief = generate_identity()
    thief.static_key = identity.static_key
    with pytest.raises(RequestFailedError, match="another member"):
        admit(*made, "thief", thief)


def test_revoking_by_id_and_ambiguity(made: Made) -> None:
    database, keys = made
    identity, _ = admit(database, keys, "nas")
    other, _ = admit(database, keys, identity.peer.hex()[:12])

    def revoke(target: str) -> str:
        done = database.write_now(lambda c: members.revoke(c, keys.signing, target, 0, NOW))
        return done.reply.name

    with pytest.raises(RequestFailedError, match="no member or invite") as missing:
        revoke(identity.peer.hex()[:5])
    assert missing.value.kind == "not_found"
    assert revoke(other.peer.hex()[:20]) == identity.peer.hex()[:12]
    assert revoke(identity.peer.hex()[:12]) == "nas"
    with pytest.raises(RequestFailedError, match="revoked already"):
        revoke("nas")


def test_an_ambiguous_id_lists_what_it_could_be(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, keys = made
    token = new_token(database)
    (invite,) = database.read_now(lambda c: invites.list_invites(c, NOW))
    identity = generate_identity()
    identity.peer = type(identity.peer)(bytes.fromhex(invite.id[:6]) + identity.peer[3:])
    admit(database, keys, "twin", identity)
    with pytest.raises(RequestFailedError, match=f"member twin .*invite {invite.id}"):
        database.write_now(lambda c: members.revoke(c, keys.signing, invite.id[:6], 0, NOW))
    assert token


def test_rosters_change_only_when_something_does(made: Made) -> None:
    database, keys = made
    identity, admitted = admit(database, keys, capacity=5)

    def capacity(amount: int) -> swarm.StoredRoster | None:
        return database.write_now(
            lambda c: members.set_capacity(c, keys.signing, identity.peer, amount)
        )

    assert capacity(5) is None
    changed = capacity(6)
    assert changed is not None
    assert changed.number == admitted.roster.number + 1
    assert changed.roster.members[0].capacity == 6
    trackers = ("10.0.0.1:4100",)
    moved = database.write_now(lambda c: swarm.set_trackers(c, keys.signing, trackers))
    assert moved is not None
    assert moved.roster.trackers == trackers
    assert database.write_now(lambda c: swarm.set_trackers(c, keys.signing, trackers)) is None
