// Telling that a long transfer ended while the page was not looked at. The browser is asked for its
// permission only when somebody switches this on; where it has no messages, the title says it.

import { cell, status, use } from "./store.js";
import { t } from "./strings.js";
import { queue } from "./uploads.js";
import { html } from "./vendor/preact-htm.js";

const LONG = 20_000, KEY = "twofold-tell-ends", OVER = ["done", "failed"];
/** Whether it is switched on, and what the browser allows. */
const choice = cell({ on: remembered(), allowed: permission() });
/** Milliseconds since 1970 when each was first seen under way; transfers by id, uploads by number. */
const began = new Map();
let running = new Map();
let titleBefore = /** @type {string | null} */ (null);

function remembered() {
  try {
    return localStorage.getItem(KEY) === "1";
  } catch { // a browser may forbid it
    return false;
  }
}

/** @param {boolean} on */
function remember(on) {
  try {
    if (on) localStorage.setItem(KEY, "1");
    else localStorage.removeItem(KEY);
  } catch { /* then it is forgotten with the page */ }
}

/** "granted", "denied", "default" (not asked yet), or "none": not over plain http from elsewhere. */
function permission() {
  return isSecureContext && "Notification" in window ? Notification.permission : "none";
}

async function toggle() {
  const on = !choice.get().on;
  remember(on);
  choice.set({ on, allowed: permission() });
  if (on && permission() === "default") {
    await Notification.requestPermission().catch(() => {});
    choice.set({ ...choice.get(), allowed: permission() });
  }
}

/** The switch, with what it will do here. */
export function TellEnd() {
  const { on, allowed } = use(choice);
  /** @type {Record<string, string>} */
  const hints = {
    denied: t("This browser refused messages for this page: its title will say it."),
    none: t("Browsers show messages only for pages by https, or on the machine itself: the title of this page will say it."),
  };
  const hint = on ? hints[allowed] : "";
  return html`<span class="tell-end"><label><input type="checkbox" checked=${on} onChange=${toggle} aria-describedby=${hint ? "tell-hint" : null} /><span>${t("Tell me when it ends")}</span></label>
    ${hint && html`<span class="soft" id="tell-hint">${hint}</span>`}</span>`;
}

/**
 * @param {string | number} key
 * @param {string} text
 * @param {boolean} good
 */
function ended(key, text, good) {
  const since = began.get(key);
  began.delete(key);
  const looked = document.visibilityState === "visible" && document.hasFocus();
  if (since === undefined || Date.now() - since < LONG || looked || !choice.get().on) return;
  if (permission() === "granted") {
    try {
      const message = new Notification("Twofold", { body: text, tag: `twofold-${key}`, icon: "/static/icon.svg" });
      message.onclick = () => { focus(); message.close(); };
      return;
    } catch { /* phones want a service worker for it */ }
  }
  titleBefore ??= document.title;
  document.title = `${good ? t("✓ done") : t("✗ failed")} · Twofold`;
}

function lookedAt() {
  if (titleBefore === null || document.visibilityState !== "visible") return;
  document.title = titleBefore;
  titleBefore = null;
}

addEventListener("focus", lookedAt);
document.addEventListener("visibilitychange", lookedAt);

status.listen((now) => {
  if (!now) return;
  const seen = new Map(now.transfers.filter((each) => each.purpose === "get").map((each) => [each.id, each.name]));
  for (const id of seen.keys()) if (!began.has(id)) began.set(id, Date.now());
  for (const [id, name] of running) if (!seen.has(id)) ended(id, t("The download of {name} has ended.", { name }), true);
  running = seen;
});

queue.listen((items) => {
  for (const { id, name, state } of items) {
    if (state === "sending" && !began.has(id)) began.set(id, Date.now());
    if (OVER.includes(state) && began.has(id)) ended(id, state === "done" ? t("{name} is shared.", { name }) : t("{name} was not uploaded.", { name }), state === "done");
    if (state === "cancelled") began.delete(id);
  }
});
