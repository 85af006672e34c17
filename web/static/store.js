// What several parts of the page share: the daemon's live status, messages to the person, the route.
// A cell is a value with listeners; use(cell) makes a part draw itself again when it changes.

import { useEffect, useRef, useState } from "./vendor/preact-htm.js";

/**
 * @template T
 * @typedef {{get: () => T, set: (next: T) => void, listen: (listener: (value: T) => void) => () => void}} Cell
 */

/**
 * @template T
 * @param {T} value
 * @returns {Cell<T>}
 */
export function cell(value) {
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of listeners) listener(next);
    },
    listen(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
  };
}

/**
 * @template T
 * @param {Cell<T>} source
 * @returns {T}
 */
export function use(source) {
  const [value, setValue] = useState(source.get());
  useEffect(() => {
    setValue(source.get());
    return source.listen(setValue);
  }, [source]);
  return value;
}

const SOON = 3000, LATER = 15000;

/**
 * Ask again now and then while the page is looked at: soon when copies are being made elsewhere.
 * @param {() => unknown} load
 * @param {unknown} soon
 */
export function useRefresh(load, soon) {
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && connection.get() === "live") latest.current();
    }, soon ? SOON : LATER);
    return () => clearInterval(timer);
  }, [Boolean(soon)]);
}

/** The newest Status, or null before the first one. */
export const status = cell(/** @type {Api.Status | null} */ (null));
/** @typedef {(Api.Health & {error?: undefined}) | {entries?: undefined, error: Error}} HealthNow */
/** The newest Health, {error} if that cannot be had, or null before the first one. */
export const health = cell(/** @type {HealthNow | null} */ (null));
/** "connecting", "live", "daemon" (the daemon is gone) or "page" (the page's own process is gone). */
export const connection = cell(/** @type {"connecting" | "live" | "daemon" | "page"} */ ("connecting"));
/** Grows whenever the list of entries may have changed. */
export const changes = cell(0);
export const toasts = cell(/** @type {{id: number, text: Drawn, good: boolean, foreign: boolean}[]} */ ([]));
export const route = cell(readRoute());

let nextToast = 1;

/**
 * Tell the person something; good news goes away by itself. `foreign`: it is the machine's own text.
 * @param {Drawn} text
 * @param {boolean} [good]
 * @param {boolean} [foreign]
 */
export function tell(text, good = true, foreign = false) {
  const toast = { id: nextToast++, text, good, foreign };
  toasts.set([...toasts.get().slice(-3), toast]);
  if (good) setTimeout(() => dismiss(toast.id), 6000);
}

/** @param {number} id */
export function dismiss(id) {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

export function changed() {
  changes.set(changes.get() + 1);
}

function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [place, id] = path.split("/");
  return { place: place || "library", id: id ?? "", query: query ?? "" };
}

addEventListener("hashchange", () => route.set(readRoute()));
