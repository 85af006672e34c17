"""The daemon as the rest of this room sees it: ask it something; it may be away for a while.

Keeps one link alive, reading operator.json anew each time, since a restarted daemon has new keys.
"""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog

from protocol.drivers.on_asyncio import ConnectionLostError
from protocol.errors import InvalidTextError, ProtocolError
from protocol.messages.base import Failed, Reply, Request
from protocol.operator_access import FILE_NAME, OperatorAccess, decode_operator_access
from web.answers import AnswerError, unreachable
from web.daemon_link import DaemonLink, OnProgress, open_link

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
AWAY = "The daemon of this machine is not running. Start it with: twofold run"

_log = structlog.get_logger()
_R = TypeVar("_R", bound=Reply)


class DaemonUnreachableError(Exception):
    """No daemon answers for this data directory; the message says why, to a person."""


class Daemon:
    """Asks the daemon of one data directory; connected again whenever it comes back."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._link: DaemonLink | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        """Whether requests have somewhere to go now."""
        return self._link is not None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever the daemon comes or goes."""
        self._listeners.append(listener)

    async def connect(self) -> None:
        """Open a link; DaemonUnreachableError when that fails."""
        access = await asyncio.to_thread(read_access, self._data)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._set(await open_link(access))
        except TimeoutError:
            raise DaemonUnreachableError("the daemon does not answer") from None
        except (ConnectionLostError, ProtocolError, InvalidTextError) as error:
            raise DaemonUnreachableError(str(error)) from None

    async def keep(self) -> NoReturn:
        """Carry messages for as long as this process lives, connecting again after a loss."""
        while True:
            if self._link is not None:
                await self._carry(self._link)
            await self._connect_again()

    async def ask(
        self,
        request: Request,
        kind: type[_R],
        *,
        within: float | None = ANSWER_SECONDS,
        on_progress: OnProgress | None = None,
    ) -> _R:
        """The reply of this kind; AnswerError for a refusal, a late or missing answer."""
        if self._link is None:
            raise unreachable(AWAY)
        try:
            async with asyncio.timeout(within):
                reply = await self._link.ask(request, on_progress)
        except TimeoutError:
            raise unreachable("The daemon did not answer in time. Try again.") from None
        if isinstance(reply, Failed):
            raise AnswerError.of_failed(reply)
        if not isinstance(reply, kind):
            _log.error("unexpected reply", asked=type(request).__name__, got=type(reply).__name__)
            raise AnswerError(500, "failed", "The daemon gave an answer this page does not know.")
        return reply

    async def _carry(self, link: DaemonLink) -> None:
        try:
            await link.run()
        except* (ConnectionLostError, ProtocolError) as lost:
            _log.warning("daemon lost", why=[str(error) for error in lost.exceptions])
        finally:
            self._set(None)

    async def _connect_again(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self.connect()
            except DaemonUnreachableError as error:
                _log.debug("daemon still away", why=str(error))
            else:
                _log.info("daemon back")
                return
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _set(self, link: DaemonLink | None) -> None:
        self._link = link
        for listener in self._listeners:
            listener()


def read_access(data: Path) -> OperatorAccess:
    """What the running daemon wrote for its operators; DaemonUnreachableError without it."""
    try:
        return decode_operator_access((data / FILE_NAME).read_bytes())
    except FileNotFoundError:
        raise DaemonUnreachableError(
            f"no daemon is running for {data}; start: twofold run"
        ) from None
    except OSError as error:
        why = error.strerror or "unreadable"
        raise DaemonUnreachableError(f"cannot read {data / FILE_NAME}: {why}") from None
    except InvalidTextError as error:
        raise DaemonUnreachableError(str(error)) from None
