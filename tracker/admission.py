"""Who may connect: decided at once from the roster in memory, inside the handshake.

Whoever is not listed in the newest roster may only hand over one that lists it. A joiner gets in
only to join; an operator is known by the key this very run wrote into `operator.json`.
"""

from collections.abc import Callable
from typing import Literal

from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError
from protocol.hello import Credentials, Hello, JoinHello, MemberHello, OperatorHello
from protocol.identity import Identity
from protocol.ids import StaticKey
from protocol.roster import (
    Member,
    check_not_revoked,
    open_membership_untrusted,
    sign_membership,
)
from tracker.data_dir import SwarmKeys
from tracker.swarm import StoredRoster
from tracker.version import program_version

Role = Literal["member", "returning", "joiner", "operator"]
"""`returning`: the swarm key made it a member, and the roster does not list it. So ours is too old,
and it may hand over a newer one."""


class Admission:
    """The tracker's side of every handshake."""

    def __init__(
        self,
        keys: SwarmKeys,
        identity: Identity,
        operator: StaticKey,
        roster: Callable[[], StoredRoster],
    ) -> None:
        self._keys = keys
        self._identity = identity
        self._operator = operator
        self._roster = roster
        self._version = program_version()
        itself = Member(
            peer=identity.peer, static=identity.static_key, name="tracker", role="tracker", joined=0
        )
        self._membership = sign_membership(keys.signing, itself)

    def credentials(self) -> Credentials:
        """What to bring to the next handshake."""
        return Credentials(
            psk=self._keys.psk,
            static=self._identity.static,
            hello=MemberHello(
                version=self._version, membership=self._membership, roster=self._roster().number
            ),
            admit=self.admit,
            ciphers=preferred_ciphers(),
        )

    def admit(self, hello: Hello, static: StaticKey) -> None:
        """RefusedError unless this machine may connect now."""
        if isinstance(hello, MemberHello):
            self.member(hello, static)
        elif isinstance(hello, OperatorHello) and static != self._operator:
            raise RefusedError("this is not the operator's key of the running tracker")

    def member(self, hello: MemberHello, static: StaticKey) -> Member:
        """The member as the newest roster lists it, or as it was admitted if that does not.

        RefusedError when it is no member, or none any more.
        """
        shown = open_membership_untrusted(hello.membership, self._keys.public, static)
        roster = self._roster().roster
        check_not_revoked(roster, shown)
        listed = roster.find(shown.peer)
        if listed is None and shown.role != "peer":
            raise RefusedError("the roster does not list this machine")
        return listed or shown


def role_of(hello: Hello) -> Role:
    """What kind of remote says this hello."""
    if isinstance(hello, MemberHello):
        return "member"
    return "joiner" if isinstance(hello, JoinHello) else "operator"
