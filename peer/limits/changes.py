"""What a change of the limits comes to. Pure; the file follows in `peer.limits.edits`."""

from msgspec import UNSET, structs

from peer.errors import NotFoundError
from peer.limits.rates import Rates
from peer.limits.schedule import RateChange, Window, parse_times, times_text
from peer.settings import LimitSettings
from protocol.messages.limiting import ChangeLimits, NewRate


def changed_limits(limits: LimitSettings, change: ChangeLimits) -> LimitSettings:
    """The limits after a change. NotFoundError for a window that is not there."""
    if change.lan is not None:
        limits = structs.replace(limits, lan=change.lan == "limited")
    if change.clear_schedule:
        limits = structs.replace(limits, windows=())
    if change.at is not None:
        return structs.replace(limits, windows=_changed_windows(limits.windows, change))
    if change.peer is not None:
        peers = {name: rates for name, rates in limits.peers.items() if name != change.peer}
        rates = _changed_rates(limits.peers.get(change.peer, Rates()), change)
        if rates != Rates():
            peers[change.peer] = rates
        return structs.replace(limits, peers=peers)
    return structs.replace(limits, base=_changed_rates(limits.base, change))


def _changed_rates(rates: Rates, change: ChangeLimits) -> Rates:
    up, down = _unless_none(change.up), _unless_none(change.down)
    return Rates(up=rates.up if up is UNSET else up, down=rates.down if down is UNSET else down)


def _changed_windows(windows: tuple[Window, ...], change: ChangeLimits) -> tuple[Window, ...]:
    times = parse_times(change.at or "")
    same = [window for window in windows if window.times == times]
    if change.remove:
        if not same:
            raise NotFoundError(f"the schedule has no window {times_text(times)}")
        return tuple(window for window in windows if window.times != times)
    was = same[0] if same else Window(times=times)
    up, down = _unless_none(change.up), _unless_none(change.down)
    new = Window(
        times=times, up=was.up if up is UNSET else up, down=was.down if down is UNSET else down
    )
    if not same:
        return (*windows, new)
    return tuple(new if window is was else window for window in windows)


def _unless_none(new: NewRate | None) -> RateChange:
    return UNSET if new is None else new.rate
