// The upload queue: what waits, runs, is paused, goes on by itself, or ended; and what a reload left.

import { sayMore } from "./languages.js";
import { english, said } from "./said.js";
import { cell, changed, changes, connection, tell } from "./store.js";
import { Pace } from "./pace.js";
import { t, tx } from "./strings.js";
import { findKnown, uploadApi } from "./upload_api.js";
import { sendFolder } from "./upload_folder.js";
import { awaitEntry } from "./upload_settling.js";
import { sendFile } from "./upload_tus.js";

/**
 * @typedef {"reading" | "waiting" | "sending" | "offline" | "paused" | "adding" | "done" | "failed" | "cancelled" | "unfinished" | "receiving" | "added"} State
 * @typedef {{id: number, kind: "file" | "folder", name: string, size: number, files: number, state: State, sent: number,
 *   rate: number, text: Drawn, upload: string | null, entry: string | null, complete?: boolean,
 *   asks?: boolean, refused?: boolean, caption?: string, said?: string}} Item
 * @typedef {import("./upload_api.js").Thing} Thing
 * @typedef {typeof import("./upload_rules.js")} RulesModule
 * @typedef {{whyNot: (thing: Thing, now: any) => Promise<string> | string, isPicture: (name: string) => boolean, now?: Awaited<ReturnType<RulesModule["loadRules"]>>}} Rules
 * @typedef {{thing: Thing, pace: Pace, sent: number, abort: AbortController | null}} Work
 */

/**
 * Each item: {id, kind, name, size, files, state, sent, rate, text, upload, entry}. States: reading,
 * waiting, sending, offline, paused, adding, done, failed, cancelled, and unfinished: begun by
 * another page or before a reload, its file unknown here. `upload` is its id at the machine. `asks`:
 * it is a picture without a word about it yet. `refused`: by the rules, before anything was sent.
 */
export const queue = cell(/** @type {Item[]} */ ([]));
/** What a screen reader is told: the end of each. */
export const announced = cell("");
/** Of everything under way: {rate, left}. */
export const overall = cell(/** @type {{rate: number, left: number | null}} */ ({ rate: 0, left: null }));

/** @type {Rules} */
const RULELESS = { whyNot: () => "", isPicture: () => false };
const RUNNING = 3, TICK = 400;
export const OPEN = ["reading", "waiting", "sending", "offline"];
/** @type {Map<number, Work>} */
const works = new Map();
let next = 1, ticking = 0, unfinished = /** @type {Api.UploadView[]} */ ([]);
/** @type {Promise<Rules>} */
let rules = Promise.resolve(RULELESS);

/**
 * Take what was dropped or picked: promises of files and folders.
 * @param {Promise<Thing | null>[]} things
 */
export async function enqueue(things) {
  rules = loadRules();
  await Promise.all([refresh(), ...things.map(take)]);
  for (const item of queue.get()) if (item.state === "waiting" && !item.upload) claim(item.id);
  pump();
}

/**
 * Go on with what the machine has of this already, if it has.
 * @param {number} id
 */
function claim(id) {
  const work = works.get(id);
  const known = work && findKnown(unfinished.filter(isFree), work.thing);
  if (!known) return;
  update(id, { upload: known.id, sent: known.offset });
  takeOver(known.id);
}

/**
 * What is taken here, and the module that knows what that means: loaded when it is needed first.
 * @returns {Promise<Rules>}
 */
async function loadRules() {
  const [module] = await Promise.all([import("./upload_rules.js"), sayMore()]).catch(() => [null]);
  return module ? { ...module, now: await module.loadRules() } : RULELESS;
}

/** @param {Promise<Thing | null>} promise */
async function take(promise) {
  const id = next++;
  queue.set([...queue.get(), { id, kind: "file", name: "", size: 0, files: 1, state: "reading", sent: 0, rate: 0, text: "", upload: null, entry: null }]);
  let thing = null;
  try {
    thing = await promise;
  } catch { /* told below */ }
  if (!thing || (thing.kind === "folder" && thing.files.length === 0)) {
    queue.set(queue.get().filter((item) => item.id !== id));
    return tell(thing ? t("“{name}” has no files in it: there is nothing to share.", thing) : t("This cannot be read. Pick it again, or copy it elsewhere first."), false);
  }
  works.set(id, { thing, pace: new Pace(), sent: 0, abort: null });
  const about = { kind: thing.kind, name: thing.name, size: thing.size, files: thing.kind === "folder" ? thing.files.length : 1 };
  const { whyNot, isPicture, now } = await rules;
  const text = await whyNot(thing, now);
  if (text) {
    works.delete(id);
    update(id, { ...about, state: "failed", text, refused: true });
    return tell(text, false);
  }
  return update(id, { ...about, state: "waiting", asks: thing.kind === "file" && isPicture(thing.name) });
}

