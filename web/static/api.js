// Talks to this page's own interface. Every failure becomes an ApiError with a text for people.

import { t } from "./strings.js";

export class ApiError extends Error {
  /**
   * `foreign`: the text is the machine's own, in English; `kind` is its word for what is wrong, `field`
   * the one that is.
   * @param {number} status
   * @param {string} text
   * @param {{kind?: string, field?: string, foreign?: boolean}} [about]
   */
  constructor(status, text, { kind = "", field = "", foreign = false } = {}) {
    super(text);
    this.status = status;
    this.kind = kind;
    this.field = field;
    this.foreign = foreign;
  }
}

/**
 * One request; the JSON it answers, or null.
 * @param {string} method
 * @param {string} path
 * @param {object | null} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
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

/**
 * What an error answer says, whatever it looks like.
 * @param {Api.ErrorAnswer | null} content
 * @param {number} status
 */
export function errorOf(content, status) {
  const { kind, text, field } = content?.error ?? {};
  return new ApiError(status, text ?? t("That did not work ({status}).", { status }), { kind, field, foreign: text !== undefined });
}

/** @param {string} id */
const entry = (id) => `/entries/${encodeURIComponent(id)}`;

export const api = {
  /** @type {(params: string, cursor?: string, limit?: number) => Promise<Api.Found>} */
  entries: (params, cursor = "", limit = 50) =>
    ask("GET", `/entries?${params}&${new URLSearchParams({ cursor, limit: String(limit) })}`),
  /** @type {(id: string) => Promise<Api.EntryView>} */
  entry: (id) => ask("GET", entry(id)),
  /** @type {(id: string, start: number) => Promise<Api.Files>} */
  files: (id, start) => ask("GET", `${entry(id)}/files?start=${start}`),
  /** @type {(id: string) => Promise<Api.PieceRows>} */
  pieces: (id) => ask("GET", `${entry(id)}/pieces`),
  /** @type {(id: string, change: Api.EntryChange) => Promise<Api.EntryChanged>} */
  edit: (id, change) => ask("PATCH", entry(id), change),
  /** @type {(start: number) => Promise<Api.TrashListed>} */
  trash: (start) => ask("GET", `/trash?start=${start}`),
  /** @type {(id: string) => Promise<Api.Restored>} */
  restore: (id) => ask("POST", `/trash/${encodeURIComponent(id)}/restore`),
  /** @type {(id?: string) => Promise<Api.PurgedAmount>} */
  purge: (id) => ask("DELETE", id ? `/trash/${encodeURIComponent(id)}` : "/trash"),
  /** @type {(id: string) => Promise<Api.DeletionHeld | null>} */
  remove: (id) => ask("DELETE", entry(id)),
  /** @type {(text: string) => Promise<Api.EntryView>} */
  fetch: (text) => ask("POST", "/fetch", /** @type {Api.WantedEntry} */ ({ entry: text })),
  /** @type {() => Promise<Api.Peers>} */
  peers: () => ask("GET", "/peers"),
  /** @type {() => Promise<Api.Health>} */
  health: () => ask("GET", "/health"),
  /** @type {() => Promise<Api.Me>} */
  me: () => ask("GET", "/me"),
  /** @type {() => Promise<Api.LinkedMachines>} */
  links: () => ask("GET", "/links"),
  /** @type {(transfer: string) => Promise<Api.Sources>} */
  sources: (transfer) => ask("GET", `/transfers/${encodeURIComponent(transfer)}`),
  /** @type {() => Promise<Api.RatesKept>} */
  rates: () => ask("GET", "/rates"),
  /** @type {(query: Record<string, any>) => Promise<Api.Activities>} */
  activity: (query) => ask("GET", `/activity?${new URLSearchParams(query)}`),
  /** @type {() => Promise<Api.OpenInvites>} */
  invites: () => ask("GET", "/invites"),
  /** @type {(expires: number, zone: string) => Promise<Api.MadeInvite>} */
  invite: (expires, zone) => ask("POST", "/invites", /** @type {Api.WantedInvite} */ ({ expires, zone })),
  /** @type {(id: string) => Promise<null>} */
  withdraw: (id) => ask("DELETE", `/invites/${encodeURIComponent(id)}`),
  /** @type {(id: string, zone: string) => Promise<null>} */
  setZone: (id, zone) => ask("PATCH", `/machines/${encodeURIComponent(id)}`, /** @type {Api.WantedZone} */ ({ zone })),
  /** @type {(id: string) => Promise<null>} */
  shutOut: (id) => ask("DELETE", `/machines/${encodeURIComponent(id)}`),
  /** @type {() => Promise<Api.PeopleListed>} */
  people: () => ask("GET", "/people"),
  /** @type {(id: string) => Promise<null>} */
  revokePerson: (id) => ask("DELETE", `/people/${encodeURIComponent(id)}`),
  /** @type {() => Promise<null>} */
  logOut: () => ask("POST", "/logout"),
  /** @type {() => Promise<Api.SessionsEnded>} */
  logOutOthers: () => ask("POST", "/logout/others"),
  /** @type {(name: string, hours: number) => Promise<Api.MadeLogin>} */
  letIn: (name, hours) => ask("POST", "/logins", /** @type {Api.WantedLogin} */ ({ name, hours })),
};
