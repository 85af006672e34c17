"""Names that want to be more than names: in headers, in JSON, and what is served under them."""

import json
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_under_test import PageUnderTest, run_with_page

from protocol.paths import clean_name
from web.shown import encode

NAMES = [
    "a\r\nSet-Cookie: twofold=1\r\n\r\n<script>",
    "a\nb\tc",
    "\x1b[2J\x1b]0;title\x07.txt",
    "\x00.txt",
    "photo\u202egnp.exe",
    "\u2066a\u2069\u200f\ufeff\u061c.txt",
    "a\u2028b\u2029c\x85d\x9b31m",
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "..",
    ".",
    " ",
    'a"; filename="b.exe',
    "a\\",
    "%2e%2e%2fetc",
    "{{7*7}}<img src=x onerror=alert(1)>.html",
    "x" * 255,
    "é" * 255,
    "🎞" * 255,
    "é" * 240 + ".mp4",
    "日本語.pdf",
]
ACTIVE = ["html", "htm", "xhtml", "svg", "xml", "js", "mjs", "css", "swf", "mht", "wasm", "json"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_download_has_a_name_fit_to_save_under(tmp_path: Path, name: str, kind: str) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        if kind == "file":
            number, shown = double.hold_file(name, b"x"), clean_name(name)
        else:
            number, shown = double.hold_folder(name, {"a": b"x"}), clean_name(f"{name}.zip")
        async with page.http.get(
            f"{page.origin}/download/{number}", headers=page.headers()
        ) as answer:
            assert answer.status == 200
            [said] = answer.headers.getall("Content-Disposition")
            assert "Set-Cookie" not in answer.headers
            await answer.read()
        assert all(" " <= char <= "~" for char in said)
        plain, _, extended = said.removeprefix('attachment; filename="').partition('"; filename*=')
        assert not set(plain) & set('"\\%/')
        saved = unquote(extended.removeprefix("UTF-8''"), errors="strict")
        assert saved == shown
        assert "/" not in saved
        assert saved not in (".", "..")
        assert len(saved.encode()) <= 255
        if kind == "folder":
            assert saved.endswith(".zip")

    run_with_page(tmp_path, work)


def test_json_says_names_that_fake_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        for name in NAMES:
            number = page.double.hold_file(name, b"x", caption="one\ntwo\u202e", author=name)
            status, body, _ = await page.ask("GET", f"/api/v1/entries/{number}")
            entry = json.loads(body)
            assert status == 200
            assert entry["caption"] == "one\ntwo_"
            assert entry["name"] == entry["author"]
            assert len(entry["name"]) == len(name)
            for char, was in zip(entry["name"], name, strict=True):
                assert char in (was, "_")
        assert (await page.ask("GET", "/api/v1/entries"))[0] == 200

    run_with_page(tmp_path, work)


@given(st.text())
def test_only_faking_signs_are_replaced(text: str) -> None:
    said = json.loads(encode({"a": text, text: [text]}))
    assert said == {"a": _expected(text), _expected(text): [_expected(text)]}


def _expected(text: str) -> str:
    faking = set("\u061c\u200e\u200f\u2028\u2029\ufeff\u202a\u202b\u202c\u202d\u202e") | set(
        "\u2066\u2067\u2068\u2069"
    )
    return "".join(
        "_"
        if char in faking or (unicodedata.category(char) == "Cc" and char not in "\n\t")
        else char
        for char in text
    )


def test_escapes_that_look_like_controls_stay() -> None:
    text = r"C:\u001b\\u001b\new\bad"
    assert json.loads(encode([text, "\\\u001b"])) == [text, "\\_"]


@pytest.mark.parametrize("suffix", ACTIVE)
def test_active_content_is_never_of_our_origin(tmp_path: Path, suffix: str) -> None:
    content = b"<!doctype html><script>alert(document.domain)</script>"

    async def work(page: PageUnderTest) -> None:
        single = page.double.hold_file(f"a.{suffix}", content)
        folder = page.double.hold_folder("f", {f"a.{suffix.upper()}": content})
        for path in (f"/download/{single}", f"/download/{single}/0", f"/download/{folder}/0"):
            for more in ({}, {"Range": "bytes=0-9"}, {"Accept": "text/html"}):
                status, body, headers = await page.ask("GET", path, headers=more)
                assert status in (200, 206)
                assert content.startswith(body)
                assert headers["Content-Type"] == "application/octet-stream"
                assert headers["Content-Disposition"].startswith("attachment;")
                assert headers["X-Content-Type-Options"] == "nosniff"
                policy = headers["Content-Security-Policy"]
                assert "sandbox" in policy.split("; ")
                assert "default-src 'none'" in policy
                assert "script-src" not in policy

    run_with_page(tmp_path, work)
