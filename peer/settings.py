"""What people set in settings.toml, read from its text; mistakes are told with place and cure."""

import tomllib
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET

from peer.errors import UsageError
from peer.limits.rates import LEAST_RATE, MOST_RATE, Rates, parse_rate
from peer.limits.schedule import (
    EVERY_DAY,
    RateChange,
    Times,
    Window,
    parse_days,
    parse_end,
    parse_start,
)
from peer.upload_rules import largest_of, resolution_of, types_of
from protocol.messages.upload_rules import Rules

_T = TypeVar("_T")
MOST_WINDOWS = 64
MOST_PEERS = 256
SCRUB_DAYS = 7.0
LEAST_DAYS, MOST_DAYS = 0.01, 3650.0
_UNSET: RateChange = UNSET


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`peers` are by name; `lan`: whether the limits hold for machines on the same network too."""

    base: Rates = Rates()
    lan: bool = False
    peers: dict[str, Rates] = {}
    windows: tuple[Window, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `discover`: whether to look for members on the same network.

    `scrub_days`: everything held is read once in so many days; 0: never. `uploads`: what may be
    uploaded to the page.
    """

    limits: LimitSettings = LimitSettings()
    discover: bool = True
    scrub_days: float = SCRUB_DAYS
    uploads: Rules = Rules()


def read_settings(text: str, file: str) -> Settings:
    """Settings from the text of `file`; UsageError names the line or key, and what is wrong."""
    try:
        root = _Table(file, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    limits = root.table("limits")
    lan = root.table("lan")
    scrub = root.table("scrub")
    settings = Settings(
        limits=_limits(limits),
        uploads=_upload_rules(root),
        discover=lan.take("discover", _boolean, True),
        scrub_days=scrub.take("days", checked_days, SCRUB_DAYS),
    )
    lan.refuse_rest()
    scrub.refuse_rest()
    root.refuse_rest()
    return settings


class _Table:
    """A table of the file, read key by key; what is left over is nothing we know."""

    def __init__(self, file: str, place: str, content: object) -> None:
        self._file, self._place = file, place
        if not isinstance(content, dict):
            raise self.error("", "must be a table, like [limits]")
        self._left: dict[str, object] = dict(content)
        self._known: list[str] = []

    def error(self, key: str, why: str) -> UsageError:
        """What is wrong with a key of this table."""
        place = ".".join(part for part in (self._place, key) if part)
        return UsageError(f"{self._file}: {place or 'the file'}: {why}")

    def take(self, key: str, parse: Callable[[object], _T], otherwise: _T) -> _T:
        """One value, or `otherwise` when it is not set."""
        self._known.append(key)
        if key not in self._left:
            return otherwise
        try:
            return parse(self._left.pop(key))
        except UsageError as error:
            raise self.error(key, str(error)) from None

    def table(self, key: str) -> "_Table":
        """A table inside, empty when it is not there."""
        self._known.append(key)
        return self._inner(key, self._left.pop(key, {}))

    def tables(self, key: str) -> list["_Table"]:
        """A list of tables inside."""
        self._known.append(key)
        found = self._left.pop(key, [])
        if not isinstance(found, list):
            raise self.error(
                key, f"must be a list of tables, each beginning [[{self._place}.{key}]]"
            )
        return [self._inner(f"{key}[{number}]", each) for number, each in enumerate(found, 1)]

    def named(self) -> Mapping[str, "_Table"]:
        """Every table inside, by a name that people chose."""
        found = {name: self._inner(name, each) for name, each in self._left.items()}
        self._left.clear()
        return found

    def refuse_rest(self) -> None:
        """UsageError when something is left that nobody asked for."""
        for key in self._left:
            known = ", ".join(self._known)
            raise self.error(key, f"there is no such setting; there are {known}")

    def _inner(self, key: str, content: object) -> "_Table":
        place = ".".join(part for part in (self._place, key) if part)
        return _Table(self._file, place, content)


def _upload_rules(root: _Table) -> Rules:
    uploads, pictures = root.table("uploads"), root.table("pictures")
    rules = Rules(
        types=uploads.take("types", types_of, ()),
        largest=uploads.take("largest", largest_of, None),
        quota=uploads.take("quota", largest_of, None),
        least=pictures.take("least", resolution_of, None),
        embed=pictures.take("embed", _boolean, False),
    )
    uploads.refuse_rest()
    pictures.refuse_rest()
    return rules


def _limits(table: _Table) -> LimitSettings:
    peers = table.table("peers").named()
    windows = table.tables("schedule")
    if len(windows) > MOST_WINDOWS:
        raise table.error("schedule", f"more than {MOST_WINDOWS} windows")
    if len(peers) > MOST_PEERS:
        raise table.error("peers", f"more than {MOST_PEERS} machines")
    settings = LimitSettings(
        base=_rates(table),
        lan=table.take("lan", _boolean, False),
        peers={name: _rates(each) for name, each in peers.items()},
        windows=tuple(_window(each) for each in windows),
    )
    for each in (*peers.values(), *windows, table):
        each.refuse_rest()
    return settings


def _rates(table: _Table) -> Rates:
    return Rates(up=table.take("up", _rate, None), down=table.take("down", _rate, None))


def _window(table: _Table) -> Window:
    times = Times(
        days=table.take("days", lambda v: parse_days(_text(v)), EVERY_DAY),
        start=table.take("from", lambda v: parse_start(_text(v)), -1),
        end=table.take("to", lambda v: parse_end(_text(v)), -1),
    )
    if -1 in (times.start, times.end):
        raise table.error("", 'needs both times, like from = "08:00" and to = "18:00"')
    up, down = table.take("up", _change, _UNSET), table.take("down", _change, _UNSET)
    if up is UNSET and down is UNSET:
        raise table.error("", 'needs a rate, like up = "1MB" or down = "none"')
    return Window(times=times, up=up, down=down)


def _change(value: object) -> RateChange:
    return _rate(value)


def _rate(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not LEAST_RATE <= value <= MOST_RATE:
            raise UsageError(f"{value} is out of bounds: from {LEAST_RATE} bytes a second")
        return value
    return parse_rate(_text(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"must be a text in quotes, not {value}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"must be true or false, not {value!r}")
    return value


def checked_days(value: object) -> float:
    """Days that everything held may take to be read; UsageError when they cannot be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"must be a number of days, like 7, or 0 for never, not {value!r}")
    if value != 0 and not LEAST_DAYS <= value <= MOST_DAYS:
        raise UsageError(
            f"{value} is out of bounds: {LEAST_DAYS} to {MOST_DAYS:.0f}, or 0 for never"
        )
    return float(value)
