"""The limits as they are set, and what follows from them now: by the clock, for which machines."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
import trio
from msgspec import structs

from peer.errors import PeerError
from peer.limits.changes import changed_limits
from peer.limits.pacing import Pacing
from peer.limits.rates import Rates, rate_text
from peer.limits.schedule import Window, window_at
from peer.roster_book import RosterBook
from peer.settings import Settings
from peer.settings_file import SettingsFile
from protocol.ids import PeerId
from protocol.messages.limiting import ChangeLimits
from protocol.roster import Member

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

log = structlog.get_logger()

LOOK_EVERY = 60.0
"""Seconds: the times of the schedule are whole minutes."""


class LimitBook:
    """Keeps the pacing to the settings. `load` before anything else."""

    def __init__(
        self,
        file: SettingsFile,
        pacing: Pacing,
        rosters: RosterBook,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.file = file
        self.settings = Settings()
        self.rates = Rates()
        """Those of the whole daemon, in force now."""
        self.near: frozenset[PeerId] = frozenset()
        """Peers that are linked over the same network."""
        self.on_settings: Callable[[Settings], None] = lambda _: None
        self._pacing = pacing
        self._rosters = rosters
        self._now = now
        self._changing = trio.Lock()

    def load(self) -> None:
        """Read the settings. UsageError when they are wrong."""
        self._take(self.file.read())

    async def run(self) -> None:
        """Follow the schedule."""
        while True:
            self.apply()
            now = self._now()
            await trio.sleep(LOOK_EVERY - now.second - now.microsecond / 1e6)

    def apply(self) -> None:
        """Bring into force what is set, after anything that matters for it has changed."""
        limits = self.settings.limits
        window = self.window_now()
        rates = window.over(limits.base) if window else limits.base
        if rates != self.rates:
            log.info("limits", up=rate_text(rates.up), down=rate_text(rates.down))
        self.rates = rates
        by_name = {m.name: m.peer for m in self._members()}
        peers = {by_name[name]: r for name, r in limits.peers.items() if name in by_name}
        self._pacing.set_limits(rates, peers, frozenset() if limits.lan else self.near)

    def set_near(self, peers: frozenset[PeerId]) -> None:
        """Who is linked over the same network now."""
        if peers != self.near:
            self.near = peers
            self.apply()

    def window_now(self) -> Window | None:
        """The window of the schedule that holds now."""
        return window_at(self.settings.limits.windows, self._now())

    def knows(self, name: str) -> bool:
        """Whether a machine of the swarm has this name."""
        return any(member.name == name for member in self._members())

    async def change(self, change: ChangeLimits) -> None:
        """Change the settings file, and what holds now. PeerError when that cannot be."""
        from peer.limits.edits import edit_limits  # its library is needed here alone

        def decide(settings: Settings) -> Settings:
            return structs.replace(settings, limits=changed_limits(settings.limits, change))

        await self.edit(decide, lambda document: edit_limits(document, change))

    async def edit(
        self, decide: Callable[[Settings], Settings], edit: Callable[["TOMLDocument"], None]
    ) -> None:
        """Change anything in the settings file, and what holds now, as `SettingsFile.change`."""
        async with self._changing:
            self._take(await trio.to_thread.run_sync(self.file.change, decide, edit))

    async def reload(self) -> None:
        """Read the file again. When it is wrong all stays as it was, and the PeerError says so."""
        async with self._changing:
            try:
                settings = await trio.to_thread.run_sync(self.file.read)
            except PeerError as error:
                raise type(error)(f"{error}; the settings stay as they were") from None
            self._take(settings)
            log.info("settings read", file=str(self.file.path))

    def _take(self, settings: Settings) -> None:
        self.settings = settings
        self.apply()
        self.on_settings(settings)

    def _members(self) -> tuple[Member, ...]:
        roster = self._rosters.roster
        return roster.peers() if roster else ()
