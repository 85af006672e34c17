"""People are let in to the page under a name, and what everybody did there is told to the owner."""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from page_under_test import PageUnderTest, run_with_page
from test_web_inviting import as_guest, asked
from tus_client import BODY, metadata

from web.activity_log import FILE, ActivityLog


async def come_in(page: PageUnderTest, url: str) -> None:
    """Follow a login address with a fresh browser, whose cookie is used from now on."""
    parts = urlsplit(url)
    async with page.http.get(f"{page.origin}{parts.path}?{parts.query}") as answer:
        assert answer.status == 200
        (name,) = page.cookie
        page.cookie[name] = answer.cookies[name].value


def test_a_person_is_let_in_by_name(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        assert (await asked(page, "GET", "me"))[1] == {"person": "", "owner": True}
        status, made = await asked(page, "POST", "logins", name="  Ana\u202e  <b>Lima ", hours=2)
        assert status == 201
        assert made["name"] == "Ana_ <b>Lima"
        assert made["url"].startswith(f"{page.origin}/login?token=")
        assert made["here"] is True  # it listens on loopback only
        assert made["qr"].startswith("data:image/svg+xml")
        assert page.double.minted[0].seconds == 7200
        await come_in(page, made["url"])
        assert (await asked(page, "GET", "me"))[1] == {"person": "Ana_ <b>Lima", "owner": False}

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": " \u200b\u202e "},
        {"name": "..."},
        {"name": "\u0000\u0007"},
        {"name": "x" * 65},
        {"name": None},
        {"hours": 3},
        {"name": "Ana", "hours": 0},
        {"name": "Ana", "hours": 169},
        {"name": "Ana", "owner": True},
    ],
)
def test_a_name_that_is_none_and_a_wrong_time_are_refused(
    tmp_path: Path, body: dict[str, object]
) -> None:
    async def work(page: PageUnderTest) -> None:
        status, told = await asked(page, "POST", "logins", **body)
        assert status == 400
        assert told["error"]["field"] in ("name", "hours", "owner")
        assert page.double.minted == []

    run_with_page(tmp_path, work)


