"""The command that shows and changes how fast pieces may move. Thin."""

from typing import Annotated

from cyclopts import Parameter
from msgspec import structs

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import Printer, shown
from peer.errors import UsageError
from peer.limits.rates import parse_rate, rate_text
from peer.limits.schedule import parse_times, times_text
from protocol.fields import MAX_NAME
from protocol.messages.base import Message
from protocol.messages.limiting import (
    ChangeLimits,
    ForLan,
    GetLimits,
    Limits,
    NewRate,
    RatesView,
    ReloadSettings,
)

_Flag = Annotated[bool, Parameter(negative="")]


@app.command
def limit(
    *,
    up: str | None = None,
    down: str | None = None,
    peer: str | None = None,
    at: str | None = None,
    remove: _Flag = False,
    clear_schedule: _Flag = False,
    lan: ForLan | None = None,
    reload: _Flag = False,
    common: Common = COMMON,
) -> None:
    """Show how fast pieces may move, or change it: at once, and in settings.toml.

    Parameters
    ----------
    up
        Bytes a second to send, like 5MB or 800KiB; none for no limit.
    down
        Bytes a second to receive.
    peer
        The machine that --up and --down are for, by name; without it they are for all together.
    at
        The times of the week that --up and --down are for, like 'mon-fri 08:00-18:00'; the first
        window that covers the time holds. Local time.
    remove
        Take the window with the times of --at out of the schedule.
    clear_schedule
        Take all windows out.
    lan
        Whether machines on the same network are exempt, as they are at first, or limited too.
    reload
        Read settings.toml again, after it was edited by hand.
    """
    printer = common.printer()
    if peer is not None and not 0 < len(peer) <= MAX_NAME:
        raise UsageError("--peer takes the name of a machine; see 'twofold peers'")
    change = ChangeLimits(
        call=0,
        up=_new_rate(up),
        down=_new_rate(down),
        peer=peer,
        at=None if at is None else times_text(parse_times(at)),
        remove=remove,
        clear_schedule=clear_schedule,
        lan=lan,
    )
    changes = change != ChangeLimits(call=0)
    if reload and changes:
        raise UsageError("--reload goes alone")

    def ask(call: int) -> Message:
        if reload:
            return ReloadSettings(call=call)
        return structs.replace(change, call=call) if changes else GetLimits(call=call)

    limits = ask_daemon(common.path, ask, Limits)
    _show(printer, limits)
    printer.result(fields_of(limits))


def _show(printer: Printer, limits: Limits) -> None:
    if printer.as_json:
        return
    print(f"in force now: {rates_text(limits.now)}")
    if limits.windows:
        print(f"outside the schedule: {rates_text(limits.base)}")
        printer.table(
            ("TIMES", "UP", "DOWN", ""),
            [
                (each.times, *_columns(each.rates), "now" if each.now else "")
                for each in limits.windows
            ],
        )
    if limits.peers:
        printer.table(
            ("MACHINE", "UP", "DOWN", ""),
            [
                (shown(each.name), *_columns(each.rates), "" if each.known else "no such machine")
                for each in limits.peers
            ],
        )
    near = ", ".join(shown(name) for name in limits.near) or "none linked now"
    print(f"machines on this network: {limits.lan} ({near})")
    print(f"set in {limits.file}")


def rates_text(rates: RatesView) -> str:
    """Both rates for a person."""
    up, down = _columns(rates)
    return f"up {up}, down {down}"


def _columns(rates: RatesView) -> tuple[str, str]:
    up, down = (
        rate_text(rate) if rate is None else f"{rate_text(rate)}/s"
        for rate in (rates.up, rates.down)
    )
    return up, down


def _new_rate(text: str | None) -> NewRate | None:
    return None if text is None else NewRate(rate=parse_rate(text))
