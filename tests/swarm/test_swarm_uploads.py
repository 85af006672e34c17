"""What the page began `twofold push` finishes, and the other way round; no byte is sent twice."""

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect
from processes import run_command
from swarm import Swarm, write_random
from test_swarm_page import browser_page, login_url
from test_swarm_push import logged_in
from trees import same_file, tree_difference

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

SIZE = 90_000_000
PART = 64 << 20


def slow_down(page: Page, rate: int) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
    session.send("Network.emulateNetworkConditions", limits)


def pick(page: Page, button: str | re.Pattern[str], path: Path) -> None:
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name=button).first.click()
    choosing.value.set_files(str(path))


def offsets(spool: Path) -> int:
    return sum(part.stat().st_size for part in spool.glob("*.part"))


def test_begun_in_the_page_and_finished_by_push(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    file, spool = write_random(tmp_path / "film.mkv", SIZE), a.data / "spool"
    with browser_page(login_url(swarm, a)) as page:
        slow_down(page, 20_000_000)
        pick(page, "Upload files", file)
        swarm.wait_until(lambda: offsets(spool) > SIZE // 3, "some of it came")
    answer = run_command("peer", "push", url, str(file), "--data", str(data), "--json")
    assert answer.code == 0, str(answer)
    assert answer.result["sent"] <= SIZE - SIZE // 3 + PART
    swarm.ok(a, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert same_file(tmp_path / "out", file)
    assert [entry["name"] for entry in swarm.ok(a, "ls")["entries"]] == ["film.mkv", "first"]


def test_begun_by_push_and_finished_in_the_page(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    file, spool = write_random(tmp_path / "film.mkv", 4 * SIZE), a.data / "spool"
    pushing = swarm._run("push", "peer", "push", url, str(file), "--data", str(data), "--json")
    swarm.wait_until(lambda: offsets(spool) > SIZE, "some of it came")
    pushing.process.send_signal(signal.SIGKILL)
    pushing.finish()
    sent: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            sent.append(4 * SIZE - int(request.headers["upload-offset"]))

    with browser_page(login_url(swarm, a)) as page:
        again = page.get_by_text(re.compile(r"of 360 MB is here · pick the file again to go on"))
        expect(again).to_be_visible()
        page.on("request", note)
        pick(page, "Pick the file again to go on: film.mkv", file)
        expect(page.get_by_text("360 MB · shared")).to_be_visible(timeout=60_000)
        expect(again).to_have_count(0)
    assert 0 < sum(sent) <= 3 * SIZE + PART
    (entry,) = (entry for entry in swarm.ok(a, "ls")["entries"] if entry["name"] == "film.mkv")
    swarm.ok(a, "get", entry["id"], "-o", str(tmp_path / "out"))
    assert same_file(tmp_path / "out", file)


def test_a_folder_begun_in_the_page_and_finished_by_push(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    folder, spool = tmp_path / "holiday", a.data / "spool"
    for number in range(300):
        (folder / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        write_random(folder / f"{number % 3}" / f"{number}", 100_000)

    def placed() -> int:
        return sum(path.is_file() for path in spool.glob("*.tree/*/*"))

    with browser_page(login_url(swarm, a)) as page:
        slow_down(page, 6_000_000)
        pick(page, "Upload a folder", folder)
        swarm.wait_until(lambda: placed() > 60, "some of it came")
    before = placed()
    answer = run_command("peer", "push", url, str(folder), "--data", str(data), "--json")
    assert answer.code == 0, str(answer)
    assert answer.result["sent"] <= (300 - before) * 100_000
    assert answer.result["files"] == 300
    swarm.ok(a, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert tree_difference(tmp_path / "out", folder) == []
