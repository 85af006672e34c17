// A part of the page that is loaded when it is first needed.

import { sayMore } from "./languages.js";
import { Problem, Waiting } from "./parts.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const known = new Map();

/** Style sheets by name, each with the promise that it is there (or cannot be had). @type {Map<string, Promise<unknown>>} */
const styles = new Map();

/**
 * A part with style sheets of its own, which are there before it is drawn.
 * @template T
 * @param {string[]} names
 * @param {Promise<T>} part
 * @returns {Promise<T>}
 */
export function withStyles(names, part) {
  for (const name of names) if (!styles.has(name)) styles.set(name, styled(name));
  return Promise.all([part, ...names.map((name) => styles.get(name))]).then(([drawn]) => drawn);
}

/** @param {string} name */
function styled(name) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/static/${name}.css` });
  const there = new Promise((done) => { link.onload = link.onerror = done; });
  document.head.append(link);
  return there;
}

/**
 * Shows the part that `load` gives, with the other props. `load` must be the same each time.
 * @param {{load: () => Promise<unknown>} & Record<string, unknown>} props
 */
export function Lazy({ load, ...props }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [, draw] = useState(0);
  const start = () => {
    setError(null);
    Promise.all([load(), sayMore()]).then(([part]) => { known.set(load, part); draw((turn) => turn + 1); }, () => setError(new Error(t("A part of this page did not load. Is the machine still on?"))));
  };
  useEffect(() => { if (!known.has(load)) start(); }, [load]);
  if (error) return html`<${Problem} error=${error} retry=${start} />`;
  const Part = known.get(load);
  return Part ? html`<${Part} ...${props} />` : html`<${Waiting} />`;
}
