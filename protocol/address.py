"""Where something listens: a host (name, IPv4 or IPv6) and a port, as text and as a type.

Hosts are kept in one canonical form, so equal addresses compare equal. Looks nothing up. Refuses
what no resolver could mean: empty or malformed names, half an IPv4 address, ports beyond 65535.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self

import msgspec

from protocol.errors import InvalidTextError

LARGEST_PORT = 65535
_LONGEST_HOST = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)


class Address(msgspec.Struct, frozen=True, kw_only=True, order=True, forbid_unknown_fields=True):
    """A host and a port (0..65535). An IPv6 host has no brackets here, only in the text.

    The host is put in canonical form (lower case, no final dot, shortest IPv6), also when decoded
    from a message. Raises InvalidTextError for a host or port that cannot be.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= LARGEST_PORT:
            raise InvalidTextError(f"{self.port} is not a port: ports go from 0 to {LARGEST_PORT}")
        msgspec.structs.force_setattr(self, "host", _canonical(self.host))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = None) -> Self:
        """The address in `nas.local:4440`, `192.168.1.5:4440` or `[fe80::1]:4440`.

        Without a port in the text `default_port` is taken. Raises InvalidTextError saying what is
        wrong, also when there is no port at all.
        """
        host, port = _split(text.strip())
        if port is None:
            if default_port is None:
                raise InvalidTextError(f"{_shown(text)} has no port: write it as host:port")
            return cls(host=host, port=default_port)
        if not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise InvalidTextError(
                f"{_shown(port)} is not a port: ports are numbers from 0 to {LARGEST_PORT}"
            )
        return cls(host=host, port=int(port))


def _split(text: str) -> tuple[str, str | None]:
    """Host and port as they stand in the text; no port gives None."""
    if bracketed := _BRACKETED.fullmatch(text):
        host, port = bracketed.groups()
        if ":" not in host:
            raise InvalidTextError(f"{_shown(host)} is not an IPv6 address: leave out the brackets")
        return host, port
    if text.count(":") > 1:
        raise InvalidTextError(
            f"{_shown(text)} is not an address: "
            "write host:port, and an IPv6 address in brackets, as in [fe80::1]:4440"
        )
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _canonical(host: str) -> str:
    """The one spelling of `host`, or InvalidTextError."""
    if not host:
        raise InvalidTextError("the address has no host: write it as host:port")
    if ":" in host:
        return _canonical_ipv6(host)
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if labels[-1].isdigit():
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise InvalidTextError(f"{_shown(host)} is not an IPv4 address") from None
    if len(name) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidTextError(
            f"{_shown(host)} is not a host name: those are made of the letters a-z, digits, "
            "hyphens and dots"
        )
    return name


def _canonical_ipv6(host: str) -> str:
    bare, percent, scope = host.partition("%")
    try:
        address = str(IPv6Address(bare))
    except AddressValueError:
        raise InvalidTextError(f"{_shown(host)} is not an IPv6 address") from None
    if percent and not _SCOPE.fullmatch(scope):
        raise InvalidTextError(f"{_shown(scope)} is not a network interface")
    return address + percent + scope


def _shown(text: str) -> str:
    """The text in quotes, cut when it is too long to show."""
    return repr(text if len(text) <= 80 else text[:79] + "…")
