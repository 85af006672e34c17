"""Files shown inside the page: their headers, and complete files sent by the kernel."""

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest
from page_under_test import PageUnderTest, run_with_page

from protocol.messages import operating as op
from web import outgoing
from web.views import shown_type, view_headers

ACTIVE = ("a.html", "a.htm", "a.xhtml", "a.svg", "a.xml", "a.pdf", "a.swf", "a.mhtml", "a.exe", "a")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("A.JPG", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.wav", "audio/wav"),
        ("a.mp3", "audio/mpeg"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.js", "text/plain; charset=utf-8"),
        ("a.html.txt", "text/plain; charset=utf-8"),
        *((name, "") for name in (*ACTIVE, "png", "a.png.html", "a.png\n.svg", "", ".", "a.")),
    ],
)
def test_only_passive_types_are_shown(name: str, kind: str) -> None:
    assert shown_type(name) == kind
    headers = view_headers(name)
    inline = headers["Content-Disposition"].startswith("inline; filename=")
    assert inline == bool(kind)
    assert headers["Content-Type"] == (kind or "application/octet-stream")


def test_views_have_headers_of_their_own(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.hold_file("other", b"x")
        names = ['q"uo\r\nte.png', "‮gnp.txt", "../up.jpg", "attachment.webm", "größe.txt", *ACTIVE]
        number = page.double.hold_folder(
            "all", {f"{n}/f{n}.txt": b"" for n in range(2)} | {"a.html": b"<script>"}
        )
        for name in names:
            single = page.double.hold_file(name, b"<script>alert(1)</script>")
            status, body, headers = await page.ask("GET", f"/view/{single}/0")
            assert (status, body) == (200, b"<script>alert(1)</script>")
            _check_strict(headers)
            shown = bool(shown_type(name))
            assert headers["Content-Disposition"].startswith("inline" if shown else "attachment")
            assert (headers["Content-Type"] == "application/octet-stream") != shown
        assert (await page.ask("GET", f"/view/{number}/2"))[2]["Content-Disposition"].startswith(
            "attachment"
        )
        assert (await page.ask("GET", f"/view/{number}/3"))[0] == 404
        assert (await page.ask("GET", f"/view/{number}/" + "9" * 16))[0] == 404
        assert (await page.ask("POST", f"/view/{number}/0"))[0] == 405
        async with page.http.get(page.origin + f"/view/{number}/0", allow_redirects=False) as said:
            assert (said.status, said.headers["Location"]) == (303, "/login")

    run_with_page(tmp_path, work)


def _check_strict(headers: aiohttp.typedefs.LooseHeaders) -> None:
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith("; sandbox")
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_parts_of_a_view(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(1_000_000)
        address = f"/view/{page.double.hold_file('a.mp4', content)}/0"
        _, _, headers = await page.ask("HEAD", address)
        assert (headers["Accept-Ranges"], headers["Content-Length"]) == ("bytes", "1000000")
        tag = headers["ETag"]
        for run in (1 << 40, 30_000):
            page.double.run_length = run
            for first in (0, 1, 800_000, 999_999):
                asked = {"Range": f"bytes={first}-"}
                status, body, headers = await page.ask("GET", address, headers=asked)
                assert (status, body == content[first:]) == (206, True)
                _check_strict(headers)
        asked = {"Range": "bytes=1000000-"}
        status, _, headers = await page.ask("GET", address, headers=asked)
        assert (status, headers["Content-Range"]) == (416, "bytes */1000000")
        for known in (tag, f'"other", {tag}', f"W/{tag}"):
            status, body, headers = await page.ask("GET", address, headers={"If-None-Match": known})
            assert (status, body) == (304, b"")
            _check_strict(headers)

    run_with_page(tmp_path, work)


def test_complete_files_are_sent_by_the_kernel(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(11_000_000)
        number = page.double.hold_file("a.mp4", content)
        out = page.page.outgoing
        for address in (f"/view/{number}/0", f"/download/{number}", f"/download/{number}/0"):
            before = out.by_kernel
            assert (await page.ask("GET", address))[1] == content
            assert out.by_kernel - before == len(content)
        before = out.by_kernel
        asked = {"Range": "bytes=5000000-9999999"}
        _, body, _ = await page.ask("GET", f"/view/{number}/0", headers=asked)
        assert (body == content[5_000_000:10_000_000], out.by_kernel - before) == (True, 5_000_000)
        page.double.complete = False  # pieces still arrive: only what is verified, run by run
        before = out.by_kernel
        assert (await page.ask("GET", f"/view/{number}/0"))[1] == content
        page.double.complete, page.double.run_length = True, 1 << 20
        assert (await page.ask("GET", f"/view/{number}/0"))[1] == content
        assert out.by_kernel == before

    run_with_page(tmp_path, work)


def test_where_the_kernel_cannot_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_: object, **__: object) -> int:
        raise asyncio.SendfileNotAvailableError

    async def work(page: PageUnderTest) -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "sendfile", cannot)
        content = os.urandom(3_000_000)
        number = page.double.hold_file("a.mp4", content)
        assert (await page.ask("GET", f"/view/{number}/0"))[1] == content
        assert page.page.outgoing.by_kernel == 0

    run_with_page(tmp_path, work)


def test_a_file_that_changes_while_it_is_sent_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PORTION", 1 << 20)
    monkeypatch.setattr(outgoing, "LARGEST_PORTION", 1 << 20)

    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.mp4", os.urandom(30 << 20))
        path = page.double.entries[number].files[0][1]
        headers = page.headers()
        async with page.http.get(f"{page.origin}/view/{number}/0", headers=headers) as answer:
            await answer.content.readexactly(1000)
            os.utime(path, (1, 1))
            with pytest.raises(aiohttp.ClientError):
                await answer.read()

    run_with_page(tmp_path, work)


def test_what_the_daemon_takes_back_before_sending_is_not_sent_by_the_kernel(
    tmp_path: Path,
) -> None:
    async def work(page: PageUnderTest) -> None:
        content = os.urandom(3_000_000)
        number = page.double.hold_file("a.mp4", content)
        answer, asked = page.double._on_read, []

        def once(ask: op.Read) -> list[object]:
            page.double.complete = not asked
            asked.append(ask)
            return list(answer(ask))

        page.double._on_read = once  # type: ignore[method-assign,assignment]
        assert (await page.ask("GET", f"/view/{number}/0"))[1] == content
        assert page.page.outgoing.by_kernel == 0
        assert len(asked) == 2

    run_with_page(tmp_path, work)


def test_the_frame_for_pdfs_is_a_sandbox(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        _, _, headers = await page.ask("GET", "/static/pdf/frame.html")
        policy = headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors 'self'; sandbox allow-scripts")
        assert "connect-src" not in policy
        assert "'unsafe" not in policy
        assert headers["Access-Control-Allow-Origin"] == "*"
        for path in ("/", "/static/app.js", "/static/index.html"):
            _, _, headers = await page.ask("GET", path)
            assert "Access-Control-Allow-Origin" not in headers
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "sandbox" not in headers["Content-Security-Policy"]

    run_with_page(tmp_path, work)
