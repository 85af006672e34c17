"""Downloads byte for byte: names, ranges, folders, and failures that must not look complete."""

import asyncio
import io
import itertools
import os
import zipfile
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_under_test import PageUnderTest, run_with_page, until

from protocol.bitfield import Bitfield
from protocol.messages import operating as op
from protocol.messages.base import Request
from web.download_headers import (
    UnsatisfiableError,
    asked_part,
    content_disposition,
    content_type,
)
from web.folder_zip import FolderZip
from web.piece_runs import runs_of


def test_a_file_comes_byte_for_byte_in_any_runs(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(3_456_789)
        number = page.double.hold_file("größe 大.bin", content)
        for run in (1 << 40, 1 << 20, 777_777):
            page.double.run_length = run
            status, body, headers = await page.ask("GET", f"/download/{number}")
            assert (status, body == content) == (200, True)
            assert headers["Content-Length"] == str(len(content))
            said = headers["Content-Disposition"]
            assert said.startswith("attachment; ")
            assert "filename*=UTF-8''gr%C3%B6%C3%9Fe%20%E5%A4%A7.bin" in said
        status, body, headers = await page.ask("HEAD", f"/download/{number}")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(len(content)))
        assert (await page.ask("GET", f"/download/{number}/0"))[1] == content
        assert (await page.ask("GET", f"/download/{number}/1"))[0] == 404
        assert (await page.ask("GET", f"/download/{'00' * 16}"))[0] == 404

    run_with_page(tmp_path, work)


