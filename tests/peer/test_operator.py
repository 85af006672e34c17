"""What an operator asks goes wrong for the operator only, never for the daemon."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, bytes_of

from peer.errors import NotPermittedError, PeerError
from peer.operator import adding
from peer.store.splitter import split
from protocol.manifest import Manifest
from protocol.messages.operating import Add, Added, Fetch, Fetched, Files, GetFiles
from protocol.messages.tracking import Publish, Published


def nothing(_: object) -> None:
    return None


def add_of(path: Path) -> Add:
    return Add(call=1, path=str(path))


@pytest.mark.trio
async def test_add_and_get(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(3 * PIECE + 1))
    added = await one.parts.requests.answer(add_of(film), nothing)
    assert isinstance(added, Added)
    (found,) = await one.parts.catalogue.live_after(b"", 1)
    _, signed = await one.parts.catalogue.find(found.id) or pytest.fail("not there")
    await two.parts.catalogue.learn(signed)
    out = net.tmp_path / "out" / "film"
    request = Fetch(call=2, entry=added.entry.link, path=str(out))
    fetched = await two.parts.requests.answer(request, nothing)
    assert isinstance(fetched, Fetched)
    assert fetched.sources == ("one",)
    assert out.read_bytes() == film.read_bytes()
    with pytest.raises(PeerError, match="exists already"):
        await two.parts.requests.answer(
            Fetch(call=3, entry=added.entry.link, path=str(film)), nothing
        )


@pytest.mark.trio
async def test_files_come_in_pages(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = net.tmp_path / "folder"
    for place in ("a/empty", "b", "z empty"):
        (folder / place).mkdir(parents=True)
    for number in range(450):
        (folder / "b" / f"{number:03}").write_bytes(b"x" * number)
    added = await one.parts.requests.answer(add_of(folder), nothing)
    assert isinstance(added, Added)
    found, start, pages = [], 0, 0
    while True:
        asked = GetFiles(call=2, entry=added.entry.id, start=start)
        page = await one.parts.requests.answer(asked, nothing)
        assert isinstance(page, Files)
        if not page.files:
            break
        found += page.files
        start, pages = page.files[-1].index + 1, pages + 1
    assert [(file.path, file.size) for file in found] == [(f"b/{n:03}", n) for n in range(450)]
    assert (pages, page.total) == (3, start)


@pytest.mark.trio
async def test_an_error_in_hashing_is_one_error(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a nursery it would come as a group, which ends the daemon."""
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(PIECE))

    def changing(found: Any, **rest: Any) -> Manifest:
        film.unlink()
        return split(found, **rest)

    monkeypatch.setattr(adding, "split", changing)
    with pytest.raises(PeerError, match=r"cannot read|went away"):
        await one.parts.requests.answer(add_of(film), nothing)


@pytest.mark.trio
async def test_hashing_stops_when_the_operator_goes(
    autojump_clock: Clock, threads: None, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(PIECE))
    begun, stopped = threading.Event(), threading.Event()

    def endless(_: Any, *, cancelled: Callable[[], bool], **rest: Any) -> Manifest:
        begun.set()
        pause = threading.Event()
        while not cancelled():
            pause.wait(0.001)
        stopped.set()
        raise PeerError("hashing was stopped")

    monkeypatch.setattr(adding, "split", endless)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.parts.requests.answer, add_of(film), nothing)
        await trio.to_thread.run_sync(begun.wait, 30)
        nursery.cancel_scope.cancel()
    assert stopped.is_set()


@pytest.mark.trio
async def test_one_refused_record_does_not_keep_the_others_back(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    for name in ("a", "b", "c"):
        manifest, _ = await one.hold(name.encode(), name)
        await one.publish(manifest, name)
    sent: list[str] = []

    async def call(make: Callable[[int], Publish], *_: Any, **__: Any) -> tuple[Published, bytes]:
        request = make(1)
        sent.append(request.record.signature.hex())
        if len(sent) == 2:
            raise NotPermittedError("a newer record of this entry is known")
        return Published(call=1, needs_manifest=False), b""

    monkeypatch.setattr(one.parts.tracker, "call", call)
    await one.parts.publishing.send_unpublished()
    assert len(sent) == 3
    assert len(await one.parts.catalogue.unpublished()) == 1


@pytest.mark.trio
async def test_a_tracker_that_fails_to_locate_is_passed_over(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await one.hold(bytes_of(2 * PIECE))

    async def call(*_: Any, **__: Any) -> None:
        raise NotPermittedError("no")

    monkeypatch.setattr(two.parts.tracker, "call", call)
    download = await two.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
    await download.closed.wait()
    assert download.error is None
