"""Uploads by tus: begun, cut, gone on with, complete, an entry; and every refusal."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from operator_double import OperatorDouble, RefusalError
from page_under_test import PageUnderTest, run_with_page, running_page, until
from tus_client import BODY, UPLOADS, Tus, metadata

from protocol.messages import operating as op
from web import receiving, upload_limits
from web.receiving import Receiving
from web.upload_records import EXPIRE_MS, read_record, write_record


def spooled(data: Path) -> list[str]:
    return sorted(name for name in os.listdir(data / "spool") if name != "lock")


def test_an_upload_becomes_an_entry(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus, content = Tus(page), os.urandom(5_000_001)
        said = {"name": "../図面\n.pdf", "caption": "Für alle", "tags": "a, b,a,,", "modified": 1}
        path = await tus.begin(len(content), **said)
        assert await tus.offset(path) == 0
        status, _, headers = await tus.patch(path, 0, content[:3_000_001])
        assert (status, headers["Upload-Offset"]) == (204, "3000001")
        (view,) = await tus.listed()
        assert (view["offset"], view["size"], view["modified"]) == (3_000_001, 5_000_001, 1)
        assert (await tus.patch(path, 3_000_001, content[3_000_001:]))[0] == 204
        view = await tus.settled(path)
        assert view["state"] == "added"
        held = page.double.entries[view["entry"]]
        assert (held.view.name, held.view.caption) == (".._図面_.pdf", "Für alle")
        assert held.view.tags == ("a", "b")
        assert held.files[0][1].read_bytes() == content
        assert await tus.listed() == []
        # Who lost the last answer learns that nothing is to be sent again.
        assert await tus.offset(path) == len(content)
        assert [Path(name).suffix for name in spooled(page.double.data)] == [".json"]

    run_with_page(tmp_path, work)


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20, (1 << 20) + 1])
def test_one_request_is_enough(tmp_path: Path, size: int) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(size)
        tus = Tus(page)
        view = await tus.settled(await tus.begin(size, content or None, name="a"))
        assert page.double.entries[view["entry"]].files[0][1].read_bytes() == content

    run_with_page(tmp_path, work)


def test_what_the_server_can(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        status, _, headers = await page.ask("OPTIONS", UPLOADS)
        assert (status, headers["Tus-Version"], headers["Tus-Resumable"]) == (204, "1.0.0", "1.0.0")
        extensions = set(headers["Tus-Extension"].split(","))
        wanted = {"creation", "creation-with-upload", "checksum", "termination", "expiration"}
        assert extensions == wanted
        assert headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert int(headers["Tus-Max-Size"]) == 4 << 40

    run_with_page(tmp_path, work)


def test_wrong_requests_are_refused_before_a_byte(tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"x"

    async def work(page: PageUnderTest) -> None:
        tus, named = Tus(page), {"Upload-Metadata": metadata(name="a"), "Upload-Length": "3"}
        for headers, status in (
            ({"Upload-Metadata": metadata(name="a")}, 400),
            (named | {"Upload-Length": "-1"}, 400),
            (named | {"Upload-Length": "1" * 30}, 400),
            (named | {"Upload-Length": str(5 << 40)}, 413),
            (named | {"Upload-Defer-Length": "1"}, 400),
            (named | {"Upload-Concat": "partial"}, 400),
            (named | {"Upload-Metadata": ""}, 400),
            (named | {"Upload-Metadata": "name !!!"}, 400),
            (named | {"Upload-Metadata": "name /w=="}, 400),
            (named | {"Upload-Metadata": metadata(name="a") + ",name YQ=="}, 400),
            (named | {"Upload-Metadata": metadata(name="a", modified="soon")}, 400),
            (named | {"Upload-Metadata": metadata(name="a", caption="x" * 4097)}, 400),
            (named | {"Upload-Metadata": metadata(name="a", tags="x" * 65)}, 400),
            (named | {"Upload-Metadata": metadata(name="a", folder="0" * 32, path="a")}, 404),
            (named | {"Upload-Checksum": "md5 YQ=="}, 400),
            (named | {"Upload-Checksum": "sha1 YQ=="}, 400),
            (named | {"Upload-Checksum": "sha1 !"}, 400),
            (named | {"Tus-Resumable": "0.2.2"}, 412),
        ):
            got, answer, said = await tus.ask("POST", UPLOADS, headers)
            assert (got, said["Tus-Resumable"]) == (status, "1.0.0"), (headers, answer)
            assert answer["error"]["text"]
        assert (await tus.ask("POST", UPLOADS, named, data=b"abc"))[0] == 415
        packed = BODY | {"Content-Encoding": "gzip"}
        assert (await tus.ask("POST", UPLOADS, named | packed, data=b"abc"))[0] == 415
        assert (await tus.ask("POST", UPLOADS, named | BODY, data=b"abcd"))[0] == 413
        assert (await tus.ask("POST", UPLOADS, named | BODY, data=stream()))[0] == 411
        assert (page.double.entries, spooled(tmp_path)) == ({}, [])

    run_with_page(tmp_path, work)


def test_wrong_patches_are_refused_and_take_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(10, name="a")
        assert (await tus.patch(path, 0, b"12345"))[0] == 204
        assert (await tus.patch(path, 4, b"5678"))[0] == 409
        assert (await tus.patch(path, 6, b"5678"))[0] == 409
        assert (await tus.patch(path, 5, b"678901"))[0] == 413
        assert (await tus.ask("PATCH", path, BODY, data=b"6"))[0] == 400
        assert (await tus.ask("PATCH", path, {"Upload-Offset": "5"}, data=b"6"))[0] == 415
        assert (await tus.patch(path, 5, b"6", Tus_Resumable="2.0.0"))[0] == 412
        assert (await tus.patch(f"{UPLOADS}/{'0' * 32}", 0, b"6"))[0] == 404
        assert (await tus.ask("HEAD", f"{UPLOADS}/{'0' * 32}"))[0] == 404
        assert await tus.offset(path) == 5
        override = BODY | {"Upload-Offset": "5", "X-HTTP-Method-Override": "PATCH"}
        assert (await tus.ask("POST", path, override, data=b"67890"))[0] == 204
        assert (await tus.ask("POST", path, {"X-HTTP-Method-Override": "PUT"}))[0] == 405
        assert (await tus.settled(path))["state"] == "added"
        assert (await tus.patch(path, 10, b""))[0] == 204
        assert (await tus.patch(path, 10, b"more"))[0] == 413

    run_with_page(tmp_path, work)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_wrong_checksum_is_460_and_takes_nothing(tmp_path: Path, algorithm: str) -> None:
    async def work(page: PageUnderTest) -> None:
        tus, content = Tus(page), os.urandom(2_500_000)
        digest = base64.b64encode(hashlib.new(algorithm, content).digest()).decode()
        checksum = f"{algorithm} {digest}"
        path = await tus.begin(len(content) + 1, name="a")
        damaged = content[:-1] + bytes([content[-1] ^ 1])
        status, answer, _ = await tus.patch(path, 0, damaged, Upload_Checksum=checksum)
        assert (status, answer["error"]["kind"]) == (460, "checksum")
        assert await tus.offset(path) == 0
        assert (await tus.patch(path, 0, content, Upload_Checksum=checksum))[0] == 204
        assert (await tus.patch(path, len(content), b"!"))[0] == 204
        view = await tus.settled(path)
        assert page.double.entries[view["entry"]].files[0][1].read_bytes() == content + b"!"

    run_with_page(tmp_path, work)


async def begin_patch(
    page: PageUnderTest, path: str, offset: int, length: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A PATCH whose body is up to the caller."""
    host = page.origin.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    headers = page.headers(**BODY) | {
        "Host": host,
        "Content-Length": str(length),
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
    }
    lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


