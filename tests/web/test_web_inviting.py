"""Machines are invited, zoned and shut out from the page, by the owner of an admin's machine."""

from pathlib import Path

import msgspec
import pytest
from page_under_test import PageUnderTest, new_session, run_with_page

from protocol.messages.operating import MachineView
from web.qr_picture import qr_picture

NAS, HERE = "ab" * 32, "cd" * 32
HOSTILE = "nas <b>\u202egpj.exe"


def machine(number: str, name: str, **more: object) -> MachineView:
    view = MachineView(
        id=number,
        name=name,
        zone="",
        state="live",
        addresses=(),
        capacity=1 << 30,
        stored=0,
        seen=0,
        this=number == HERE,
        admin=number == HERE,
    )
    return msgspec.structs.replace(view, **more)


def as_guest(page: PageUnderTest, _data: Path, name: str = "Ana") -> None:
    """From now on requests show the session of somebody who was let in."""
    (cookie,) = page.cookie
    page.cookie[cookie] = new_session(page.page, name)


async def asked(page: PageUnderTest, method: str, path: str, **body: object) -> tuple[int, dict]:  # type: ignore[type-arg]
    more = {"json": body} if body or method in ("POST", "PATCH") else {}
    status, answer, _ = await page.ask(method, f"/api/v1/{path}", **more)
    return status, msgspec.json.decode(answer) if answer else {}


def test_an_invite_is_made_shown_once_and_revoked(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        status, made = await asked(page, "POST", "invites", expires=3600, zone="attic")
        assert status == 201
        assert made["invite"].startswith("twofold-invite-")
        assert made["qr"].startswith("data:image/svg+xml")
        status, listed = await asked(page, "GET", "invites")
        assert [(each["id"], each["zone"]) for each in listed["invites"]] == [(made["id"], "attic")]
        assert made["invite"] not in msgspec.json.encode(listed).decode()
        assert (await asked(page, "DELETE", f"invites/{made['id']}"))[0] == 204
        assert page.double.revoked == [made["id"]]
        status, gone = await asked(page, "DELETE", f"invites/{made['id']}")
        assert status == 404
        assert "not open any more" in gone["error"]["text"]

    run_with_page(tmp_path, work)


def test_an_id_that_is_no_open_invite_never_reaches_the_tracker(tmp_path: Path) -> None:
    """There, it might be the name of a machine."""

    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(NAS, "abcdef123456"),)
        assert (await asked(page, "DELETE", "invites/abcdef123456"))[0] == 404
        assert page.double.revoked == []

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires": 59}, "expires"),
        ({"expires": 1 << 40}, "expires"),
        ({"expires": "soon"}, "expires"),
        ({"zone": "x" * 65}, "zone"),
        ({"zone": None}, "zone"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_wrong_wish_is_refused_by_field(
    tmp_path: Path, body: dict[str, object], field: str
) -> None:
    async def work(page: PageUnderTest) -> None:
        status, told = await asked(page, "POST", "invites", **body)
        assert (status, told["error"]["field"]) == (400, field)
        assert "CreateInvite" not in page.double.asked

    run_with_page(tmp_path, work)


def test_zones_and_shutting_out(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        double = page.double
        double.machines = (machine(HERE, "desk"), machine(NAS, HOSTILE))
        assert (await asked(page, "PATCH", f"machines/{NAS}", zone="attic"))[0] == 204
        assert double.zones == {NAS: "attic"}
        assert (await asked(page, "PATCH", f"machines/{NAS}", zone="x" * 65))[0] == 400
        assert (await asked(page, "PATCH", f"machines/{NAS[:12]}", zone="y"))[0] == 404
        status, told = await asked(page, "DELETE", f"machines/{HERE}")
        assert status == 400
        assert "twofold leave" in told["error"]["text"]
        assert (await asked(page, "DELETE", f"machines/{NAS}"))[0] == 204
        assert double.revoked == [NAS]
        assert (await asked(page, "DELETE", f"machines/{NAS}"))[0] == 404
        status, listed = await asked(page, "GET", "activity", person="")
        shown = [act["text"] for act in listed["acts"]]
        assert shown == ["shut out nas <b>_gpj.exe", "set the zone of nas <b>_gpj.exe"]

    run_with_page(tmp_path, work)


EVERY = [
    ("GET", "invites", {}),
    ("POST", "invites", {}),
    ("DELETE", "invites/abcdef123456", {}),
    ("PATCH", f"machines/{NAS}", {"zone": "attic"}),
    ("DELETE", f"machines/{NAS}", {}),
]


def test_a_machine_that_is_no_admin_says_what_to_do(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.admin = False
        page.double.machines = (machine(NAS, "nas"),)
        for method, path, body in EVERY:
            status, told = await asked(page, method, path, **body)
            assert status == 403, path
            assert "twofold-tracker admin desk" in told["error"]["text"]
        assert (await asked(page, "GET", "activity"))[1]["acts"] == []

    run_with_page(tmp_path, work)


def test_somebody_who_was_let_in_manages_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(NAS, "nas"),)
        as_guest(page, tmp_path)
        for method, path, body in [*EVERY, ("POST", "logins", {"name": "Eve"})]:
            status, told = await asked(page, method, path, **body)
            assert status == 403, path
            assert "Only the owner" in told["error"]["text"]
        assert not {"CreateInvite", "GetMembers", "Revoke", "MintLogin"} & set(page.double.asked)

    run_with_page(tmp_path, work)


def test_a_text_too_long_for_a_code_has_none() -> None:
    assert qr_picture("x" * 5000) == ""
    assert "script" not in qr_picture("</svg><script>alert(1)</script>")
