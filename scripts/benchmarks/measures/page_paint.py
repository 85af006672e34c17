"""page-paint: how long Chromium, with nothing in its cache, waits for the library to be drawn."""

import contextlib
from collections.abc import Iterator

from benchmarks.large_catalogue import fill_tracker
from benchmarks.needs import program
from benchmarks.own_page import OwnPage
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from playwright.sync_api import Browser, Page, sync_playwright
from swarm import Swarm

NEEDS = ("chromium",)
ENTRIES = 1_000
LOADS = 5
_ROW = "main li.item"
_WATCH = """
window.paints = {};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.paints.largest_ms = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
const look = () => {
  if (!document.querySelector("ROW")) return requestAnimationFrame(look);
  requestAnimationFrame(() => { window.paints.first_row_ms = performance.now(); });
};
requestAnimationFrame(look);
""".replace("ROW", _ROW)
_READ = """() => ({
  ...window.paints,
  first_paint_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  fetched_kib: performance.getEntries()
    .reduce((sum, each) => sum + (each.transferSize ?? 0), 0) / 1024,
})"""


def measure_page_paint(plan: Plan) -> Cases:
    """A library of 1,000 entries; each load in a browser profile of its own."""
    with Swarm(plan.folder) as swarm:
        desk = swarm.join_peer("desk", web=True, capacity="0")
        others = [swarm.join_peer(name, capacity="0") for name in ("nas", "attic")]
        assert swarm.tracker is not None
        swarm.tracker.stop()
        fill_tracker(swarm, [desk, *others], ENTRIES)
        swarm.start_tracker()
        swarm.start(desk)
        page = OwnPage(swarm, desk)
        contender = Contender(OWN, lambda _: _load(page), NEEDS)
        yield Case([contender], label="first paint", told={"entries": ENTRIES, "loads": LOADS})


def _load(page: OwnPage) -> Figures:
    """The best of a few loads: what else the machine does can only make it slower."""
    with chromium() as browser:
        found = [_load_once(browser, page) for _ in range(LOADS)]
    return {name: min(each[name] for each in found) for name in found[0]}


def _load_once(browser: Browser, page: OwnPage) -> Figures:
    tab = open_tab(browser, page)
    tab.add_init_script(_WATCH)
    tab.goto(page.url)
    tab.wait_for_function("() => window.paints.first_row_ms && window.paints.largest_ms")
    figures: Figures = tab.evaluate(_READ)
    tab.context.close()
    return figures


def open_tab(browser: Browser, page: OwnPage) -> Page:
    """An empty tab that is logged in, with a cache of its own."""
    context = browser.new_context()
    name, _, value = page.headers["Cookie"].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": page.url}])
    return context.new_page()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with nothing kept from before."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