def part_size(page: PageUnderTest) -> int:
    return sum(path.stat().st_size for path in (page.double.data / "spool").glob("*.part"))


def test_an_upload_that_is_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    content = os.urandom(20 << 20)

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(len(content), name="a")
        _, writer = await begin_patch(page, path, 0, len(content))
        writer.write(content[: (10 << 20) + 77])
        await writer.drain()
        await until(lambda: part_size(page) >= 10 << 20)
        writer.close()
        record = tmp_path / "spool" / f"{path.rpartition('/')[2]}.json"
        await until(lambda: read_record(record).offset == (10 << 20) + 77)
        assert await tus.offset(path) == (10 << 20) + 77
        assert (await tus.patch(path, (10 << 20) + 77, content[(10 << 20) + 77 :]))[0] == 204
        view = await tus.settled(path)
        assert page.double.entries[view["entry"]].files[0][1].read_bytes() == content

    run_with_page(tmp_path, work)


def test_an_upload_cut_while_it_is_begun_is_listed_or_leaves_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        host, spool = page.origin.removeprefix("http://"), tmp_path / "spool"
        for sent in (0, 2 << 20):
            _, writer = await asyncio.open_connection(*host.split(":"))
            headers = page.headers(**BODY) | {"Host": host, "Content-Length": str(4 << 20)}
            headers |= {"Upload-Length": str(4 << 20), "Upload-Metadata": metadata(name="a")}
            headers["Tus-Resumable"] = "1.0.0"
            lines = ["POST /api/v1/uploads HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode() + bytes(sent))
            await writer.drain()
            # What comes before the rules are known is lost with the connection.
            if sent:
                await until(lambda: any(p.stat().st_size for p in spool.glob("*.part")))
            writer.close()
            await writer.wait_closed()
            if not sent:
                await until(lambda: spooled(tmp_path) == [])
        await until(lambda: any(name.endswith(".json") for name in spooled(tmp_path)))
        (view,) = await Tus(page).listed()
        # What was still in aiohttp's buffer is sent again.
        assert 0 <= (2 << 20) - view["offset"] <= 2 << 20
        assert view["size"] == 4 << 20

    run_with_page(tmp_path, work)


def test_a_sender_that_stops_is_answered_408_and_keeps_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receiving.__init__, "__kwdefaults__", {"idle": 0.05})

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(1000, name="a")
        reader, writer = await begin_patch(page, path, 0, 1000)
        writer.write(b"half")
        assert (await reader.readline()).split()[1] == b"408"
        assert await tus.offset(path) == 4
        writer.close()

    run_with_page(tmp_path, work)


