"""Sessions of other machines' pages, by URL: one small file for this user alone."""

from pathlib import Path

import msgspec

from peer.data_dir import write_private
from peer.errors import PeerError

FILE_NAME = "page-sessions.json"


class PageSessions:
    """Cookies that pages gave us; never logged or shown."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE_NAME

    def find(self, url: str) -> str | None:
        """The cookie for a page, if it gave us one."""
        return self._read().get(url)

    def keep(self, url: str, cookie: str | None) -> None:
        """Remember a page's cookie, or forget it. PeerError when that cannot be written."""
        known = self._read()
        if cookie is None:
            if known.pop(url, None) is None:
                return
        else:
            known[url] = cookie
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._path, msgspec.json.encode(known))
        except OSError as error:
            raise PeerError(f"cannot write {self._path}: {error.strerror}") from None

    def _read(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PeerError(f"cannot read {self._path}: {error.strerror}") from None
        except msgspec.MsgspecError:
            return {}  # a new login makes a new one
