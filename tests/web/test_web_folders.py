"""Folders: begun, their files sent by tus, finished; each becomes one entry."""

import asyncio
import os
from pathlib import Path

import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, running_page, until
from tus_client import BODY, UPLOADS, Tus, metadata

from web import spool as spool_module
from web.upload_records import EXPIRE_MS

FOLDERS = "/api/v1/folders"
FILES = {"a.txt": b"one", "deep/er/b.bin": os.urandom(100_000), "deep/empty": b"", "ü/ö": b"x"}


def size_of(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))


def held_files(page: PageUnderTest, entry: str) -> dict[str, bytes]:
    return {path: place.read_bytes() for path, place in page.double.entries[entry].files}


async def begin(tus: Tus, files: dict[str, bytes], **more: object) -> str:
    return await tus.folder(name="holiday", files=len(files), size=size_of(files), **more)


async def send(tus: Tus, folder: str, path: str, content: bytes) -> str:
    said = {"folder": folder, "path": path, "modified": 1_700_000_000_123}
    return await tus.begin(len(content), content or None, **said)


def test_a_folder_becomes_one_entry(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        folder = await begin(tus, FILES, caption="Sea", tags=["a"])
        status, answer, _ = await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={})
        assert (status, "0 of the 4 files" in answer["error"]["text"]) == (409, True)
        await asyncio.gather(*(send(tus, folder, *each) for each in FILES.items()))
        (view,) = await tus.listed()
        assert (view["kind"], view["received"], view["offset"]) == ("folder", 4, size_of(FILES))
        _, placed, _ = await tus.ask("GET", f"{FOLDERS}/{folder}/files")
        assert placed["next"] is None
        assert {each["path"]: each["size"] for each in placed["files"]} == {
            path: len(content) for path, content in FILES.items()
        }
        assert {each["modified"] for each in placed["files"]} == {1_700_000_000_123}
        status, _, _ = await tus.ask(
            "POST", f"{FOLDERS}/{folder}/finish", json={"empty": ["nothing/here"]}
        )
        assert status == 202
        view = await tus.settled(f"{UPLOADS}/{folder}")
        entry = page.double.entries[view["entry"]].view
        assert (entry.kind, entry.name, entry.caption, entry.tags) == (
            "folder",
            "holiday",
            "Sea",
            ("a",),
        )
        assert held_files(page, view["entry"]) == FILES
        assert (await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={}))[0] == 202
        assert not (tmp_path / "spool" / f"{folder}.tree").exists()

    run_with_page(tmp_path, work)


