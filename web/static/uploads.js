// The upload queue: one file at a time, raw bytes in one request each, progress as it goes.

import { errorText } from "./api.js";
import { cell, changed, tell } from "./store.js";

/** Each item: {id, file, name, state: waiting|sending|adding|done|failed|cancelled, sent, rate, text, entry}. */
export const queue = cell([]);

let next = 1;
let current = null;

export function enqueue(files) {
  const items = [...files].map((file) => ({
    id: next++, file, name: file.name, size: file.size, state: "waiting", sent: 0, rate: 0, text: "", entry: null,
  }));
  queue.set([...queue.get(), ...items]);
  pump();
}

export function cancel(id) {
  if (current?.id === id) current.request.abort();
  else update(id, { state: "cancelled" });
}

export function retry(id) {
  update(id, { state: "waiting", sent: 0, rate: 0, text: "" });
  pump();
}

/** Forget everything that is over. */
export function clear() {
  queue.set(queue.get().filter((item) => ["waiting", "sending", "adding"].includes(item.state)));
}

export const isBusy = () => current !== null;

function update(id, fields) {
  queue.set(queue.get().map((item) => (item.id === id ? { ...item, ...fields } : item)));
}

function pump() {
  if (current) return;
  const item = queue.get().find((candidate) => candidate.state === "waiting");
  if (item) send(item);
}

function send(item) {
  const request = new XMLHttpRequest();
  current = { id: item.id, request };
  const started = performance.now();
  update(item.id, { state: "sending" });
  request.upload.onprogress = (event) => {
    const seconds = (performance.now() - started) / 1000;
    const rate = seconds > 0.5 ? event.loaded / seconds : 0;
    update(item.id, { sent: event.loaded, rate });
  };
  request.upload.onload = () => update(item.id, { state: "adding", sent: item.size });
  request.onload = () => finish(item, outcome(request));
  request.onerror = () => finish(item, { state: "failed", text: "The connection was lost." });
  request.onabort = () => finish(item, { state: "cancelled" });
  request.responseType = "json";
  request.open("POST", `/api/v1/upload?${new URLSearchParams({ name: item.name })}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(item.file);
}

function outcome(request) {
  if (request.status === 201) return { state: "done", entry: request.response };
  if (request.status === 401) location.assign("/login");
  return { state: "failed", text: errorText(request.response, request.status) };
}

function finish(item, fields) {
  current = null;
  update(item.id, fields);
  if (fields.state === "done") changed();
  if (fields.state === "failed") tell(`${item.name} was not uploaded: ${fields.text}`, false);
  pump();
}

addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault();
});
