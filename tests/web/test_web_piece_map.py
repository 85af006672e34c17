"""What the piece map does for its frames, counted: 100,000 pieces, and changes that keep coming."""

from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page
from test_web_browser import browser, logged_in

pytestmark = pytest.mark.browser

PIECES, WIDTH, ROWS = 100_000, 300, 8
MAKE = """async ([pieces, width, rows]) => {
  const { BandPainter } = await import("/static/piece_band.js");
  const work = {}, pen = CanvasRenderingContext2D.prototype, put = pen.putImageData;
  const clear = () => Object.assign(work, { draws: 0, pixels: 0, frames: 0 });
  clear();
  pen.putImageData = function (line, ...rest) {
    work.draws += 1;
    work.pixels += line.width * line.height;
    return put.call(this, line, ...rest);
  };
  // Every second piece: nothing has more runs.
  const worst = () => Array.from({ length: pieces / 2 }, (_, number) => [number * 2, 1]);
  const bands = Array.from({ length: rows }, () => {
    const canvas = document.createElement("canvas");
    canvas.style.width = `${width}px`;
    document.body.append(canvas);
    return { painter: new BandPainter(canvas), runs: worst() };
  });
  const frame = async () => {
    await new Promise((done) => { requestAnimationFrame(done); });
    work.frames += 1;
  };
  const show = ({ painter, runs }) => painter.show(runs.map((run) => [...run]), pieces);
  window.map = { bands, frame, show, work, clear };
  bands.forEach(show);
  await frame();
  return { ...work };
}"""
CHANGE = """async ([frames, each]) => {
  const { bands, frame, show, work, clear } = window.map;
  clear();
  for (let number = 0; number < frames; number += 1) {
    for (let change = 0; change < each; change += 1) {
      bands[0].runs.splice(100 + number, 1);
      bands.forEach(show);  // as the page does it: all rows are told anew
    }
    await frame();
  }
  return { ...work };
}"""


def test_a_frame_draws_one_line_for_each_machine_that_changed(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async with browser() as context:
            tab = await logged_in(context, page)
            first = await tab.evaluate(MAKE, [PIECES, WIDTH, ROWS])
            assert first == {"draws": ROWS, "pixels": ROWS * WIDTH, "frames": 1}
            said = await tab.evaluate(CHANGE, [10, 7])
            assert said == {"draws": 10, "pixels": 10 * WIDTH, "frames": 10}
            said = await tab.evaluate(CHANGE.replace("splice", "slice"), [10, 7])
            assert said["draws"] == 0  # the same once more

    run_with_page(tmp_path, work)
