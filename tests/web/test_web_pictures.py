"""Uploaded pictures: looked at by the rules, their renditions made, added and served."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, until
from picture_files import bomb, opened, picture_of
from tus_client import Tus

from protocol.messages.upload_rules import Resolution, Rules
from protocol.pictures import BOXES

LEAST = Rules(least=Resolution(width=1024, height=786))
RULES = "/api/v1/upload-rules"


async def uploaded(page: PageUnderTest, name: str, content: bytes) -> dict[str, Any]:
    tus = Tus(page)
    return await tus.settled(await tus.begin(len(content), content, name=name))


async def entry_of(page: PageUnderTest, number: str) -> dict[str, Any]:
    status, body, _ = await page.ask("GET", f"/api/v1/entries/{number}")
    assert status == 200, body
    return json.loads(body)  # type: ignore[no-any-return]


async def with_all_renditions(page: PageUnderTest, number: str) -> dict[str, Any]:
    held = page.double.entries[number]
    await until(lambda: len(held.view.renditions) == 4)
    return await entry_of(page, number)


def test_a_picture_gets_four_renditions_the_first_before_the_answer(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        view = await uploaded(page, "sea.jpg", picture_of(2000, 1500))
        assert (view["state"], view["note"]) == ("added", "")
        entry = await entry_of(page, view["entry"])
        assert entry["picture"] == {"width": 2000, "height": 1500, "quality": "original", "of": ""}
        assert entry["renditions"][0]["quality"] == "very high"
        entry = await with_all_renditions(page, view["entry"])
        assert [each["quality"] for each in entry["renditions"]] == list(BOXES)
        listed = json.loads((await page.ask("GET", "/api/v1/entries"))[1])
        assert [each["name"] for each in listed["entries"]] == ["sea.jpg"]
        for each in entry["renditions"]:
            address = f"/pictures/{entry['id']}/{each['quality'].replace(' ', '-')}"
            status, body, headers = await page.ask("GET", address)
            assert status == 200
            found = opened(body)
            assert found.size == (each["width"], each["height"])
            assert headers["Content-Type"] == "image/jpeg"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in headers["Content-Security-Policy"]
            assert headers["Content-Disposition"].startswith("inline")
            assert headers["Cache-Control"] == "private, no-cache"
            tag = {"If-None-Match": headers["ETag"]}
            assert (await page.ask("GET", address, headers=tag))[0] == 304
            known = f"{address}?v={headers['ETag'].strip(chr(34))}"
            _, _, headers = await page.ask("HEAD", known)
            assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
            _, _, headers = await page.ask("HEAD", f"{address}?v=other")
            assert headers["Cache-Control"] == "private, no-cache"
        await until(lambda: not list((tmp_path / "spool").glob("*.picture")))

    run_with_page(tmp_path, work)


def test_no_rendition_is_told(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.jpg", b"no picture")
        status, body, _ = await page.ask("GET", f"/pictures/{number}/low")
        assert status == 404
        assert "There is no low version of “a.jpg” now." in body.decode()
        for bad in (f"/pictures/{number}/tiny", f"/pictures/{number[:8]}/low"):
            assert (await page.ask("GET", bad))[0] == 404

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bomb.png", bomb(60_000, 60_000), "60,000 x 60,000 pixels"),
        ("cut.jpg", picture_of(900, 700)[:2000], "cut off or damaged"),
        ("photo.jpg", picture_of(900, 700, "PNG"), "Rename it to photo.png"),
    ],
    ids=["bomb", "cut", "ending"],
)
def test_what_cannot_be_opened_is_shared_as_it_is_and_refused_where_rules_say(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    async def work(page: PageUnderTest) -> None:
        view = await uploaded(page, name, content)
        assert view["state"] == "added"
        assert view["note"].startswith("Shared as it is, without smaller versions: it ")
        assert why in view["note"]
        for rules in (LEAST, Rules(types=("image",))):
            page.double.rules = rules
            view = await uploaded(page, name, content)
            assert view["state"] == "failed"
            assert view["text"].startswith(f"“{name}” is not taken: it ")
            assert why in view["text"]
        assert len(page.double.entries) == 1
        assert (await page.ask("GET", "/healthz"))[0] == 200

    run_with_page(tmp_path, work)


def test_too_small_a_picture_is_refused_with_both_sizes_and_can_be_dropped(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.rules = LEAST
        tus, small = Tus(page), picture_of(800, 600)
        place = await tus.begin(len(small), small, name="x.jpg")
        view = await tus.settled(place)
        assert view["state"] == "failed"
        assert view["text"] == (
            "“x.jpg” is 800 x 600; pictures here must be at least 1024 x 786. Upload a larger one."
        )
        assert page.double.entries == {}
        assert (await tus.ask("DELETE", place))[0] == 204
        assert list((tmp_path / "spool").iterdir()) == [tmp_path / "spool" / "lock"]
        assert (await uploaded(page, "y.jpg", picture_of(1024, 786)))["state"] == "added"
        assert (await uploaded(page, "notes.txt", b"small"))["state"] == "added"
        view = await uploaded(page, "raw.heic", b"something")
        assert "pictures of this kind cannot be opened here" in view["text"]
        # After the rule is gone it is taken as it is.
        place = await tus.begin(len(small), small, name="z.jpg")
        assert (await tus.settled(place))["state"] == "failed"
        page.double.rules = Rules()
        assert (await tus.ask("POST", f"{place}/add"))[0] == 202
        assert (await tus.settled(place))["state"] == "added"

    run_with_page(tmp_path, work)


def test_types_and_sizes_are_told_before_the_first_byte(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.rules = Rules(types=("image", ".pdf"), largest=1000)
        tus = Tus(page)

        async def refused(name: str, size: int, **said: object) -> tuple[int, str]:
            from tus_client import UPLOADS, metadata

            about = metadata(name=name, **said) if not said else metadata(**said)
            headers = {"Upload-Length": str(size), "Upload-Metadata": about}
            status, body, _ = await tus.ask("POST", UPLOADS, headers)
            return status, body["error"]["text"]

        status, text = await refused("film.mkv", 5)
        assert status == 415
        assert text == (
            "“film.mkv” is not taken: only image, .pdf may be uploaded here. Save it as one of "
            "these, or ask the owner of this machine to allow it."
        )
        status, text = await refused("a.pdf", 2_500_000)
        assert status == 413
        assert "“a.pdf” has 2.5 MB, and uploads here may have 1 kB at most." in text
        status, _, _ = await tus.ask(
            "POST", "/api/v1/folders", json={"name": "album", "files": 2, "size": 1001}
        )
        assert status == 413
        folder = await tus.folder(name="album", files=2, size=900)
        status, text = await refused("", 9, folder=folder, path="in/notes.txt")
        assert status == 415
        assert text.startswith("“in/notes.txt” is not taken")
        await tus.begin(9, b"123456789", folder=folder, path="in/b.pdf")
        assert page.double.entries == {}

    run_with_page(tmp_path, work)


def test_the_owner_sets_the_rules(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        status, body, _ = await page.ask("GET", RULES)
        none = {"types": [], "largest": None, "quota": None, "least": None, "embed": False}
        assert (status, json.loads(body)["rules"]) == (200, none)
        new = {"types": ["PDF"], "largest": 9, "least": {"width": 1024, "height": 786}}
        status, body, _ = await page.ask("PUT", RULES, json=new)
        assert status == 200
        told = {**new, "types": [".pdf"], "embed": False, "quota": None}
        said = {"rules": told, "file": "/data/settings.toml", "endings": [".pdf"]}
        assert json.loads(body) == said
        assert page.double.rules.largest == 9
        for wrong in ({"types": ["a b"]}, {"largest": 0}, {"least": "1024x786"}, {"most": 1}):
            status, body, _ = await page.ask("PUT", RULES, json=wrong)
            assert status == 400, wrong
        assert page.double.rules.largest == 9
        token, name = "guest-token", "Ada"
        page.page.sessions.book.expect(token, name, 3600)
        _, _, headers = await page.ask("GET", f"/login?token={token}", headers={"Cookie": ""})
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, _, _ = await page.ask("PUT", RULES, json={}, headers={"Cookie": cookie})
        assert status == 403
        assert (await page.ask("GET", RULES, headers={"Cookie": cookie}))[0] == 200

    run_with_page(tmp_path, work)


def test_other_sites_may_show_them_only_if_the_owner_says_so(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        view = await uploaded(page, "sea.png", picture_of(300, 200, "PNG"))
        address = f"/pictures/{view['entry']}/very-high"
        policy = "Cross-Origin-Resource-Policy"
        stranger = {"Cookie": "", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        status, _, headers = await page.ask("GET", address, headers=stranger)
        assert (status, headers["Location"]) == (303, "/login")
        assert (await page.ask("GET", address))[2][policy] == "same-origin"
        page.double.rules = Rules(embed=True)
        status, body, headers = await page.ask("GET", address, headers=stranger)
        assert (status, headers[policy]) == (200, "cross-origin")
        assert opened(body).size == (300, 200)
        foreign = stranger | {"Host": "evil.example"}
        assert (await page.ask("GET", address, headers=foreign))[0] == 421
        assert (await page.ask("POST", address, headers=stranger))[0] == 403
        for path in (f"/view/{view['entry']}/0", f"/download/{view['entry']}", "/api/v1/entries"):
            status, _, headers = await page.ask("GET", path, headers=stranger)
            assert status in (303, 401), path
            assert headers[policy] == "same-origin"

    run_with_page(tmp_path, work)


def test_those_of_pictures_that_were_added_otherwise_are_made_too(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path, finds_own=True)
    sea = double.hold_file("sea.jpg", picture_of(400, 300))
    broken = double.hold_file("broken.jpg", b"no picture")
    other = double.hold_file("theirs.jpg", picture_of(40, 30), author="nas")
    part = double.hold_file("part.jpg", picture_of(40, 30), here=0)
    folder = double.hold_folder("album", {"a.jpg": picture_of(40, 30)})

    async def work(page: PageUnderTest) -> None:
        await with_all_renditions(page, sea)
        await asyncio.sleep(0)
        for number in (broken, other, part, folder):
            assert double.entries[number].view.renditions == ()

    run_with_page(tmp_path, work, double=double)


def test_a_stop_at_any_moment_loses_none(tmp_path: Path) -> None:
    """The page ends after the first rendition; the next one makes the others."""
    double = OperatorDouble(tmp_path, finds_own=True)
    found: list[str] = []

    async def begun(page: PageUnderTest) -> None:
        found.append((await uploaded(page, "sea.jpg", picture_of(900, 700)))["entry"])

    async def finished(page: PageUnderTest) -> None:
        entry = await with_all_renditions(page, found[0])
        assert len({each["id"] for each in entry["renditions"]}) == 4

    (tmp_path / "spool").mkdir()
    left = tmp_path / "spool" / ("0" * 32 + ".picture")
    left.write_bytes(b"half")
    run_with_page(tmp_path, begun, double=double)
    run_with_page(tmp_path, finished, double=double)
    assert not left.exists()


def test_a_caption_can_be_given_at_any_time(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        tus, content = Tus(page), picture_of(90, 70)

        async def say(place: str, caption: str) -> int:
            return (await tus.ask("PUT", f"{place}/caption", json={"caption": caption}))[0]

        before = await tus.begin(len(content), name="a.jpg")
        assert await say(before, "Before its end") == 200
        await tus.patch(before, 0, content)
        meanwhile = await tus.begin(len(content), content, name="b.jpg")
        assert await say(meanwhile, "While it is added") == 200
        after = await tus.begin(len(content), content, name="c.jpg")
        number = (await tus.settled(after))["entry"]
        assert await say(after, "After it was added") == 200
        assert (await entry_of(page, number))["caption"] == "After it was added"
        for place, caption in ((before, "Before its end"), (meanwhile, "While it is added")):
            entry = await entry_of(page, (await tus.settled(place))["entry"])
            assert entry["caption"] == caption
        assert await say(after, "x" * 4097) == 400
        assert await say("/api/v1/uploads/" + "0" * 32, "x") == 404

    run_with_page(tmp_path, work)
