"""What all control messages share: a tag on the wire, call numbers, and bytes that may follow.

A message that carries bytes is a header: exactly `length` raw bytes follow it on the connection,
in transport messages of their own, and never pass through msgpack.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from protocol.errors import RemoteProtocolError
from protocol.fields import Call, Count, Text


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of every control message; the tag is the class's own name."""

    max_bytes: ClassVar[int] = 0
    """Not 0 for a header, which has a field `length` of at most this many bytes that follow it."""


class Request(Message, frozen=True, kw_only=True):
    """A message that wants a reply of the same call number."""

    call: Call


class Reply(Message, frozen=True, kw_only=True):
    """The answer to a request."""

    call: Call


class Ping(Message, frozen=True, kw_only=True, tag=True):
    """Anything received proves life; this is sent when there is nothing else to say."""


class Close(Message, frozen=True, kw_only=True, tag=True):
    """The last message of a connection: an end without it is a cut.

    With `refused`, the sender turned the other away: not a member, revoked, no permission.
    """

    reason: Text = ""
    refused: bool = False


FailureKind = Literal["not_found", "unreachable", "refused", "invalid", "failed", "busy"]


class Failed(Reply, frozen=True, kw_only=True, tag=True):
    """The request was not done; `text` says why, to a person, and `field` what of it was wrong.

    Who is told "busy" has asked too much, and may ask again `again` milliseconds later.
    """

    kind: FailureKind
    text: Text
    field: Annotated[str, Meta(max_length=64)] = ""
    again: Count = 0


class Done(Reply, frozen=True, kw_only=True, tag=True):
    """The request was done and there is nothing to tell."""


def bytes_following(message: Message) -> int:
    """How many raw bytes follow this message.

    RemoteProtocolError for a header that announces none, or more than its kind allows.
    """
    if not message.max_bytes:
        return 0
    length: int = getattr(message, "length")  # noqa: B009 - only headers have the field
    if not 0 < length <= message.max_bytes:
        name = type(message).__name__
        raise RemoteProtocolError(f"{name} announces {length} bytes, not 1 to {message.max_bytes}")
    return length