async def added(tus: Tus, path: str) -> dict[str, Any]:
    """What it became, as soon as all has come."""
    while (view := await tus.settled(path))["state"] != "added":  # noqa: ASYNC110 - asked of the page
        await asyncio.sleep(0)
    return view


def test_two_senders_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MAKE_WAY_SECONDS", 60.0)

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(3 << 20, name="a")
        _, writer = await begin_patch(page, path, 0, 3 << 20)
        writer.write(bytes(2 << 20))
        await until(lambda: part_size(page) >= 1 << 20)
        status, answer, _ = await tus.patch(path, 0, b"other")
        assert (status, answer["error"]["kind"]) == (423, "locked")
        assert (await tus.ask("HEAD", path))[0] == 423
        writer.write(bytes(1 << 20))
        view = await added(tus, path)
        assert page.double.entries[view["entry"]].files[0][1].read_bytes() == bytes(3 << 20)
        writer.close()

    run_with_page(tmp_path, work)


def test_a_silent_sender_makes_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a network that went away without a word, its other end must not be waited for."""
    monkeypatch.setattr(receiving, "MAKE_WAY_SECONDS", 0.0)

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(3 << 20, name="a")
        reader, writer = await begin_patch(page, path, 0, 3 << 20)
        writer.write(b"1" * (2 << 20))
        await until(lambda: part_size(page) >= 1 << 20)
        while (await tus.ask("HEAD", path))[0] == 423:
            pass  # it is writing what came
        got = await tus.offset(path)
        assert (await reader.readline()).split()[1] == b"408"
        assert (await tus.patch(path, got, b"1" * ((3 << 20) - got)))[0] == 204
        view = await tus.settled(path)
        assert page.double.entries[view["entry"]].files[0][1].read_bytes() == b"1" * (3 << 20)
        writer.close()

    run_with_page(tmp_path, work)


def test_an_upload_is_given_up(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(10 << 20, name="a")
        _, writer = await begin_patch(page, path, 0, 10 << 20)
        writer.write(bytes(2 << 20))
        await until(lambda: part_size(page) >= 1 << 20)
        assert (await tus.ask("DELETE", path))[0] == 204
        assert (await tus.ask("HEAD", path))[0] == 404
        assert (await tus.ask("DELETE", path))[0] == 404
        assert spooled(tmp_path) == []
        writer.close()

    run_with_page(tmp_path, work)


def test_an_old_upload_is_gone_and_one_just_expired_is_410(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with OperatorDouble(tmp_path) as double:
            async with running_page(tmp_path, double) as page:
                old, young = [await Tus(page).begin(9, b"half", name="a") for _ in range(2)]
                assert (await Tus(page).ask("HEAD", old))[2]["Upload-Expires"].endswith("GMT")
            record = tmp_path / "spool" / f"{old.rpartition('/')[2]}.json"
            written = read_record(record)
            written.last -= EXPIRE_MS
            write_record(record, written)
        async with OperatorDouble(tmp_path) as double, running_page(tmp_path, double) as page:
            assert (await Tus(page).ask("HEAD", old))[0] == 404
            assert await Tus(page).offset(young) == 4
            later = read_record(tmp_path / "spool" / f"{young.rpartition('/')[2]}.json").expires
            monkeypatch.setattr("web.upload_records.now_ms", lambda: later)
            assert (await Tus(page).patch(young, 4, b"x"))[0] == 410
            assert spooled(tmp_path) == []

    asyncio.run(work())


def test_what_does_not_fit_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        headers = {"Upload-Length": str(1 << 41), "Upload-Metadata": metadata(name="film.mkv")}
        status, answer, _ = await tus.ask("POST", UPLOADS, headers)
        assert (status, answer["error"]["kind"]) == (507, "no_room")
        assert "“film.mkv” does not fit" in answer["error"]["text"]
        path = await tus.begin(100, name="a")
        with monkeypatch.context() as patch:
            patch.setattr("web.part._write_all", full)
            status, answer, _ = await tus.patch(path, 0, b"x" * 100)
        assert (status, "full" in answer["error"]["text"]) == (507, True)
        assert await tus.offset(path) == 0
        monkeypatch.setattr("web.spool.Spool.free", lambda _: 150)
        status, answer, _ = await tus.ask(
            "POST", UPLOADS, headers | {"Upload-Length": "60"}
        )  # 100 of it are promised
        assert status == 507
        monkeypatch.setattr(upload_limits, "MAX_UNFINISHED", 1)
        assert (await tus.ask("POST", UPLOADS, headers | {"Upload-Length": "9"}))[0] == 429

    run_with_page(tmp_path, work)


def test_a_refusal_by_the_daemon_is_told_and_tried_again(tmp_path: Path) -> None:
    class Refuses(OperatorDouble):
        refuses = True

        def _on_add(self, ask: op.Add) -> list[object]:  # type: ignore[override]
            assert Path(ask.path).read_bytes() == b"content"
            if self.refuses:
                raise RefusalError("failed", "the store is full")
            return super()._on_add(ask)  # type: ignore[return-value]

    double = Refuses(tmp_path)

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        path = await tus.begin(7, b"content", name="a")
        view = await tus.settled(path)
        assert (view["state"], view["text"]) == ("failed", "the store is full")
        assert [each["state"] for each in await tus.listed()] == ["failed"]
        double.refuses = False
        assert (await tus.ask("POST", f"{path}/add"))[0] == 202
        assert (await tus.settled(path))["state"] == "added"

    run_with_page(tmp_path, work, double=double)


def test_a_refusal_that_names_the_spool_is_told_by_name(tmp_path: Path) -> None:
    class Fails(OperatorDouble):
        def _on_add(self, ask: op.Add) -> list[object]:  # type: ignore[override]
            raise RefusalError("failed", f"cannot read {ask.path}: no such device")

    async def work(page: PageUnderTest) -> None:
        tus = Tus(page)
        view = await tus.settled(await tus.begin(7, b"content", name="song.ogg"))
        assert view["text"] == "cannot read song.ogg: no such device"

    run_with_page(tmp_path, work, double=Fails(tmp_path))


def test_what_is_complete_is_added_when_page_and_daemon_are_back(tmp_path: Path) -> None:
    """The daemon goes before it answers; then the page does, too."""

    class Hangs(OperatorDouble):
        def _on_add(self, ask: op.Add) -> list[object]:  # type: ignore[override]
            return []

    async def work() -> None:
        async with Hangs(tmp_path) as double, running_page(tmp_path, double) as page:
            path = await Tus(page).begin(7, b"content", name="a")
            await until(lambda: "Add" in double.asked)
            await double.stop()
            assert [each["state"] for each in await Tus(page).listed()] == ["adding"]
            assert (await Tus(page).ask("DELETE", path))[0] == 409
        async with OperatorDouble(tmp_path) as double, running_page(tmp_path, double) as page:
            view = await Tus(page).settled(path)
            assert (view["state"], len(double.entries)) == ("added", 1)
            assert double.entries[view["entry"]].view.name == "a"

    asyncio.run(work())


def test_only_one_page_has_the_spool(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with OperatorDouble(tmp_path) as double, running_page(tmp_path, double) as page:
            path = await Tus(page).begin(9, b"half", name="a")
            shared = OperatorDouble(tmp_path)
            async with running_page(tmp_path, shared) as second:
                headers = {"Upload-Length": "9", "Upload-Metadata": metadata(name="a")}
                status, answer, _ = await Tus(second).ask("POST", UPLOADS, headers)
                assert (status, "Another page" in answer["error"]["text"]) == (503, True)
            assert await Tus(page).offset(path) == 4

    asyncio.run(scenario())


def test_what_a_stop_left_in_the_spool_is_cleared(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    for name in ("a.part", "b.json", "c.json.new", "d"):
        (spool / name).write_bytes(b"x")
    (spool / "e.tree").mkdir()

    async def work(page: PageUnderTest) -> None:
        assert spooled(tmp_path) == ["d"]
        assert await Tus(page).listed() == []

    run_with_page(tmp_path, work)
