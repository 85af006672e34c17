"""Files and folders to another machine's page, by tus 1.0; goes on where anybody stopped.

What the page says is durable there is never sent again: after a loss it is asked how far it is. One
part is sent at a time, with its checksum.
"""

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from peer.errors import NotFoundError, NotPermittedError, PeerError, UnreachableError, UsageError
from peer.pushing.page_link import LostError, PageAnswer, PageLink

PART_LENGTH = 16 << 20
PATIENCE = 300.0
"""Seconds without one answer after which the page is given up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
WAIT_SECONDS = 20
_CUT_EVERY = 0.1
UPLOADS, FOLDERS = "/api/v1/uploads", "/api/v1/folders"
_AGAIN = frozenset({408, 409, 423, 429, 460, 502, 503, 504})
_BODY = {"Content-Type": "application/offset+octet-stream"}
_TUS = {"Tus-Resumable": "1.0.0"}


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Another thread failed, or a person wants to stop."""


class Source:
    """One file to send, as it looked at first."""

    def __init__(self, path: Path, status: os.stat_result) -> None:
        self.path = path
        self.size = status.st_size
        self.modified = status.st_mtime_ns // 1_000_000
        self.executable = bool(status.st_mode & 0o100)
        self._mtime = status.st_mtime_ns

    def read(self, offset: int) -> bytes:
        """The next part. PeerError when it cannot be had, or is not what it was."""
        try:
            with self.path.open("rb", buffering=0) as file:
                now = os.fstat(file.fileno())
                if (now.st_size, now.st_mtime_ns) != (self.size, self._mtime):
                    raise PeerError(f"{self.path} changed while it was sent; send it again")
                content = os.pread(file.fileno(), min(PART_LENGTH, self.size - offset), offset)
        except OSError as error:
            raise PeerError(f"cannot read {self.path}: {error.strerror}") from None
        if len(content) < min(PART_LENGTH, self.size - offset):
            raise PeerError(f"{self.path} was cut while it was sent; send it again")
        return content


