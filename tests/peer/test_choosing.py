"""`get --only`: the pieces that the chosen files lie in, no others, and only those files after."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, until

from peer.errors import NotFoundError, PeerError, UsageError
from peer.operator.letting_go import IDLE_FOR
from peer.parts import now_ms
from peer.store.copying_out import pieces_of
from peer.store.files import FileCache
from peer.store.write_errors import DiskFullError
from protocol.ids import EntryId
from protocol.manifest import Manifest
from protocol.messages.operating import Add, Added, Fetch, Fetched, Progress, Read, Readable, Remove

FILES = {
    "big/one.bin": bytes_of(14 * PIECE + 100, 1),
    "big/two.bin": bytes_of(2 * PIECE, 2),
    "notes/a.txt": bytes_of(1000, 3),
    "notes/b.txt": bytes_of(PIECE - 500, 4),
    "notes/deep/c.txt": bytes_of(90_000, 5),
    "notes/empty.txt": b"",
    "run.sh": bytes_of(700, 6),
}


def nothing(_: object) -> None:
    return None


def make_folder(root: Path) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "run.sh").chmod(0o755)
    (root / "hollow").mkdir()
    return root


def files_below(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def only(*names: str) -> dict[str, bytes]:
    return {name: FILES[name] for name in names}


def content_files(peer: TestPeer) -> list[Path]:
    return [path for path in peer.parts.directory.content.rglob("*") if path.is_file()]


def stored_bytes(path: Path) -> bytes:
    return path.read_bytes()


def pieces_in(manifest: Manifest, *names: str) -> list[int]:
    return pieces_of(manifest, [n for n, r in enumerate(manifest.files) if r.path in names])


def size_of(manifest: Manifest, pieces: list[int]) -> int:
    return sum(manifest.geometry.piece_size(piece) for piece in pieces)


async def share(peer: TestPeer, path: Path) -> tuple[str, Manifest]:
    """Add in place; the entry's id and the manifest."""
    added = await peer.parts.requests.answer(Add(call=1, path=str(path)), nothing)
    assert isinstance(added, Added)
    found = await peer.parts.catalogue.find(EntryId(bytes.fromhex(added.entry.id)))
    assert found is not None
    for other in peer.net.peers.values():
        if other is not peer:
            await other.parts.catalogue.learn(found[1])
    return added.entry.id, await peer.parts.contents.manifest(found[0].manifest)


async def get(
    peer: TestPeer, entry: str, path: Path, *patterns: str, tell: Any = nothing
) -> Fetched:
    request = Fetch(call=2, entry=entry, path=str(path), only=patterns)
    fetched = await peer.parts.requests.answer(request, tell)
    assert isinstance(fetched, Fetched)
    return fetched


async def two_of(net: PeerNet) -> tuple[TestPeer, TestPeer]:
    """An author and a reader; the ring wants nothing at the reader."""
    one, two = await net.start("one", "two", capacity={"two": 0})
    return one, two


