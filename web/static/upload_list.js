// What is being uploaded: how far, how fast, how long yet, and what can be done about each.

import { bytes, count, duration, percent } from "./format.js";
import { Bar, Icon } from "./parts.js";
import { use } from "./store.js";
import { Pick } from "./upload_pick.js";
import { cancel, clear, OPEN, overall, pause, queue, retry } from "./uploads.js";
import { html } from "./vendor/preact-htm.js";

/** @typedef {import("./uploads.js").Item} Item */

const SHOWN = 30;
const ORDER = ["failed", "sending", "offline", "reading", "adding", "paused", "waiting", "unfinished", "done", "cancelled"];
const OVER = ["done", "cancelled", "failed"];

export function UploadList() {
  const items = use(queue);
  if (items.length === 0) return null;
  const over = items.filter((item) => OVER.includes(item.state)).length;
  const shown = [...items].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).slice(0, SHOWN).sort((a, b) => a.id - b.id);
  return html`<section class="card uploads" aria-labelledby="uploads">
    <header><h2 id="uploads"><${Heading} items=${items} /></h2>
      ${over > 0 && html`<button class="button quiet" onClick=${clear}>Clear finished</button>`}</header>
    <${All} items=${items} />
    <ul>${shown.map((item) => html`<${Upload} key=${item.id} item=${item} />`)}</ul>
    ${items.length > SHOWN && html`<p class="soft tally">and ${count(items.length - SHOWN, "more")}</p>`}
  </section>`;
}

/** @param {{items: Item[]}} props */
function Heading({ items }) {
  const open = items.filter((item) => OPEN.includes(item.state) || item.state === "adding").length;
  if (open) return `Uploading ${count(open, "item")}`;
  return items.some((item) => item.state === "unfinished") ? "Unfinished uploads" : "Uploads";
}

/**
 * All of them together, where there are several.
 * @param {{items: Item[]}} props
 */
function All({ items }) {
  const { rate, left } = use(overall);
  const counted = items.filter((item) => OPEN.includes(item.state));
  if (counted.length < 2) return null;
  const sum = (/** @type {"size" | "sent"} */ what) => counted.reduce((total, item) => total + item[what], 0);
  const size = sum("size"), sent = sum("sent");
  return html`<div class="upload all"><div class="what"><span class="name">All together</span>
    <span class="about">${progress(sent, size, rate, left)}</span></div><${Bar} done=${sent} total=${size} label="All uploads" /></div>`;
}

/** @param {{item: Item}} props */
function Upload({ item }) {
  const bar = ["sending", "offline", "paused", "adding", "unfinished"].includes(item.state);
  return html`<li class="upload">
    <${item.entry ? "a" : "div"} class="what" href=${item.entry && `#/entry/${item.entry}`}><span class="name">${item.name || "Reading…"}</span>
      <span class=${`about ${item.state}`}>${words(item)}</span><//>
    ${bar && html`<${Bar} done=${item.sent} total=${item.size} label=${`Upload of ${item.name}`} />`}
    <span class="controls"><${Controls} item=${item} /></span>
  </li>`;
}

/** @param {{item: Item}} props */
function Controls({ item }) {
  const { id, name, state } = item;
  const folder = item.kind === "folder";
  return html`
    ${state === "failed" && html`<button class="button" aria-label=${`Try again: ${name}`} onClick=${() => retry(id)}>Try again</button>`}
    ${state === "paused" && html`<button class="button" aria-label=${`Go on with ${name}`} onClick=${() => retry(id)}>Go on</button>`}
    ${["waiting", "sending", "offline"].includes(state) && html`<button class="button quiet" aria-label=${`Pause ${name}`} onClick=${() => pause(id)}>Pause</button>`}
    ${state === "unfinished" && html`<${Pick} again=${true} folder=${folder} title=${folder ? "Pick the folder" : "Pick the file"} label=${folder ? `Pick the folder again to go on: ${name}` : `Pick the file again to go on: ${name}`} />`}
    ${[...OPEN, "paused", "failed", "unfinished"].includes(state) && state !== "reading" && html`<button class="button quiet icon-only" aria-label=${`Cancel the upload of ${name}`} title="Cancel" onClick=${() => cancel(id)}><${Icon} name="close" /></button>`}`;
}

/** @param {Item} item */
function words(item) {
  const { state, size, sent } = item;
  const what = item.kind === "folder" ? `${count(item.files, "file")}, ${bytes(size)}` : bytes(size);
  if (state === "reading") return "Looking into it…";
  if (state === "waiting") return `${what} · waiting`;
  if (state === "adding") return "All sent · adding it to the swarm…";
  if (state === "done") return `${what} · shared`;
  if (state === "cancelled") return "Cancelled";
  if (state === "failed") return item.text;
  const far = `${percent(sent, size)} % of ${what}`;
  if (state === "paused") return `${far} · paused`;
  if (state === "offline") return `${far} · no connection, goes on by itself`;
  if (state === "unfinished") return `${far} is here · pick the ${item.kind} again to go on`;
  return progress(sent, size, item.rate, item.rate ? (size - sent) / item.rate : null, what);
}

/**
 * @param {number} sent
 * @param {number} size
 * @param {number} rate
 * @param {number | null} left
 * @param {string} [what]
 */
function progress(sent, size, rate, left, what = bytes(size)) {
  const fast = rate ? ` · ${bytes(rate)}/s · ${left === null ? "" : `${duration(left)} left`}` : "";
  return `${percent(sent, size)} % of ${what}${fast}`;
}
