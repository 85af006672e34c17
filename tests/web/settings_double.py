"""What an OperatorDouble answers about settings, shared paths and links.

Limits and settings are checked, changed and written by the daemon's own parts.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import trio
from managing_double import RefusalError

from peer.errors import PeerError
from peer.limits.limit_book import LimitBook
from peer.limits.pacing import Pacing
from peer.operator.limiting import Limiting
from peer.operator.setting import Setting
from peer.roster_book import RosterBook
from peer.settings_file import SettingsFile
from protocol.messages import linking
from protocol.messages import operating as op
from protocol.messages import settings as said
from protocol.messages.base import Done, Message, Reply
from protocol.messages.limiting import ChangeLimits, GetLimits, ReloadSettings
from protocol.messages.standing import Drop, Dropped, OfferRoom, RoomOffered


class SettingsDouble:
    """A daemon whose settings lie in `settings.toml` of its data directory."""

    data: Path
    machines: tuple[op.MachineView, ...]
    entries: dict[str, Any]
    tracker_away: bool

    def prepare_settings(self) -> None:
        """In place of an __init__, which the dataclass that inherits from this has."""
        self.capacity = 100 << 30
        self.shared: dict[str, said.ShareView] = {}
        """By the id of the entry."""
        self.dropped_at_once = True
        self.sources: dict[str, linking.Sources] = {}
        self.links: tuple[linking.LinkView, ...] = ()
        members = lambda: tuple(self.machines)  # noqa: E731 - the machines of a test change
        rosters = SimpleNamespace(
            roster=SimpleNamespace(
                peers=lambda: tuple(
                    SimpleNamespace(name=each.name, peer=bytes.fromhex(each.id))
                    for each in members()
                )
            ),
            name_of=lambda peer: peer.hex(),
        )
        book = cast(RosterBook, rosters)
        self.limit_book = LimitBook(SettingsFile(self.data / "settings.toml"), Pacing(), book)
        self._limiting, self._setting = Limiting(self.limit_book, book), Setting(self.limit_book)

    def share_in_place(self, path: str, view: op.EntryView, **more: Any) -> None:
        """From now on this path is shared as this entry."""
        share = said.ShareView(
            path=path,
            entry=view.id,
            name=view.name,
            kind=view.kind,
            size=view.size,
            own=True,
            state="shared",
        )
        self.shared[view.id] = msgspec.structs.replace(share, **more)

    def _really(self, work: Callable[..., Any], *arguments: Any) -> list[Message]:
        """What a daemon's part answers, run to its end."""

        async def run() -> Reply:
            return cast(Reply, await work(*arguments))

        try:
            # A loop of its own beside the page's: pacing belongs to trio's clock.
            return [trio.run(run)]
        except PeerError as error:
            raise RefusalError(error.kind, str(error), error.field) from None

    def _on_getlimits(self, ask: GetLimits) -> list[Message]:
        return [self._limiting.view(ask.call)]

    def _on_changelimits(self, ask: ChangeLimits) -> list[Message]:
        return self._really(self._limiting.change, ask)

    def _on_reloadsettings(self, ask: ReloadSettings) -> list[Message]:
        return self._really(self._limiting.reload, ask.call)

    def _on_getsettings(self, ask: said.GetSettings) -> list[Message]:
        return [self._setting.view(ask.call)]

    def _on_changesettings(self, ask: said.ChangeSettings) -> list[Message]:
        return self._really(self._setting.change, ask)

    def _on_offerroom(self, ask: OfferRoom) -> list[Message]:
        self.capacity = ask.capacity
        return [RoomOffered(call=ask.call, told=not self.tracker_away)]

    def _on_getshares(self, ask: said.GetShares) -> list[Message]:
        shares = sorted(self.shared.values(), key=lambda share: share.path)
        page = tuple(shares[ask.start : ask.start + 100])
        return [said.Shares(call=ask.call, shares=page, total=len(shares))]

    def _on_drop(self, ask: Drop) -> list[Message]:
        view = self._find(ask.entry).view  # type: ignore[attr-defined]
        share = self.shared.get(view.id)
        if share is not None:
            self.shared[view.id] = msgspec.structs.replace(
                share, state="shared" if ask.cancel else "leaving"
            )
        if ask.cancel or not self.dropped_at_once:
            return [Done(call=ask.call)]
        self.shared.pop(view.id, None)
        path = share.path if share else None
        return [Dropped(call=ask.call, id=view.id, name=view.name, size=view.size, path=path)]

    def _on_getsources(self, ask: linking.GetSources) -> list[Message]:
        found = self.sources.get(ask.transfer)
        if found is None:
            raise RefusalError("not_found", "this transfer is over")
        return [msgspec.structs.replace(found, call=ask.call)]

    def _on_getlinks(self, ask: linking.GetLinks) -> list[Message]:
        return [linking.LinkedMachines(call=ask.call, links=self.links)]
