"""A person with a phone, in the dark: from the one-time address to the trash and back."""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from swarm import Swarm
from test_swarm_page import browser_page, login_url
from test_swarm_uploads import pick

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

PHONE = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
PICTURE = "Ελλάδα 写真 صورة 'n «å».png"
FOLDER = {"Übung/été.txt": b"un\n", "Übung/tief/пусто": b"", "Übung/два.txt": b"\xff" * 300_000}
LOOKS_WRONG = """() => {
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g);
  const small = [...document.querySelectorAll("main a, nav a, button")].filter((each) =>
    each.checkVisibility() && each.getBoundingClientRect().height < 43.5);
  return [
    document.documentElement.scrollWidth > innerWidth && "scrolls sideways",
    (+red + +green + +blue) / 3 > 80 && "is not dark",
    ...small.map((each) => `is hard to touch: ${each.textContent}`),
  ].filter(Boolean);
}"""


def png(side: int) -> bytes:
    """A picture that does not compress to nothing."""

    def part(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = b"".join(b"\0" + bytes((x * y) % 251 for x in range(side * 3)) for y in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def rows(page: Page) -> Locator:
    return page.get_by_label("Entries").get_by_role("listitem")


def looks_right(page: Page) -> None:
    expect(page.get_by_text("Loading")).to_have_count(0)
    assert page.evaluate(LOOKS_WRONG) == [], page.url


def saved(page: Page, link: Locator) -> tuple[str, bytes]:
    with page.expect_download() as starting:
        link.tap()
    return starting.value.suggested_filename, Path(starting.value.path()).read_bytes()


def test_from_login_to_trash_and_back(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.join_peer("b")
    content = png(300)
    picture, folder = tmp_path / PICTURE, tmp_path / "Übung"
    picture.write_bytes(content)
    for name, text in FOLDER.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    with browser_page(login_url(swarm, a), **PHONE) as page:
        expect(page.get_by_role("heading", name="Share the first file")).to_be_visible()
        looks_right(page)
        pick(page, "Upload files", picture)
        row = rows(page).filter(has_text=PICTURE)
        expect(row).to_contain_text("1 of 2")
        swarm.start(b)
        expect(row).to_contain_text("2 of 2")  # nobody reloads anything
        pick(page, "Upload a folder", folder)
        expect(rows(page).filter(has_text="Übung")).to_contain_text("3 files")
        looks_right(page)
        find_and_sort(page)
        name, body = saved(page, row.get_by_role("link", name="Download"))
        assert (name, body == content) == (PICTURE, True)
        look_at(page)
        name, body = saved(
            page, rows(page).filter(has_text="Übung").get_by_role("link", name="Download")
        )
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert name == "Übung.zip"
            assert {each: archive.read(each) for each in archive.namelist()} == FOLDER
        see_the_swarm(page)
        delete_and_bring_back(page)
        expect(row).to_contain_text("2 of 2")
        assert saved(page, row.get_by_role("link", name="Download")) == (PICTURE, content)


def find_and_sort(page: Page) -> None:
    """As is typed; what is set is in the address, so it is the same after a reload."""
    page.get_by_role("searchbox").press_sequentially("写真")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Filters").tap()
    page.get_by_role("combobox", name="Kind").select_option("Images")
    page.get_by_label("Sort by").select_option("Name")
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(rows(page)).to_contain_text([PICTURE])
    expect(page.get_by_label("Sort by")).to_have_value("name")
    looks_right(page)
    page.get_by_role("button", name="Remove the filter Images").tap()
    expect(rows(page)).to_have_count(2)


def look_at(page: Page) -> None:
    """The picture, who holds it, its pieces, its history and its code."""
    rows(page).filter(has_text=PICTURE).get_by_role("link").first.tap()
    shown = page.get_by_role("img", name="Picture: ")
    expect(shown).to_be_visible()
    assert shown.evaluate("e => e.decode().then(() => e.naturalWidth)") == 300
    expect(page.get_by_role("img", name="a holds all pieces")).to_be_visible()
    expect(page.get_by_role("img", name="b holds all pieces")).to_be_visible()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    expect(page.get_by_role("img", name="QR code of the link")).to_be_visible()
    looks_right(page)
    page.go_back()


def see_the_swarm(page: Page) -> None:
    """Machines, transfers, health, and what was done."""
    for place, said in (("Machines", "b"), ("Transfers", "Transfers"), ("Health", "all safe")):
        page.get_by_role("link", name=place).first.tap()
        expect(page.get_by_role("main").get_by_text(said).first).to_be_visible()
        looks_right(page)
    page.get_by_role("link", name="Machines").first.tap()
    acts = page.get_by_role("list", name="What was done")
    expect(acts).to_contain_text(re.compile("downloaded .*shared ", re.DOTALL))
    page.get_by_role("navigation").get_by_role("link", name="Library").tap()


def delete_and_bring_back(page: Page) -> None:
    rows(page).filter(has_text=PICTURE).get_by_role("link").first.tap()
    page.get_by_role("button", name="Delete").tap()
    looks_right(page)
    page.get_by_role("button", name="Delete for everyone").tap()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Trash").tap()
    expect(page.get_by_text(PICTURE, exact=True)).to_be_visible()
    looks_right(page)
    page.get_by_role("button", name="Bring back").tap()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    page.get_by_role("link", name="Library").first.tap()
