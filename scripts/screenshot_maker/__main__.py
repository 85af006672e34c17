"""A swarm of three machines with something in it, and pictures of the page of one of them."""

import sys
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from swarm import Swarm

from screenshot_maker.samples import make_samples

CHROMIUM = "/usr/bin/chromium"
SIZES = {"wide": (1200, 760), "narrow": (360, 760)}
THEMES = ("light", "dark")
LANGUAGES = {"german": "de-DE", "arabic": "ar-EG"}
"""Of these the library and one entry are shown."""
SETTLED = "document.fonts.ready"
SHORT = 500
"""Milliseconds in which previews and maps are drawn."""


def main() -> None:
    """Make all pictures, or those of the names given after it, in the folder that is given."""
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


def take_all(browser: Browser, url: str, ids: dict[str, str], target: Path, only: set[str]) -> None:
    """Log in once, and take each place in each form."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_role("navigation").wait_for()
    state = context.storage_state()
    context.close()
    base = url.partition("/login")[0]
    for locale, shown in [("en-US", places(ids)), *in_languages(ids)]:
        wanted = {name: how for name, how in shown.items() if not only or name in only}
        for theme, size in product(THEMES if wanted else (), SIZES):
            width, height = SIZES[size]
            context = browser.new_context(
                color_scheme=theme,  # type: ignore[arg-type]
                viewport={"width": width, "height": height},
                storage_state=state,
                reduced_motion="reduce",
                locale=locale,
            )
            page = context.new_page()
            for name, (address, ready) in wanted.items():
                take(page, base + address, ready, target / f"{name}-{theme}-{size}.png")
            context.close()


def in_languages(ids: dict[str, str]) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    """The library and an entry in each other language: its locale, and the places."""
    library, folder = "/#/", f"/#/entry/{ids['thesis']}"
    return [
        (
            locale,
            {f"library-{name}": (library, ".item"), f"folder-{name}": (folder, "[role=tree]")},
        )
        for name, locale in LANGUAGES.items()
    ]


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
