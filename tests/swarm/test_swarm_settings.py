"""Settings changed at the page of a real daemon, seen by the command line and after a restart."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from swarm import Swarm, write_random
from test_swarm_page import browser_page, login_url

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

MB = 1_000_000
GB = 1000 * MB


def test_what_the_page_sets_the_command_line_sees_also_after_a_restart(
    swarm: Swarm, tmp_path: Path
) -> None:
    swarm.add_peer("b")
    a = swarm.add_peer("a", web=True)
    file = a.data / "settings.toml"
    film = write_random(tmp_path / "film <b>.mkv", 3 * MB)
    with browser_page(f"{login_url(swarm, a)}") as page:
        page.get_by_role("link", name="Settings").click()
        all_together = page.get_by_role("form", name="Limits for all machines together")
        all_together.get_by_label("Send at most").fill("0.001")
        all_together.get_by_role("button", name="Save limits").click()
        expect(all_together).to_contain_text("the least rate is 50KB a second")
        assert not file.exists()
        all_together.get_by_label("Send at most").fill("5")
        all_together.get_by_role("button", name="Save limits").click()
        expect(page.get_by_text("Now: sending at most 5 MB/s")).to_be_visible()
        page.get_by_role("button", name="Limit a machine").click()
        one = page.get_by_role("form", name="Limits of one machine")
        one.get_by_label("Machine").select_option("b")
        one.get_by_label("Send at most").fill("0.8")
        one.get_by_role("button", name="Save").click()
        expect(one).to_have_count(0)

        page.get_by_role("button", name="Add a window").click()
        window = page.get_by_role("form", name="A window of the schedule")
        window.get_by_label("From").fill("00:00")
        window.get_by_label("To", exact=True).fill("24:00")
        for day in ("Saturday", "Sunday"):
            # The field lies over what is drawn for it.
            window.get_by_role("checkbox", name=day).check()
        window.get_by_label("Send at most").fill("1")
        window.get_by_role("button", name="Save window").click()
        expect(page.get_by_text("Now: sending at most 1 MB/s")).to_be_visible()

        page.get_by_label("This machine offers").fill("7")
        page.get_by_role("button", name="Save space").click()
        expect(page.get_by_text("This machine offers 7.0 GB now.")).to_be_visible()
        page.get_by_label("Read everything kept here").fill("30")
        page.get_by_role("button", name="Save days").click()
        expect(page.get_by_text("Saved.", exact=True)).to_be_visible()

        page.get_by_role("textbox", name="Share another path").fill(str(film))
        page.get_by_role("button", name="Share", exact=True).click()
        row = page.get_by_role("list", name="Shared paths").get_by_role("listitem")
        expect(row).to_contain_text(str(film))

    for _ in range(2):
        limits = swarm.ok(a, "limit")
        assert limits["base"] == {"up": 5 * MB, "down": None}
        assert limits["peers"] == [
            {"name": "b", "rates": {"up": 800_000, "down": None}, "known": True}
        ]
        assert [(each["times"], each["now"]) for each in limits["windows"]] == [
            ("daily 00:00-24:00", True)
        ]
        assert limits["now"] == {"up": MB, "down": None}
        assert swarm.ok(a, "status")["store"]["capacity"] == 7 * GB
        settings = swarm.ok(a, "settings")
        assert (settings["scrub_days"], settings["discover"]) == (30, True)
        (share,) = swarm.ok(a, "shares")["shares"]
        assert (share["path"], share["name"], share["state"]) == (str(film), film.name, "shared")
        swarm.restart(a)
    machines = {each["name"]: each for each in swarm.ok(a, "peers")["peers"]}
    assert machines["a"]["capacity"] == 7 * GB

    settings = swarm.ok(a, "settings", "--scrub-days", "0", "--lan", "off")
    assert (settings["scrub_days"], settings["discover"]) == (0, False)
    wrong = swarm.cli(a, "settings", "--scrub-days", "-1")
    assert wrong.code == 2
    assert "out of bounds" in wrong.result["error"]

    swarm.wait_until(lambda: swarm.copies(a, share["entry"]) == (2, 2), "two copies")
    with browser_page(f"{login_url(swarm, a)}") as page:
        page.get_by_role("link", name="Settings").click()
        expect(page.get_by_label("Read everything kept here")).to_have_value("0")
        row = page.get_by_role("list", name="Shared paths").get_by_role("listitem")
        row.get_by_role("button", name="Stop sharing").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop sharing").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert film.exists()


def test_transfers_tell_both_ends(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a")
    b = swarm.add_peer("b", capacity="0", web=True)
    film = write_random(tmp_path / "film.mkv", 40 * MB)
    entry = swarm.ok(a, "add", str(film))
    swarm.ok(a, "limit", "--up", "500KB", "--lan", "limited")
    getting = swarm.begin(b, "get", entry["id"], "-o", str(tmp_path / "out"))
    swarm.wait_until(lambda: swarm.ok(b, "status")["downloaded"] > MB, "it comes")
    coming = swarm.ok(b, "transfers")
    (transfer,) = coming["transfers"]
    (source,) = transfer["sources"]
    assert (transfer["name"], source["name"], source["address"]) == ("film.mkv", "a", "127.0.0.1")
    assert source["pieces"] == transfer["pieces"] == entry["pieces"]
    assert source["received"] > 0
    assert source["asked"] > 0
    (taker,) = swarm.ok(a, "transfers")["takers"]
    assert (taker["name"], taker["fetches"], taker["fetching"]) == ("b", ["film.mkv"], 1)
    assert taker["sent"] > 0
    with browser_page(f"{login_url(swarm, b)}") as page:
        page.get_by_role("navigation").get_by_role("link", name="Transfers").click()
        page.get_by_role("group").get_by_text("Machines", exact=True).click()
        table = page.get_by_role("table", name="Machines that film.mkv comes from")
        expect(table.get_by_role("row").filter(has_text="127.0.0.1")).to_contain_text("100 %")
    swarm.ok(a, "limit", "--up", "none")
    swarm.wait_until(lambda: not getting.alive(), "it has come", seconds=60)
    assert swarm.ok(b, "transfers")["transfers"] == []
