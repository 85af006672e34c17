"""The page of a real admin's machine: it invites a machine that then joins, and shuts one out."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from swarm import Swarm, write_random
from test_swarm_membership import try_to_join
from test_swarm_page import browser_page, login_url

pytestmark = [pytest.mark.swarm, pytest.mark.browser]


def test_the_page_of_an_admin_invites_and_shuts_out(swarm: Swarm, tmp_path: Path) -> None:
    boss = swarm.add_peer("boss", web=True)
    swarm.add_peer("other")
    with browser_page(login_url(swarm, boss)) as page:
        page.get_by_role("link", name="Machines").click()
        expect(page.get_by_text("twofold-tracker admin boss")).to_be_visible()
        swarm.tracker_ok("admin", "boss")
        page.get_by_role("button", name="Invite a machine").click()
        page.get_by_role("combobox", name="Zone").fill("attic")
        page.keyboard.press("Enter")
        invite = page.get_by_role("textbox", name="invite").input_value()
        page.get_by_role("button", name="Done").click()
        expect(page.get_by_role("region", name="Open invites")).to_contain_text("zone attic")
        assert try_to_join(swarm, invite).code == 0

        page.get_by_role("button", name="Set the zone of other").click()
        page.get_by_role("combobox", name="Zone").fill("cellar")
        page.keyboard.press("Enter")
        card = page.locator(".machine-card").filter(has_text="other")
        expect(card).to_contain_text("cellar")
        page.get_by_role("button", name="Shut out other").click()
        page.get_by_role("button", name="Shut out for good").click()
        expect(card).to_have_count(0)
        acts = page.get_by_role("list", name="What was done")
        expect(acts).to_contain_text("The owner shut out other")
    members = swarm.tracker_ok("members")["members"]
    assert {each["name"]: each["state"] for each in members}["other"] == "revoked"


def test_a_person_comes_in_and_their_upload_has_their_name(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    file = write_random(tmp_path / "song.ogg", 300_000)
    url = login_url(swarm, a)
    with browser_page(url) as page:
        page.get_by_role("link", name="Machines").click()
        page.get_by_role("button", name="Let a person in").click()
        page.get_by_role("textbox", name="Name").fill("Ana")
        page.keyboard.press("Enter")
        address = page.get_by_role("textbox", name="login address").input_value()
    with browser_page(address) as page:
        page.locator("input[type=file]").first.set_input_files(str(file))
        expect(page.get_by_label("Entries")).to_contain_text("song.ogg", timeout=30_000)
    with browser_page(address) as page:  # good once
        expect(page.get_by_role("searchbox")).to_have_count(0)
    swarm.restart(a)  # what was done is still known
    with browser_page(login_url(swarm, a)) as page:
        page.get_by_role("link", name="Machines").click()
        expect(page.get_by_role("list", name="What was done")).to_contain_text(
            "Ana shared song.ogg"
        )
