"""Downloads into this machine's store that a person started from the page, in the background.

At most one for each entry; the end of each, good or bad, is told to every open page.
"""

import asyncio

import structlog

from protocol.messages.operating import EntryView, Fetch, Fetched
from web.answers import AnswerError
from web.daemon import Daemon
from web.events import Events

_log = structlog.get_logger()


class Fetches:
    """The downloads under way."""

    def __init__(self, daemon: Daemon, events: Events) -> None:
        self._daemon = daemon
        self._events = events
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, entry: EntryView) -> bool:
        """Fetch this entry; False when that is being done already."""
        if entry.id in self._tasks:
            return False
        task = asyncio.create_task(self._fetch(entry))
        self._tasks[entry.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(entry.id, None))
        return True

    async def stop(self) -> None:
        """Wait for none of them any more; the daemon goes on by itself."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, entry: EntryView) -> None:
        try:
            await self._daemon.ask(Fetch(call=0, entry=entry.id, path=None), Fetched, within=None)
        except AnswerError as error:
            _log.warning("fetch failed", entry=entry.id, kind=error.kind)
            self._events.notice(f"{entry.name} was not fetched: {error.text}", good=False)
        else:
            self._events.notice(f"{entry.name} is on this machine now.", good=True)
