// The field to search with: finds while one types.

import { goFind } from "./find_query.js";
import { Icon } from "./parts.js";
import { t } from "./strings.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-htm.js";

const PAUSE = 150;

/** @param {{find: import("./find_query.js").Find}} props */
export function SearchBox({ find }) {
  const [text, setText] = useState(find.q);
  const timer = useRef(0);
  const sent = useRef(find.q);
  // With the drawing, not some time after it: until then more may have been typed and sent.
  useLayoutEffect(() => {
    // The answer to our own words must not take the place of what was typed since.
    if (find.q === sent.current) return;
    sent.current = find.q;
    clearTimeout(timer.current);
    setText(find.q);
  }, [find.q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const go = (/** @type {string} */ q) => {
    clearTimeout(timer.current);
    if (q === sent.current) return;
    sent.current = q;
    goFind({ q }, true);
  };
  const type = (/** @type {any} */ event) => {
    const { value } = event.target;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go(value), PAUSE);
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    const first = event.key === "ArrowDown" && /** @type {HTMLElement | null} */ (document.querySelector(".library [data-index] a"));
    if (first) { event.preventDefault(); first.focus(); }
  };
  return html`<form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); go(text); }}>
    <label class="sr" for="search">${t("Search names, captions, tags and authors")}</label>
    <${Icon} name="search" />
    <input id="search" type="search" placeholder=${t("Search the library")} autocomplete="off" value=${text} onInput=${type} onKeyDown=${press} maxlength="500" />
  </form>`;
}
