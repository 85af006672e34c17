"""Settings, shared paths and links, as a daemon's own parts answer for them."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, bytes_of

from peer.errors import NotFoundError, PeerError, UsageError
from peer.settings import LEAST_DAYS
from protocol.messages.base import Done, Reply, Request
from protocol.messages.limiting import ChangeLimits, NewRate
from protocol.messages.linking import GetLinks, GetSources, LinkedMachines, Sources
from protocol.messages.operating import Add, Added, Fetch, Fetched
from protocol.messages.settings import (
    ChangeSettings,
    GetSettings,
    GetShares,
    SettingsView,
    Shares,
)
from protocol.messages.standing import Drop

_R = TypeVar("_R", bound=Reply)


async def ask(peer: TestPeer, request: Request, kind: type[_R]) -> _R:
    reply = await peer.parts.requests.answer(request, lambda _: None)
    assert isinstance(reply, kind)
    return reply


def change(**fields: Any) -> ChangeSettings:
    return ChangeSettings(call=2, **fields)


@pytest.mark.trio
async def test_settings_are_changed_at_once_and_in_the_file(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    file = one.parts.directory.settings_file
    file.write_text("# ours\n[scrub]\ndays = 3 # slow disk\n")
    one.parts.limits.load()
    found = await ask(one, GetSettings(call=1), SettingsView)
    assert (found.scrub_days, found.discover, found.file) == (3.0, True, str(file))
    found = await ask(one, change(scrub_days=14.0, discover=False), SettingsView)
    assert (found.scrub_days, found.discover) == (14.0, False)
    assert file.read_text() == (
        "# ours\n[scrub]\ndays = 14 # slow disk\n\n[lan]\ndiscover = false\n"
    )
    assert one.parts.scrubbing.view().days == 14.0
    assert one.parts.limits.file.read().discover is False
    assert (await ask(one, change(scrub_days=0.5), SettingsView)).scrub_days == 0.5
    assert "days = 0.5 # slow disk" in file.read_text()
    assert (await ask(one, change(), SettingsView)).scrub_days == 0.5


@pytest.mark.trio
@pytest.mark.parametrize("days", [-1.0, LEAST_DAYS / 2, 4000.0, float("inf"), float("nan")])
async def test_days_that_the_file_may_not_have_are_refused_with_the_same_words(
    autojump_clock: Clock, net: PeerNet, days: float
) -> None:
    (one,) = await net.start("one")
    with pytest.raises(UsageError, match=r"out of bounds: 0\.01 to 3650, or 0 for never") as caught:
        await ask(one, change(scrub_days=days), SettingsView)
    assert caught.value.field == "scrub_days"
    assert not one.parts.directory.settings_file.exists()


@pytest.mark.trio
async def test_a_file_that_is_wrong_stays_as_it_is(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    file = one.parts.directory.settings_file
    file.write_text("[scrub]\nday = 3\n")
    with pytest.raises(UsageError, match=r"scrub\.day: there is no such setting"):
        await ask(one, change(scrub_days=1.0), SettingsView)
    assert file.read_text() == "[scrub]\nday = 3\n"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"up": NewRate(rate=1)}, "up"),
        ({"up": NewRate(rate=None), "down": NewRate(rate=49_999)}, "down"),
        ({"up": NewRate(rate=None), "at": "someday 08:00-09:00"}, "at"),
        ({"up": NewRate(rate=1 << 20), "peer": "nobody"}, "peer"),
        ({}, ""),
    ],
)
async def test_what_is_wrong_in_a_change_of_limits_is_named(
    autojump_clock: Clock, net: PeerNet, fields: dict[str, Any], field: str
) -> None:
    (one,) = await net.start("one")
    request = ChangeLimits(call=1, **fields)
    if not field:
        await ask(one, request, Reply)
        return
    with pytest.raises(PeerError) as caught:
        await ask(one, request, Reply)
    assert caught.value.field == field


# --- shared paths -----------------------------------------------------------------------------


@pytest.mark.trio
async def test_shared_paths_are_listed_with_what_became_of_them(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    film, folder = net.tmp_path / "film", net.tmp_path / "folder"
    film.write_bytes(bytes_of(3 * PIECE))
    folder.mkdir()
    (folder / "note.txt").write_bytes(b"note")
    first = (await ask(one, Add(call=1, path=str(film), name="The film"), Added)).entry
    second = (await ask(one, Add(call=2, path=str(folder)), Added)).entry
    await one.hold(bytes_of(PIECE, seed=5), "kept.bin")
    found = await ask(one, GetShares(call=3), Shares)
    assert [(each.path, each.entry, each.name, each.kind) for each in found.shares] == [
        (str(film), first.id, "The film", "file"),
        (str(folder), second.id, "folder", "folder"),
    ]
    assert found.total == 2
    assert {(each.own, each.state, each.notice) for each in found.shares} == {(True, "shared", "")}
    (last,) = (await ask(one, GetShares(call=4, start=1), Shares)).shares
    assert last.entry == second.id
    film.write_bytes(bytes_of(3 * PIECE, seed=9))
    content = next(each for each in one.parts.contents.all() if each.path == film)
    await one.parts.watch.check(content)
    changed = (await ask(one, GetShares(call=5), Shares)).shares[0]
    assert changed.state == "partly"
    assert "changed or went away" in changed.notice


@pytest.mark.trio
async def test_a_share_that_is_given_up_says_so_until_others_hold_it(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(PIECE))
    entry = (await ask(one, Add(call=1, path=str(film)), Added)).entry
    await ask(one, Drop(call=2, entry=entry.id, wait=False), Done)
    (share,) = (await ask(one, GetShares(call=3), Shares)).shares
    assert share.state == "leaving"
    await ask(one, Drop(call=4, entry=entry.id, cancel=True), Done)
    (share,) = (await ask(one, GetShares(call=5), Shares)).shares
    assert share.state == "shared"


@pytest.mark.trio
@pytest.mark.parametrize("path", ["film", "~/film", "/tmp/fi\0lm"])
async def test_what_is_no_path_of_the_machine_is_refused_and_the_daemon_lives(
    autojump_clock: Clock, net: PeerNet, path: str
) -> None:
    (one,) = await net.start("one")
    with pytest.raises(UsageError, match="not an absolute path") as caught:
        await ask(one, Add(call=1, path=path), Added)
    assert caught.value.field == "path"


# --- links --------------------------------------------------------------------------------------


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - on a clock that jumps
            await trio.sleep(0.05)


@pytest.mark.trio
async def test_sources_and_takers_of_a_download_are_told(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    net.ways["one"] = Way(4 * PIECE)
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(40 * PIECE))
    entry = (await ask(one, Add(call=1, path=str(film), name="The film"), Added)).entry
    (found,) = await one.parts.catalogue.live_after(b"", 1)
    _, signed = await one.parts.catalogue.find(found.id) or pytest.fail("not there")
    await two.parts.catalogue.learn(signed)
    done: list[Fetched] = []

    async def get() -> None:
        done.append(await ask(two, Fetch(call=2, entry=entry.id, path=None), Fetched))

    net.nursery.start_soon(get)
    await until(lambda: two.parts.traffic.downloaded > 10 * PIECE)
    (running,) = two.parts.downloads.all()
    transfer = running.content.id.hex()
    told = await ask(two, GetSources(call=3, transfer=transfer), Sources)
    (source,) = told.sources
    assert (told.pieces, source.name, source.pieces, source.state) == (40, "one", 40, "sends")
    assert source.peer == one.me.hex()
    assert source.received == running.received
    assert 0 < source.asked < 40
    assert (source.late, source.connections, source.near) == (0, 1, False)
    assert source.answers is not None
    assert 2 * PIECE < source.rate < 8 * PIECE
    (link,) = (await ask(one, GetLinks(call=4), LinkedMachines)).links
    assert (link.name, link.fetches, link.fetching) == ("two", ("The film",), 1)
    assert link.sent == one.parts.traffic.sent_to[two.me] > 0
    assert (link.received, link.connections) == (0, 1)
    assert link.asks > 0
    assert PIECE < link.rate < 8 * PIECE
    await until(lambda: bool(done))
    with pytest.raises(NotFoundError, match="over"):
        await ask(two, GetSources(call=5, transfer=transfer), Sources)
    (link,) = (await ask(one, GetLinks(call=6), LinkedMachines)).links
    assert (link.fetches, link.fetching, link.asks) == ((), 0, 0)