@pytest.mark.trio
@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("big/one.bin",), ("big/one.bin",)),
        (("*.txt",), ("notes/a.txt", "notes/b.txt", "notes/deep/c.txt", "notes/empty.txt")),
        (("notes/deep/**", "run.sh"), ("notes/deep/c.txt", "run.sh")),
        (("empty.txt",), ("notes/empty.txt",)),
    ],
)
async def test_only_what_was_chosen_is_fetched_and_written(
    autojump_clock: Clock,
    net: PeerNet,
    patterns: tuple[str, ...],
    names: tuple[str, ...],
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    told: list[Progress] = []
    out = net.tmp_path / "out"
    fetched = await get(two, entry, out, *patterns, tell=told.append)
    assert files_below(out) == only(*names)
    assert not (out / "hollow").exists()
    pieces = pieces_in(manifest, *names)
    assert len(pieces) < manifest.pieces
    assert fetched.received == two.parts.traffic.downloaded == size_of(manifest, pieces)
    assert fetched.size == sum(len(FILES[name]) for name in names)
    assert fetched.files == len(names)
    assert fetched.sources == (("one",) if pieces else ())
    assert all(progress.total == size_of(manifest, pieces) for progress in told)
    if "run.sh" in names:
        assert os.access(out / "run.sh", os.X_OK)
    # The ring wants none of it here, and the author has it all.
    assert two.parts.contents.all() == []
    assert content_files(two) == []
    assert os.listdir(two.parts.directory.trash) == []
    assert two.parts.downloads.all() == []
    assert two.parts.store.buffers.in_use == 0


@pytest.mark.trio
async def test_pieces_that_nobody_else_will_keep_stay(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    # As if it were about to drop its own copy.
    assert one.parts.promises.begin((manifest.id, 0), trio.current_time())
    await get(two, entry, net.tmp_path / "a", "notes/a.txt")
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert list(content.bits) == pieces_in(manifest, "notes/a.txt")
    before = two.parts.traffic.downloaded
    # In the same piece, which is here: nothing is asked of anyone, not even a link.
    await one.kill()
    fetched = await get(two, entry, net.tmp_path / "b", "run.sh")
    assert files_below(net.tmp_path / "b") == only("run.sh")
    assert (fetched.received, fetched.sources) == (0, ())
    assert two.parts.traffic.downloaded == before


@pytest.mark.trio
async def test_pieces_the_ring_wants_here_stay_and_are_served(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two, three = await net.start("one", "two", "three", capacity={"three": 0})
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    await get(two, entry, net.tmp_path / "a", "big/two.bin")
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert list(content.bits) == pieces_in(manifest, "big/two.bin")
    assert not content.complete
    await one.kill()
    await get(three, entry, net.tmp_path / "b", "big/two.bin")
    assert files_below(net.tmp_path / "b") == only("big/two.bin")


@pytest.mark.trio
async def test_a_restart_goes_on_with_the_chosen_pieces_and_fetches_no_others(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    net.on_wire = lambda speaker, _, wire: setattr(
        wire, "silent_after", 6 * PIECE if speaker == "one" else None
    )
    out = net.tmp_path / "out"
    two.nursery.start_soon(get, two, entry, out, "big/one.bin")
    await until(lambda: _held(two, manifest) > 0, "the first pieces")
    net.on_wire = lambda *_: None
    await two.kill()
    assert not out.exists()
    two = await net.restart("two", replicating=True)
    begun = _held(two, manifest)
    await trio.sleep(300)
    await two.parts.letting_go.tidy(now_ms())
    assert _held(two, manifest) == begun > 0
    assert two.parts.traffic.downloaded == 0
    pieces = pieces_in(manifest, "big/one.bin")
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    left = [piece for piece in pieces if piece not in content.bits]
    fetched = await get(two, entry, out, "big/one.bin")
    assert fetched.received == size_of(manifest, left)
    assert files_below(out) == only("big/one.bin")
    assert content_files(two) == []


@pytest.mark.trio
async def test_what_nobody_went_on_with_for_a_day_goes(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    monkeypatch.setattr("peer.operator.choosing.copy_files", _no_room)
    with pytest.raises(PeerError, match="no room"):
        await get(two, entry, net.tmp_path / "out", "*.txt")
    await two.parts.letting_go.tidy(now_ms())
    assert _held(two, manifest) > 0
    await two.parts.letting_go.tidy(now_ms() + IDLE_FOR + 1000)
    assert two.parts.contents.get(manifest.id) is None
    assert content_files(two) == []
    await two.kill()
    two = await net.restart("two")
    assert two.parts.contents.all() == []


@pytest.mark.trio
async def test_on_a_full_disk_what_came_makes_room_again(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await two_of(net)
    entry, _ = await share(one, make_folder(net.tmp_path / "folder"))
    out = net.tmp_path / "out"
    monkeypatch.setattr(FileCache, "sync_all", _full)
    with pytest.raises(DiskFullError):
        await get(two, entry, out, "big/one.bin")
    monkeypatch.undo()
    assert not out.exists()
    assert two.parts.contents.all() == []
    assert content_files(two) == []


@pytest.mark.trio
async def test_what_goes_while_nothing_can_be_recorded_stays_gone(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the file has to go first."""
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    monkeypatch.setattr(two.parts.contents, "trash", _no_room)
    await get(two, entry, net.tmp_path / "out", "big/one.bin")
    assert content_files(two) == []
    await two.kill()
    two = await net.restart("two")
    assert _held(two, manifest) == 0
    await two.parts.letting_go.tidy(now_ms())
    assert two.parts.contents.all() == []
    await get(two, entry, net.tmp_path / "again", "big/one.bin")
    assert files_below(net.tmp_path / "again") == only("big/one.bin")


@pytest.mark.trio
async def test_a_page_reads_on_while_other_pieces_are_fetched(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    number = next(n for n, r in enumerate(manifest.files) if r.path == "big/two.bin")
    read: list[Readable] = []

    async def reader() -> None:
        await until(lambda: two.parts.traffic.downloaded > 0, "the download has begun")
        found = await two.parts.requests.answer(
            Read(call=3, entry=entry, file=number, offset=PIECE), nothing
        )
        assert isinstance(found, Readable)
        read.append(found)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await get(two, entry, net.tmp_path / "out", "big/one.bin")
    (found,) = read
    stored = stored_bytes(Path(found.path))[found.position :][: found.length]
    assert stored == FILES["big/two.bin"][PIECE : PIECE + found.length]
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert not content.passing


@pytest.mark.trio
async def test_an_operator_that_goes_leaves_no_folder_and_no_download(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    out = net.tmp_path / "out"
    net.on_wire = lambda speaker, _, wire: setattr(
        wire, "silent_after", 6 * PIECE if speaker == "one" else None
    )
    with trio.move_on_after(2):
        await get(two, entry, out, "*.bin")
    assert _held(two, manifest) > 0
    await until(lambda: two.parts.downloads.all() == [], "the download ends", 5)
    assert not out.exists()
    net.on_wire = lambda *_: None
    begun = trio.Event()

    async def slow(*arguments: Any) -> None:
        begun.set()
        await trio.sleep_forever()

    monkeypatch.setattr(two.parts.store, "read_piece", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, two, entry, out, "*.bin")
        await begun.wait()
        assert out.exists()
        nursery.cancel_scope.cancel()
    assert not out.exists()
    assert two.parts.store.buffers.in_use == 0


@pytest.mark.trio
@pytest.mark.parametrize("when", ["fetching", "copying"])
async def test_an_entry_deleted_meanwhile(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    out = net.tmp_path / "out"

    async def delete() -> None:
        if when == "fetching":
            await until(lambda: two.parts.traffic.downloaded > 0, "the first pieces")
        await one.parts.requests.answer(Remove(call=3, entry=entry), nothing)
        found = await one.parts.catalogue.find(EntryId(bytes.fromhex(entry)))
        assert found is not None
        await two.parts.catalogue.learn(found[1])
        await two.parts.trash.settle(manifest.id)

    if when == "fetching":
        net.on_wire = lambda speaker, _, wire: setattr(
            wire, "silent_after", 6 * PIECE if speaker == "one" else None
        )
    else:
        read_piece = two.parts.store.read_piece

        async def deleted_first(*arguments: Any) -> None:
            if two.parts.contents.get(manifest.id) is not None:
                await delete()
            await read_piece(*arguments)

        monkeypatch.setattr(two.parts.store, "read_piece", deleted_first)
    async with trio.open_nursery() as nursery:
        if when == "fetching":
            nursery.start_soon(delete)
        with pytest.raises(PeerError, match="the entry was deleted"):
            await get(two, entry, out, "big/one.bin")
    assert not out.exists()
    assert two.parts.contents.all() == []
    assert two.parts.downloads.all() == []


@pytest.mark.trio
async def test_two_choices_at_once(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, two, entry, net.tmp_path / "a", "big/one.bin")
        nursery.start_soon(get, two, entry, net.tmp_path / "b", "*.txt")
    assert files_below(net.tmp_path / "a") == only("big/one.bin")
    assert files_below(net.tmp_path / "b").keys() == {n for n in FILES if n.endswith(".txt")}
    names = [name for name in FILES if name == "big/one.bin" or name.endswith(".txt")]
    assert two.parts.traffic.downloaded == size_of(manifest, pieces_in(manifest, *names))
    assert content_files(two) == []


@pytest.mark.trio
async def test_a_whole_get_joins_a_choice_and_the_other_way_round(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, two, entry, net.tmp_path / "a", "big/one.bin")
        nursery.start_soon(get, two, entry, net.tmp_path / "all")
    assert files_below(net.tmp_path / "a") == only("big/one.bin")
    assert files_below(net.tmp_path / "all") == FILES
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert content.complete
    assert not content.passing
    assert two.parts.traffic.downloaded == size_of(manifest, list(range(manifest.pieces)))


@pytest.mark.trio
async def test_a_whole_get_after_a_choice_is_shared_from_its_path(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await two_of(net)
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    monkeypatch.setattr("peer.operator.choosing.copy_files", _no_room)
    with pytest.raises(PeerError, match="no room"):
        await get(two, entry, net.tmp_path / "a", "big/one.bin")
    assert content_files(two)
    everything = net.tmp_path / "all"
    fetched = await get(two, entry, everything)
    assert fetched.files == len(FILES)
    assert files_below(everything) == FILES
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert content.path == everything
    assert content_files(two) == []


@pytest.mark.trio
async def test_choosing_everything_is_a_whole_get(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await two_of(net)
    folder = net.tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 1000)
    entry, manifest = await share(one, folder)
    await get(two, entry, net.tmp_path / "out", "**")
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert content.path == net.tmp_path / "out"


@pytest.mark.trio
async def test_from_a_folder_shared_here_and_one_that_has_changed(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await two_of(net)
    folder = make_folder(net.tmp_path / "folder")
    entry, _ = await share(one, folder)
    fetched = await get(one, entry, net.tmp_path / "a", "*.txt")
    assert (fetched.received, fetched.files) == (0, 4)
    assert files_below(net.tmp_path / "a") == {
        name: content for name, content in FILES.items() if name.endswith(".txt")
    }
    await get(two, entry, net.tmp_path / "all")
    (folder / "big/two.bin").write_bytes(b"edited")
    fetched = await get(one, entry, net.tmp_path / "b", "big/two.bin")
    assert fetched.sources == ("two",)
    assert files_below(net.tmp_path / "b") == only("big/two.bin")
    assert (folder / "big/two.bin").read_bytes() == b"edited"


@pytest.mark.trio
async def test_rot_in_what_was_fetched_is_fetched_again(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", capacity={"two": 0})
    entry, manifest = await share(one, make_folder(net.tmp_path / "folder"))
    # As if it were about to drop its own copy: ours stays.
    assert one.parts.promises.begin((manifest.id, 0), trio.current_time())
    await get(two, entry, net.tmp_path / "a", "big/one.bin")
    (path,) = content_files(two)
    with path.open("r+b") as file:
        record = next(r for r in manifest.files if r.path == "big/one.bin")
        file.seek(record.offset + PIECE)
        file.write(b"rot")
    fetched = await get(two, entry, net.tmp_path / "b", "big/one.bin")
    assert fetched.received == PIECE
    assert files_below(net.tmp_path / "b") == only("big/one.bin")


@pytest.mark.trio
async def test_refusals(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await two_of(net)
    entry, _ = await share(one, make_folder(net.tmp_path / "folder"))
    (net.tmp_path / "film").write_bytes(b"film")
    film, _ = await share(one, net.tmp_path / "film")
    there = net.tmp_path / "there"
    there.mkdir()
    with pytest.raises(NotFoundError, match=r"'\*\.png'"):
        await get(two, entry, net.tmp_path / "out", "*.png")
    with pytest.raises(UsageError, match="single file"):
        await get(two, film, net.tmp_path / "out", "*.png")
    with pytest.raises(PeerError, match="exists already"):
        await get(two, entry, there, "*.txt")
    assert two.parts.traffic.downloaded == 0
    assert two.parts.contents.all() == []
    await get(two, film, net.tmp_path / "out", "fil?")
    assert (net.tmp_path / "out").read_bytes() == b"film"


def _held(peer: TestPeer, manifest: Manifest) -> int:
    content = peer.parts.contents.get(manifest.id)
    return content.bits.count if content else 0


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def _no_room(*_: object) -> None:
    raise PeerError("no room")
