// Paints one machine's pieces as a band, from runs: one pixel row, which the browser stretches.
// What a frame costs depends on runs and pixels, not on pieces; several changes make one frame.

/** @typedef {Api.PieceRow["runs"]} Runs */

const GAP_FROM = 6;
/** One piece of many is seen, too; what is only an error of rounding is not. */
const FAINTEST = 80, ROUNDING = 1e-4;

/**
 * How much of each column is covered by runs, 0 to 1. Pure.
 * @param {Runs} runs
 * @param {number} pieces
 * @param {number} width
 */
export function shares(runs, pieces, width) {
  const found = new Float32Array(width + 1);
  const scale = width / pieces;
  // By index: taking pairs apart costs several times as much, and there may be 50,000.
  for (let index = 0; index < runs.length; index += 1) {
    const run = runs[index], from = run[0] * scale, to = (run[0] + run[1]) * scale;
    const first = from | 0, last = Math.min(to | 0, width - 1);
    if (first === last) { found[first] += to - from; continue; }
    found[first] += first + 1 - from;
    found[last] += to - last;
    if (last > first + 1) found.fill(1, first + 1, last);
  }
  return found;
}

/**
 * Whether two lists have the same runs. Pure.
 * @param {Runs} runs
 * @param {Runs} others
 */
function same(runs, others) {
  if (runs.length !== others.length) return false;
  for (let index = 0; index < runs.length; index += 1) {
    if (runs[index][0] !== others[index][0] || runs[index][1] !== others[index][1]) return false;
  }
  return true;
}

export class BandPainter {
  #canvas; #pen; #runs = /** @type {Runs} */ ([]); #pieces = 0; #frame = 0;
  #colour = /** @type {number[] | null} */ (null); #line = /** @type {ImageData | null} */ (null);

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /**
   * Paint these runs, in the next frame, unless they are what is seen.
   * @param {Runs} runs
   * @param {number} pieces
   */
  show(runs, pieces) {
    if (pieces === this.#pieces && same(runs, this.#runs)) return;
    this.#runs = runs;
    this.#pieces = pieces;
    this.#soon();
  }

  resize() {
    this.#line = null;
    this.#soon();
  }

  recolour() {
    this.#colour = null;
    this.#soon();
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.paint(); });
  }

  /** Paint now. */
  paint() {
    const width = Math.round(this.#canvas.clientWidth * (devicePixelRatio || 1));
    if (!width || !this.#pieces) return;
    const line = this.#line && this.#canvas.width === width ? this.#line : this.#fit(width);
    this.#colour ??= this.#readColour();
    const { data } = line, [red, green, blue] = this.#colour;
    const share = shares(this.#runs, this.#pieces, width);
    for (let x = 0, at = 0; x < width; x += 1, at += 4) {
      data[at] = red;
      data[at + 1] = green;
      data[at + 2] = blue;
      data[at + 3] = share[x] > ROUNDING ? Math.max(FAINTEST, Math.min(255, share[x] * 255)) : 0;
    }
    if (width / this.#pieces >= GAP_FROM * (devicePixelRatio || 1)) this.#separate(data, width);
    this.#pen.putImageData(line, 0, 0);
  }

  /** @param {number} width */
  #fit(width) {
    this.#canvas.width = width;
    this.#canvas.height = 1;
    this.#line = this.#pen.createImageData(width, 1);
    return this.#line;
  }

  #readColour() {
    return getComputedStyle(this.#canvas).color.match(/\d+(\.\d+)?/g)?.slice(0, 3).map(Number) ?? [0, 0, 0];
  }

  /**
   * Few pieces are shown one by one.
   * @param {Uint8ClampedArray} data
   * @param {number} width
   */
  #separate(data, width) {
    const gap = Math.round(devicePixelRatio || 1);
    for (let piece = 1; piece < this.#pieces; piece += 1) {
      const at = Math.round((piece / this.#pieces) * width);
      for (let x = at; x < Math.min(at + gap, width); x += 1) data[x * 4 + 3] = 0;
    }
  }
}
