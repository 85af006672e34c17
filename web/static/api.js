// Talks to this page's own interface. Every failure becomes an ApiError with a text for people.

export class ApiError extends Error {
  constructor(status, text, field = "") {
    super(text);
    this.status = status;
    this.field = field;
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
    throw new ApiError(0, "This page lost its connection. Is the machine still on?");
  }
  if (answer.status === 401) location.assign("/login");
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw new ApiError(answer.status, errorText(content, answer.status), content?.error?.field);
}

/** The text of an error answer, whatever it looks like. */
export function errorText(content, status) {
  return content?.error?.text ?? `That did not work (${status}).`;
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
  letIn: (name, hours) => ask("POST", "/logins", { name, hours }),
};
