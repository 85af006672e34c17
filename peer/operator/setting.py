"""Showing and changing the settings that are no limits, as operators ask for it."""

from typing import TYPE_CHECKING

from msgspec import structs

from peer.errors import UsageError
from peer.limits.limit_book import LimitBook
from peer.settings import Settings, checked_days
from protocol.messages.settings import ChangeSettings, SettingsView

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


class Setting:
    """Answers for the settings file, which the limit book keeps."""

    def __init__(self, book: LimitBook) -> None:
        self._book = book

    def view(self, call: int) -> SettingsView:
        """The settings now."""
        settings = self._book.settings
        return SettingsView(
            call=call,
            scrub_days=settings.scrub_days,
            discover=settings.discover,
            file=str(self._book.file.path),
        )

    async def change(self, change: ChangeSettings) -> SettingsView:
        """Make a change; the settings after it. PeerError when it makes no sense."""
        if change.scrub_days is not None:
            try:
                checked_days(change.scrub_days)
            except UsageError as error:
                raise UsageError(str(error), "scrub_days") from None
        await self._book.edit(
            lambda settings: _changed(settings, change), lambda document: _edit(document, change)
        )
        return self.view(change.call)


def _changed(settings: Settings, change: ChangeSettings) -> Settings:
    if change.scrub_days is not None:
        settings = structs.replace(settings, scrub_days=float(change.scrub_days))
    if change.discover is not None:
        settings = structs.replace(settings, discover=change.discover)
    return settings


def _edit(document: "TOMLDocument", change: ChangeSettings) -> None:
    from peer.limits.edits import table_in  # its library is needed only to change something

    days = change.scrub_days
    if days is not None:
        table_in(document, "scrub")["days"] = int(days) if days.is_integer() else days
    if change.discover is not None:
        table_in(document, "lan")["discover"] = change.discover
