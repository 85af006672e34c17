"""Errors of the peer room that a person is told, each with its kind and exit code."""

from protocol.messages.base import Failed, FailureKind


class PeerError(Exception):
    """Something could not be done; the message says what and what to do about it.

    `field` is the field of the request that is wrong, if it is one.
    """

    kind: FailureKind = "failed"

    def __init__(self, text: str = "", field: str = "") -> None:
        super().__init__(text)
        self.field = field


class UsageError(PeerError):
    """The request itself is wrong."""

    kind: FailureKind = "invalid"


class NotFoundError(PeerError):
    """What was named does not exist."""

    kind: FailureKind = "not_found"


class UnreachableError(PeerError):
    """Nobody answers: no daemon, no tracker, no holder."""

    kind: FailureKind = "unreachable"


class NotNowError(UnreachableError):
    """An address is not dialled, or not so soon again."""


class BusyError(UnreachableError):
    """The other side has been asked too much; `again` is in how many seconds it may be asked."""

    def __init__(self, text: str, again: float) -> None:
        super().__init__(text)
        self.again = again


class NotPermittedError(PeerError):
    """The other side refuses: not a member, wrong invite, not the author."""

    kind: FailureKind = "refused"


class NotJoinedError(NotPermittedError):
    """This machine is in no swarm."""


class InUseError(PeerError):
    """Another daemon has the data directory."""


class PieceLostError(PeerError):
    """Bytes that were held are gone or changed under us."""


class PieceUnreadError(PeerError):
    """Bytes that are held cannot be read for now, which says nothing about them."""

    kind: FailureKind = "refused"


EXIT_CODES: dict[FailureKind, int] = {
    "failed": 1,
    "invalid": 2,
    "not_found": 3,
    "unreachable": 4,
    "busy": 4,
    "refused": 5,
}

_ERRORS: dict[str, type[PeerError]] = {
    "not_found": NotFoundError,
    "unreachable": UnreachableError,
    "refused": NotPermittedError,
    "invalid": UsageError,
    "failed": PeerError,
}


def error_of(failed: Failed) -> PeerError:
    """The error a Failed reply stands for."""
    if failed.kind == "busy":
        return BusyError(failed.text, failed.again / 1000)
    return _ERRORS[failed.kind](failed.text, failed.field)
