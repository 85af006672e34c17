// How well everything is kept, in one dot: asked for here, for every place.

import { api } from "./api.js";
import { changes, health, status, use, useRefresh } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect } from "./vendor/preact-htm.js";

/** Asks how it is now. */
export async function load() {
  try {
    health.set(await api.health());
  } catch (error) {
    // What was known a moment ago is shown until it can be asked again.
    if (!health.get()?.entries) health.set({ error });
  }
}

/**
 * "good", "short", "bad", or "" while it is not known.
 * @param {import("./store.js").HealthNow | null} now
 */
export function level(now) {
  if (!now?.entries) return "";
  if (now.entries.lost || now.entries.away) return "bad";
  return now.entries.short ? "short" : "good";
}

/** @type {Record<string, () => string>} */
export const LEVELS = { good: () => t("all safe"), short: () => t("some short of copies"), bad: () => t("some lost") };

/** The dot beside "Health" in the frame; keeps the numbers fresh on every place. */
export function HealthMark() {
  const now = use(health), version = use(changes), connected = use(status)?.tracker.state;
  useEffect(() => { load(); }, [version, connected]);
  const is = level(now);
  useRefresh(load, is && is !== "good");
  return is && html`<span class=${`mark ${is}`} title=${LEVELS[is]()}><span class="sr">: ${LEVELS[is]()}</span></span>`;
}
