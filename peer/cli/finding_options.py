"""Options of the commands that find entries, and what they ask for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from peer.errors import UsageError
from peer.units import parse_size
from protocol.fields import MAX_LENGTH
from protocol.kinds import KindWanted
from protocol.messages.finding import Filters, Sort, problem_of

_DAY = 86_400_000


@Parameter(name="*")
@dataclass(frozen=True)
class Finding:
    """What is to be found, and in which order."""

    kind: KindWanted | None = None
    """Only folders, files, or files of a kind, by the ending of their names."""
    larger: str | None = None
    """Only what is of this size or larger: 10MB."""
    smaller: str | None = None
    """Only what is of this size or smaller."""
    after: str | None = None
    """Only what was added on this day or later: 2026-01-31, or 2026-01-31T14:30."""
    before: str | None = None
    """Only what was added on this day or earlier."""
    author: str | None = None
    """Only what this machine added, by name or key."""
    machine: str | None = None
    """Only what this machine holds in whole, by name or key."""
    short: Annotated[bool, Parameter(negative="")] = False
    """Only what has fewer copies than wanted now."""
    safe: Annotated[bool, Parameter(negative="")] = False
    """Only what has all wanted copies now."""
    sort: Sort = "relevance"
    """Without words, relevance is newest."""

    def filters(self) -> Filters:
        """As the daemon is asked. UsageError for what cannot be meant."""
        if self.short and self.safe:
            raise UsageError("nothing is both --short and --safe: give one of them")
        filters = Filters(
            kind=self.kind,
            least=_size(self.larger),
            most=_size(self.smaller),
            after=_moment(self.after),
            before=_moment(self.before, end=True),
            author=_who("--author", self.author),
            machine=_who("--machine", self.machine),
            copies="short" if self.short else "safe" if self.safe else None,
        )
        problem = problem_of(filters)
        if problem:
            raise UsageError(problem)
        return filters


EVERYTHING = Finding()


def _size(text: str | None) -> int | None:
    return None if text is None else min(parse_size(text), MAX_LENGTH)


def _moment(text: str | None, *, end: bool = False) -> int | None:
    """Milliseconds since 1970 of a local day or minute; with `end`, of its last one."""
    if text is None:
        return None
    try:
        moment = int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text!r} is not a day; write it like 2026-01-31") from None
    if moment < 0:
        raise UsageError(f"{text!r} is too long ago: nothing was added before 1970")
    if not end:
        return moment
    return moment + (_DAY if len(text.strip()) <= len("2026-01-31") else 60_000) - 1


def _who(option: str, name: str | None) -> str | None:
    if name is not None and not 1 <= len(name) <= 255:
        raise UsageError(f"{option} takes the name or the key of a machine")
    return name
