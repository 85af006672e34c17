"""Memberships and rosters: signed by the swarm key, read only with it, nobody in them twice."""

import msgspec
import pytest
from ends import Swarm
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import values_of

from protocol import codec
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.identity import decode_identity, encode_identity, generate_identity
from protocol.ids import PeerId, StaticKey
from protocol.roster import (
    MAX_ROSTER,
    Member,
    Membership,
    Roster,
    check_not_revoked,
    encode_signed,
    open_membership_untrusted,
    open_roster_untrusted,
    sign_membership,
    sign_roster,
)
from protocol.signing import Signed, check_signature, sign

SWARM, FOREIGN = Swarm(), Swarm()
NAS, LAPTOP, DESK = (generate_identity() for _ in range(3))


def roster_bytes(roster: Roster) -> bytes:
    return encode_signed(sign_roster(SWARM.signing, roster))


@given(
    members=st.lists(
        values_of(Member), max_size=6, unique_by=(lambda m: m.peer, lambda m: m.static)
    )
)
@settings(max_examples=40, deadline=None)
def test_rosters_round_trip(members: list[Member]) -> None:
    roster = SWARM.roster(*members, number=7)
    assert open_roster_untrusted(roster_bytes(roster), SWARM.key) == roster


def test_no_bit_of_a_signed_roster_can_change() -> None:
    encoded = roster_bytes(SWARM.roster(SWARM.member(NAS)))
    for bit in range(8 * len(encoded)):
        changed = bytearray(encoded)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            open_roster_untrusted(bytes(changed), SWARM.key)


@given(encoded=st.binary(max_size=200))
def test_arbitrary_bytes_are_no_roster(encoded: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        open_roster_untrusted(encoded, SWARM.key)


def test_a_roster_of_another_swarm_is_refused() -> None:
    theirs = FOREIGN.roster(FOREIGN.member(NAS))
    encoded = encode_signed(sign_roster(FOREIGN.signing, theirs))
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_roster_untrusted(encoded, SWARM.key)
    with pytest.raises(RemoteProtocolError, match="another swarm"):
        open_roster_untrusted(roster_bytes(theirs), SWARM.key)


@pytest.mark.parametrize("context", ["membership", "entry", ""])
def test_a_roster_signed_for_another_use_is_refused(context: str) -> None:
    signed = sign(SWARM.signing, context, codec.encode(SWARM.roster()))
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_roster_untrusted(encode_signed(signed), SWARM.key)


def test_a_membership_is_no_roster() -> None:
    signed = sign_membership(SWARM.signing, SWARM.member(NAS))
    with pytest.raises(RemoteProtocolError):
        open_roster_untrusted(encode_signed(signed), SWARM.key)


def test_a_roster_that_lists_a_machine_twice_is_refused() -> None:
    once = SWARM.member(NAS)
    again = SWARM.member(LAPTOP, peer=NAS.peer)
    copied = SWARM.member(LAPTOP, static=NAS.static_key)
    for other in (once, again, copied):
        with pytest.raises(RemoteProtocolError, match="twice"):
            open_roster_untrusted(roster_bytes(SWARM.roster(once, other)), SWARM.key)


@pytest.mark.parametrize("number", [0, -1, 1 << 53])
def test_a_roster_number_is_in_range(number: int) -> None:
    with pytest.raises(RemoteProtocolError):
        open_roster_untrusted(roster_bytes(SWARM.roster(number=number)), SWARM.key)


def test_a_roster_has_a_greatest_length() -> None:
    with pytest.raises(RemoteProtocolError, match="limit"):
        open_roster_untrusted(bytes(MAX_ROSTER + 1), SWARM.key)


def test_who_is_in_a_roster() -> None:
    nas = SWARM.member(NAS, "nas", capacity=5, zone="cellar")
    laptop = SWARM.member(LAPTOP, "laptop")
    gone = SWARM.member(DESK, "desk", state="revoked", capacity=9)
    tracker = SWARM.member(generate_identity(), "tracker", role="tracker", capacity=9)
    roster = SWARM.roster(nas, laptop, gone, tracker)
    assert roster.peers() == (laptop, nas)
    assert roster.outside() == {DESK.peer}
    assert roster.find(DESK.peer) == gone
    assert roster.find(PeerId(bytes(32))) is None
    assert [(m.peer, m.capacity, m.zone) for m in roster.ring().members] == [
        (NAS.peer, 5, "cellar")
    ]


# --- memberships ----------------------------------------------------------------------------


@given(member=values_of(Member))
@settings(max_examples=40, deadline=None)
def test_memberships_round_trip(member: Member) -> None:
    signed = sign_membership(SWARM.signing, member)
    assert open_membership_untrusted(signed, SWARM.key, member.static) == member


def test_no_bit_of_a_membership_can_change() -> None:
    signed = sign_membership(SWARM.signing, SWARM.member(NAS))
    for bit in range(8 * len(signed.body)):
        body = bytearray(signed.body)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RefusedError, match="not a member"):
            open_membership_untrusted(
                Signed(bytes(body), signed.signature), SWARM.key, NAS.static_key
            )


