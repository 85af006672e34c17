// Asks for the captions of pictures that are being uploaded, one after the other, in nobody's way:
// the bytes move meanwhile, and a caption is good also when its picture is an entry already.

import { t, tn } from "./strings.js";
import { setCaption } from "./uploads.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const LONGEST = 4096;

/** @param {{items: import("./uploads.js").Item[]}} props */
export function Captions({ items }) {
  const [item] = items, more = items.length - 1;
  const field = useRef(null);
  const [text, setText] = useState(""), [same, setSame] = useState(false);
  useEffect(() => {
    setText("");
    // Never out of a field that somebody types in.
    if (!document.activeElement?.matches("input, textarea, select, dialog *")) field.current.focus();
  }, [item.id]);
  const next = (/** @type {string} */ caption) => {
    for (const each of same ? items : [item]) setCaption(each.id, caption);
    field.current?.focus();
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    next(text.trim());
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    next("");
  };
  return html`<form class="captions" onSubmit=${save} onKeyDown=${key} aria-label=${t("Captions of pictures")}>
    <label for="caption-asked">${t("What is on “{name}”?", { name: item.name })}</label>
    <input id="caption-asked" ref=${field} value=${text} maxlength=${LONGEST} autocomplete="off" enterkeyhint=${more ? "next" : "done"}
      placeholder=${t("A caption, so that it is found by it")} aria-describedby="caption-keys" onInput=${(event) => setText(event.target.value)} />
    <div class="buttons"><button class="button primary" disabled=${!text.trim()}>${t("Save caption")}</button>
      <button type="button" class="button" onClick=${() => next("")}>${t("Skip")}</button>
      ${more > 0 && html`<label class="same"><input type="checkbox" checked=${same} onChange=${(event) => setSame(event.target.checked)} />${tn(more, "The same for one more", "The same for {n} more")}</label>`}</div>
    <p id="caption-keys" class="soft">${t("Enter saves it, Esc skips it. The upload goes on meanwhile.")}</p>
  </form>`;
}
