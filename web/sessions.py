"""Sessions of the page: a sealed token in a cookie, which holds the id of a record in the book.

The key lies in the data directory (web.key, mode 0600); without it every session ends. It is
never logged.
"""

from pathlib import Path

import structlog
from cryptography.fernet import Fernet, InvalidToken

from web.own_files import write_secret
from web.session_book import FILE, SESSION_SECONDS, Session, SessionBook

KEY_FILE = "web.key"
_MARK = b"twofold session 2\0"
_log = structlog.get_logger()


class Sessions:
    """Makes session tokens and tells whose one is."""

    def __init__(self, key: bytes, book: SessionBook) -> None:
        self._fernet = Fernet(key)
        self.book = book

    def token(self, session: Session) -> str:
        """What a browser shows to have this session."""
        return self._fernet.encrypt(_MARK + session.id.encode()).decode("ascii")

    def session(self, token: str | None) -> Session | None:
        """The session of a token that this key made less than 30 days ago, unless it was ended."""
        if not token:
            return None
        try:
            content = self._fernet.decrypt(token, ttl=SESSION_SECONDS)
            # Those made before there was a book name nobody in it: whoever has one logs in again.
            return self.book.get(content.removeprefix(_MARK).decode("ascii"))
        except (InvalidToken, ValueError):  # ValueError: not even ASCII
            return None


def load_sessions(data: Path) -> Sessions:
    """Sessions under the data directory's key, which is made at the first start."""
    path, book = data / KEY_FILE, data / FILE
    try:
        return Sessions(path.read_bytes(), SessionBook(book))
    except FileNotFoundError:
        _log.info("making the session key", path=str(path))
    except ValueError:
        _log.warning("the session key is damaged; making a new one", path=str(path))
    key = Fernet.generate_key()
    # First: an old book under a new key would list people who are not in any more.
    book.unlink(missing_ok=True)
    write_secret(path, key)
    return Sessions(key, SessionBook(book))
