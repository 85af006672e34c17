"""The query of GET /api/v1/entries: read, checked, and made into the daemon's question.

A parameter that is not known, comes twice or makes no sense is refused with a text that says which.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.fields import ByteLength, Moment
from protocol.kinds import KINDS_WANTED, KindWanted
from protocol.messages.finding import MAX_CURSOR, MAX_SEARCH, SORTS, Filters, Sort, problem_of
from protocol.messages.operating import Find
from protocol.messages.tracking import PAGE
from web.answers import invalid

_Name = Annotated[str, Meta(max_length=255)]


class EntriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What GET /api/v1/entries takes; "" is as good as nothing.

    Sizes are bytes, moments milliseconds since 1970. The cursor is that of the page before.
    """

    q: Annotated[str, Meta(max_length=MAX_SEARCH)] = ""
    kind: KindWanted | None = None
    least: ByteLength | None = None
    most: ByteLength | None = None
    after: Moment | None = None
    before: Moment | None = None
    author: _Name | None = None
    machine: _Name | None = None
    copies: Literal["short", "safe"] | None = None
    sort: Sort = "relevance"
    cursor: Annotated[str, Meta(max_length=2 * MAX_CURSOR, pattern="^[0-9a-f]*$")] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = PAGE

    def filters(self) -> Filters:
        """The part of it that filters."""
        return Filters(
            kind=self.kind,
            least=self.least,
            most=self.most,
            after=self.after,
            before=self.before,
            author=self.author,
            machine=self.machine,
            copies=self.copies,
        )

    def question(self) -> Find:
        """As the daemon is asked."""
        return Find(
            call=0,
            words=self.q,
            filters=self.filters(),
            sort=self.sort,
            cursor=self.cursor,
            limit=self.limit,
        )


_WANTED = {
    "q": f"text of at most {MAX_SEARCH} characters",
    "kind": f"one of {', '.join(KINDS_WANTED)}",
    "least": "a whole number of bytes",
    "most": "a whole number of bytes",
    "after": "a moment in milliseconds since 1970",
    "before": "a moment in milliseconds since 1970",
    "author": "the name or the key of a machine",
    "machine": "the name or the key of a machine",
    "copies": "short or safe",
    "sort": f"one of {', '.join(SORTS)}",
    "cursor": "what the page before gave",
    "limit": f"a whole number from 1 to {PAGE}",
}


def read_entries_query(query: Any) -> EntriesQuery:
    """The query of a request (a multidict); AnswerError when it cannot be meant."""
    given: dict[str, str] = {}
    for name, value in query.items():
        if name not in _WANTED:
            raise invalid(
                f"“{name[:40]}” is no filter. There are: {', '.join(_WANTED)}.", name[:40]
            )
        if name in given:
            raise invalid(f"“{name}” may be given once only.", name)
        given[name] = value
    given = {name: value for name, value in given.items() if value}
    for name, value in given.items():
        # One by one, as an error should name what is wrong.
        try:
            msgspec.convert({name: _plain(name, value)}, EntriesQuery, strict=False)
        except msgspec.ValidationError:
            raise invalid(f"“{name}” must be {_WANTED[name]}.", name) from None
    found = msgspec.convert(given, EntriesQuery, strict=False)
    problem = problem_of(found.filters())
    if problem:
        raise invalid(f"{problem[0].upper()}{problem[1:]}.")
    return found


def _plain(name: str, value: str) -> str:
    """A number as people write it; msgspec would also take 1e3, and null for nothing."""
    whole = value.isascii() and value.isdigit()
    numbers = name in ("least", "most", "after", "before", "limit")
    if (numbers and not whole) or (value.lower() == "null" and name in _NOT_NULL):
        raise msgspec.ValidationError(name)
    return value


_NOT_NULL = ("kind", "copies")
