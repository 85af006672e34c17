"""What may be asked of a search besides words; the same from operators to daemons to trackers."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from protocol.fields import ByteLength, Moment
from protocol.kinds import KindWanted
from protocol.similar import LONGEST, MOST_CORRECTED, MOST_INSTEAD

Sort = Literal["relevance", "newest", "oldest", "name", "largest", "smallest"]
SORTS: tuple[str, ...] = get_args(Sort)
MAX_CURSOR = 256
MAX_SEARCH = 512
MAX_INSIDE = 255
SearchWords = Annotated[str, Meta(max_length=MAX_SEARCH)]
SearchCursor = Annotated[bytes, Meta(max_length=MAX_CURSOR)]
_Alike = Annotated[str, Meta(max_length=LONGEST)]
_Who = Annotated[str, Meta(min_length=1, max_length=255)]


class Filters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that are given must hold.

    Sizes are bytes and moments milliseconds since 1970, bounds included. `author` and `machine` are
    names or keys (64 hexadecimal digits, or the first 6 and more); `machine` holds all of it.
    `copies`: "short" has fewer copies now than wanted, "safe" has enough.
    """

    kind: KindWanted | None = None
    least: ByteLength | None = None
    most: ByteLength | None = None
    after: Moment | None = None
    before: Moment | None = None
    author: _Who | None = None
    machine: _Who | None = None
    copies: Literal["short", "safe"] | None = None

    def __bool__(self) -> bool:
        return self != Filters()


class Replaced(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word of a search that nothing has, and the words like it that were searched `instead`."""

    word: _Alike
    instead: Annotated[tuple[_Alike, ...], Meta(max_length=MOST_INSTEAD)]


ReplacedWords = Annotated[tuple[Replaced, ...], Meta(max_length=MOST_CORRECTED)]


def problem_of(filters: Filters) -> str:
    """Why nothing can be found by these, for a person; "" when something can."""
    if None not in (filters.least, filters.most) and filters.least > filters.most:  # type: ignore[operator]
        return "the least size is larger than the most: exchange them"
    if None not in (filters.after, filters.before) and filters.after > filters.before:  # type: ignore[operator]
        return "'after' is later than 'before': exchange them"
    return ""
