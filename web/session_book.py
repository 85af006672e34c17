"""Who is let in to the page: a record for each session, and each address not used yet.

Kept in the data directory (mode 0600), written durably at each change. A session whose record is
gone is none; so a file that is lost or damaged ends sessions, and revives none.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from web.answers import AnswerError, not_found
from web.own_files import write_secret

FILE = "web-sessions.json"
SESSION_SECONDS = 30 * 86_400
MOST_PEOPLE = 500
MOST_OWNERS = 256
"""Sessions of the owner; of more, the one that was longest unseen ends."""
_Moment = Annotated[int, Meta(ge=0, le=1 << 53)]
_log = structlog.get_logger()


class Session(msgspec.Struct, kw_only=True):
    """A session, or an address not used yet. Moments are milliseconds since 1970."""

    id: str
    person: str
    """"" for the owner of the machine."""
    made: _Moment
    ends: _Moment
    """When the address stops working, or once it was used, the session."""
    used: _Moment = 0
    """When it became a session; 0 for not yet."""
    seen: _Moment = 0


def id_of(token: str) -> str:
    """The id of the record that a person's one-time token stands for, without telling the token."""
    return hashlib.sha256(b"twofold letting in\0" + token.encode()).hexdigest()[:32]


class SessionBook:
    """The records. Changes count at once; `save` makes them last."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._sessions = {each.id: each for each in _read(path)}
        self._saving = asyncio.Lock()

    def get(self, number: str) -> Session | None:
        """The session of this id, if it is good."""
        found = self._sessions.get(number)
        return found if found and found.used and found.ends > self.moment() else None

    def begin(self, person: str = "") -> Session:
        """A new session."""
        now = self.moment()
        self._drop_old()
        begun = Session(id=secrets.token_hex(16), person=person, made=now, ends=now)
        self._sessions[begun.id] = begun
        return self._used(begun)

    def expect(self, token: str, person: str, seconds: int) -> Session:
        """Somebody may come with this token; AnswerError when too many are let in."""
        self._drop_old()
        if sum(1 for _ in self.of_people()) >= MOST_PEOPLE:
            text = f"{MOST_PEOPLE} people are let in already. Revoke those who need it no more."
            raise AnswerError(409, "too_many", text)
        now = self.moment()
        awaited = Session(id=id_of(token), person=person, made=now, ends=now + seconds * 1000)
        self._sessions[awaited.id] = awaited
        return awaited

    def use(self, token: str) -> Session | None:
        """Trade the token of somebody expected for their session, once."""
        found = self._sessions.get(id_of(token))
        if found is None or found.used or found.ends <= self.moment():
            return None
        return self._used(found)

    def see(self, session: Session) -> None:
        """Somebody asks for something with this session."""
        session.seen = self.moment()

    def of_people(self) -> Iterator[Session]:
        """Everybody who was let in, and who may still come."""
        now = self.moment()
        return (each for each in self._sessions.values() if each.person and each.ends > now)

    def of_owner(self) -> Iterator[Session]:
        """Where the owner is logged in."""
        return (each for each in self._sessions.values() if not each.person)

    def person(self, number: str) -> Session:
        """The person's record of this id; AnswerError when there is none."""
        found = next((each for each in self.of_people() if each.id == number), None)
        if found is None:
            raise not_found("Nobody is let in by this any more: it was revoked, or ran out.")
        return found

    def end(self, sessions: Iterable[Session]) -> None:
        """From now on these are good for nothing."""
        for each in list(sessions):
            self._sessions.pop(each.id, None)

    async def save(self) -> None:
        """Have on disk what is so now. OSError."""
        async with self._saving:
            content = msgspec.json.encode(list(self._sessions.values()))
            await asyncio.to_thread(write_secret, self._path, content)

    async def save_if_possible(self) -> None:
        """The same; where the disk is full it has to do without."""
        try:
            await self.save()
        except OSError as error:
            _log.warning("sessions not written", path=str(self._path), why=error.strerror)

    def moment(self) -> int:
        """Milliseconds since 1970."""
        return int(self._now() * 1000)

    def _used(self, session: Session) -> Session:
        session.used = session.seen = self.moment()
        session.ends = session.used + SESSION_SECONDS * 1000
        return session

    def _drop_old(self) -> None:
        now = self.moment()
        self.end(each for each in self._sessions.values() if each.ends <= now)
        owners = sorted(self.of_owner(), key=lambda each: each.seen)
        self.end(owners[: max(0, len(owners) + 1 - MOST_OWNERS)])


def _read(path: Path) -> list[Session]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Session])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        _log.warning("sessions not read: all have to log in again", path=str(path), why=str(error))
        return []