def test_ranges(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(100_000)
        address = f"/download/{page.double.hold_file('a.bin', content)}"
        page.double.run_length = 30_000
        tag = (await page.ask("HEAD", address))[2]["ETag"]  # type: ignore[index,call-overload]
        for asked, start, stop in (
            ("bytes=0-0", 0, 1),
            ("bytes=5-", 5, 100_000),
            ("bytes=29999-60001", 29_999, 60_002),
            ("bytes=-7", 99_993, 100_000),
            ("bytes=99990-200000", 99_990, 100_000),
            ("bytes=-200000", 0, 100_000),
        ):
            status, body, headers = await page.ask("GET", address, headers={"Range": asked})
            assert (status, body == content[start:stop]) == (206, True), asked
            assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/100000"
        for asked in ("bytes=100000-", "bytes=-0"):
            status, _, headers = await page.ask("GET", address, headers={"Range": asked})
            assert (status, headers["Content-Range"]) == (416, "bytes */100000")
        for more in ({"If-Range": '"old"'}, {"Range": "bytes=0-1,5-6"}, {"Range": "rows=1-2"}):
            status, body, _ = await page.ask("GET", address, headers={"Range": "bytes=1-2"} | more)
            assert (status, body == content) == (200, True)
        both = {"Range": "bytes=1-2", "If-Range": tag}
        assert (await page.ask("GET", address, headers=both))[0] == 206
        assert (await page.ask("GET", address, headers={"If-None-Match": tag}))[0] == 304

    run_with_page(tmp_path, work)


def test_a_folder_comes_as_a_zip(tmp_path: Path) -> None:
    files = {f"deep/{'x' * (1 + n % 7)}/файл {n}.txt": os.urandom(n * 11) for n in range(450)}
    files["big.bin"] = os.urandom(2_500_000)

    async def work(page: PageUnderTest) -> None:
        page.double.run_length = 300_000
        number = page.double.hold_folder("Übung", files)
        status, body, headers = await page.ask("GET", f"/download/{number}")
        assert (status, headers["Content-Type"]) == (200, "application/zip")
        assert "%C3%9Cbung.zip" in headers["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            found = {name: archive.read(name) for name in archive.namelist()}
        assert found == {f"Übung/{path}": content for path, content in files.items()}
        index = list(files).index("big.bin")
        assert (await page.ask("GET", f"/download/{number}/{index}"))[1] == files["big.bin"]
        assert (await page.ask("HEAD", f"/download/{number}"))[0] == 200

    run_with_page(tmp_path, work)


def test_empty_folders_among_the_files_of_a_zip(tmp_path: Path) -> None:
    """They have numbers among the files, and are not listed."""
    files: dict[str, bytes | None] = {}
    for number in range(450):
        files[f"{number:03}/file"] = str(number).encode()
        files |= {f"{number:03}/none": None} if number % 3 == 0 else {}

    async def work(page: PageUnderTest) -> None:
        folder = page.double.hold_folder("f", {"a": None} | files | {"z": None})
        _, body, _ = await page.ask("GET", f"/download/{folder}")
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found = [(name, archive.read(name)) for name in archive.namelist()]
        assert found == [(f"f/{path}", content) for path, content in files.items() if content]

    run_with_page(tmp_path, work)


def test_what_cannot_be_had_is_said_and_what_breaks_is_cut(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        file = page.double.hold_file("a", os.urandom(3 << 20))
        folder = page.double.hold_folder("f", {"a": os.urandom(3 << 20), "b": b"b"})
        page.double.run_length = 1 << 20
        page.double.breaks_at = 0
        assert (await page.ask("GET", f"/download/{file}"))[0] == 503
        page.double.breaks_at = 2 << 20
        for number in (file, folder):
            with pytest.raises(aiohttp.ClientError):
                await page.ask("GET", f"/download/{number}")
        page.double.breaks_at = None
        page.double.run_length = 1 << 40
        path = page.double.entries[file].files[0][1]
        os.truncate(path, 1 << 20)  # the daemon's view still says 3 MiB
        with pytest.raises(aiohttp.ClientError):
            await page.ask("GET", f"/download/{file}")
        path.unlink()
        page.double._on_read = _lost(page)  # type: ignore[attr-defined]
        assert (await page.ask("GET", f"/download/{file}"))[0] == 503

    run_with_page(tmp_path, work)


def _lost(page: PageUnderTest):  # type: ignore[no-untyped-def]
    gone = str(page.double.data / "gone")

    def answer(ask: op.Read) -> list[op.Readable]:
        return [op.Readable(call=ask.call, path=gone, position=0, length=9, size=9, complete=True)]

    return answer


def test_a_reader_that_goes_away_before_its_answer_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a player does that seeks while the pieces it asked for before are still on their way."""

    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("film.mp4", os.urandom(1 << 20))
        asked, arrived, ask = asyncio.Event(), asyncio.Event(), page.daemon.ask

        async def ask_late(request: Request, *rest: object, **more: object) -> object:
            if isinstance(request, op.Read):
                asked.set()
                await arrived.wait()
            return await ask(request, *rest, **more)  # type: ignore[arg-type]

        page.daemon.ask = ask_late  # type: ignore[method-assign,assignment]
        for path in ("view", "download"):
            asked.clear()
            arrived.clear()
            request = asyncio.create_task(page.ask("GET", f"/{path}/{number}/0"))
            await asked.wait()
            request.cancel()
            await until(lambda: len(page.page.connections) == 0)
            arrived.set()
        assert (await page.ask("GET", f"/download/{number}"))[0] == 200

    run_with_page(tmp_path, work)
    assert [record.getMessage() for record in caplog.records] == []


def test_an_empty_file_and_an_empty_folder(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        file = page.double.hold_file("empty", b"")
        folder = page.double.hold_folder("none", {})
        status, body, headers = await page.ask("GET", f"/download/{file}")
        assert (status, body, headers["Content-Length"]) == (200, b"", "0")
        _, body, _ = await page.ask("GET", f"/download/{folder}")
        assert zipfile.ZipFile(io.BytesIO(body)).namelist() == []
        assert (await page.ask("GET", f"/download/{file}", headers={"Range": "bytes=0-"}))[0] == 416

    run_with_page(tmp_path, work)


def test_names_in_headers() -> None:
    for name in ("a.txt", 'quote".txt', "new\r\nline", "файл", "..", "a/b", "%41", "x" * 400, "😀"):
        said = content_disposition(name)
        assert said.isascii()
        assert said.isprintable()
        assert said.count('"') == 2
        assert "/" not in said


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "application/octet-stream"),
        ("a.svg", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("http://x/a.png", "image/png"),
        ("a.PDF", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.txt.gz", "application/octet-stream"),
    ],
)
def test_only_harmless_types_are_named(name: str, kind: str) -> None:
    assert content_type(name) == kind


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}"), st.integers(0, 1 << 50))
def test_any_range_is_inside_the_file(header: str, size: int) -> None:
    try:
        part = asked_part({"Range": header}, size, '"x"')
    except UnsatisfiableError:
        return
    assert 0 <= part.start <= part.stop <= size
    assert part.partial or (part.start, part.stop) == (0, size)


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n)))))
def test_runs_are_the_bits(sample: tuple[int, set[int]]) -> None:
    length, held = sample
    field = Bitfield(length)
    field.update(piece for piece in held if piece < length)
    runs = runs_of(field.to_wire(), length)
    assert [p for start, n in runs for p in range(start, start + n)] == list(field)
    assert all(a + n < b for (a, n), (b, _) in itertools.pairwise(runs))


def test_zip_refuses_paths_that_leave_the_folder() -> None:
    for path in ("../x", "/x", "a//b", "a/../../x", "a\0b"):
        with pytest.raises(ValueError, match=r"unsafe|NUL"):
            FolderZip("f", 0).begin(path, 1)


def zipped(paths: list[str], created: int = 0) -> list[zipfile.ZipInfo]:
    archive = FolderZip("f", created)
    content = b"".join(archive.begin(path, 0) + archive.end() for path in paths)
    return zipfile.ZipFile(io.BytesIO(content + archive.finish())).infolist()


def test_zip_of_any_moment() -> None:
    """An author says when an entry was made; a zip holds 1980 to 2107."""
    for created, year in ((0, 1980), (4_354_819_200_000, 2107), ((1 << 53) - 1, 2107)):
        assert [each.date_time[0] for each in zipped(["a"], created)] == [year]


def test_zip_names_that_other_systems_read_as_paths() -> None:
    names = ["..\\..\\a.exe", ".._.._a.exe", "x/\u202egnp.exe", "\x1b[2J", "é", "_"]
    found = [each.filename for each in zipped(names)]
    told = [".._.._a.exe", ".._.._a (2).exe", "x/_gnp.exe", "_[2J", "é", "_"]
    assert found == [f"f/{name}" for name in told]


def test_zip_of_more_than_four_gib_is_zip64() -> None:
    """A sparse 4.2 GiB member, written and thrown away; only its ends are looked at."""
    archive = FolderZip("f", 0)
    size = (4 << 30) + (200 << 20)
    zeros = bytes(64 << 20)
    head = archive.begin("big", size)
    assert head[:4] == b"PK\3\4"
    for _ in range(size // len(zeros)):
        archive.add(zeros)
    archive.add(bytes(size % len(zeros)))
    tail = archive.end() + archive.begin("after", 1) + archive.add(b"x") + archive.end()
    tail += archive.finish()
    assert b"PK\6\6" in tail  # zip64 end of central directory
    assert size.to_bytes(8, "little") in tail