def test_what_people_do_is_told_to_the_owner(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        owner = dict(page.cookie)
        number = page.double.hold_file("report.pdf", b"x" * 1000)
        _, made = await asked(page, "POST", "logins", name="Ana")
        _, invite = await asked(page, "POST", "invites")
        await come_in(page, made["url"])
        await page.ask("GET", f"/download/{number}")
        await page.ask("GET", f"/download/{number}")  # again within a minute: the same
        await page.ask("GET", f"/download/{number}", headers={"Range": "bytes=5-9"})
        await page.ask("HEAD", f"/download/{number}")
        about = BODY | {"Tus-Resumable": "1.0.0", "Upload-Length": "2"}
        about["Upload-Metadata"] = metadata(name="song.ogg")
        status, _, said = await page.ask("POST", "/api/v1/uploads", headers=about, data=b"la")
        assert status == 201
        _, body, _ = await page.ask("GET", f"{said['Location']}?wait=20")
        song = msgspec.json.decode(body)["entry"]
        assert (await page.ask("DELETE", f"/api/v1/entries/{song}"))[0] == 204
        assert (await page.ask("DELETE", f"/api/v1/entries/{song}"))[0] == 404
        hers = (await asked(page, "GET", "activity"))[1]
        assert [(act["kind"], act["text"]) for act in hers["acts"]] == [
            ("delete", "song.ogg"),
            ("upload", "song.ogg"),
            ("download", "report.pdf"),
            ("login", ""),
        ]
        assert (hers["people"], hers["cursor"]) == (["Ana"], None)
        # Nobody but the owner sees others.
        status, _, _ = await page.ask("GET", "/api/v1/activity?person=")
        assert status == 200
        assert (await _acts(page, "?person=")) == []
        page.cookie.update(owner)
        assert await _acts(page, "?person=") == [
            ("invite", "", "made an invite"),
            ("person", "", "Ana"),
        ]
        assert await _acts(page, "?person=Ana&kind=delete") == [("delete", "Ana", "song.ogg")]
        assert len(await _acts(page, "")) == 6
        kept = (tmp_path / FILE).read_text()
        assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
        for secret in (made["url"].partition("=")[2], invite["invite"]):
            assert secret not in kept

    run_with_page(tmp_path, work)


async def _acts(page: PageUnderTest, query: str) -> list[tuple[str, str, str]]:
    _, body, _ = await page.ask("GET", f"/api/v1/activity{query}")
    return [(act["kind"], act["person"], act["text"]) for act in msgspec.json.decode(body)["acts"]]


def test_activity_comes_in_pages(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        for number in range(5):
            await asked(page, "POST", "logins", name=f"P{number}")
        seen, cursor = [], ""
        while cursor is not None:
            query = f"activity?limit=2&cursor={cursor}" if cursor else "activity?limit=2"
            _, told = await asked(page, "GET", query)
            seen += [act["text"] for act in told["acts"]]
            cursor = told["cursor"]
        assert seen == ["P4", "P3", "P2", "P1", "P0"]
        for wrong in ("limit=51", "limit=0", "cursor=-1", "cursor=x", "kind=theft"):
            assert (await page.ask("GET", f"/api/v1/activity?{wrong}"))[0] == 400

    run_with_page(tmp_path, work)


def test_the_log_outlives_the_page_stays_small_and_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / "activity"
    log = ActivityLog(path, kept=10, now=lambda: 1000.0)
    for number in range(200):
        log.add("upload", "Ana", text=f"file {number}")
        assert len(path.read_bytes().splitlines()) <= 21
    with path.open("ab") as file:
        file.write(
            b'{"number": 7\n\xff\n[]\n{"number":1,"when":1,"person":"","kind":"theft"}\n' + b"[" * 9
        )
    again = ActivityLog(path, kept=10, now=lambda: 2000.0)
    assert [act.text for act in again.newest()] == [f"file {n}" for n in range(199, 189, -1)]
    again.add("delete", "", text="last")
    assert next(ActivityLog(path, kept=10).newest()).number == 201
    # A folder in its place: nothing is kept, and nothing fails.
    (tmp_path / "folder").mkdir()
    lost = ActivityLog(tmp_path / "folder")
    lost.add("login", "Ana")
    assert [act.person for act in lost.newest()] == ["Ana"]


def test_rates_of_the_last_hour(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        now = [0.0]
        rates = page.page.rates
        rates._now = lambda: now[0]
        for step in range(400):
            now[0] = step * 10.0
            page.double.moved = (step * 1000, step * 50)
            await rates.look()
        _, told = await asked(page, "GET", "rates")
        assert told["every"] == 10
        assert len(told["samples"]) == 360
        assert told["samples"][-1] == {"ago": 0, "down": 100, "up": 5}
        assert told["samples"][0]["ago"] == 3590
        page.double.moved = (0, 0)  # the daemon was started again
        now[0] += 10
        await rates.look()
        _, told = await asked(page, "GET", "rates")
        assert told["samples"][-1] == {"ago": 10, "down": 100, "up": 5}
        await page.double.stop()
        now[0] += 7200
        await rates.look()
        assert (await asked(page, "GET", "rates"))[1]["samples"] == []

    run_with_page(tmp_path, work)


def test_the_address_is_one_that_others_reach(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.elsewhere = "http://192.168.1.5:4180"
        _, made = await asked(page, "POST", "logins", name="Ana")
        assert made["url"] == "http://192.168.1.5:4180/login?token=token1"
        assert made["here"] is False

    run_with_page(tmp_path, work)


def test_a_guest_may_not_become_the_owner_by_name(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        as_guest(page, tmp_path, "the owner")
        assert (await asked(page, "GET", "me"))[1] == {"person": "the owner", "owner": False}

    run_with_page(tmp_path, work)