class Pushing:
    """Sends to one page; threads may share it."""

    def __init__(self, page: PageLink, patience: float = PATIENCE) -> None:
        self._page = page
        self._patience = patience
        self._lock = threading.Lock()
        self.stop = threading.Event()
        self.sent = 0
        """Bytes of content sent, also those that did not arrive."""
        self.done = 0
        """Bytes that the page has."""

    def uploads(self) -> list[dict[str, Any]]:
        """What the page has not finished."""
        found: list[dict[str, Any]] = self.json("GET", UPLOADS)["uploads"]
        return found

    def file(self, source: Source, said: Mapping[str, object], known: str | None) -> str:
        """Send a file, or the rest of one the page knows by id; the upload's id."""
        offset = 0
        if known is None:
            known, offset = self._begin(source, said)
        else:
            offset = self._offset(known)
            self.count(done=offset)
        while offset < source.size:
            offset = self._part(known, source, offset)
        return known

    def settled(self, number: str, tell: Callable[[int], None]) -> dict[str, Any]:
        """What became of a complete upload. PeerError when the daemon there refused it."""
        view = self.json("GET", f"{UPLOADS}/{number}")
        if view["state"] == "failed":
            self.json("POST", f"{UPLOADS}/{number}/add")
        while view["state"] != "added":
            tell(int(view["added"]))
            view = self.json("GET", f"{UPLOADS}/{number}?wait={WAIT_SECONDS}")
            if view["state"] == "failed":
                raise PeerError(f"that machine could not add it: {view['text']}")
            if view["state"] == "receiving":
                raise PeerError("that machine lost a part of it; send it again")
        return view  # type: ignore[no-any-return]

    def json(self, method: str, path: str, fields: object = None) -> Any:
        """One request that may be made again, and what it answered. PeerError."""
        body = msgspec.json.encode(fields) if fields is not None else b""
        headers = {"Content-Type": "application/json"} if body else {}
        answer = self.ask(lambda: self._page.ask(method, path, headers, body))
        try:
            return msgspec.json.decode(answer.body) if answer.body else None
        except msgspec.MsgspecError:
            raise PeerError(f"{self._page.url} is not a Twofold page") from None

    def ask(self, request: Callable[[], PageAnswer], again: bool = True) -> PageAnswer:
        """Make a request until it is answered. PeerError for a refusal, or when patience ends."""
        pause, since = FIRST_PAUSE, time.monotonic()
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                answer = request()
                if answer.status < 300 or not (again and answer.status in _AGAIN):
                    return _checked(answer)
                why = answer.text()
            except LostError as error:
                why = str(error)
            if time.monotonic() - since > self._patience:
                raise UnreachableError(
                    f"{self._page.url} does not take it ({why}); the same command goes on later"
                )
            if self.stop.wait(pause):
                raise Stopped
            pause = min(2 * pause, LONGEST_PAUSE)

    def give_up(self, threads: Iterable[threading.Thread]) -> None:
        """Let the threads that send end now, whatever the page does."""
        self.stop.set()
        for thread in threads:
            while thread.is_alive():
                self._page.cut()
                thread.join(_CUT_EVERY)
        # This thread's was cut too, and a login may follow.
        self._page.close()

    def count(self, *, sent: int = 0, done: int = 0) -> None:
        """Add what was sent, and what the page has. Stopped when somebody wants to stop."""
        if self.stop.is_set():
            raise Stopped
        with self._lock:
            self.sent += sent
            self.done += done

    def _begin(self, source: Source, said: Mapping[str, object]) -> tuple[str, int]:
        """A new upload; a small one is sent with it."""
        content = source.read(0) if source.size <= PART_LENGTH else b""
        headers = _TUS | {"Upload-Length": str(source.size), "Upload-Metadata": _metadata(said)}
        if content:
            headers |= _BODY | {"Upload-Checksum": _checksum(content)}

        def request() -> PageAnswer:
            self.count(sent=len(content))
            return self._page.ask("POST", UPLOADS, headers, content)

        answer = self.ask(request)
        self.count(done=len(content))
        return answer.headers.get("Location", "").rpartition("/")[2], len(content)

    def _part(self, number: str, source: Source, offset: int) -> int:
        """Send one part from an offset on; how far the page is then."""
        content = source.read(offset)
        headers = {**_TUS, **_BODY, "Upload-Offset": str(offset)}
        headers["Upload-Checksum"] = _checksum(content)
        self.count(sent=len(content))
        try:
            answer = self._page.ask("PATCH", f"{UPLOADS}/{number}", headers, content)
            if answer.status not in _AGAIN:
                now = int(_checked(answer).headers["Upload-Offset"])
            else:
                self.stop.wait(FIRST_PAUSE)
                now = self._offset(number)
        except LostError:
            now = self._offset(number)
        self.count(done=now - offset)
        return now

    def _offset(self, number: str) -> int:
        answer = self.ask(lambda: self._page.ask("HEAD", f"{UPLOADS}/{number}", _TUS))
        return int(answer.headers["Upload-Offset"])


def _checked(answer: PageAnswer) -> PageAnswer:
    if answer.status < 300:
        return answer
    text = answer.text()
    if answer.status in (403, 421):
        raise NotPermittedError(text)
    if answer.status in (404, 410):
        raise NotFoundError(text)
    if answer.status in (400, 411, 412, 413, 415):
        raise UsageError(text)
    if answer.status == 503:
        raise UnreachableError(text)
    raise PeerError(text)


def _metadata(said: Mapping[str, object]) -> str:
    pairs = ((key, base64.b64encode(str(value).encode()).decode()) for key, value in said.items())
    return ",".join(f"{key} {value}" for key, value in pairs)


def _checksum(content: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(content).digest()).decode()
