"""How much people who were let in may have here: told before the first byte, freed by deleting."""

from pathlib import Path
from typing import Any

from page_under_test import PageUnderTest, run_with_page
from test_web_inviting import as_guest
from tus_client import Tus, metadata

from protocol.messages.upload_rules import Rules
from web.quotas import FILE, Quotas
from web.upload_records import UploadRecord

MB = 1_000_000


async def refused(page: PageUnderTest, size: int, name: str = "more.bin") -> dict[str, Any]:
    headers = {"Upload-Length": str(size), "Upload-Metadata": metadata(name=name)}
    status, body, _ = await Tus(page).ask("POST", "/api/v1/uploads", headers)
    assert status == 413, body
    return body["error"]  # type: ignore[no-any-return]


def kept_of(tmp_path: Path, person: str) -> int:
    """What counts for somebody, as the page after a restart knows it."""
    quotas = Quotas(None, tmp_path / FILE, list)  # type: ignore[arg-type]
    return quotas._used(person)


def test_what_is_over_a_quota_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.rules = Rules(quota=5 * MB)
        tus, owner = Tus(page), dict(page.cookie)
        as_guest(page, tmp_path)
        unfinished = await tus.begin(3 * MB, name="half.bin")
        error = await refused(page, 2 * MB + 1)
        assert error["kind"] == "quota"
        assert "you have 2 MB left here, of 5 MB. Delete something" in error["text"]
        status, body, _ = await tus.ask(
            "POST", "/api/v1/folders", json={"name": "trip", "files": 2, "size": 4 * MB}
        )
        assert (status, body["error"]["kind"]) == (413, "quota")
        assert (await tus.ask("DELETE", unfinished))[0] == 204
        view = await tus.settled(await tus.begin(4 * MB, bytes(4 * MB), name="all.bin"))
        assert view["state"] == "added"
        assert kept_of(tmp_path, "Ana") == 4 * MB
        assert "you have 1 MB left" in (await refused(page, 2 * MB))["text"]

        as_guest(page, tmp_path, "Ben")
        assert "you have 5 MB left" in (await refused(page, 6 * MB))["text"]
        assert (await tus.settled(await tus.begin(9, b"x" * 9, name="b")))["state"] == "added"

        page.cookie.clear()
        page.cookie.update(owner)
        assert (await tus.settled(await tus.begin(7 * MB, bytes(7 * MB), name="o.bin")))["entry"]
        assert kept_of(tmp_path, "") == 0

    run_with_page(tmp_path, work)


def test_what_was_deleted_anywhere_makes_room_again(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.rules = Rules(quota=5 * MB)
        tus = Tus(page)
        as_guest(page, tmp_path)
        view = await tus.settled(await tus.begin(4 * MB, bytes(4 * MB), name="all.bin"))
        page.double.entries.pop(view["entry"])  # by the command line, or by an admin elsewhere
        again = await tus.settled(await tus.begin(5 * MB, bytes(5 * MB), name="again.bin"))
        assert again["state"] == "added"
        assert "you have 0 bytes left" in (await refused(page, 1))["text"]
        assert kept_of(tmp_path, "Ana") == 5 * MB

    run_with_page(tmp_path, work)


def test_counts_outlive_a_restart_and_damaged_lines(tmp_path: Path) -> None:
    record = UploadRecord(id="0" * 32, kind="file", name="x", size=7, last=0, person="Ana")

    def opened() -> Quotas:
        return Quotas(None, tmp_path / FILE, list)  # type: ignore[arg-type]

    quotas = opened()
    quotas.note(record, "a" * 32)
    quotas.note(record, "a" * 32)
    quotas.note(record, "b" * 32)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"entry": "cut\n\xff\n{"entry":"' + b"b" * 32)
        file.write(b'","person":"Ana","size":7,"gone":true}\n')
    assert kept_of(tmp_path, "Ana") == 7
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 1
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    broken = opened()
    broken.note(record, "a" * 32)
    assert broken._used("Ana") == 7
