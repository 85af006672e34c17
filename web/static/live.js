// The event stream: keeps status and connection true, and tells notices.

import { changed, connection, status, tell } from "./store.js";

/** What of a status makes the list of entries worth asking for again. */
function mark(now) {
  return JSON.stringify([now.store.pieces, now.transfers.map((transfer) => transfer.id), now.notices, now.tracker.state]);
}

export function listen() {
  const source = new EventSource("/api/v1/events");
  let last = "";
  source.addEventListener("status", (event) => {
    const now = JSON.parse(event.data);
    const next = mark(now);
    const wasAway = connection.get() !== "live";
    connection.set("live");
    status.set(now);
    if (last && (next !== last || wasAway)) changed();
    last = next;
  });
  source.addEventListener("daemon", () => connection.set("daemon"));
  source.addEventListener("notice", (event) => {
    const { text, good } = JSON.parse(event.data);
    tell(text, good);
    changed();
  });
  source.addEventListener("error", () => {
    connection.set("page");
    // The browser tries again by itself, except after an answer that is no stream (logged out).
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}
