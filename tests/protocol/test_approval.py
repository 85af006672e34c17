"""Approvals: who may decide about whose deletions, and that nothing of them can be changed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol import codec
from protocol.approval import (
    MAX_APPROVAL,
    MOST_TOMBSTONES,
    Approval,
    may_decide,
    open_approval_untrusted,
    sign_approval,
)
from protocol.errors import RemoteProtocolError
from protocol.ids import AuthorKey, PeerId, StaticKey, SwarmKey
from protocol.roster import Member, Roster
from protocol.signing import Signed, sign

SWARM = SwarmKey(b"S" * 32)


def key_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number: int) -> AuthorKey:
    return AuthorKey(key_of(number).public_key().public_bytes_raw())


def approval(**changes: object) -> Approval:
    fields: dict[str, object] = {
        "signer": public(1),
        "deleter": public(2),
        "approved": True,
        "decided": 5,
        "tombstones": (b"t" * 32,),
    }
    return Approval(**(fields | changes))  # type: ignore[arg-type]


def roster(*members: Member) -> Roster:
    return Roster(swarm=SWARM, number=1, name="club", trackers=(), members=members)


def member(number: int, **changes: object) -> Member:
    fields: dict[str, object] = {
        "peer": PeerId(public(number)),
        "static": StaticKey(bytes([number]) * 32),
        "name": f"m{number}",
        "joined": 1,
    }
    return Member(**(fields | changes))  # type: ignore[arg-type]


def test_an_approval_round_trips_and_cannot_be_changed() -> None:
    signed = sign_approval(approval(), key_of(1))
    assert open_approval_untrusted(signed) == approval()
    for bit in range(8 * len(signed.body)):
        body = bytearray(signed.body)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            open_approval_untrusted(Signed(bytes(body), signed.signature))


def test_it_counts_only_under_its_signers_key_and_for_this_use() -> None:
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_approval_untrusted(sign_approval(approval(), key_of(3)))
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_approval_untrusted(sign(key_of(1), "entry", codec.encode(approval())))


def test_the_largest_fits_and_an_empty_one_is_refused() -> None:
    most = approval(tombstones=tuple(n.to_bytes(32) for n in range(MOST_TOMBSTONES)))
    signed = sign_approval(most, key_of(1))
    assert len(signed.body) <= MAX_APPROVAL
    assert open_approval_untrusted(signed) == most
    with pytest.raises(RemoteProtocolError):
        open_approval_untrusted(sign_approval(approval(tombstones=()), key_of(1)))


def test_without_admins_every_member_but_the_deleter_decides() -> None:
    known = roster(member(1), member(2), member(3, state="revoked"), member(4, role="tracker"))
    assert may_decide(public(1), public(2), known)
    assert not may_decide(public(2), public(2), known)
    for outside in (public(3), public(4), public(9)):
        assert not may_decide(outside, public(2), known)
    assert may_decide(SWARM, public(2), known)


def test_with_admins_only_they_and_the_operator_decide() -> None:
    known = roster(member(1), member(2), member(3, admin=True))
    assert not may_decide(public(1), public(2), known)
    assert may_decide(public(3), public(2), known)
    assert may_decide(public(3), public(3), known)
    assert may_decide(SWARM, public(3), known)


def test_an_admin_that_was_revoked_is_none() -> None:
    known = roster(member(1), member(2), member(3, admin=True, state="revoked"))
    assert known.admins() == frozenset()
    assert not may_decide(public(3), public(2), known)
    assert may_decide(public(1), public(2), known)
