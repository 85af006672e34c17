"""What an address of the page takes and answers, said once: for aiohttp and for openapi.json."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp.web
import msgspec

Work = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]

_PARAMETER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Raw:
    """A body that is no JSON: its content type, `*/*` for one that differs."""

    kind: str


Body = type[msgspec.Struct] | Raw | None
"""A struct sent as JSON, other bytes, or nothing."""


@dataclass(frozen=True)
class Route:
    """One method of one path, as aiohttp writes it: `/api/v1/entries/{id:[0-9a-f]{6,64}}`.

    The work reads `query` and `body` itself, with `read_query` and `read_json`. `answers` are what
    it may say by status; `errors` those that only this route has. `headers` are those of a request
    that matter, each with what it is for.
    """

    method: str
    path: str
    work: Work = field(repr=False)
    summary: str
    answers: Mapping[int, Body]
    query: type[msgspec.Struct] | None = None
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    head: bool = True
    """Whether HEAD is answered, too, where the method is GET."""

    @property
    def plain_path(self) -> str:
        """The path with bare names in braces."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def patterns(self) -> dict[str, str]:
        """What each name in the path must look like, as a regular expression."""
        return {name: pattern or "[^/]+" for name, pattern in _PARAMETER.findall(self.path)}

    @property
    def changes(self) -> bool:
        """Whether the method may change something, and so needs proof of its origin."""
        return self.method not in _READING

    def definition(self) -> aiohttp.web.RouteDef:
        """The route as aiohttp takes it."""
        more: dict[str, Any] = {} if self.method != "GET" else {"allow_head": self.head}
        return aiohttp.web.RouteDef(self.method, self.path, self.work, more)
