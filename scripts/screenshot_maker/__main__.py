"""A swarm of three machines with something in it, and pictures of the page of one of them."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from swarm import Swarm

from screenshot_maker.samples import make_samples

CHROMIUM = "/usr/bin/chromium"
SIZES = {"wide": (1200, 760), "narrow": (360, 760)}
THEMES = ("light", "dark")
SETTLED = "document.fonts.ready"
SHORT = 500
"""Milliseconds in which previews and maps are drawn."""


def main() -> None:
    """Make the pictures of the places named, or all, in the folder that is given first."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Swarm(Path(folder) / "swarm") as swarm:
        desk = swarm.add_peer("desk", web=True)
        swarm.add_peers("nas", "laptop")
        swarm.tracker_ok("admin", "desk")
        ids = {}
        for sample in make_samples(Path(folder) / "samples"):
            options = ("--caption", sample.caption, *(f"--tag={tag}" for tag in sample.tags))
            added = swarm.ok(desk, "add", "--import", str(sample.path), *options)
            ids[sample.path.name] = added["id"]
        swarm.ok(desk, "rm", ids.pop("old draft.txt"))
        swarm.ok(desk, "limit", "--up", "5MB", "--down", "20MB")
        swarm.ok(desk, "limit", "--at", "mon-fri 08:00-18:00", "--up", "1MB")
        url = str(swarm.ok(desk, "login")["url"])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
            )
            take_all(browser, url, ids, target, set(sys.argv[2:]))
            browser.close()


def take_all(
    browser: Browser, url: str, ids: dict[str, str], target: Path, wanted: set[str]
) -> None:
    """Log in once, and take each place that is wanted, or all, in each form."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_role("navigation").wait_for()
    state = context.storage_state()
    context.close()
    base = url.partition("/login")[0]
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                color_scheme=theme,  # type: ignore[arg-type]
                viewport={"width": width, "height": height},
                storage_state=state,
                reduced_motion="reduce",
            )
            page = context.new_page()
            for name, (address, ready) in places(ids).items():
                if wanted and name not in wanted:
                    continue
                take(page, base + address, ready, target / f"{name}-{theme}-{size}.png")
            context.close()


def places(ids: dict[str, str]) -> dict[str, tuple[str, str]]:
    """By name: the address, and what is there once it has been drawn."""
    return {
        "library": ("/#/", "text=entries"),
        "gallery": ("/#/?view=gallery", "text=entries"),
        "picture": (f"/#/entry/{ids['evening at the lake.png']}", "main img"),
        "folder": (f"/#/entry/{ids['thesis']}", "[role=tree]"),
        "text": (f"/#/entry/{ids['plot.py']}", "main pre"),
        "transfers": ("/#/transfers", "main h1"),
        "machines": ("/#/machines", "text=laptop"),
        "health": ("/#/health", "text=Safe"),
        "settings": ("/#/settings", "text=Space for the group"),
        "trash": ("/#/trash", "text=old draft"),
    }


def take(page: Page, address: str, ready: str, target: Path) -> None:
    """One picture, of what fits the window."""
    page.goto(address)
    page.locator(ready).first.wait_for()
    page.evaluate(SETTLED)
    page.wait_for_timeout(SHORT)
    page.screenshot(path=str(target), animations="disabled")


main()
