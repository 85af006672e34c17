"""Search while the tracker is away: the same filters, orders and pages, of what a machine knows."""

from pathlib import Path

import pytest
from peer_net import Clock, PeerNet, TestPeer

from peer.errors import NotFoundError, UsageError
from protocol.messages.finding import SORTS, Filters
from protocol.messages.operating import Add, Find, Found

SIZES = {
    "film": 10, "film.mp4": 300, "my film.mkv": 20, "telefilm.txt": 20, "фильм.mkv": 20,
    "映画.jpg": 1, "notes": 10,
}  # fmt: skip


async def find(peer: TestPeer, **fields: object) -> Found:
    request = Find(call=1, **({"words": ""} | fields))  # type: ignore[arg-type]
    found = await peer.parts.requests.answer(request, lambda _: None)
    assert isinstance(found, Found)
    assert found.local
    return found


async def names(peer: TestPeer, **fields: object) -> list[str]:
    return [view.name for view in (await find(peer, **fields)).entries]


def write_files(folder: Path) -> None:
    (folder / "album").mkdir(parents=True)
    (folder / "album" / "a.jpg").write_bytes(b"a")
    for number, (name, size) in enumerate(SIZES.items()):
        (folder / name).write_bytes(bytes([number]) * size)


async def with_files(peer: TestPeer, folder: Path) -> TestPeer:
    """A machine that has shared a few files, and a folder with a caption."""
    write_files(folder)
    for name in SIZES:
        await peer.parts.requests.answer(Add(call=1, path=str(folder / name)), lambda _: None)
    add = Add(call=1, path=str(folder / "album"), caption="by the SEA", tags=("summer",))
    await peer.parts.requests.answer(add, lambda _: None)
    return peer


@pytest.mark.trio
async def test_filters_orders_and_pages(net: PeerNet, autojump_clock: Clock) -> None:
    one = await with_files((await net.start("one"))[0], net.tmp_path / "files")
    assert (await names(one, words="film"))[0] == "film"
    assert (await names(one, words="film"))[1:] == ["film.mp4", "my film.mkv", "telefilm.txt"]
    assert await names(one, words="ФИЛЬМ") == ["фильм.mkv"]
    assert await names(one, words="画") == ["映画.jpg"]
    assert await names(one, words="sea summer") == ["album"]
    for filters, expected in (
        (Filters(kind="folder"), {"album"}),
        (Filters(kind="video"), {"film.mp4", "my film.mkv", "фильм.mkv"}),
        (Filters(kind="image"), {"映画.jpg"}),
        (Filters(least=11, most=20), {"my film.mkv", "telefilm.txt", "фильм.mkv"}),
        (Filters(after=1 << 50), set()),
        (Filters(before=1 << 50, most=1), {"映画.jpg", "album"}),
        (Filters(author="ONE", machine="one"), {*SIZES, "album"}),
        (Filters(copies="safe"), set()),
        (Filters(copies="short", kind="document"), {"telefilm.txt"}),
    ):
        assert set(await names(one, filters=filters)) == expected, filters
    assert await names(one, sort="name") == sorted([*SIZES, "album"])
    assert (await names(one, sort="largest"))[0] == "film.mp4"
    for sort in SORTS:
        whole, paged, cursor = await names(one, sort=sort), [], ""
        while True:
            page = await find(one, sort=sort, limit=3, cursor=cursor)
            assert page.total == len(whole)
            paged += [view.name for view in page.entries]
            cursor = page.cursor
            if not cursor:
                break
        assert paged == whole, sort


@pytest.mark.trio
async def test_what_makes_no_sense_is_refused(net: PeerNet, autojump_clock: Clock) -> None:
    one = await with_files((await net.start("one"))[0], net.tmp_path / "files")
    with pytest.raises(UsageError, match="larger than the most"):
        await find(one, filters=Filters(least=2, most=1))
    with pytest.raises(NotFoundError, match="called 'nobody'"):
        await find(one, filters=Filters(author="nobody"))
    cursor = (await find(one, limit=1)).cursor
    with pytest.raises(UsageError, match="cursor"):
        await find(one, sort="name", cursor=cursor)
