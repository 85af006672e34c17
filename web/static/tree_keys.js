// What a key does in a tree of rows, as the ARIA pattern for trees has it.

import { speaking } from "./strings.js";

/** @type {Record<string, string>} */
const MIRRORED = { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" };

/**
 * The key as it is meant where text goes left to right: arrows go with the text.
 * @param {{key: string}} event
 */
export function keyOf({ key }) {
  return (speaking().rightToLeft && MIRRORED[key]) || key;
}

/**
 * @typedef {import("./tree_model.js").Row} Row
 * @typedef {{at?: number, toggle?: string, choose?: import("./tree_model.js").Leaf}} Done
 */

/**
 * Where to go, or what to do: {at}, {toggle: path}, {choose: node}, or null for a key that is not ours.
 * @param {string} key
 * @param {Row[]} rows
 * @param {number} at
 * @param {Set<string>} open
 * @param {number} page
 * @returns {Done | null}
 */
export function treeKey(key, rows, at, open, page) {
  const row = rows[at];
  if (!row) return null;
  const { node } = row;
  /** @param {number} index */
  const clamp = (index) => ({ at: Math.max(0, Math.min(rows.length - 1, index)) });
  if (key === "ArrowDown") return clamp(at + 1);
  if (key === "ArrowUp") return clamp(at - 1);
  if (key === "PageDown") return clamp(at + page);
  if (key === "PageUp") return clamp(at - page);
  if (key === "Home") return clamp(0);
  if (key === "End") return clamp(rows.length - 1);
  if (key === "Enter" || key === " ") return node.file ? { choose: node } : { toggle: node.path };
  if (key === "ArrowRight" && !node.file) return open.has(node.path) ? clamp(at + 1) : { toggle: node.path };
  if (key === "ArrowLeft") return !node.file && open.has(node.path) ? { toggle: node.path } : toParent(rows, at);
  if (key.length === 1) return byLetter(rows, at, key);
  return null;
}

/**
 * @param {Row[]} rows
 * @param {number} at
 */
function toParent(rows, at) {
  for (let index = at - 1; index >= 0; index -= 1) if (rows[index].depth < rows[at].depth) return { at: index };
  return { at };
}

/**
 * @param {Row[]} rows
 * @param {number} at
 * @param {string} key
 */
function byLetter(rows, at, key) {
  for (let step = 1; step <= rows.length; step += 1) {
    const index = (at + step) % rows.length;
    if (rows[index].node.name.toLowerCase().startsWith(key.toLowerCase())) return { at: index };
  }
  return { at };
}
