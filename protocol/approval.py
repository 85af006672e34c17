"""The signed word of a person that deletions which were held may come to effect, or never may.

It names the very tombstones, so that nothing signed later, or dated back, passes with them.
"""

from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from protocol import codec
from protocol.fields import AuthorKeyField, DigestField, Moment
from protocol.ids import PeerId
from protocol.roster import Roster
from protocol.signing import Signed, check_signature, sign

MAX_APPROVAL = 40 << 10
MOST_TOMBSTONES = 1000
KEPT_FOR = 365 * 86_400_000
"""Milliseconds for which it is remembered what was decided."""
_CONTEXT = "approval"


class Approval(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="approval"
):
    """What `signer` says of tombstones, by their hashes, that all are signed by `deleter`."""

    signer: AuthorKeyField
    deleter: AuthorKeyField
    approved: bool
    decided: Moment
    tombstones: Annotated[tuple[DigestField, ...], Meta(min_length=1, max_length=MOST_TOMBSTONES)]


def sign_approval(approval: Approval, key: Ed25519PrivateKey) -> Signed:
    """Sign with the key of `approval.signer`: an admin's, a member's, or the swarm's."""
    return sign(key, _CONTEXT, codec.encode(approval))


def open_approval_untrusted(signed: Signed) -> Approval:
    """Check and read an approval; RemoteProtocolError when it is not what its signer signed."""
    approval: Approval = codec.decode_untrusted(signed.body, Approval, limit=MAX_APPROVAL)
    check_signature(signed, approval.signer, _CONTEXT)
    return approval


def may_decide(signer: bytes, deleter: bytes, roster: Roster) -> bool:
    """Whether `signer` may decide about the deletions of `deleter`.

    The swarm's key, which is the tracker's operator; the admins; and where there are none, every
    member but the one whose deletions they are.
    """
    if signer == roster.swarm:
        return True
    admins = roster.admins()
    if admins:
        return signer in admins
    return signer != deleter and any(member.peer == PeerId(signer) for member in roster.peers())
