// What narrows the library down: order, list or gallery, filters, and a chip for each filter that is set.

import { api } from "./api.js";
import { activeFilters, addressOf, ages, copies, FILTERS, goFind, kinds, sizes, sorts } from "./find_query.js";
import { number } from "./format.js";
import { Icon } from "./parts.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {import("./find_query.js").Find} Find */

/** @param {{find: Find}} props */
export function FindBar({ find }) {
  const active = activeFilters(find);
  const [open, setOpen] = useState(false);
  return html`<div class="find">
    <div class="find-line">
      <button class="button" aria-expanded=${open} aria-controls="filters" onClick=${() => setOpen(!open)}>${t("Filters")}${active.length > 0 && html`<span class="badge">${number(active.length)}<span class="sr"> ${t("set")}</span></span>`}</button>
      <${Sorting} find=${find} />
      <${Views} find=${find} />
    </div>
    <div id="filters" class="slot">${open && html`<${Filters} find=${find} />`}</div>
    ${active.length > 0 && html`<ul class="chips" aria-label=${t("Filters that are set")}>
      ${active.map(([name, said]) => html`<li key=${name}><button class="chip" onClick=${() => goFind({ [name]: "" })} aria-label=${t("Remove the filter {name}", { name: said })}><span dir="auto">${said}</span><${Icon} name="close" /></button></li>`)}
      <li><a class="button quiet" href=${addressOf(withoutFilters(find))}>${t("Clear all")}</a></li>
    </ul>`}
  </div>`;
}

/** @param {Find} find */
export function withoutFilters(find) {
  return { ...find, ...Object.fromEntries(FILTERS.map((name) => [name, ""])) };
}

/** @param {{find: Find}} props */
function Sorting({ find }) {
  const first = find.q.trim() ? ["", t("Best")] : ["", t("Newest")];
  const others = find.q.trim() ? sorts() : sorts().slice(1);
  const value = !find.q.trim() && ["newest", "relevance"].includes(find.sort) ? "" : find.sort;
  return html`<${Choice} label=${t("Sort by")} inline=${true} value=${value} choices=${[first, ...others]} onChoose=${(sort) => goFind({ sort })} />`;
}

/** @param {{find: Find}} props */
function Views({ find }) {
  const now = find.view === "gallery" ? "gallery" : "";
  return html`<div class="views" role="group" aria-label=${t("View")}>
    ${[["", t("List")], ["gallery", t("Gallery")]].map(([view, title]) => html`<button key=${view} class="button" aria-pressed=${now === view} onClick=${() => goFind({ view }, true)}>${title}</button>`)}
  </div>`;
}

/** @param {{find: Find}} props */
function Filters({ find }) {
  const machines = useMachines();
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => goFind({ [name]: value });
  return html`<fieldset class="filters card"><legend class="sr">${t("Filters")}</legend>
    <${Choice} label=${t("Kind")} any=${t("Any kind")} value=${find.kind} choices=${kinds()} onChoose=${set("kind")} />
    <${Choice} label=${t("Size")} any=${t("Any size")} value=${find.size} choices=${sizes()} onChoose=${set("size")} />
    <${Choice} label=${t("Added")} any=${t("Any time")} value=${find.age} choices=${ages()} onChoose=${set("age")} />
    <${Choice} label=${t("Author")} any=${t("Anyone")} value=${find.author} choices=${machines} onChoose=${set("author")} />
    <${Choice} label=${t("Held by")} any=${t("Any machine")} value=${find.machine} choices=${machines} onChoose=${set("machine")} />
    <${Choice} label=${t("Copies")} any=${t("Any number")} value=${find.copies} choices=${copies()} onChoose=${set("copies")} />
  </fieldset>`;
}

/** The machines by name, as choices; none while they are not known. */
function useMachines() {
  const [names, setNames] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    // Without the list what is set can still be seen and removed.
    api.peers().then(({ peers }) => setNames([...new Set(peers.map((peer) => peer.name))]), () => {});
  }, []);
  return names.map((name) => [name, name]);
}

/** @param {{label: string, any?: string, value: string, choices: string[][], onChoose: (value: string) => void, inline?: boolean}} props */
function Choice({ label, any, value, choices, onChoose, inline }) {
  const unknown = value && !choices.some(([each]) => each === value) ? [[value, value]] : [];
  const all = [...(any ? [["", any]] : []), ...choices, ...unknown];
  return html`<label class=${inline ? "choice inline" : "choice"}><span class=${inline ? "sr" : ""}>${label}</span>
    <select value=${value} onChange=${(event) => onChoose(event.target.value)}>
      ${all.map(([each, said]) => html`<option key=${each} value=${each} selected=${each === value}>${said}</option>`)}
    </select></label>`;
}