/**
 * A person has said what a picture is ("": nothing); it is told to the machine in whatever state it is.
 * @param {number} id
 * @param {string} caption
 */
export function setCaption(id, caption) {
  update(id, { caption, asks: false });
  return sayCaption(id);
}

/** @param {number} id */
async function sayCaption(id) {
  const item = find(id);
  if (!item?.caption || !item.upload || item.said === item.caption) return;
  update(id, { said: item.caption });
  try {
    await uploadApi.caption(item.upload, item.caption);
    if (item.entry) changed();
  } catch (error) {
    update(id, { said: "" });
    tell(tx("The caption of {name} is not saved: {why}", { name: item.name, why: said(error) }), false);
  }
}

/** Look at what the machine has not finished; show what this page knows nothing of. */
export async function refresh() {
  try {
    unfinished = await uploadApi.unfinished();
  } catch {
    return;
  }
  const mine = new Set(queue.get().map((item) => item.upload));
  const fresh = unfinished.filter((one) => !one.folder && !mine.has(one.id)).map((one) => /** @type {Item} */ ({
    id: next++, kind: one.kind, name: one.name, size: one.size, files: one.files, sent: one.offset, rate: 0,
    state: one.state === "receiving" ? "unfinished" : one.state, text: english(one.text), upload: one.id, entry: null,
  }));
  const offsets = new Map(unfinished.map((one) => [one.id, one.offset]));
  const kept = queue.get().filter((item) => item.state !== "unfinished" || offsets.has(item.upload ?? ""))
    .map((item) => (item.state === "unfinished" ? { ...item, sent: offsets.get(item.upload ?? "") ?? 0 } : item));
  queue.set([...kept, ...fresh]);
  for (const item of fresh) if (item.state === "adding") settle(item.id);
}

/** @param {number} id */
export function pause(id) {
  update(id, { state: "paused", rate: 0 });
  works.get(id)?.abort?.abort();
}

/**
 * Go on with what is paused or failed.
 * @param {number} id
 */
export function retry(id) {
  const item = find(id);
  if (!item) return undefined;
  if (works.has(id) && !(item.state === "failed" && item.complete)) {
    update(id, { state: "waiting", text: "" });
    return pump();
  }
  update(id, { state: "adding", text: "" });
  return uploadApi.addAgain(item.upload ?? "").then(() => settle(id), (error) => fail(id, said(error)));
}

/**
 * Give it up, here and at the machine.
 * @param {number} id
 */
export async function cancel(id) {
  const item = find(id);
  if (!item) return;
  update(id, { state: "cancelled", rate: 0 });
  works.get(id)?.abort?.abort();
  works.delete(id);
  if (item.upload) await uploadApi.drop(item.kind, item.upload).catch(() => {});
  if (item.state === "unfinished") queue.set(queue.get().filter((one) => one.id !== id));
  pump();
}

/** Forget everything that is over. */
export function clear() {
  queue.set(queue.get().filter((item) => !["done", "cancelled", "failed"].includes(item.state)));
}

export const isBusy = () => queue.get().some((item) => OPEN.includes(item.state));

/** @type {(id: number) => Item | undefined} */
const find = (id) => queue.get().find((item) => item.id === id);

/**
 * @param {number} id
 * @param {Partial<Item>} fields
 */
function update(id, fields) {
  queue.set(queue.get().map((item) => (item.id === id ? { ...item, ...fields } : item)));
}

function pump() {
  const items = queue.get();
  let room = RUNNING - items.filter((item) => item.state === "sending" || item.state === "offline").length;
  for (const item of items) if (item.state === "waiting" && room-- > 0) send(item);
  if (isBusy() && !ticking) ticking = setInterval(tick, TICK);
}

