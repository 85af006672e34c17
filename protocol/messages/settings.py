"""What an operator and its daemon say about settings other than limits, and about shared paths."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import Count
from protocol.messages.base import Reply, Request


class GetSettings(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the settings."""


class ChangeSettings(Request, frozen=True, kw_only=True, tag=True):
    """Change them, now and in the settings file. What is None stays as it is."""

    scrub_days: float | None = None
    discover: bool | None = None


class SettingsView(Reply, frozen=True, kw_only=True, tag=True):
    """The settings as they are, and the file in which they are set.

    `scrub_days`: everything held is read once in so many days; 0: never. `discover`: whether to
    look for members on the same network.
    """

    scrub_days: float
    discover: bool
    file: str


class GetShares(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the files and folders that are shared from where they lie, from number `start` on."""

    start: Count = 0


ShareState = Literal["shared", "partly", "leaving"]


class ShareView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of them. `entry` is the id of an entry that names it, "" if none is known here.

    `own`: this machine added the entry. "partly": some of its pieces are not here, or do not count
    any more. "leaving": given up here, once others hold it. `notice`: what happened to its files.
    """

    path: str
    entry: Annotated[str, Meta(max_length=64)]
    name: str
    kind: Literal["file", "folder"]
    size: Count
    own: bool
    state: ShareState
    notice: str = ""


class Shares(Reply, frozen=True, kw_only=True, tag=True):
    """At most 100 of them, by path; `total` in all."""

    shares: tuple[ShareView, ...]
    total: Count
