"""The errors of the protocol room, split by whose fault they are."""


class ProtocolError(Exception):
    """Something in the conversation is wrong; the message says what."""


class LocalProtocolError(ProtocolError):
    """Our own code misused the protocol: a bug here, never the remote's doing."""


class RemoteProtocolError(ProtocolError):
    """The remote said something that is not allowed; the connection must be closed."""


class RefusedError(ProtocolError):
    """The remote proved who it is, and may not do this (not a member, revoked, no permission)."""


class InvalidTextError(ValueError):
    """A string typed or pasted by a person (invite, link, address, id) is not usable; says why."""
