"""What an operator and its daemon say about limits: rates in bytes a second, None for no limit."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import Name
from protocol.messages.base import Reply, Request

Rate = Annotated[int, Meta(ge=1, le=1 << 40)]
TimesText = Annotated[str, Meta(min_length=1, max_length=100)]
"""Days and times of the week, like "mon-fri 08:00-18:00"; local time."""
ForLan = Literal["exempt", "limited"]
"""Whether limits hold for machines on the same network."""


class RatesView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both directions."""

    up: Rate | None
    down: Rate | None


class NewRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate to set, or (None) to take away."""

    rate: Rate | None


class PeerLimitsView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of one machine; not `known`: the roster has no machine of that name."""

    name: str
    rates: RatesView
    known: bool


class WindowView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rates at some times of the week; `now` for the window that holds now."""

    times: str
    rates: RatesView
    now: bool


class GetLimits(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the limits."""


class ChangeLimits(Request, frozen=True, kw_only=True, tag=True):
    """Change the limits, now and in the settings file. What is None stays as it is.

    `up` and `down` are those of the whole daemon, of the machine named `peer`, or of the window of
    the schedule that has exactly the times `at`, which is made if need be, or taken out with
    `remove`.
    """

    up: NewRate | None = None
    down: NewRate | None = None
    peer: Name | None = None
    at: TimesText | None = None
    remove: bool = False
    clear_schedule: bool = False
    lan: ForLan | None = None


class ReloadSettings(Request, frozen=True, kw_only=True, tag=True):
    """Read the settings file again; the answer is `Limits`."""


class Limits(Reply, frozen=True, kw_only=True, tag=True):
    """The limits: in force now, those without the schedule, and the rest of what is set.

    `near` names the machines that are linked over the same network. `file` is where all is set.
    """

    now: RatesView
    base: RatesView
    windows: tuple[WindowView, ...]
    peers: tuple[PeerLimitsView, ...]
    lan: ForLan
    near: tuple[str, ...]
    file: str
