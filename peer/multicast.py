"""Multicast DNS, by python-zeroconf in threads of its own: one announcement of ours, and theirs.

Names, hosts and text records are made of salt and tag alone (docs/threats.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from protocol.lan_tag import SALT_LENGTH

if TYPE_CHECKING:
    from zeroconf import Zeroconf

SERVICE = "_twofold._tcp.local."
LIFETIME = 120
"""Seconds for which others may believe an announcement that is not said again."""
MOST_ADDRESSES = 8
_ANSWER_TIMEOUT = 1500
_TAG_KEY = "t"


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What one machine says, or claims to: nothing of it is proven but by its tag."""

    salt: bytes
    tag: bytes
    port: int
    ips: tuple[str, ...]

    @property
    def packed_ips(self) -> tuple[bytes, ...]:
        """The addresses as 4 or 16 bytes each."""
        return tuple(ip_address(ip).packed for ip in self.ips)


Heard = Callable[[str, Announcement | None], None]
"""Told, in another thread, an announcement by its name; None when it has ended."""


class Multicast:
    """Announces and listens from `open` to `close`, both of which may take a second or two."""

    def __init__(self, ours: Announcement, heard: Heard) -> None:
        self._ours = ours
        self._heard = heard
        self._zeroconf: Zeroconf | None = None

    def open(self) -> None:
        """Begin. OSError when this network or system has no multicast."""
        from zeroconf import Error, ServiceBrowser, ServiceInfo, Zeroconf  # 4 MB: only if wanted

        ours = self._ours
        try:
            self._zeroconf = Zeroconf(interfaces=list(ours.ips))
            service = ServiceInfo(
                SERVICE,
                f"{ours.salt.hex()}.{SERVICE}",
                port=ours.port,
                addresses=list(ours.packed_ips),
                properties={_TAG_KEY: ours.tag},
                server=f"{ours.salt.hex()}.local.",
                host_ttl=LIFETIME,
                other_ttl=LIFETIME,
            )
            # The salt is this announcement's alone: there is no need to ask whether it is taken.
            self._zeroconf.register_service(service, cooperating_responders=True)
            ServiceBrowser(self._zeroconf, SERVICE, handlers=[self._changed])
        except (Error, RuntimeError) as error:
            self.close()
            raise OSError(str(error) or type(error).__name__) from None
        except BaseException:
            self.close()
            raise

    def _changed(
        self, zeroconf: "Zeroconf", service_type: str, name: str, state_change: object
    ) -> None:
        """Called by zeroconf, which gives the arguments by these names."""
        if getattr(state_change, "name", "") == "Removed":
            self._heard(name, None)
        elif (said := _announcement(zeroconf, service_type, name)) is not None:
            self._heard(name, said)

    def close(self) -> None:
        """Take the announcement back and stop listening."""
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None


def _announcement(zeroconf: "Zeroconf", kind: str, name: str) -> Announcement | None:
    """All of what was announced under a name; None when it is not of our form, or incomplete."""
    found = zeroconf.get_service_info(kind, name, timeout=_ANSWER_TIMEOUT)
    salt = _salt_of(name)
    if found is None or salt is None or not found.port:
        return None
    # A scope is the interface at whoever hears it, no part of the address.
    ips = dict.fromkeys(each.partition("%")[0] for each in found.parsed_addresses())
    tag = found.properties.get(_TAG_KEY.encode()) or b""
    return Announcement(salt=salt, tag=tag, port=found.port, ips=tuple(ips)[:MOST_ADDRESSES])


def _salt_of(name: str) -> bytes | None:
    try:
        salt = bytes.fromhex(name.partition(".")[0])
    except ValueError:
        return None
    return salt if len(salt) == SALT_LENGTH else None
