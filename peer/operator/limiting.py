"""Showing and changing the limits, as operators ask for it."""

from peer.errors import NotFoundError, UsageError
from peer.limits.limit_book import LimitBook
from peer.limits.rates import LEAST_RATE, Rates
from peer.limits.schedule import parse_times, times_text
from peer.operator.fitting import fit
from peer.roster_book import RosterBook
from protocol.messages.limiting import (
    ChangeLimits,
    Limits,
    PeerLimitsView,
    RatesView,
    WindowView,
)


class Limiting:
    """Answers for the limit book."""

    def __init__(self, book: LimitBook, rosters: RosterBook) -> None:
        self._book = book
        self._rosters = rosters

    def view(self, call: int) -> Limits:
        """The limits now."""
        limits = self._book.settings.limits
        window_now = self._book.window_now()
        windows = tuple(
            WindowView(
                times=times_text(window.times),
                rates=view_of(window.over(limits.base)),
                now=window is window_now,
            )
            for window in limits.windows
        )
        peers = tuple(
            PeerLimitsView(name=name, rates=view_of(rates), known=self._book.knows(name))
            for name, rates in sorted(limits.peers.items())
        )
        near = sorted(self._rosters.name_of(peer) for peer in self._book.near)
        return fit(
            lambda n: Limits(
                call=call,
                now=view_of(self._book.rates),
                base=view_of(limits.base),
                windows=windows,
                peers=peers[:n],
                lan="limited" if limits.lan else "exempt",
                near=tuple(near[:n]),
                file=str(self._book.file.path),
            ),
            max(len(peers), len(near)),
        )

    async def change(self, change: ChangeLimits) -> Limits:
        """Make a change; the limits after it. PeerError when it makes no sense."""
        self._check(change)
        await self._book.change(change)
        return self.view(change.call)

    async def reload(self, call: int) -> Limits:
        """Read the settings file again; the limits after it."""
        await self._book.reload()
        return self.view(call)

    def _check(self, change: ChangeLimits) -> None:
        named = (("up", change.up), ("down", change.down))
        new = {name: each for name, each in named if each is not None}
        if change.peer is not None and change.at is not None:
            raise UsageError(
                "the schedule is for the whole machine: give a peer or times, not both"
            )
        if change.remove and (change.at is None or new):
            raise UsageError("to remove a window give its times and no rate")
        if (change.peer is not None or change.at is not None) and not (new or change.remove):
            raise UsageError("give a rate, up or down")
        for name, each in new.items():
            if each.rate is not None and each.rate < LEAST_RATE:
                raise UsageError("the least rate is 50KB a second", name)
        if change.at is not None:
            _check_times(change.at)
        if change.peer is not None and any(each.rate is not None for each in new.values()):
            self._check_peer(change.peer)

    def _check_peer(self, name: str) -> None:
        if not self._book.knows(name):
            raise NotFoundError(f"no machine is called {name!r}; see 'twofold peers'", "peer")


def _check_times(text: str) -> None:
    try:
        parse_times(text)
    except UsageError as error:
        raise UsageError(str(error), "at") from None


def view_of(rates: Rates) -> RatesView:
    """Rates as they are told."""
    return RatesView(up=rates.up, down=rates.down)