def test_a_membership_of_another_swarm_or_machine_is_refused() -> None:
    mine = sign_membership(SWARM.signing, SWARM.member(NAS))
    with pytest.raises(RefusedError, match="not a member"):
        open_membership_untrusted(mine, FOREIGN.key, NAS.static_key)
    with pytest.raises(RefusedError, match="another machine"):
        open_membership_untrusted(mine, SWARM.key, LAPTOP.static_key)


def test_a_membership_that_names_another_swarm_is_refused() -> None:
    body = codec.encode(Membership(swarm=FOREIGN.key, member=SWARM.member(NAS)))
    with pytest.raises(RefusedError):
        open_membership_untrusted(
            sign(SWARM.signing, "membership", body), SWARM.key, NAS.static_key
        )


@pytest.mark.parametrize("context", ["roster", "entry"])
def test_a_membership_signed_for_another_use_is_refused(context: str) -> None:
    body = codec.encode(Membership(swarm=SWARM.key, member=SWARM.member(NAS)))
    with pytest.raises(RefusedError, match="signature"):
        open_membership_untrusted(sign(SWARM.signing, context, body), SWARM.key, NAS.static_key)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", codec.encode(SWARM.roster())])
def test_what_is_no_membership_is_refused_although_signed(body: bytes) -> None:
    with pytest.raises(RefusedError, match="not a member"):
        open_membership_untrusted(
            sign(SWARM.signing, "membership", body), SWARM.key, NAS.static_key
        )


def test_the_newest_roster_has_the_last_word() -> None:
    member = SWARM.member(NAS)
    for admitted in (None, SWARM.roster(), SWARM.roster(member)):
        check_not_revoked(admitted, member)
    renamed = msgspec.structs.replace(member, name="cellar", zone="x")
    check_not_revoked(SWARM.roster(renamed), member)
    revoked = msgspec.structs.replace(member, state="revoked")
    with pytest.raises(RefusedError, match="nas has been revoked"):
        check_not_revoked(SWARM.roster(revoked), member)
    rekeyed = msgspec.structs.replace(member, static=LAPTOP.static_key)
    with pytest.raises(RefusedError, match="old key"):
        check_not_revoked(SWARM.roster(rekeyed), member)


# --- signatures and identities --------------------------------------------------------------


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), b"\xff" * 32])
def test_a_key_that_is_none_has_signed_nothing(key: bytes) -> None:
    signed = sign(SWARM.signing, "entry", b"x")
    with pytest.raises(RemoteProtocolError, match="entry's signature"):
        check_signature(signed, key, "entry")


def test_identities_are_kept_as_64_bytes() -> None:
    kept = encode_identity(NAS)
    again = decode_identity(kept)
    assert (again.peer, again.static_key) == (NAS.peer, NAS.static_key)
    assert len(kept) == 64
    assert kept[:32].hex() not in repr(NAS)
    assert StaticKey(NAS.static.public_key().public_bytes_raw()) == NAS.static_key
    for damaged in (kept[:-1], kept + b"\0", b""):
        with pytest.raises(ValueError, match="64 bytes"):
            decode_identity(damaged)
