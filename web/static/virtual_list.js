// A list of any length of which only what is in view, and a little around it, is in the document.
// All items are equally high; the window scrolls. Arrow keys, Home and End go from item to item.

import { speaking } from "./strings.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-htm.js";

const AROUND = 6;

/**
 * What of the list is in view: [first line, line after the last].
 * @param {HTMLElement} list
 * @param {number} height
 * @param {number} lines
 * @returns {[number, number]}
 */
function linesInView(list, height, lines) {
  const top = -list.getBoundingClientRect().top;
  const first = Math.floor(top / height), last = Math.ceil((top + innerHeight) / height);
  return [Math.min(Math.max(0, first), lines), Math.min(Math.max(1, last), lines)];
}

/**
 * Where to go from item `at` for a key; undefined for other keys.
 * @param {string} key
 * @param {number} at
 * @param {number} columns
 * @param {number} count
 * @returns {number | undefined}
 */
function target(key, at, columns, count) {
  const forward = speaking().rightToLeft ? -1 : 1;
  /** @type {Record<string, number>} */
  const steps = { ArrowDown: columns, ArrowUp: -columns, ...(columns > 1 && { ArrowRight: forward, ArrowLeft: -forward }) };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const next = at + (steps[key] ?? 0);
  return key in steps && next >= 0 && next < count ? next : undefined;
}

/**
 * @param {{count: number, total: number, height: number, columns: number, label: string, name: string,
 *   render: (index: number) => object, keyOf: (index: number) => string, onView: (first: number, last: number) => void}} props
 * `total`: of all items that there are, -1 when nobody knows.
 */
export function VirtualList({ count, total, height, columns, label, name, render, keyOf, onView }) {
  const list = useRef(null), goal = useRef(-1), held = useRef(null), drawing = useRef(false);
  const [[first, last], setView] = useState([0, 20]);
  const [focused, setFocused] = useState(-1);
  const lines = Math.ceil(count / columns);
  const look = () => {
    if (!list.current) return;
    const next = linesInView(list.current, height, lines);
    setView((old) => (old[0] === next[0] && old[1] === next[1] ? old : next));
  };
  // An item that is moved in the document loses the focus, though nobody took it.
  drawing.current = true;
  useLayoutEffect(() => {
    drawing.current = false;
    if (held.current?.isConnected && document.activeElement === document.body) held.current.focus({ preventScroll: true });
    look();
  });
  useEffect(() => {
    let frame = 0;
    const soon = () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(look); };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => { cancelAnimationFrame(frame); removeEventListener("scroll", soon); removeEventListener("resize", soon); };
  }, [height, lines]);
  useEffect(() => onView(first * columns, last * columns), [first, last, columns, count]);
  useEffect(() => {
    const wanted = goal.current >= 0 && list.current.querySelector(`[data-index="${goal.current}"] a`);
    if (wanted) { goal.current = -1; wanted.focus({ preventScroll: true }); }
  });
  /** @param {number} index */
  const go = (index) => {
    goal.current = index;
    setFocused(index);
    const top = list.current.getBoundingClientRect().top + scrollY + Math.floor(index / columns) * height;
    const under = (/** @type {HTMLElement | null} */ (document.querySelector(".top"))?.offsetHeight ?? 0) + 8;
    if (top < scrollY + under) scrollTo({ top: top - under });
    else if (top + height > scrollY + innerHeight) scrollTo({ top: top + height - innerHeight + 8 });
  };
  /** @param {any} event */
  const press = (event) => {
    const item = event.target.closest("[data-index]");
    if (!item || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const next = target(event.key, Number(item.dataset.index), columns, count);
    if (next === undefined) return;
    event.preventDefault();
    go(next);
  };
  const from = Math.max(0, first - AROUND) * columns, to = Math.min(count, (last + AROUND) * columns);
  const shown = Array.from({ length: Math.max(0, to - from) }, (_, offset) => from + offset);
  // What has the focus stays, wherever it is: it must not be lost by scrolling.
  if (focused >= 0 && focused < count && (focused < from || focused >= to)) shown[focused < from ? "unshift" : "push"](focused);
  /** @param {number} index */
  const place = (index) => ({
    height: `${height}px`, width: `${100 / columns}%`,
    transform: `translate(${(index % columns) * (speaking().rightToLeft ? -100 : 100)}%, ${Math.floor(index / columns) * height}px)`,
  });
  return html`<ul ref=${list} role="list" class=${name} aria-label=${label} style=${{ height: `${lines * height}px` }} onKeyDown=${press}
    onfocusin=${(event) => { held.current = event.target; setFocused(Number(event.target.closest("[data-index]")?.dataset.index ?? -1)); }}
    onfocusout=${(event) => { if (!drawing.current && goal.current < 0 && list.current?.contains(event.relatedTarget) === false) { held.current = null; setFocused(-1); } }}>
    ${shown.map((index) => html`<li key=${keyOf(index)} class="item" data-index=${index} style=${place(index)} aria-setsize=${total} aria-posinset=${index + 1}>${render(index)}</li>`)}
  </ul>`;
}
