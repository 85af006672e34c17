// The event stream: keeps status and connection true, and tells notices.

import { api } from "./api.js";
import { changed, connection, status, tell } from "./store.js";

const AGAIN = 3000;
/** The id of the last event, so that a new stream goes on where the old one ended. */
let seen = "";
let last = "";

/**
 * What of a status makes the list of entries worth asking for again.
 * @param {Api.Status} now
 */
function mark(now) {
  return JSON.stringify([now.store.pieces, now.transfers.map((transfer) => transfer.id), now.notices, now.tracker.state]);
}

export function listen() {
  const source = new EventSource(seen ? `/api/v1/events?${new URLSearchParams({ after: seen })}` : "/api/v1/events");
  /** @type {(name: string, take: (told: any) => void) => void} */
  const on = (name, take) => source.addEventListener(name, (event) => {
    seen = event.lastEventId || seen;
    take(JSON.parse(event.data));
  });
  on("status", (/** @type {Api.Status} */ now) => {
    const next = mark(now);
    const wasAway = connection.get() !== "live";
    connection.set("live");
    status.set(now);
    if (last && (next !== last || wasAway)) changed();
    last = next;
  });
  on("daemon", () => connection.set("daemon"));
  on("notice", ({ text, good }) => {
    tell(text, good, true);
    changed();
  });
  source.addEventListener("error", () => {
    connection.set("page");
    // The browser tries again by itself, except after an answer that is no stream.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, AGAIN);
    api.me().catch(() => {}); // goes on to the login page when that was why
  });
}
