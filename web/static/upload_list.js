// What is being uploaded: how far, how fast, how long yet, and what can be done about each.

import { TellEnd } from "./ends.js";
import { bytes, duration, rate as perSecond, series, share } from "./format.js";
import { Lazy, withStyles } from "./lazy.js";
import { Bar, Icon } from "./parts.js";
import { english } from "./said.js";
import { use } from "./store.js";
import { t, tn } from "./strings.js";
import { Pick } from "./upload_pick.js";
import { cancel, clear, OPEN, overall, pause, queue, retry } from "./uploads.js";
import { html } from "./vendor/preact-htm.js";

/** @typedef {import("./uploads.js").Item} Item */

const loadCaptions = () => withStyles(["pictures"], import("./upload_captions.js").then((module) => module.Captions));
const SHOWN = 30;
const ORDER = ["failed", "sending", "offline", "reading", "adding", "paused", "waiting", "unfinished", "done", "cancelled"];
const OVER = ["done", "cancelled", "failed"];

export function UploadList() {
  const items = use(queue);
  if (items.length === 0) return null;
  const asking = items.filter((item) => item.asks && !["failed", "cancelled"].includes(item.state));
  const over = items.filter((item) => OVER.includes(item.state)).length;
  const shown = [...items].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).slice(0, SHOWN).sort((a, b) => a.id - b.id);
  return html`<section class="card uploads" aria-labelledby="uploads">
    <header><h2 id="uploads"><${Heading} items=${items} /></h2>
      ${over > 0 && html`<button class="button quiet" onClick=${clear}>${t("Clear finished")}</button>`}</header>
    ${items.some((item) => OPEN.includes(item.state)) && html`<${TellEnd} />`}
    <${All} items=${items} />
    ${asking.length > 0 && html`<${Lazy} load=${loadCaptions} items=${asking} />`}
    <ul>${shown.map((item) => html`<${Upload} key=${item.id} item=${item} />`)}</ul>
    ${items.length > SHOWN && html`<p class="soft tally">${tn(items.length - SHOWN, "and {n} more", "and {n} more")}</p>`}
  </section>`;
}

/** @param {{items: Item[]}} props */
function Heading({ items }) {
  const open = items.filter((item) => OPEN.includes(item.state) || item.state === "adding").length;
  if (open) return tn(open, "Uploading {n} item", "Uploading {n} items");
  return items.some((item) => item.state === "unfinished") ? t("Unfinished uploads") : t("Uploads");
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
  return html`<div class="upload all"><div class="what"><span class="name">${t("All together")}</span>
    <span class="about">${progress(sent, size, rate, left)}</span></div><${Bar} done=${sent} total=${size} label=${t("All uploads")} /></div>`;
}

/** @param {{item: Item}} props */
function Upload({ item }) {
  const bar = ["sending", "offline", "paused", "adding", "unfinished"].includes(item.state);
  return html`<li class="upload">
    <${item.entry ? "a" : "div"} class="what" href=${item.entry && `#/entry/${item.entry}`}><span class="name" dir="auto">${item.name || t("Reading…")}</span>
      <span class=${`about ${item.state === "done" && item.text ? "noted" : item.state}`}>${words(item)}</span><//>
    ${bar && html`<${Bar} done=${item.sent} total=${item.size} label=${t("Upload of {name}", item)} />`}
    <span class="controls"><${Controls} item=${item} /></span>
  </li>`;
}

/** @param {{item: Item}} props */
function Controls({ item }) {
  const { id, state } = item;
  const folder = item.kind === "folder";
  return html`
    ${state === "failed" && !item.refused && html`<button class="button" aria-label=${t("Try again: {name}", item)} onClick=${() => retry(id)}>${t("Try again")}</button>`}
    ${state === "paused" && html`<button class="button" aria-label=${t("Go on with {name}", item)} onClick=${() => retry(id)}>${t("Go on")}</button>`}
    ${["waiting", "sending", "offline"].includes(state) && html`<button class="button quiet" aria-label=${t("Pause {name}", item)} onClick=${() => pause(id)}>${t("Pause")}</button>`}
    ${state === "unfinished" && html`<${Pick} again=${true} folder=${folder} title=${folder ? t("Pick the folder") : t("Pick the file")} label=${folder ? t("Pick the folder again to go on: {name}", item) : t("Pick the file again to go on: {name}", item)} />`}
    ${[...OPEN, "paused", "failed", "unfinished"].includes(state) && state !== "reading" && html`<button class="button quiet icon-only" aria-label=${t("Cancel the upload of {name}", item)} title=${t("Cancel")} onClick=${() => cancel(id)}><${Icon} name="close" /></button>`}`;
}

/** @param {Item} item */
function words(item) {
  const { state, size, sent } = item;
  const what = item.kind === "folder" ? series([tn(item.files, "{n} file", "{n} files"), bytes(size)]) : bytes(size);
  if (state === "reading") return t("Looking into it…");
  if (state === "waiting") return `${what} · ${t("waiting")}`;
  if (state === "adding") return t("All sent · adding it to the swarm…");
  if (state === "done") return item.text ? english(item.text) : `${what} · ${t("shared")}`;
  if (state === "cancelled") return t("Cancelled");
  if (state === "failed") return item.text;
  const far = t("{share} of {size}", { share: share(sent, size), size: what });
  if (state === "paused") return `${far} · ${t("paused")}`;
  if (state === "offline") return `${far} · ${t("no connection, goes on by itself")}`;
  if (state === "unfinished") return `${t("{part} is here", { part: far })} · ${item.kind === "folder" ? t("pick the folder again to go on") : t("pick the file again to go on")}`;
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
  const fast = rate ? ` · ${perSecond(rate)} · ${left === null ? "" : t("{time} left", { time: duration(left) })}` : "";
  return `${t("{share} of {size}", { share: share(sent, size), size: what })}${fast}`;
}
