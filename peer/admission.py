"""Who may connect to this peer, and what it shows of itself: the credentials of every handshake."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from peer.data_dir import JoinedSwarm
from peer.roster_book import RosterBook
from peer.version import VERSION
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError
from protocol.hello import Credentials, Hello, Lane, MemberHello, OperatorHello
from protocol.identity import Identity
from protocol.ids import PeerId, StaticKey
from protocol.roster import Member, open_membership_untrusted


class Admission:
    """Makes credentials; remembers nothing."""

    def __init__(self, identity: Identity, joined: JoinedSwarm, rosters: RosterBook) -> None:
        self._identity = identity
        self._joined = joined
        self._rosters = rosters
        self.operator_key = X25519PrivateKey.generate()
        """Proves an operator for as long as this daemon runs."""
        self._operator_static = StaticKey(self.operator_key.public_key().public_bytes_raw())

    def member(self, hello: Hello, static: StaticKey) -> Member:
        """The member who shows this hello. RefusedError when it is none."""
        if not isinstance(hello, MemberHello):
            raise RefusedError("only members may do this")
        member = open_membership_untrusted(hello.membership, self._joined.swarm, static)
        self._rosters.check(member)
        return member

    def answering(self) -> Credentials:
        """For connections from others: members that are peers, and our operators."""

        def admit(hello: Hello, static: StaticKey) -> None:
            if isinstance(hello, OperatorHello):
                if static != self._operator_static:
                    raise RefusedError("not an operator of this machine")
                return
            if self.member(hello, static).role != "peer":
                raise RefusedError("only peers connect to peers")

        return self._credentials(admit)

    def dialling(self, peer: PeerId, lane: Lane = "") -> Credentials:
        """For a connection to one peer and nobody else."""

        def admit(hello: Hello, static: StaticKey) -> None:
            if self.member(hello, static).peer != peer:
                raise RefusedError("another machine answers at this address")

        return self._credentials(admit, lane)

    def dialling_tracker(self) -> Credentials:
        """For the connection to a tracker of this swarm."""

        def admit(hello: Hello, static: StaticKey) -> None:
            if self.member(hello, static).role != "tracker":
                raise RefusedError("what answers at the tracker's address is no tracker")

        return self._credentials(admit)

    def _credentials(
        self, admit: Callable[[Hello, StaticKey], None], lane: Lane = ""
    ) -> Credentials:
        return Credentials(
            psk=self._joined.psk,
            static=self._identity.static,
            hello=MemberHello(
                version=VERSION,
                membership=self._joined.membership,
                roster=self._rosters.number,
                lane=lane,
            ),
            admit=admit,
            ciphers=preferred_ciphers(),
        )
