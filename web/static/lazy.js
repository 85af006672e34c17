// A part of the page that is loaded when it is first needed.

import { Problem, Waiting } from "./parts.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const known = new Map(), styles = new Map();

/**
 * What `part` promises, once the style sheet of that name, without which it is not drawn, is there too.
 * @template T
 * @param {string} name
 * @param {Promise<T>} [part]
 * @returns {Promise<T | undefined>}
 */
export async function withStyle(name, part) {
  if (!styles.has(name)) {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/static/${name}.css` });
    styles.set(name, new Promise((done) => { link.onload = link.onerror = done; }));
    document.head.append(link);
  }
  await styles.get(name);
  return part;
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
    load().then((part) => { known.set(load, part); draw((turn) => turn + 1); }, () => setError(new Error(t("A part of this page did not load. Is the machine still on?"))));
  };
  useEffect(() => { if (!known.has(load)) start(); }, [load]);
  if (error) return html`<${Problem} error=${error} retry=${start} />`;
  const Part = known.get(load);
  return Part ? html`<${Part} ...${props} />` : html`<${Waiting} />`;
}
