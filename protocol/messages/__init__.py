"""Every control message there is, and the one way to read them.

`base` is the shape they share, `shared` serves several conversations, `tracking`, `peering` and
`operating` are the three conversations, `rebuilding` and `tending` are part of the first,
`keeping` of the second, `limiting`, `settings`, `linking`, `scrubbing`, `verifying`, `standing`,
`editing`, `logins` and `upload_rules` of the last, `health` of the first and the last, `deleting`
of all.
What a remote may say depends on its role: the reader of a connection refuses the rest by type.
"""

import inspect
from types import ModuleType
from typing import cast

from protocol import codec
from protocol.messages import (
    base,
    deleting,
    editing,
    health,
    keeping,
    limiting,
    linking,
    logins,
    operating,
    peering,
    rebuilding,
    scrubbing,
    settings,
    shared,
    standing,
    tending,
    tracking,
    upload_rules,
    verifying,
)
from protocol.messages.base import Message


def _concrete(module: ModuleType) -> list[type[Message]]:
    found = [item for _, item in inspect.getmembers(module, inspect.isclass)]
    return [
        item
        for item in found
        if item.__module__ == module.__name__
        and issubclass(item, Message)
        and item.__struct_config__.tag is not None
    ]


ALL: tuple[type[Message], ...] = tuple(
    message
    for module in (
        base,
        shared,
        tracking,
        rebuilding,
        peering,
        keeping,
        operating,
        logins,
        limiting,
        settings,
        linking,
        scrubbing,
        standing,
        deleting,
        editing,
        verifying,
        upload_rules,
        health,
        tending,
    )
    for message in _concrete(module)
)
_BY_TYPE: dict[str, type] = {str(message.__struct_config__.tag): message for message in ALL}


def decode_message_untrusted(encoded: bytes | memoryview) -> Message:
    """One control message from a remote; RemoteProtocolError for anything else."""
    return cast(
        Message, codec.decode_tagged_untrusted(encoded, _BY_TYPE, "type", limit=codec.MAX_CONTROL)
    )
