// Small parts of every place: icons, the copies pill, progress bars, messages, empty states.

import { dismiss, tell, toasts, use } from "./store.js";
import { fewListed, number, percent, share } from "./format.js";
import { english, said } from "./said.js";
import { t, tn, tx } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/** @type {Record<string, string>} */
const PATHS = {
  download: "M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 20h14",
  upload: "M12 16V5m0 0L7.5 9.5M12 5l4.5 4.5M5 20h14",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm5-1.5L20 20",
  file: "M7 3.5h7l4 4V20a.5.5 0 0 1-.5.5h-11A.5.5 0 0 1 6 20V4a.5.5 0 0 1 .5-.5Zm7 0V8h4",
  folder: "M3.5 6.5A1 1 0 0 1 4.5 5.5h4.7l2 2.5h8.3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1Z",
  close: "M6 6l12 12M18 6 6 18",
  back: "M19 12H5m0 0 6-6m-6 6 6 6",
  edit: "M5 19l1-4L16.5 4.5l3 3L9 18l-4 1Zm9.5-12.5 3 3",
  settings: "M4 7h9m4 0h3M4 12h3m4 0h9M4 17h9m4 0h3M15 4.8v4.4M9 9.8v4.4M15 14.8v4.4",
  play: "M8 5.5v13l10.5-6.5Z",
  open: "M9 6l6 6-6 6",
  trash: "M5 7h14M10 7V4.5h4V7m-7 0 .8 12.5h8.4L17 7",
};

const DIRECTED = new Set(["back", "open"]);

/**
 * A picture beside words; says nothing to a screen reader.
 * @param {{name: string}} props
 */
export function Icon({ name }) {
  return html`<svg class=${DIRECTED.has(name) ? "icon directed" : "icon"} viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/**
 * "2 of 2", with a colour that repeats what the words say.
 * @param {{entry: Api.EntryView}} props
 */
export function Copies({ entry }) {
  const { have, want } = entry.copies;
  const kind = have >= want ? "good" : have > 0 ? "short" : "bad";
  const text = t("{have} of {want}", { have: number(Math.min(have, want)), want: number(want) });
  return html`<span class=${`pill ${kind}`}><span class="sr">${t("Copies: ")}</span>${text}</span>`;
}

/**
 * The machines that hold an entry in whole, then how many hold a part.
 * @param {Api.EntryView} entry
 */
export function onMachines(entry) {
  const there = entry.holders.filter((holder) => holder.state !== "gone");
  const whole = there.filter((holder) => holder.pieces >= entry.pieces).map((holder) => holder.peer);
  const parts = there.length - whole.length;
  if (there.length === 0 && entry.here > 0) return t("on this machine");
  if (whole.length > 0) return t("on {names}", { names: fewListed(whole) });
  if (parts === 0) return t("on no machine that is there");
  return parts === 1 ? t("in parts on {name}", { name: there[0].peer }) : tn(parts, "in parts on {n} machine", "in parts on {n} machines");
}

/** @type {Record<string, () => [string, string]>} */
const STATES = {
  live: () => [t("live"), t("There now")],
  suspect: () => [t("suspect"), t("Not heard of for some seconds")],
  gone: () => [t("gone"), t("Not there")],
};

/**
 * A machine's state, as a word and a dot.
 * @param {{state: Api.HolderView["state"]}} props
 */
export function State({ state }) {
  const [word, hint] = STATES[state]?.() ?? [state];
  return html`<span class=${`state ${state}`} title=${hint}><span class="dot" aria-hidden="true"></span>${word}</span>`;
}

/** @param {{done: number, total: number, label: string}} props */
export function Bar({ done, total, label }) {
  return html`<progress max="100" value=${percent(done, total)} aria-label=${label}>${share(done, total)}</progress>`;
}

/** @param {{icon: string, title: string, children?: any}} props */
export function Empty({ icon, title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2>${children}</div>`;
}

export function Waiting() {
  return html`<p class="waiting" role="status">${t("Loading…")}</p>`;
}

/** @param {{error: Error, retry?: () => void}} props */
export function Problem({ error, retry }) {
  return html`<div class="empty" role="alert"><h2>${t("That did not work")}</h2><p>${said(error)}</p>
    ${retry && html`<button class="button" onClick=${retry}>${t("Try again")}</button>`}</div>`;
}

export function Toasts() {
  const shown = use(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class=${`toast ${toast.good ? "good" : "bad"}`} key=${toast.id}>
      <span>${toast.foreign ? english(toast.text) : toast.text}</span>
      <button class="button quiet icon-only" aria-label=${t("Dismiss")} onClick=${() => dismiss(toast.id)}><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}

/**
 * Put an entry's link on the clipboard.
 * @param {Api.EntryView} entry
 */
export async function copyLink(entry) {
  const copied = await copyText(entry.link);
  tell(copied ? t("The link to {name} is copied.", { name: entry.name }) : tx("Copy it by hand: {link}", { link: html`<bdi>${entry.link}</bdi>` }), copied);
}

/**
 * Whether the text is on the clipboard now, also where browsers only allow the old way (plain http).
 * @param {string} text
 * @param {HTMLElement} [within]
 */
export async function copyText(text, within = document.body) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text, within);
  }
}

/**
 * @param {string} text
 * @param {HTMLElement} within
 */
function copyBySelection(text, within) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "sr";
  within.append(area); // an open dialog lets nothing outside be selected
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
