// Talks to this page's own interface. Every failure becomes an ApiError with a text for people.

import { t } from "./strings.js";

export class ApiError extends Error {
  /**
   * `foreign`: the text is the machine's own, in English; `kind` is its word for what is wrong, `field`
   * the one that is.
   */
  constructor(status, text, { kind = "", field = "", foreign = false } = {}) {
    super(text);
    Object.assign(this, { status, kind, field, foreign });
  }
}

/** One request; the JSON it answers, or null. */
export async function ask(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new ApiError(0, t("This page lost its connection. Is the machine still on?"));
  }
  if (answer.status === 401) location.assign("/login");
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw errorOf(content, answer.status);
}

/** What an error answer says, whatever it looks like. */
export function errorOf(content, status) {
  const { kind, text, field } = content?.error ?? {};
  return new ApiError(status, text ?? t("That did not work ({status}).", { status }), { kind, field, foreign: text !== undefined });
}

const entry = (id) => `/entries/${encodeURIComponent(id)}`;

export const api = {
  entries: (params, cursor = "", limit = 50) =>
    ask("GET", `/entries?${params}&${new URLSearchParams({ cursor, limit })}`),
  entry: (id) => ask("GET", entry(id)),
  files: (id, start) => ask("GET", `${entry(id)}/files?start=${start}`),
  pieces: (id) => ask("GET", `${entry(id)}/pieces`),
  edit: (id, change) => ask("PATCH", entry(id), change),
  trash: (start) => ask("GET", `/trash?start=${start}`),
  restore: (id) => ask("POST", `/trash/${encodeURIComponent(id)}/restore`),
  purge: (id) => ask("DELETE", id ? `/trash/${encodeURIComponent(id)}` : "/trash"),
  remove: (id) => ask("DELETE", entry(id)),
  fetch: (text) => ask("POST", "/fetch", { entry: text }),
  peers: () => ask("GET", "/peers"),
  health: () => ask("GET", "/health"),
  me: () => ask("GET", "/me"),
  links: () => ask("GET", "/links"),
  sources: (transfer) => ask("GET", `/transfers/${encodeURIComponent(transfer)}`),
  rates: () => ask("GET", "/rates"),
  activity: (query) => ask("GET", `/activity?${new URLSearchParams(query)}`),
  invites: () => ask("GET", "/invites"),
  invite: (expires, zone) => ask("POST", "/invites", { expires, zone }),
  withdraw: (id) => ask("DELETE", `/invites/${encodeURIComponent(id)}`),
  setZone: (id, zone) => ask("PATCH", `/machines/${encodeURIComponent(id)}`, { zone }),
  shutOut: (id) => ask("DELETE", `/machines/${encodeURIComponent(id)}`),
  people: () => ask("GET", "/people"),
  revokePerson: (id) => ask("DELETE", `/people/${encodeURIComponent(id)}`),
  logOut: () => ask("POST", "/logout"),
  logOutOthers: () => ask("POST", "/logout/others"),
  letIn: (name, hours) => ask("POST", "/logins", { name, hours }),
};