/** @param {Item} item */
async function send(item) {
  const { id } = item, work = works.get(id), abort = new AbortController();
  if (!work) return;
  work.abort = abort;
  /** @type {{id: string, state?: string} | null} */
  const known = item.upload ? unfinished.find((one) => one.id === item.upload) ?? { id: item.upload } : null;
  update(id, { state: "sending" });
  work.pace.clear();
  const options = {
    signal: abort.signal,
    onSent: (/** @type {number} */ sent) => { work.sent = sent; if (find(id)?.state === "offline") update(id, { state: "sending" }); },
    onWait: () => { if (!abort.signal.aborted) update(id, { state: "offline", rate: 0 }); work.pace.clear(); },
  };
  try {
    if (!known?.state || known.state === "receiving") await bring(id, work, known, options);
    update(id, { state: "adding", sent: item.size, rate: 0, complete: true });
    pump();
    await settle(id);
  } catch (error) {
    if (!abort.signal.aborted) fail(id, said(error));
    pump();
  }
}

/**
 * Whether no item here sends this upload already.
 * @param {Api.UploadView} known
 */
const isFree = (known) => !queue.get().some((item) => item.upload === known.id && item.state !== "unfinished");

/**
 * An upload that is gone on with is not shown as an unfinished one any more.
 * @param {string} upload
 */
function takeOver(upload) {
  queue.set(queue.get().filter((item) => item.state !== "unfinished" || item.upload !== upload));
}

/**
 * @param {number} id
 * @param {Work} work
 * @param {{id: string} | null} known
 * @param {import("./upload_tus.js").Course} options
 */
async function bring(id, work, known, options) {
  /** @param {string} upload */
  const note = (upload) => {
    update(id, { upload });
    takeOver(upload);
    sayCaption(id);
  };
  if (work.thing.kind === "folder") {
    const now = known ? await uploadApi.unfinished() : [];
    return sendFolder(work.thing, { ...options, known, unfinished: now, onId: note });
  }
  /** @type {(url: string) => string} */
  const idOf = (url) => url.slice(url.lastIndexOf("/") + 1);
  const url = known ? `/api/v1/uploads/${known.id}` : null;
  const { thing } = work, caption = find(id)?.caption;
  /** @type {Record<string, string>} */
  const about = caption ? { name: thing.name, caption } : { name: thing.name };
  if (caption && !url) update(id, { said: caption });
  return note(idOf(await sendFile(thing.file, { ...options, said: about, url, onUrl: (at) => note(idOf(at)) })));
}

/**
 * Wait for the entry that a complete upload becomes.
 * @param {number} id
 */
async function settle(id) {
  const item = find(id);
  if (!item?.upload) return;
  try {
    const { entry, note } = await awaitEntry(item.upload);
    works.delete(id);
    update(id, { state: "done", entry, text: note });
    // The same words twice would be heard once.
    announced.set(`${t("{name} is shared.", item)}${announced.get().endsWith(" ") ? "" : " "}`);
    changed();
  } catch (error) {
    fail(id, said(error));
  }
}

/**
 * @param {number} id
 * @param {Drawn} text
 */
function fail(id, text) {
  update(id, { state: "failed", text, rate: 0 });
  tell(tx("{name} was not uploaded: {why}", { name: find(id)?.name, why: text }), false);
}

function tick() {
  const now = performance.now();
  const items = queue.get().map((item) => {
    const work = works.get(item.id);
    if (!work || item.state !== "sending") return item;
    work.pace.note(work.sent, now);
    return { ...item, sent: work.sent, rate: work.pace.rate };
  });
  queue.set(items);
  const open = items.filter((item) => OPEN.includes(item.state));
  const left = open.reduce((sum, item) => sum + item.size - item.sent, 0);
  const rate = open.reduce((sum, item) => sum + item.rate, 0);
  overall.set({ rate, left: rate > 0 ? left / rate : null });
  if (!isBusy()) {
    clearInterval(ticking);
    ticking = 0;
  }
}

addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault();
});
let was = connection.get();
connection.listen((state) => {
  if (state === "live" && was !== "live") refresh();
  was = state;
});
changes.listen(() => { if (queue.get().some((item) => item.state === "unfinished")) refresh(); });