def test_a_folder_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Whole files are not sent again, and a half one from where it was."""
    half = FILES["deep/er/b.bin"]

    async def scenario() -> None:
        async with OperatorDouble(tmp_path) as double:
            async with running_page(tmp_path, double) as page:
                tus = Tus(page)
                folder = await begin(tus, FILES)
                await send(tus, folder, "a.txt", b"one")
                said = {"folder": folder, "path": "deep/er/b.bin"}
                path = await tus.begin(len(half), half[:60_000], **said)
            async with running_page(tmp_path, double) as page:
                tus = Tus(page)
                listed = {view["kind"]: view for view in await tus.listed()}
                assert listed["folder"]["received"] == 1
                assert (listed["file"]["folder"], listed["file"]["path"]) == (folder, said["path"])
                assert await tus.offset(path) == 60_000
                assert (await tus.patch(path, 60_000, half[60_000:]))[0] == 204
                assert await tus.offset(path) == len(half)  # its answer may have been lost
                for name in ("deep/empty", "ü/ö"):
                    await send(tus, folder, name, FILES[name])
                assert [view["kind"] for view in await tus.listed()] == ["folder"]
                await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={})
                view = await tus.settled(f"{UPLOADS}/{folder}")
                assert held_files(page, view["entry"]) == FILES
                assert (await tus.ask("HEAD", path))[0] == 404
            assert len(double.entries) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../up", "a/../../b", "a//b", ".", "a/", "a\0b", "x" * 256, "a/" * 2047],
)
def test_hostile_paths_are_refused(tmp_path: Path, path: str) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        folder = await begin(tus, {"a": b"12"})
        said = metadata(folder=folder, path=path, name="x")
        headers = {"Upload-Length": "1", "Upload-Metadata": said} | BODY
        status, answer, _ = await tus.ask("POST", UPLOADS, headers, data=b"1")
        assert status == 400, answer
        finish = await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={"empty": [path]})
        assert finish[0] == 400
        assert os.listdir(tmp_path / "spool" / f"{folder}.tree") == []
        assert not any(name.endswith(".part") for name in os.listdir(tmp_path / "spool"))

    run_with_page(tmp_path, work)


def test_folders_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        for said, status in (
            ({"name": "a", "files": 0, "size": 0}, 400),
            ({"name": "", "files": 1, "size": 0}, 400),
            ({"name": "a", "files": 1, "size": -1}, 400),
            ({"name": "a", "files": 1, "size": 5 << 40}, 413),
            ({"name": "a", "files": 2 << 20, "size": 1}, 413),
            ({"name": "a", "files": 1, "size": 1 << 41}, 507),
            ({"name": "a", "files": 1, "size": 1, "caption": "x" * 4097}, 400),
            ({"name": "a", "files": 1, "size": 1, "more": 1}, 400),
            ([], 400),
        ):
            got, answer, _ = await tus.ask("POST", FOLDERS, json=said)
            assert got == status, (said, answer)
        assert (await tus.ask("POST", f"{FOLDERS}/{'0' * 32}/finish", json={}))[0] == 404
        assert (await tus.ask("POST", FOLDERS, data=b"x" * 1_000_001))[0] == 413
        assert await tus.listed() == []

    run_with_page(tmp_path, work)


def test_files_and_folders_of_one_name(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        folder = await begin(tus, {"a": b"12", "b": b"34"})
        await send(tus, folder, "a", b"12")
        said = metadata(folder=folder, path="a/b")
        headers = {"Upload-Length": "2", "Upload-Metadata": said} | BODY
        status, answer, _ = await tus.ask("POST", UPLOADS, headers, data=b"34")
        assert (status, "at once" in answer["error"]["text"]) == (400, True)
        await send(tus, folder, "a", b"123")  # again, as it was changed
        await send(tus, folder, "b", b"4")
        said = metadata(folder=folder, path="c")
        headers = {"Upload-Length": "5", "Upload-Metadata": said} | BODY
        assert (await tus.ask("POST", UPLOADS, headers, data=b"34567"))[0] == 413
        for empty in ("a", "a/b"):
            finish = await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={"empty": [empty]})
            assert finish[0] == 400
        assert (await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={}))[0] == 202
        view = await tus.settled(f"{UPLOADS}/{folder}")
        assert held_files(page, view["entry"]) == {"a": b"123", "b": b"4"}
        headers["Upload-Length"] = "1"
        assert (await tus.ask("POST", UPLOADS, headers, data=b"3"))[0] == 409

    run_with_page(tmp_path, work)


def test_a_folder_is_given_up_or_expires_with_all_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        folder = await begin(tus, FILES)
        await send(tus, folder, "a.txt", b"one")
        half = await tus.begin(9, b"half", folder=folder, path="deep/empty")
        assert (await tus.ask("DELETE", f"{UPLOADS}/{folder}"))[0] == 400
        assert (await tus.ask("DELETE", f"{FOLDERS}/{folder}"))[0] == 204
        assert (await tus.ask("HEAD", half))[0] == 404
        assert [name for name in os.listdir(tmp_path / "spool") if name != "lock"] == []
        folder = await begin(tus, FILES)
        half = await tus.begin(9, b"half", folder=folder, path="deep/empty")
        later = spool_module.read_record(tmp_path / "spool" / f"{folder}.json").expires
        monkeypatch.setattr("web.upload_records.now_ms", lambda: later + EXPIRE_MS)
        monkeypatch.setattr("web.upload_records.elapsed_ms", lambda: later + EXPIRE_MS)
        assert (await tus.ask("HEAD", half))[0] == 410
        assert [name for name in os.listdir(tmp_path / "spool") if name != "lock"] == []

    run_with_page(tmp_path, work)


def test_where_copies_take_room_a_folder_needs_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.spool.Spool.shares", lambda _: False)
    monkeypatch.setattr("web.spool.Spool.free", lambda _: 150)

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        said = {"name": "a", "files": 1}
        assert (await tus.ask("POST", FOLDERS, json=said | {"size": 80}))[0] == 507
        assert (await tus.ask("POST", FOLDERS, json=said | {"size": 70}))[0] == 201

    run_with_page(tmp_path, work)


def test_many_files_are_listed_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.upload_lists._PAGE", 7)
    files = {f"{number % 3}/{number}": b"x" for number in range(20)}

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        folder = await begin(tus, files)
        await asyncio.gather(*(send(tus, folder, *each) for each in files.items()))
        found: list[str] = []
        start: int | None = 0
        while start is not None:
            _, placed, _ = await tus.ask("GET", f"{FOLDERS}/{folder}/files?start={start}")
            found += [each["path"] for each in placed["files"]]
            start = placed["next"]
        assert sorted(found) == sorted(files)

    run_with_page(tmp_path, work)


def test_a_daemon_that_is_away_does_not_keep_a_folder_from_coming(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        await page.double.stop()
        await until(lambda: not page.daemon.connected)
        folder = await begin(tus, {"a": b"12"})
        await send(tus, folder, "a", b"12")
        await tus.ask("POST", f"{FOLDERS}/{folder}/finish", json={})
        await page.double.start()
        view = await tus.settled(f"{UPLOADS}/{folder}")
        assert view["state"] == "added"

    run_with_page(tmp_path, work)
