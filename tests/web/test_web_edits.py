"""Editing an entry, its QR code, and the trash, over HTTP."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from page_under_test import PageUnderTest, run_with_page

from web.qr_picture import qr_svg


async def ask_json(page: PageUnderTest, method: str, path: str, body: object = None) -> Any:
    """Status and content of one request with a JSON body."""
    data = None if body is None else json.dumps(body).encode()
    status, content, _ = await page.ask(method, path, data=data)
    return status, json.loads(content)


def test_an_entry_is_edited_in_parts(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.bin", b"x", caption="old", tags=("one",))
        address = f"/api/v1/entries/{number}"
        status, said = await ask_json(page, "PATCH", address, {"caption": "größe <b>"})
        assert (status, said["published"]) == (200, True)
        assert (said["entry"]["caption"], said["entry"]["tags"]) == ("größe <b>", ["one"])
        page.double.tracker_away = True
        _, said = await ask_json(page, "PATCH", address, {"name": "b.bin", "tags": []})
        assert (said["entry"]["name"], said["entry"]["tags"]) == ("b.bin", [])
        assert (said["published"], said["entry"]["version"]) == (False, 3)

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 400),
        (b'{"name": ""}', 400),
        (b'{"name": 5}', 400),
        (b'{"copies": 5}', 400),
        (b'{"tags": ["' + b"x" * 65 + b'"]}', 400),
        (b'{"caption": "' + b"x" * 5000 + b'"}', 400),
        (b'{"caption": "' + b"x" * 70_000 + b'"}', 413),
    ],
)
def test_edits_that_cannot_be_are_explained(tmp_path: Path, body: bytes, status: int) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.bin", b"x")
        answered, content, _ = await page.ask("PATCH", f"/api/v1/entries/{number}", data=body)
        assert answered == status
        assert json.loads(content)["error"]["text"]
        assert "Edit" not in page.double.asked

    run_with_page(tmp_path, work)


def test_who_may_not_edit_is_told(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.bin", b"x", author="attic")
        address = f"/api/v1/entries/{number}"
        status, said = await ask_json(page, "PATCH", address, {"caption": "x"})
        assert (status, "only the machine" in said["error"]["text"]) == (403, True)
        foreign = {"Origin": "http://evil.example"}
        status, _, _ = await page.ask("PATCH", address, data=b"{}", headers=foreign)
        assert status == 403

    run_with_page(tmp_path, work)


def test_the_link_as_a_picture(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.bin", b"x")
        address = f"/api/v1/entries/{number}/qr.svg"
        status, body, headers = await page.ask("GET", address)
        assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; frame-ancestors 'none'; sandbox"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert body == qr_svg(page.double.entries[number].view.link)
        names = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(body).iter()}
        assert names == {"svg", "path"}
        assert (await page.ask("GET", f"/api/v1/entries/{'00' * 16}/qr.svg"))[0] == 404
        page.double.entries[number].view = msgspec.structs.replace(
            page.double.entries[number].view, link="<script>" * 20
        )
        assert b"script" not in (await page.ask("GET", address))[1]

    run_with_page(tmp_path, work)


def test_the_trash_is_listed_restored_and_emptied(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        numbers = [page.double.hold_file(f"{n}.bin", b"x" * n) for n in range(3)]
        for number in numbers:
            assert (await page.ask("DELETE", f"/api/v1/entries/{number}"))[0] == 204
        status, said = await ask_json(page, "GET", "/api/v1/trash")
        assert (status, said["total"]) == (200, 3)
        assert [each["name"] for each in said["entries"]] == ["0.bin", "1.bin", "2.bin"]
        _, said = await ask_json(page, "GET", "/api/v1/trash?start=2")
        assert len(said["entries"]) == 1
        status, said = await ask_json(page, "POST", f"/api/v1/trash/{numbers[0]}/restore")
        assert (status, said["name"], said["published"]) == (200, "0.bin", True)
        assert (await ask_json(page, "POST", f"/api/v1/trash/{numbers[0]}/restore"))[0] == 404
        status, said = await ask_json(page, "DELETE", f"/api/v1/trash/{numbers[1]}")
        assert (status, said) == (200, {"contents": 1, "bytes": 1})
        _, said = await ask_json(page, "DELETE", "/api/v1/trash")
        assert said == {"contents": 1, "bytes": 2}
        assert (await ask_json(page, "GET", "/api/v1/trash"))[1]["total"] == 0

    run_with_page(tmp_path, work)
