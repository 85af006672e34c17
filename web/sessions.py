"""Sessions of the page: a sealed token in a cookie, no table to keep.

The key lies in the data directory (web.key, mode 0600); without it every session ends. It is
never logged.
"""

import os
import secrets
from pathlib import Path

import structlog
from cryptography.fernet import Fernet, InvalidToken

KEY_FILE = "web.key"
SESSION_SECONDS = 30 * 86_400
_MARK = b"twofold session 1"
_log = structlog.get_logger()


class Sessions:
    """Makes session tokens and tells whether one is good."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def issue(self) -> str:
        """A token good for 30 days."""
        return self._fernet.encrypt(_MARK).decode("ascii")

    def valid(self, token: str | None) -> bool:
        """Whether this process's key made the token, less than 30 days ago."""
        if not token:
            return False
        try:
            return self._fernet.decrypt(token, ttl=SESSION_SECONDS) == _MARK
        except (InvalidToken, ValueError):  # ValueError: not even ASCII
            return False


def load_sessions(data: Path) -> Sessions:
    """Sessions under the data directory's key, which is made at the first start."""
    path = data / KEY_FILE
    try:
        return Sessions(path.read_bytes())
    except FileNotFoundError:
        _log.info("making the session key", path=str(path))
    except ValueError:
        _log.warning("the session key is damaged; making a new one", path=str(path))
    key = Fernet.generate_key()
    _write_secret(path, key)
    return Sessions(key)


def _write_secret(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(number)
    fresh.replace(path)
