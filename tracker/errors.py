"""How the tracker says that something asked of it was not done, and whose fault that is."""

from protocol.messages.base import FailureKind

MAX_TEXT = 4096


class RequestFailedError(Exception):
    """A request cannot be done; told to whoever asked, as a Failed message or an exit code."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.kind: FailureKind = kind
        self.text = text[:MAX_TEXT]


class DataDirectoryError(Exception):
    """The data directory cannot be used as it is; the message says why, to a person."""


class InUseError(DataDirectoryError):
    """Another tracker holds the data directory."""


class UsageError(Exception):
    """The command line asks for what cannot be; the message says what to write instead."""
