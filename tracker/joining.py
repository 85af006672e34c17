"""What a machine with an invite may ask: to join, and nothing else.

Refuses keys that were not proven on this very connection.
"""

from sqlalchemy import Connection

from protocol.messages.tracking import Join, Joined, join_proof_body
from protocol.signing import is_signature
from tracker import audit, members
from tracker.audit import Actor
from tracker.errors import RequestFailedError
from tracker.session import Session
from tracker.tracker import Tracker, roster_document


async def join(tracker: Tracker, session: Session, request: Join) -> None:
    """Admit the machine: it gets its membership, and everybody the new roster."""
    _check_proof(request, session.channel.connection.handshake_hash)
    signing, static = tracker.keys.signing, session.static

    def admit(connection: Connection) -> members.Admitted:
        now = tracker.wall()
        admitted = members.admit_machine(connection, signing, request, static, now)
        member = admitted.member
        actor = Actor(member.name, session.host)
        what, more = f"member {member.name}", member.peer.hex()[:12]
        audit.note(connection, actor, "joined", what, now, more)
        return admitted

    admitted = await tracker.database.write(
        admit, then=lambda admitted: tracker.adopt(admitted.roster)
    )
    session.log.info("joined", name=admitted.member.name, roster=admitted.roster.number)
    await session.send(Joined(call=request.call, membership=admitted.membership))
    document = roster_document(admitted.roster)
    await session.send_document(document.header, document.content)


def _check_proof(request: Join, handshake_hash: bytes) -> None:
    if not is_signature(request.proof, request.peer, join_proof_body(handshake_hash)):
        raise RequestFailedError("refused", "the machine did not prove its key")
