"""Films of the swarm play where they are sought while hardly anything of them is here."""

from pathlib import Path

import pytest
from films import write_film
from playwright.sync_api import Page, expect
from swarm import Swarm
from test_swarm_looking import open_entry
from test_swarm_page import browser_page, login_url

pytestmark = [pytest.mark.swarm, pytest.mark.browser]

GIVE_UP_MS = 60_000
SEEK = """(film, giveUp) => new Promise((done, fail) => {
  const to = film.duration * 0.8, began = performance.now();
  setTimeout(() => fail(new Error("it does not play")), giveUp);
  film.ontimeupdate = () => {
    if (film.seeking || film.currentTime < to + 0.1) return;
    film.ontimeupdate = null;
    const seconds = (performance.now() - began) / 1000;
    fetch(`/api/v1/entries/${film.src.split("/").at(-2)}`).then((said) => said.json())
      .then((entry) => done({ seconds, here: entry.here, pieces: entry.pieces }));
  };
  film.muted = true;
  film.currentTime = to;
  film.play();
})"""
FILMS = [("old.webm", 1000, False), ("old.mp4", 600, False), ("web.mp4", 600, True)]
"""Name, seconds, and whether the index is in front: about 400 MB each, in 5 Mbit/s and less."""


def play_at_four_fifths(page: Page, swarm: Swarm, entry: str) -> None:
    """As a person does: play, see the first picture, seek. At most a twentieth is here then."""
    page.get_by_role("button", name="Play").click()
    film = page.locator("video")
    # Chromium loses the index of a WebM for good when it is made to seek while it reads that.
    rests = "e => e.readyState >= 2 && e.networkState === HTMLMediaElement.NETWORK_IDLE"
    swarm.wait_until(lambda: film.evaluate(rests), "the first picture", 60)
    said = film.evaluate(SEEK.replace("giveUp)", f"giveUp = {GIVE_UP_MS})"))
    assert 0 < said["here"] <= said["pieces"] * 0.05, (entry, said)
    on = "e => e.currentTime > e.duration * 0.8 + 2 && e.videoWidth > 0 && !e.error"
    swarm.wait_until(lambda: film.evaluate(on), "it goes on", 60)


def test_films_play_at_four_fifths(swarm: Swarm, tmp_path: Path) -> None:
    """With the index at the end, as cameras write, or in front, as for the web."""
    a = swarm.add_peer("a")
    c = swarm.add_peer("c", web=True, capacity="0")
    swarm.ok(a, "limit", "--up", "1MB", "--lan", "limited")
    with browser_page(login_url(swarm, c)) as page:
        for name, seconds, index_first in FILMS:
            film = write_film(tmp_path / name, seconds, index_first=index_first)
            entry = swarm.ok(a, "add", str(film))["id"]
            open_entry(page, entry)
            expect(page.get_by_text("and plays meanwhile")).to_be_visible()
            play_at_four_fifths(page, swarm, entry)
            page.go_back()
            film.unlink()
            swarm.ok(a, "rm", entry)  # or the rest of it would keep coming beside the next
