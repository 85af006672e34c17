// What the settings ask of this page's own interface.

import { ask } from "./api.js";

/** @param {string} id */
const share = (id) => `/shares/${encodeURIComponent(id)}`;

export const settingsApi = {
  /** @type {() => Promise<Api.SettingsNow>} */
  settings: () => ask("GET", "/settings"),
  /** @type {(change: Api.SettingsChange) => Promise<Api.SettingsNow>} */
  change: (change) => ask("PATCH", "/settings", change),
  /** @type {() => Promise<null>} */
  reload: () => ask("POST", "/settings/reload"),
  /** @type {() => Promise<Api.Limits>} */
  limits: () => ask("GET", "/limits"),
  /** @type {(change: Api.LimitsChange) => Promise<Api.Limits>} */
  changeLimits: (change) => ask("PATCH", "/limits", change),
  /** @type {(start: number) => Promise<Api.Shares>} */
  shares: (start) => ask("GET", `/shares?start=${start}`),
  /**
   * The entry, or {path} while it is still being read.
   * @type {(path: string, name?: string) => Promise<Partial<Api.EntryView> & Partial<Api.ShareBegun>>}
   */
  share: (path, name) => ask("POST", "/shares", /** @type {Api.WantedShare} */ (name ? { path, name } : { path })),
  /**
   * null when nothing of it is here any more, {leaving} when it goes later.
   * @type {(id: string) => Promise<Api.ShareLeaves | null>}
   */
  giveUp: (id) => ask("DELETE", share(id)),
  /** @type {(id: string) => Promise<null>} */
  keep: (id) => ask("POST", `${share(id)}/keep`),
};
