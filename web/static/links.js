// The machines that are linked, asked for while somebody looks, and how fast pieces go both ways.

import { api } from "./api.js";
import { Pace } from "./pace.js";
import { connection } from "./store.js";
import { useEffect, useRef, useState } from "./vendor/preact-htm.js";

const EVERY = 2000;

/**
 * What `load` gives, again and again while the page is looked at: {value}, {error}, or {} at first.
 * @template T
 * @param {() => Promise<T>} load
 * @param {string} key
 * @returns {{value?: T, error?: Error}}
 */
export function usePolled(load, key) {
  const [known, setKnown] = useState(/** @type {{value?: T, error?: Error}} */ ({}));
  useEffect(() => {
    let gone = false, busy = false;
    const look = async () => {
      if (busy || document.visibilityState !== "visible" || connection.get() !== "live") return;
      busy = true;
      const found = await load().then((value) => ({ value }), (/** @type {Error} */ error) => ({ error }));
      busy = false;
      if (!gone) setKnown(found);
    };
    look();
    const timer = setInterval(look, EVERY);
    const forget = connection.listen((state) => { if (state === "live") look(); });
    return () => { gone = true; clearInterval(timer); forget(); };
  }, [key]);
  return known;
}

/** @typedef {Api.LinkView & {down: number, up: number}} Link */

/**
 * Every link with `down` and `up`, bytes a second; `down` by what was counted between looks.
 * @returns {Link[]}
 */
export function useLinks() {
  const paces = useRef(new Map());
  const load = async () => {
    const { links } = await api.links();
    const now = performance.now(), kept = new Map();
    const rated = links.map((link) => {
      const down = paces.current.get(link.peer) ?? new Pace();
      down.note(link.received, now);
      kept.set(link.peer, down);
      return { ...link, down: down.rate, up: link.rate };
    });
    paces.current = kept;
    return rated;
  };
  return usePolled(load, "links").value ?? [];
}
