"""Links: the strings that name an entry, to anyone who is already in its swarm.

A link admits nobody and carries no secret. Its flags byte leaves room for sealed content (a key);
a link with a version or flags this code does not know is refused as newer, never half understood.
"""

import msgspec
from blake3 import blake3

from protocol.checked_text import decode, encode
from protocol.errors import InvalidTextError, LocalProtocolError
from protocol.ids import ENTRY_ID_LENGTH, EntryId, SwarmKey

SWARM_TAG_LENGTH = 8

_KIND = "link"
_VERSION = 1
_NO_FLAGS = 0
_TAG = "twofold 2026 swarm tag"
_HEADER = bytes([_VERSION, _NO_FLAGS])
_LENGTH = len(_HEADER) + SWARM_TAG_LENGTH + ENTRY_ID_LENGTH


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a swarm; raises LocalProtocolError if a field has a wrong length."""

    swarm_tag: bytes
    """Tells links of other swarms apart, 8 bytes: see `swarm_tag`."""
    entry: EntryId

    def __post_init__(self) -> None:
        if len(self.swarm_tag) != SWARM_TAG_LENGTH or len(self.entry) != ENTRY_ID_LENGTH:
            raise LocalProtocolError("the swarm tag or the entry of a link has a wrong length")


def swarm_tag(swarm: SwarmKey) -> bytes:
    """The first 8 bytes of the swarm key's hash; the key cannot be told from it."""
    return blake3(swarm, derive_key_context=_TAG).digest(SWARM_TAG_LENGTH)


def encode_link(link: Link) -> str:
    """The text to hand over: `twofold-link-...`."""
    return encode(_KIND, _HEADER + link.swarm_tag + link.entry)


def decode_link(text: str) -> Link:
    """The link in `text`; InvalidTextError says what is wrong and what to do."""
    payload = decode(_KIND, text)
    # Before the length: a newer link may be longer.
    if len(payload) >= len(_HEADER) and not payload.startswith(_HEADER):
        raise InvalidTextError("this link was made by a newer Twofold: update this machine")
    if len(payload) != _LENGTH:
        raise InvalidTextError("this link was not made correctly: ask for a new link")
    tag, entry = payload[len(_HEADER) : -ENTRY_ID_LENGTH], payload[-ENTRY_ID_LENGTH:]
    return Link(swarm_tag=tag, entry=EntryId(entry))
