"""Uploads: streamed to the spool and added, or leaving nothing behind."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from operator_double import OperatorDouble, RefusalError
from page_under_test import PageUnderTest, run_with_page, until

from protocol.messages import operating as op
from web.spool import STALE_SECONDS, Spool
from web.uploads import Uploads


def _parts(page: PageUnderTest) -> list[str]:
    return os.listdir(page.double.data / "spool")


def test_an_upload_becomes_an_entry(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(5_000_001)
        query = "name=..%2F図面%0A.pdf&caption=Für%20alle&tags=a,%20b,a,,"
        status, body, _ = await page.ask("POST", f"/api/v1/upload?{query}", data=content)
        entry = json.loads(body)
        assert status == 201
        assert (entry["name"], entry["caption"], entry["tags"]) == (
            ".._図面_.pdf",
            "Für alle",
            ["a", "b"],
        )
        held = page.double.entries[entry["id"]]
        assert held.files[0][1].read_bytes() == content
        assert _parts(page) == []
        assert (await page.ask("GET", f"/download/{entry['id']}"))[1] == content
        assert (await page.ask("POST", "/api/v1/upload?name=empty", data=b""))[0] == 201

    run_with_page(tmp_path, work)


def test_wrong_requests_are_refused_before_a_byte(tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"x"

    async def work(page: PageUnderTest) -> None:
        for query, status in (
            ("", 400),
            ("name=", 400),
            ("name=a&caption=" + "x" * 4097, 400),
            ("name=a&tags=" + "x" * 65, 400),
            ("name=a&tags=" + ",".join(map(str, range(33))), 400),
        ):
            assert (await page.ask("POST", f"/api/v1/upload?{query}", data=b"x"))[0] == status
        assert (await page.ask("POST", "/api/v1/upload?name=a", data=stream()))[0] == 411
        packed = {"Content-Encoding": "gzip"}
        answer = await page.ask("POST", "/api/v1/upload?name=a", data=b"x", headers=packed)
        assert answer[0] == 415
        assert (page.double.entries, _parts(page)) == ({}, [])

    run_with_page(tmp_path, work)


async def _begin(
    page: PageUnderTest, length: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host = page.origin.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = ["POST /api/v1/upload?name=a HTTP/1.1", f"Host: {host}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in page.headers().items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


def test_an_upload_that_is_cut_leaves_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        _, writer = await _begin(page, 50 << 20)
        writer.write(os.urandom(3 << 20))
        await until(lambda: len(_parts(page)) == 1)
        writer.transport.abort()
        await until(lambda: _parts(page) == [])
        assert "Add" not in page.double.asked

    run_with_page(tmp_path, work)


def test_an_upload_that_stops_is_answered_408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Uploads.__init__, "__kwdefaults__", {"idle": 0.05})

    async def work(page: PageUnderTest) -> None:
        reader, writer = await _begin(page, 1000)
        writer.write(b"half")
        assert (await reader.readline()).split()[1] == b"408"
        await until(lambda: _parts(page) == [])
        writer.close()

    run_with_page(tmp_path, work)


def test_a_full_disk_is_507(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def work(page: PageUnderTest) -> None:
        reader, writer = await _begin(page, 1 << 60)
        assert (await reader.readline()).split()[1] == b"507"
        writer.close()
        with monkeypatch.context() as patch:
            patch.setattr("web.spool._write_all", full)
            status, body, _ = await page.ask("POST", "/api/v1/upload?name=a", data=b"x" * 100)
        assert status == 507
        assert "full" in json.loads(body)["error"]["text"]
        assert _parts(page) == []

    run_with_page(tmp_path, work)


def test_a_refusal_by_the_daemon_removes_the_part(tmp_path: Path) -> None:
    class Refuses(OperatorDouble):
        def _on_add(self, ask: op.Add) -> list[object]:  # type: ignore[override]
            assert Path(ask.path).read_bytes() == b"content"
            raise RefusalError("failed", "the store is full")

    async def work(page: PageUnderTest) -> None:
        status, body, _ = await page.ask("POST", "/api/v1/upload?name=a", data=b"content")
        assert (status, json.loads(body)["error"]["text"]) == (500, "the store is full")
        assert _parts(page) == []

    run_with_page(tmp_path, work, double=Refuses(tmp_path))


def test_old_parts_are_removed_at_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    old, young, other = (spool.folder / name for name in ("a.part", "b.part", "c"))
    for path in (old, young, other):
        path.write_bytes(b"x")
    long_ago = young.stat().st_mtime - STALE_SECONDS - 10
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    spool.remove_stale()
    assert sorted(os.listdir(spool.folder)) == ["b.part", "c"]
