"""Where the database is: SQLite in the data directory, or PostgreSQL by a URL.

Refuses a password on the command line, which everybody on the machine can read, and never says a
URL whole: only what `shown` leaves of it.
"""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tracker.errors import UsageError

ENVIRONMENT = "TWOFOLD_DATABASE"
SQLITE_NAME = "tracker.db"
URL_NAME = "database.url"
_DRIVER = "postgresql+psycopg"
_POSTGRES = frozenset({"postgres", "postgresql", _DRIVER})
_SQLITE = frozenset({"sqlite", "sqlite:", "sqlite://"})

Place = Path | URL


def given_place(root: Path, flag: str | None) -> Place | None:
    """What the command line or the environment says; None when neither does."""
    if flag is not None:
        return parse_flag(root, flag, "--database")
    text = os.environ.get(ENVIRONMENT, "")
    return parse_place(root, text, ENVIRONMENT) if text else None


def parse_flag(root: Path, text: str, flag: str, variable: str = ENVIRONMENT) -> Place:
    """What a flag of the command line names; UsageError when it has a password."""
    place = parse_place(root, text, flag)
    if isinstance(place, URL) and has_password(place):
        raise UsageError(
            "a password on the command line can be read by everybody on this machine: give the "
            f"URL in the environment ({variable}) or in the file {URL_NAME} of the data directory, "
            "or the password alone in ~/.pgpass"
        )
    return place


def parse_place(root: Path, text: str, source: str) -> Place:
    """What a text names, in the data directory `root`; UsageError for what cannot be."""
    if text in _SQLITE:
        return root / SQLITE_NAME
    wrong = UsageError(
        f"{source} needs a URL like postgresql://USER@HOST/NAME, or sqlite: for a file in the "
        "data directory"
    )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong from None
    if url.drivername not in _POSTGRES:
        raise wrong
    return url.set(drivername=_DRIVER)


def has_password(url: URL) -> bool:
    """Whether a secret is in it, wherever a URL may have one."""
    return url.password is not None or any("password" in key.lower() for key in url.query)


def shown(place: Place) -> str:
    """What may be told and logged."""
    if isinstance(place, Path):
        return str(place)
    host = place.host or place.query.get("host", "")
    return f"the PostgreSQL database {place.database or ''!r} at {host or 'this machine'!s}"
