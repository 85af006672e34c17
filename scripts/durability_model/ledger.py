"""What a simulated month is counted in: bytes by cause, time at risk, losses."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

Cause = Literal["new", "death", "absence", "return", "join", "leave"]
"""Why the ring wants a copy somewhere: content was published; a machine died; one was away for
longer than the grace time; it came back; one joined; one left."""
CAUSES: tuple[Cause, ...] = ("new", "death", "absence", "return", "join", "leave")


@dataclass
class Bytes:
    """asked = moved + withdrawn + what is still to be moved at the end."""

    asked: int = 0
    """What the ring wanted on machines that did not have it."""
    moved: float = 0.0
    withdrawn: float = 0.0
    """Not wanted any more before it was begun, or the machine or all copies were lost meanwhile."""


@dataclass
class Ledger:
    """The figures of one run. Spans are counted, not entries, if nothing else is said."""

    bytes: dict[Cause, Bytes] = field(default_factory=lambda: {cause: Bytes() for cause in CAUSES})
    one_live: float = 0.0
    """Span-seconds in which exactly one copy was on a machine that was on."""
    none_live: float = 0.0
    """Span-seconds in which none was, and one lay on a machine that was off."""
    one_left: float = 0.0
    """Span-seconds in which one copy existed at all: then a death is a loss."""
    alone_new: float = 0.0
    """Span-seconds of published content before it had all its copies for the first time."""
    deaths: int = 0
    died_with: int = 0
    """Bytes that dead machines held."""
    windows: list[float] = field(default_factory=list)
    """Seconds from a death that left a span short until it had all its copies again."""
    lost: list[tuple[float, int]] = field(default_factory=list)
    """When, and number of the span."""
    lost_entries: set[int] = field(default_factory=set)
    lost_pieces: int = 0
    lost_new: int = 0
    """Spans whose author died before they ever had all their copies; not among `lost`."""
    _at: float = 0.0
    _now: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def advance(self, now: float) -> None:
        """Count the time that has passed."""
        passed, self._at = now - self._at, now
        state = self._now
        self.one_live += passed * state["one_live"]
        self.none_live += passed * state["none_live"]
        self.one_left += passed * state["one_left"]
        self.alone_new += passed * state["alone_new"]

    def count(self, *, existing: int, live: int, settled: bool, by: int) -> None:
        """A span comes into (`by` 1) or leaves (-1) a state."""
        if not existing:
            return
        if not settled:
            self._now["alone_new"] += by
            return
        if live < 2:
            self._now["one_live" if live else "none_live"] += by
        if existing == 1:
            self._now["one_left"] += by

    def total(self) -> Bytes:
        """Of all causes."""
        every = self.bytes.values()
        return Bytes(
            sum(each.asked for each in every),
            sum(each.moved for each in every),
            sum(each.withdrawn for each in every),
        )
