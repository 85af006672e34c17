// Who has which pieces: one band for each machine, how much that is, and the same in words.

import { number, series, share } from "./format.js";
import { State } from "./parts.js";
import { BandPainter } from "./piece_band.js";
import { t, tn, tx } from "./strings.js";
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
  if (map.pieces === 0) return html`<p class="soft">${t("An empty file has no pieces.")}</p>`;
  return html`<div><ul class="piece-map">${map.rows.map((row) => html`<${Row} key=${row.peer} row=${row} pieces=${map.pieces} />`)}</ul>
    ${map.rows.length === 0 && html`<p class="soft">${t("No machine that is there holds a piece.")}</p>`}
    <${InWords} map=${map} /></div>`;
}

/** @param {{row: Api.PieceRow, pieces: number}} props */
function Row({ row, pieces }) {
  const have = held(row);
  return html`<li>
    <span class="machine"><span class="name" dir="auto">${row.peer}</span><${State} state=${row.state} /></span>
    <${Band} row=${row} pieces=${pieces} have=${have} />
    <span class="part">${t("{have} of {want}", { have: number(have), want: number(pieces) })} <span class="share-of">${share(have, pieces)}</span></span>
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
  return length === 1 ? number(start + 1) : t("{first} to {last}", { first: number(start + 1), last: number(start + length) });
}

/**
 * @param {Api.PieceRow} row
 * @param {number} pieces
 * @param {number} have
 */
function describe(row, pieces, have) {
  const name = row.peer;
  if (have === pieces) return t("{name} holds all pieces", { name });
  if (!have) return t("{name} holds none", { name });
  const runs = series(row.runs.slice(0, RUNS_IN_WORDS).map(inWords));
  const fields = { name, have: number(have), runs: row.runs.length > RUNS_IN_WORDS ? t("{runs} and more", { runs }) : runs };
  return tn(pieces, "{name} holds {have} of {n} piece: {runs}", "{name} holds {have} of {n} pieces: {runs}", fields);
}

/** @param {[number, number][]} runs */
function allRuns(runs) {
  const more = runs.length - RUNS_IN_TABLE;
  const shown = runs.slice(0, RUNS_IN_TABLE).map(inWords);
  return series(more > 0 ? [...shown, tn(more, "and {n} more run", "and {n} more runs")] : shown);
}

/**
 * The map for who cannot see it, or wants the numbers.
 * @param {{map: Api.PieceRows}} props
 */
function InWords({ map }) {
  const parts = map.rows.filter((row) => row.runs.length > 0);
  if (parts.length === 0) return null;
  return html`<details class="in-words"><summary>${t("In words")}</summary>
    <ul>${parts.map((row) => html`<li key=${row.peer}>${tx("{name}: pieces {runs}", { name: html`<strong><bdi>${row.peer}</bdi></strong>`, runs: allRuns(row.runs) })}</li>`)}</ul></details>`;
}
