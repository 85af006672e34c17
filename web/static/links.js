// The machines that are linked, asked for while somebody looks, and how fast pieces go both ways.

import { api } from "./api.js";
import { Pace } from "./pace.js";
import { connection } from "./store.js";
import { useEffect, useRef, useState } from "./vendor/preact-htm.js";

const EVERY = 2000;

/** What `load` gives, again and again while the page is looked at: {value}, {error}, or {} at first. */
export function usePolled(load, key) {
  const [known, setKnown] = useState({});
  useEffect(() => {
    let gone = false, busy = false;
    const look = async () => {
      if (busy || document.visibilityState !== "visible" || connection.get() !== "live") return;
      busy = true;
      const found = await load().then((value) => ({ value }), (error) => ({ error }));
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

/** Every link with `down` and `up`, bytes a second; `down` by what was counted between looks. */
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
