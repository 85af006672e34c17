// Draws who has which pieces: one band for each machine, as fine as the screen allows.

import { State } from "./parts.js";
import { html, useEffect, useRef } from "./vendor/preact-htm.js";

const HEIGHT = 18;

/** How many pieces the runs of a row cover. */
export function held(row) {
  return row.runs.reduce((sum, [, length]) => sum + length, 0);
}

export function PieceMap({ map }) {
  if (map.pieces === 0) return html`<p class="soft">An empty file has no pieces.</p>`;
  return html`<ul class="piece-map">${map.rows.map((row) => html`<li key=${row.peer}>
    <span class="machine"><span class="name">${row.peer}</span><${State} state=${row.state} /></span>
    <${Band} row=${row} pieces=${map.pieces} />
    <span class="part">${held(row).toLocaleString()} of ${map.pieces.toLocaleString()}</span>
  </li>`)}</ul>`;
}

function Band({ row, pieces }) {
  const canvas = useRef(null);
  useEffect(() => {
    const paint = () => draw(canvas.current, row, pieces);
    paint();
    const watch = new ResizeObserver(paint);
    watch.observe(canvas.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", paint);
    return () => { watch.disconnect(); dark.removeEventListener("change", paint); };
  }, [row, pieces]);
  return html`<canvas ref=${canvas} role="img" aria-label=${describe(row, pieces)}></canvas>`;
}

function describe(row, pieces) {
  const have = held(row);
  if (have === pieces) return `${row.peer} holds all pieces`;
  const runs = row.runs.slice(0, 5).map(([start, length]) => (length === 1 ? `${start + 1}` : `${start + 1} to ${start + length}`));
  const rest = row.runs.length > 5 ? " and more" : "";
  return have ? `${row.peer} holds ${have} of ${pieces} pieces: ${runs.join(", ")}${rest}` : `${row.peer} holds none`;
}

/** Each screen column is as strong as the share of its pieces that is held. */
function draw(canvas, row, pieces) {
  const scale = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  if (!width) return;
  canvas.width = width;
  canvas.height = HEIGHT * scale;
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).color;
  const share = new Float32Array(width + 1);
  for (const [start, length] of row.runs) cover(share, (start / pieces) * width, ((start + length) / pieces) * width);
  for (let x = 0; x < width; x += 1) {
    pen.globalAlpha = Math.min(1, share[x]);
    if (share[x] > 0) pen.fillRect(x, 0, 1, canvas.height);
  }
  separate(pen, canvas, pieces, scale);
}

function cover(share, from, to) {
  for (let x = Math.floor(from); x < to; x += 1) share[x] += Math.min(to, x + 1) - Math.max(from, x);
}

/** Few pieces are shown one by one. */
function separate(pen, canvas, pieces, scale) {
  if (canvas.width / pieces < 6 * scale) return;
  pen.globalAlpha = 1;
  for (let piece = 1; piece < pieces; piece += 1) {
    pen.clearRect(Math.round((piece / pieces) * canvas.width), 0, scale, canvas.height);
  }
}
