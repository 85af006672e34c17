"""How this machine is set: limits with their schedule, capacity, scrub, looking for members.

Whoever is logged in sees it; only the owner of the machine changes it, and learns where the file
lies. What can be set is checked by the daemon, as for the command line.
"""

from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.fields import Count, Name
from protocol.messages.limiting import (
    ChangeLimits,
    ForLan,
    GetLimits,
    Limits,
    NewRate,
    Rate,
    ReloadSettings,
    TimesText,
)
from protocol.messages.operating import GetStatus, Status
from protocol.messages.settings import ChangeSettings, GetSettings, SettingsView
from protocol.messages.standing import OfferRoom, RoomOffered
from web.activity import note
from web.answers import invalid, json_answer, plain
from web.asking import read_json
from web.daemon import Daemon
from web.people import PERSON, require_owner
from web.routes import Route

_NewRate = Rate | None | UnsetType
_Capacity = Annotated[int, Meta(ge=0, le=1 << 60)]


class SettingsNow(msgspec.Struct, frozen=True):
    """Bytes; `stored` are kept for the group now. `told`: whether the tracker knows the capacity.

    `scrub_days`: everything held is read once in so many days; 0: never. `file` is "" but for the
    owner.
    """

    scrub_days: float
    discover: bool
    capacity: Count
    stored: Count
    room: Count
    file: str
    told: bool = True


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not there stays as it is."""

    scrub_days: float | None = None
    discover: bool | None = None
    capacity: _Capacity | None = None


class LimitsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rates are bytes a second, null for no limit; what is not there stays as it is.

    They are those of the whole machine, of the machine named `peer`, or of the window of the
    schedule with the times `at`, which is made if need be, or taken out with `remove`.
    """

    up: _NewRate = UNSET
    down: _NewRate = UNSET
    peer: Name | None = None
    at: TimesText | None = None
    remove: bool = False
    clear_schedule: bool = False
    lan: ForLan | None = None


class Settings:
    """The routes of /api/v1/settings and /api/v1/limits."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """All of them."""
        settings, limits = "/api/v1/settings", "/api/v1/limits"
        changed, reload = "Change settings.", "Read settings.toml again, edited by hand."
        return [
            Route("GET", settings, self._show, "The settings.", {200: SettingsNow}),
            Route(
                "PATCH", settings, self._change, changed, {200: SettingsNow}, body=SettingsChange
            ),
            Route("POST", f"{settings}/reload", self._reload, reload, {200: Limits}, errors=(400,)),
            Route("GET", limits, self._show_limits, "The limits and schedule.", {200: Limits}),
            Route(
                "PATCH",
                limits,
                self._change_limits,
                "Change the limits or the schedule.",
                {200: Limits},
                body=LimitsChange,
                errors=(404,),
            ),
        ]

    async def _show(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        found = await self._daemon.ask(GetSettings(call=0), SettingsView)
        return json_answer(await self._now(request, found, told=True))

    async def _change(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, SettingsChange)
        change = ChangeSettings(call=0, scrub_days=wanted.scrub_days, discover=wanted.discover)
        if change == ChangeSettings(call=0) and wanted.capacity is None:
            raise invalid("Say what to change: scrub_days, discover or capacity.")
        found = await self._daemon.ask(change, SettingsView)
        told = True
        if wanted.capacity is not None:
            offered = OfferRoom(call=0, capacity=wanted.capacity)
            told = (await self._daemon.ask(offered, RoomOffered)).told
        note(request, "settings", text=_said(wanted))
        return json_answer(await self._now(request, found, told=told))

    async def _now(
        self, request: aiohttp.web.Request, found: SettingsView, *, told: bool
    ) -> SettingsNow:
        store = (await self._daemon.ask(GetStatus(call=0), Status)).store
        return SettingsNow(
            scrub_days=found.scrub_days,
            discover=found.discover,
            capacity=store.capacity,
            stored=store.bytes,
            room=store.room,
            file="" if request[PERSON] else found.file,
            told=told,
        )

    async def _show_limits(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        return self._limits(request, await self._daemon.ask(GetLimits(call=0), Limits))

    async def _change_limits(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, LimitsChange)
        change = ChangeLimits(
            call=0,
            up=_new_rate(wanted.up),
            down=_new_rate(wanted.down),
            peer=wanted.peer,
            at=wanted.at,
            remove=wanted.remove,
            clear_schedule=wanted.clear_schedule,
            lan=wanted.lan,
        )
        if change == ChangeLimits(call=0):
            raise invalid("Say what to change.")
        limits = await self._daemon.ask(change, Limits)
        about = "schedule" if wanted.at is not None or wanted.clear_schedule else "limits"
        of = f" of {wanted.peer}" if wanted.peer is not None else ""
        note(request, "settings", text=f"changed the {about}{of}")
        return self._limits(request, limits)

    async def _reload(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        limits = await self._daemon.ask(ReloadSettings(call=0), Limits)
        note(request, "settings", text="read the settings file again")
        return self._limits(request, limits)

    def _limits(self, request: aiohttp.web.Request, limits: Limits) -> aiohttp.web.Response:
        said = plain(limits)
        return json_answer(said | {"file": ""} if request[PERSON] else said)


def _new_rate(wanted: _NewRate) -> NewRate | None:
    return None if isinstance(wanted, UnsetType) else NewRate(rate=wanted)


def _said(wanted: SettingsChange) -> str:
    """What was changed, for the activity."""
    parts = []
    if wanted.capacity is not None:
        parts.append(f"the capacity to {wanted.capacity / 1e9:.3g} GB")
    if wanted.scrub_days is not None:
        parts.append("how often all is read")
    if wanted.discover is not None:
        parts.append("looking for machines on this network")
    return f"changed {' and '.join(parts)}"
