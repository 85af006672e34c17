"""What a transaction has done that other trackers' peers must hear of: noted as it is written.

Noted only where other trackers can be (`notes`): on SQLite nobody calls `begin_news`, and the rest
does nothing.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

_KEY = "news"


@dataclass
class News:
    """Entries with the number of their last change; `any` for that and all else, as rosters."""

    changes: dict[bytes, int] = field(default_factory=dict)
    any: bool = False


def begin_news(connection: Connection) -> None:
    """A transaction begins; what one before it noted, and did not come to, is forgotten."""
    connection.info[_KEY] = News()


def note_news(connection: Connection) -> None:
    """Something has changed that others look up for themselves: the roster, or approvals."""
    news = connection.info.get(_KEY)
    if news is not None:
        news.any = True


def note_change(connection: Connection, entry: bytes, change: int) -> None:
    """An entry has another record."""
    news = connection.info.get(_KEY)
    if news is not None:
        news.changes[entry] = change
        news.any = True


def copy_news(connection: Connection) -> News | None:
    """What was noted up to here."""
    news: News | None = connection.info.get(_KEY)
    return None if news is None else News(dict(news.changes), news.any)


def restore_news(connection: Connection, before: News | None) -> None:
    """Forget what was noted since."""
    if before is not None:
        connection.info[_KEY] = before


def take_news(connection: Connection) -> News:
    """What was noted in this transaction."""
    news: News = connection.info.pop(_KEY, None) or News()
    return news
