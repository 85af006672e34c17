"""Pictures between real machines: uploaded at one page, their renditions shown by another's."""

import base64
import http.client
import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from picture_files import opened, picture_of
from swarm import Peer, Swarm
from test_swarm_page import login_url

pytestmark = pytest.mark.swarm

QUALITIES = {"very high": (1024, 768), "high": (1024, 768), "medium": (786, 590), "low": (124, 93)}


class PageClient:
    """A program that is logged in to the page of one machine."""

    def __init__(self, swarm: Swarm, peer: Peer) -> None:
        login = urlsplit(login_url(swarm, peer))
        self.host = login.netloc
        self.cookie = ""
        _, _, headers = self.ask("GET", f"{login.path}?{login.query}")
        self.cookie = headers["Set-Cookie"].partition(";")[0]

    def ask(
        self, method: str, path: str, body: bytes | None = None, **more: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {"Origin": f"http://{self.host}", "Cookie": self.cookie}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, dict(answer.getheaders())

    def begin(self, name: str, content: bytes) -> tuple[int, bytes, dict[str, str]]:
        return self.ask(
            "POST",
            "/api/v1/uploads",
            content,
            Tus_Resumable="1.0.0",
            Upload_Length=str(len(content)),
            Upload_Metadata=f"name {base64.b64encode(name.encode()).decode()}",
            Content_Type="application/offset+octet-stream",
        )

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """What became of an upload."""
        status, body, headers = self.begin(name, content)
        assert status == 201, body
        while True:
            view = json.loads(self.ask("GET", f"{headers['Location']}?wait=20")[1])
            if view["state"] != "adding":
                return view  # type: ignore[no-any-return]


def renditions(swarm: Swarm, peer: Peer, entry: str) -> dict[str, str]:
    found = swarm.ok(peer, "show", entry)["renditions"]
    return {each["quality"]: each["id"] for each in found}


def kill_page(peer: Peer) -> None:
    assert peer.daemon is not None
    for page in psutil.Process(peer.daemon.process.pid).children():
        page.send_signal(signal.SIGKILL)


def test_all_renditions_reach_two_machines_though_the_page_is_killed(swarm: Swarm) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b", web=True)
    view = PageClient(swarm, a).upload("sea.jpg", picture_of(2000, 1500))
    kill_page(a)
    assert (view["state"], view["note"]) == ("added", "")
    entry = view["entry"]
    assert "very high" in renditions(swarm, a, entry)
    swarm.wait_until(lambda: len(renditions(swarm, a, entry)) == 4, "all are made", seconds=60)
    made = renditions(swarm, a, entry)
    assert list(made) == list(QUALITIES)
    for each in (entry, *made.values()):
        swarm.wait_until(lambda each=each: swarm.copies(a, each) == (2, 2), "2 of 2", seconds=60)
    for peer in (a, b):
        listed = swarm.ok(peer, "ls")
        assert [each["name"] for each in listed["entries"]] == ["sea.jpg"]
        assert listed["entries"][0]["renditions"]
        assert swarm.ok(peer, "health")["entries"]["safe"] == 1
    at_b = PageClient(swarm, b)
    swarm.stop(a)  # all that b shows, it has
    for quality, size in QUALITIES.items():
        address = f"/pictures/{entry}/{quality.replace(' ', '-')}"
        status, content, headers = at_b.ask("GET", address)
        assert status == 200, content
        assert opened(content).size == size
        assert headers["Content-Type"] == "image/jpeg"
        assert at_b.ask("GET", address, If_None_Match=headers["ETag"])[0] == 304
        assert at_b.ask("GET", address, Cookie="")[0] == 303
    assert swarm.ok(b, "rules", "--embed")["rules"]["embed"]
    status, content, headers = at_b.ask("GET", address, Cookie="", Origin="http://x.example")
    assert status == 200
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_they_are_deleted_and_restored_with_their_picture(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b")
    file = tmp_path / "by command.png"
    file.write_bytes(picture_of(300, 200, "PNG"))
    entry = swarm.ok(a, "add", str(file))["id"]
    login_url(swarm, a)
    kill_page(a)  # the next one looks for what is missing when it starts
    swarm.wait_until(lambda: len(renditions(swarm, a, entry)) == 4, "all are made", seconds=60)
    made = list(renditions(swarm, a, entry).values())
    for each in (entry, *made):
        swarm.wait_until(lambda each=each: swarm.copies(a, each) == (2, 2), "2 of 2", seconds=60)
    swarm.ok(a, "rm", entry)
    for each in made:
        swarm.wait_until(lambda each=each: swarm.cli(b, "show", each).code == 3, "gone there too")
    swarm.wait_until(lambda: len(swarm.ok(b, "trash")["entries"]) == 1, "one in the trash")
    swarm.ok(a, "restore", entry)
    for each in made:
        swarm.wait_until(lambda each=each: swarm.copies(a, each) == (2, 2), "back", seconds=60)
    assert list(renditions(swarm, b, entry).values()) == made


def test_rules_are_set_by_command_and_hold_in_the_page_and_for_push(
    swarm: Swarm, tmp_path: Path
) -> None:
    a = swarm.add_peer("a", web=True)
    page = PageClient(swarm, a)
    said = swarm.ok(a, "rules", "--least", "1024x786", "--types", "image,TXT", "--largest", "5MB")
    assert said["rules"] == {
        "types": ["image", ".txt"],
        "largest": 5_000_000,
        "least": {"width": 1024, "height": 786},
        "embed": False,
        "quota": None,
    }
    settings = (a.data / "settings.toml").read_text()
    assert 'least = "1024x786"' in settings
    view = page.upload("x.jpg", picture_of(800, 600))
    assert view["state"] == "failed"
    assert view["text"] == (
        "“x.jpg” is 800 x 600; pictures here must be at least 1024 x 786. Upload a larger one."
    )
    view = page.upload("cut.jpg", picture_of(1100, 900)[:5000])
    assert "“cut.jpg” is not taken: it is cut off or damaged." in view["text"]
    for name, size, status in (("film.mkv", 9, 415), ("long.txt", 5_000_001, 413)):
        got, body, _ = page.begin(name, bytes(size))
        assert (got, json.loads(body)["error"]["text"].split("”")[0]) == (status, f"“{name}")
    assert swarm.cli(a, "rules", "--types", "a b").code == 2
    assert swarm.cli(a, "rules", "--least", "much").code == 2
    assert swarm.ok(a, "rules")["rules"] == said["rules"]
    assert page.ask("GET", "/healthz")[0] == 200
    none = ("--least", "none", "--types", "any", "--largest", "none", "--no-embed")
    assert swarm.ok(a, "rules", *none)["rules"]["types"] == []
    assert page.upload("x.jpg", picture_of(800, 600))["state"] == "added"
