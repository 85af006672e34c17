"""page-map: frames a second that Chromium draws of a piece map in which every frame is another."""

from benchmarks.measures.page_paint import NEEDS, chromium, open_tab
from benchmarks.own_page import OwnPage
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm

PIECES, MACHINES, SECONDS = 100_000, 4, 4
_DRAW = """async ([pieces, machines, seconds]) => {
  const { BandPainter } = await import("/static/piece_band.js");
  // Every second piece is there: nothing has more runs. One list has a piece more than the other.
  const runs = Array.from({ length: pieces / 2 }, (_, number) => [number * 2, 1]);
  const lists = [runs, runs.slice(0, -1)];
  const bands = Array.from({ length: machines }, () => {
    const canvas = document.createElement("canvas");
    canvas.style.cssText = "display: block; width: 600px; height: 24px";
    document.querySelector("main").prepend(canvas);
    return new BandPainter(canvas);
  });
  const frame = () => new Promise((done) => { requestAnimationFrame(done); });
  for (const band of bands) band.show(runs, pieces);
  await frame();
  const began = performance.now();
  let frames = 0, worked = 0;
  while (performance.now() - began < 1000 * seconds) {
    const start = performance.now();
    for (const band of bands) band.show(lists[frames % 2], pieces);
    for (const band of bands) band.paint();
    worked += performance.now() - start;
    await frame();
    frames += 1;
  }
  const took = performance.now() - began;
  return { frames_per_s: 1000 * frames / took, work_ms_a_frame: worked / frames };
}"""


def measure_page_map(plan: Plan) -> Cases:
    """Bands of several machines, all of them changed for each frame."""
    with Swarm(plan.folder) as swarm:
        page = OwnPage(swarm, swarm.add_peer("desk", web=True, capacity="0"))
        contender = Contender(OWN, lambda _: _draw(page), NEEDS)
        told = {"pieces": PIECES, "machines": MACHINES}
        yield Case([contender], label="piece map", told=told)


def _draw(page: OwnPage) -> Figures:
    with chromium() as browser:
        tab = open_tab(browser, page)
        tab.goto(page.url)
        tab.wait_for_selector("main h1")
        figures: Figures = tab.evaluate(_DRAW, [PIECES, MACHINES, SECONDS])
        return figures
