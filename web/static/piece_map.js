// Who has which pieces: one band for each machine, how much that is, and the same in words.

import { percent } from "./format.js";
import { State } from "./parts.js";
import { BandPainter } from "./piece_band.js";
import { html, useEffect, useRef } from "./vendor/preact-htm.js";

const RUNS_IN_WORDS = 5, RUNS_IN_TABLE = 50;

/**
 * How many pieces the runs of a row cover.
 * @param {Api.PieceRow} row
 */
export function held(row) {
  let sum = 0;
  for (let index = 0; index < row.runs.length; index += 1) sum += row.runs[index][1];
  return sum;
}

/** @param {{map: Api.PieceRows}} props */
export function PieceMap({ map }) {
  if (map.pieces === 0) return html`<p class="soft">An empty file has no pieces.</p>`;
  return html`<div><ul class="piece-map">${map.rows.map((row) => html`<${Row} key=${row.peer} row=${row} pieces=${map.pieces} />`)}</ul>
    ${map.rows.length === 0 && html`<p class="soft">No machine that is there holds a piece.</p>`}
    <${InWords} map=${map} /></div>`;
}

/** @param {{row: Api.PieceRow, pieces: number}} props */
function Row({ row, pieces }) {
  const have = held(row);
  return html`<li>
    <span class="machine"><span class="name">${row.peer}</span><${State} state=${row.state} /></span>
    <${Band} row=${row} pieces=${pieces} have=${have} />
    <span class="part">${have.toLocaleString()} of ${pieces.toLocaleString()} <span class="share-of">${percent(have, pieces)} %</span></span>
  </li>`;
}

/** @param {{row: Api.PieceRow, pieces: number, have: number}} props */
function Band({ row, pieces, have }) {
  const canvas = useRef(null), painter = useRef(null);
  useEffect(() => {
    painter.current = new BandPainter(canvas.current);
    const resized = new ResizeObserver(() => painter.current.resize());
    resized.observe(canvas.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => painter.current.recolour();
    dark.addEventListener("change", recolour);
    return () => { resized.disconnect(); dark.removeEventListener("change", recolour); };
  }, []);
  useEffect(() => { painter.current.show(row.runs, pieces); }, [row, pieces]);
  return html`<canvas ref=${canvas} role="img" aria-label=${describe(row, pieces, have)}></canvas>`;
}

/** @param {[number, number]} run */
function inWords([start, length]) {
  return length === 1 ? `${start + 1}` : `${start + 1} to ${start + length}`;
}

/**
 * @param {Api.PieceRow} row
 * @param {number} pieces
 * @param {number} have
 */
function describe(row, pieces, have) {
  if (have === pieces) return `${row.peer} holds all pieces`;
  const rest = row.runs.length > RUNS_IN_WORDS ? " and more" : "";
  const runs = row.runs.slice(0, RUNS_IN_WORDS).map(inWords);
  return have ? `${row.peer} holds ${have} of ${pieces} pieces: ${runs.join(", ")}${rest}` : `${row.peer} holds none`;
}

/**
 * The map for who cannot see it, or wants the numbers.
 * @param {{map: Api.PieceRows}} props
 */
function InWords({ map }) {
  const parts = map.rows.filter((row) => row.runs.length > 0);
  if (parts.length === 0) return null;
  return html`<details class="in-words"><summary>In words</summary>
    <ul>${parts.map((row) => html`<li key=${row.peer}><strong>${row.peer}</strong>: pieces ${row.runs.slice(0, RUNS_IN_TABLE).map(inWords).join(", ")}${row.runs.length > RUNS_IN_TABLE && `, and ${(row.runs.length - RUNS_IN_TABLE).toLocaleString()} more runs`}</li>`)}</ul></details>`;
}
