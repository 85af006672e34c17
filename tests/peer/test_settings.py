"""settings.toml: read, refused, changed by command with its comments kept."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs
from peer_net import Clock, PeerNet

from peer.errors import NotFoundError, PeerError, UsageError
from peer.limits.changes import changed_limits
from peer.limits.edits import edit_limits
from peer.limits.limit_book import LimitBook
from peer.limits.rates import Rates
from peer.limits.schedule import Window, parse_times, times_text
from peer.settings import LimitSettings, Settings, read_settings
from peer.settings_file import SettingsFile
from protocol.messages.limiting import ChangeLimits, GetLimits, Limits, NewRate, ReloadSettings

MB = 1_000_000
EXAMPLE = """\
# How fast, at my place.
[limits]
up = "5MB"    # a second
down = "20MB"
lan = false   # machines on this network are exempt

[limits.peers.nas]
up = "1MB"    # its disk is slow

# While we work.
[[limits.schedule]]
days = "mon-fri"
from = "08:00"
to = "18:00"   # sharp
up = "1MB"

[lan]
discover = true
"""
AS_READ = Settings(
    limits=LimitSettings(
        base=Rates(up=5 * MB, down=20 * MB),
        lan=False,
        peers={"nas": Rates(up=MB)},
        windows=(Window(times=parse_times("mon-fri 08:00-18:00"), up=MB),),
    ),
    discover=True,
)
COMMENTS = [line[line.index("#") :] for line in EXAMPLE.splitlines() if "#" in line]


def change_of(**fields: Any) -> ChangeLimits:
    """A change; rates as numbers, "none" to take one away."""
    for key in ("up", "down"):
        if key in fields:
            rate = fields[key]
            fields[key] = NewRate(rate=None if rate == "none" else rate)
    return ChangeLimits(call=1, **fields)


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "settings.toml")


def changed(file: SettingsFile, **fields: Any) -> Settings:
    change = change_of(**fields)

    def decide(was: Settings) -> Settings:
        return structs.replace(was, limits=changed_limits(was.limits, change))

    return file.change(decide, lambda document: edit_limits(document, change))


# --- reading ---------------------------------------------------------------------------------


def test_a_file_is_read(file: SettingsFile) -> None:
    assert file.read() == Settings()
    file.path.write_text(EXAMPLE)
    assert file.read() == AS_READ
    assert read_settings("", "x") == Settings()
    assert read_settings("[limits]\nup = 70000", "x").limits.base == Rates(up=70_000)
    assert not read_settings("lan.discover = false", "x").discover
    assert read_settings("", "x").scrub_days == 7
    assert read_settings("scrub.days = 0", "x").scrub_days == 0
    assert read_settings("scrub.days = 0.5", "x").scrub_days == 0.5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nup = \n", r"x cannot be read: .*line 2"),
        ("[limits]\nup = 5MB", r"x cannot be read: .*line 2"),
        ("[limits]\nup = '5MB'\nup = '6MB'\n", r"x cannot be read: .*line 3"),
        ("speed = 1", r"x: speed: there is no such setting; there are limits, lan"),
        ("[limit]\nup = '5MB'", r"x: limit: there is no such setting; there are limits, lan"),
        ("[limits]\nupp = '5MB'", r"x: limits.upp: there is no such setting; there are .*up, down"),
        ("[limits]\nup = 'fast'", r"x: limits.up: 'fast' is not a rate; write .*5MB"),
        ("[limits]\nup = 5", r"x: limits.up: 5 is out of bounds"),
        ("[limits]\nup = true", r"x: limits.up: must be a text in quotes"),
        ("[limits]\nup = 5e6", r"x: limits.up: must be a text in quotes"),
        ("[limits]\nlan = 'no'", r"x: limits.lan: must be true or false"),
        ("limits = 5", r"x: limits: must be a table"),
        ("[limits]\npeers = 5", r"x: limits.peers: must be a table"),
        ("[limits.peers]\nnas = '5MB'", r"x: limits.peers.nas: must be a table"),
        ("[limits.peers.nas]\nlan = true", r"x: limits.peers.nas.lan: there is no such"),
        ("[limits]\nschedule = 'daily'", r"x: limits.schedule: must be a list of tables"),
        (
            "[limits.schedule]\nfrom = '08:00'",
            r"limits.schedule: must be a list of .*\[\[limits.sch",
        ),
        ("[[limits.schedule]]\nfrom = '08:00'\nup = '1MB'", r"schedule\[1\]: needs both times"),
        (
            "[[limits.schedule]]\nfrom = '08:00'\nto = '9:00'",
            r"limits.schedule\[1\]: needs a rate",
        ),
        (
            "[[limits.schedule]]\nfrom = '8'\nto = '9:00'\nup = '1MB'",
            r"limits.schedule\[1\].from: '8' is no time of day; write it like 08:00",
        ),
        (
            "[[limits.schedule]]\nfrom = 08:00:00\nto = '9:00'\nup = '1MB'",
            r"limits.schedule\[1\].from: must be a text in quotes, not 08:00:00",
        ),
        (
            "[[limits.schedule]]\ndays = 'workdays'\nfrom = '8:00'\nto = '9:00'\nup = '1MB'",
            r"limits.schedule\[1\].days: 'workdays' are no days; write them like mon-fri",
        ),
        ("[lan]\ndiscover = 1", r"x: lan.discover: must be true or false"),
        ("[scrub]\ndays = -1", r"x: scrub.days: -1 is out of bounds: 0.01 to 3650, or 0 for never"),
        ("[scrub]\ndays = '7'", r"x: scrub.days: must be a number of days, like 7, or 0 for never"),
        ("[scrub]\ndays = true", r"x: scrub.days: must be a number of days"),
        ("[scrub]\nday = 7", r"x: scrub.day: there is no such setting; there are days"),
        ("[lan]\nname = 1", r"x: lan.name: there is no such setting; there are discover"),
        ("[[limits.schedule]]\nfrom='1:00'\nto='2:00'\nup='1MB'\n" * 65, "more than 64 windows"),
        ("".join(f"[limits.peers.n{n}]\n" for n in range(257)), "more than 256 machines"),
    ],
)
def test_a_bad_file_says_where_and_what(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_settings(text, "x")


@given(text=st.text(st.sampled_from('[]limtspeers.ud=" \n#1MBnoe'), max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UsageError):
        read_settings(text, "x")


def test_what_is_no_text_is_refused(file: SettingsFile) -> None:
    file.path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not text in UTF-8"):
        file.read()
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(PeerError, match="cannot read"):
        file.read()


# --- changing --------------------------------------------------------------------------------


def test_a_change_keeps_comments_and_all_else(file: SettingsFile) -> None:
    file.path.write_text(EXAMPLE)
    found = changed(file, up=6 * MB)
    assert found.limits.base == Rates(up=6 * MB, down=20 * MB)
    assert file.path.read_text() == EXAMPLE.replace('"5MB"', '"6MB"')
    changed(file, up=2 * MB, peer="nas")
    changed(file, down=7 * MB, at="mon-fri 08:00-18:00")
    found = changed(file, lan="limited")
    assert found == file.read()
    assert found.limits.lan
    assert found.limits.peers == {"nas": Rates(up=2 * MB)}
    assert found.limits.windows == (
        Window(times=parse_times("mon-fri 08:00-18:00"), up=MB, down=7 * MB),
    )
    assert [each for each in COMMENTS if each not in file.path.read_text()] == []


def test_limits_are_taken_away_again(file: SettingsFile) -> None:
    file.path.write_text(EXAMPLE)
    changed(file, up="none", down="none")
    changed(file, up="none", peer="nas")
    changed(file, at="mon-fri 8:00-18:00", remove=True)
    assert file.read() == Settings()
    assert "nas" not in file.path.read_text()
    with pytest.raises(NotFoundError, match="no window mon-fri 08:00-18:00"):
        changed(file, at="mon-fri 8:00-18:00", remove=True)


def test_windows_are_added_in_order_and_cleared(file: SettingsFile) -> None:
    changed(file, up=MB, at="sat,sun 10:00-12:00")
    found = changed(file, up="none", at="22:00-06:00")
    assert [times_text(each.times) for each in found.limits.windows] == [
        "sat-sun 10:00-12:00",
        "daily 22:00-06:00",
    ]
    assert found.limits.windows[1].up is None
    assert found.limits.windows[1].down is UNSET
    found = changed(file, clear_schedule=True, down=MB)
    assert found.limits == LimitSettings(base=Rates(down=MB))


def test_a_new_file_is_ours_alone_and_says_what_it_is(file: SettingsFile) -> None:
    changed(file, up=MB)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.read_text().startswith("# Twofold's settings")
    assert [each.name for each in file.path.parent.iterdir()] == ["settings.toml"]


def test_a_bad_file_is_not_changed(file: SettingsFile) -> None:
    file.path.write_text("[limits]\nup = 'fast'\n")
    with pytest.raises(UsageError, match=r"limits\.up"):
        changed(file, up=MB)
    assert file.path.read_text() == "[limits]\nup = 'fast'\n"
    file.path.write_text("[[limits.schedule]]\nfrom='1:00'\nto='2:00'\nup='1MB'\n" * 64)
    before = file.path.read_text()
    with pytest.raises(UsageError, match="more than 64"):
        changed(file, up=MB, at="03:00-04:00")
    assert file.path.read_text() == before


def test_an_edit_that_is_not_what_was_decided_is_not_written(file: SettingsFile) -> None:
    file.path.write_text(EXAMPLE)
    with pytest.raises(UsageError, match="changed by hand"):
        file.change(lambda was: structs.replace(was, discover=False), lambda document: None)
    assert file.path.read_text() == EXAMPLE


ODD_LAYOUTS = (
    "[limits.peers.nas]\nup = '1MB'\n[lan]\ndiscover = false\n[limits.peers.desk]\nup = '2MB'\n",
    "limits.up = '1MB'\nlimits.peers.nas.down = '2MB'\n",
    "limits = {up = '1MB', schedule = [{from = '1:00', to = '2:00', up = '1MB'}]}\n",
)
LAYOUTS = (
    *ODD_LAYOUTS,
    "",
    EXAMPLE,
    "# nothing but this\n",
    "[lan]\ndiscover = false\n",
    "[limits.peers.nas]\nup = '1MB'\n",
    "[limits.peers]\nnas = {up = '1MB'} # short\n",
    "[limits]\nschedule = [\n  {from = '1:00', to = '2:00', up = '1MB'}, # night\n]\nup = '3MB'\n",
    "[[limits.schedule]]\nfrom = '1:00'\nto = '2:00'\nup = '1MB'\n",
    "[limits]\nup = '1MB'\n[lan]\n[limits.peers.nas]\nup = '2MB'\n",
)
any_rate = st.sampled_from(["none", 60_000, 5 * MB, 3 << 20])
some_rates = st.dictionaries(st.sampled_from(["up", "down"]), any_rate, min_size=1)
any_times_text = st.sampled_from(["daily 01:00-02:00", "mon-fri 08:00-18:00", "sat 22:00-06:00"])
any_change = st.one_of(
    some_rates,
    st.builds(lambda lan: {"lan": lan}, st.sampled_from(["exempt", "limited"])),
    st.builds(lambda r, peer: r | {"peer": peer}, some_rates, st.sampled_from(["nas", "a b.c"])),
    st.builds(lambda r, times: r | {"at": times}, some_rates, any_times_text),
    st.builds(lambda times: {"at": times, "remove": True}, any_times_text),
    st.just({"clear_schedule": True}),
)


@given(layout=st.sampled_from(LAYOUTS), changes=st.lists(any_change, min_size=1, max_size=4))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_change_in_any_layout_is_made_as_decided_or_refused(
    file: SettingsFile, layout: str, changes: list[dict[str, Any]]
) -> None:
    file.path.write_text(layout)
    for change in changes:
        text, before = file.path.read_text(), file.read()
        try:
            found = changed(file, **change)
        except NotFoundError:
            refused = "remove" in change
        except UsageError:
            refused = layout in ODD_LAYOUTS
        else:
            assert found == file.read()
            assert found.limits == changed_limits(before.limits, change_of(**change))
            assert found.discover == before.discover
            continue
        assert refused
        assert file.path.read_text() == text


# --- the limit book --------------------------------------------------------------------------


def nothing(_: object) -> None:
    return None


def clock_from(start: datetime) -> Callable[[], datetime]:
    """Local time that goes with the test's clock."""
    begun = trio.current_time()
    return lambda: start + timedelta(seconds=trio.current_time() - begun)


