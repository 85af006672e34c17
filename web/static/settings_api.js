// What the settings ask of this page's own interface.

import { ask } from "./api.js";

const share = (id) => `/shares/${encodeURIComponent(id)}`;

export const settingsApi = {
  settings: () => ask("GET", "/settings"),
  change: (change) => ask("PATCH", "/settings", change),
  reload: () => ask("POST", "/settings/reload"),
  limits: () => ask("GET", "/limits"),
  changeLimits: (change) => ask("PATCH", "/limits", change),
  shares: (start) => ask("GET", `/shares?start=${start}`),
  /** The entry, or {path} while it is still being read. */
  share: (path, name) => ask("POST", "/shares", name ? { path, name } : { path }),
  /** null when nothing of it is here any more, {leaving} when it goes later. */
  giveUp: (id) => ask("DELETE", share(id)),
  keep: (id) => ask("POST", `${share(id)}/keep`),
};
