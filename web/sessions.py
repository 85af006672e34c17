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
_NAMED = _MARK + b"\0"
_log = structlog.get_logger()


class Sessions:
    """Makes session tokens and tells whether one is good."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def issue(self, person: str = "") -> str:
        """A token good for 30 days, for this person; "" for the machine's owner."""
        content = _NAMED + person.encode() if person else _MARK
        return self._fernet.encrypt(content).decode("ascii")

    def person(self, token: str | None) -> str | None:
        """Whose token it is; None unless this process's key made it, less than 30 days ago."""
        if not token:
            return None
        try:
            content = self._fernet.decrypt(token, ttl=SESSION_SECONDS)
            if content == _MARK:
                return ""
            named = content.startswith(_NAMED)
            # Never "" here: that is the owner.
            return content.removeprefix(_NAMED).decode() or None if named else None
        except (InvalidToken, ValueError):  # ValueError: not even ASCII
            return None


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