@pytest.mark.trio
async def test_the_schedule_is_followed(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    parts = one.parts
    parts.directory.settings_file.write_text(EXAMPLE)
    now = clock_from(datetime(2026, 11, 16, 7, 58, 30))
    book = LimitBook(parts.limits.file, parts.pacing, parts.rosters, now)
    book.load()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.run)
        await trio.sleep(89)
        assert book.rates == Rates(up=5 * MB, down=20 * MB)
        await trio.sleep(2)
        assert book.rates == Rates(up=MB, down=20 * MB)
        assert parts.pacing.portion(one.me, "up") == MB // 10
        await trio.sleep(10 * 3600)
        assert book.rates == Rates(up=5 * MB, down=20 * MB)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_limits_are_for_machines_by_name_and_not_for_near_ones(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, nas, desk = await net.start("one", "nas", "desk")
    limits, pacing = one.parts.limits, one.parts.pacing
    one.parts.directory.settings_file.write_text("[limits.peers.nas]\nup = '1MB'\n")
    await limits.reload()
    assert pacing.limited(nas.me, "up")
    assert not pacing.limited(nas.me, "down")
    assert not pacing.limited(desk.me, "up")
    await limits.change(change_of(down=MB))
    assert pacing.limited(desk.me, "down")
    limits.set_near(frozenset({nas.me}))
    assert not pacing.limited(nas.me, "up")
    assert not pacing.limited(nas.me, "down")
    await limits.change(change_of(lan="limited"))
    assert pacing.limited(nas.me, "up")


@pytest.mark.trio
async def test_a_name_in_the_settings_may_come_into_the_roster_later(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    parts = one.parts
    parts.directory.settings_file.write_text("[limits.peers.later]\nup = '1MB'\n")
    await parts.limits.reload()
    net.swarm.join(net.tmp_path / "later" / "data", "later")
    later = net.swarm.members[-1].peer
    assert not parts.pacing.limited(later, "up")
    await parts.tracker.take_roster(net.swarm.roster())
    assert parts.pacing.limited(later, "up")


@pytest.mark.trio
async def test_operators_ask_and_change(autojump_clock: Clock, net: PeerNet) -> None:
    one, nas = await net.start("one", "nas")
    answer = one.parts.requests.answer

    async def limits_after(request: Any) -> Limits:
        found = await answer(request, nothing)
        assert isinstance(found, Limits)
        return found

    empty = await limits_after(GetLimits(call=7))
    assert (empty.call, empty.now.up, empty.windows, empty.lan) == (7, None, (), "exempt")
    assert empty.file == str(one.parts.directory.settings_file)
    found = await limits_after(change_of(up=MB, down=2 * MB))
    assert (found.now, found.base) == (found.base, found.now)
    assert (found.now.up, found.now.down) == (MB, 2 * MB)
    found = await limits_after(change_of(up=60_000, peer="nas"))
    assert [(each.name, each.rates.up, each.known) for each in found.peers] == [
        ("nas", 60_000, True)
    ]
    found = await limits_after(change_of(up=70_000, at="00:00-24:00"))
    (window,) = found.windows
    assert (window.times, window.now) == ("daily 00:00-24:00", True)
    assert (window.rates.up, window.rates.down) == (70_000, 2 * MB)
    assert (found.now.up, found.base.up) == (70_000, MB)
    one.parts.limits.set_near(frozenset({nas.me}))
    assert (await limits_after(GetLimits(call=8))).near == ("nas",)


@pytest.mark.trio
async def test_changes_that_make_no_sense_are_refused(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    for change, why in (
        (change_of(up=MB, peer="one", at="08:00-09:00"), "not both"),
        (change_of(remove=True), "give its times"),
        (change_of(remove=True, up=MB, at="08:00-09:00"), "no rate"),
        (change_of(peer="one"), "give a rate"),
        (change_of(at="08:00-09:00"), "give a rate"),
        (change_of(up=MB, at="at night"), "are no times"),
        (change_of(up=10), "least rate"),
    ):
        with pytest.raises(UsageError, match=why):
            await one.parts.requests.answer(change, nothing)
    with pytest.raises(NotFoundError, match="no machine is called 'nobody'"):
        await one.parts.requests.answer(change_of(up=MB, peer="nobody"), nothing)
    assert not one.parts.directory.settings_file.exists()


@pytest.mark.trio
async def test_a_bad_file_leaves_the_settings_as_they_were(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    await one.parts.requests.answer(change_of(up=MB), nothing)
    one.parts.directory.settings_file.write_text("[limits]\nup = 'slow'\n")
    for request in (ReloadSettings(call=1), change_of(down=MB)):
        with pytest.raises(UsageError, match=r"limits\.up: 'slow' is not a rate"):
            await one.parts.requests.answer(request, nothing)
    assert one.parts.limits.rates == Rates(up=MB)
    with pytest.raises(UsageError, match="the settings stay as they were"):
        await one.parts.requests.answer(ReloadSettings(call=1), nothing)
    one.parts.directory.settings_file.write_text("[lan]\ndiscover = false\n")
    await one.parts.requests.answer(ReloadSettings(call=1), nothing)
    assert one.parts.limits.rates == Rates()
