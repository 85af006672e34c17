// A folder: begun, each of its files sent that is not there yet, then finished. One entry in the end.

import { uploadApi } from "./upload_api.js";
import { sendFile } from "./upload_tus.js";

const WORKERS = 3;

/**
 * Send a folder, or the rest of one that is known.
 * @returns {Promise<string>} the id of the upload.
 * @param {import("./drop_tree.js").OneFolder} thing
 * @param {import("./upload_tus.js").Course & {known: {id: string} | null, unfinished: Api.UploadView[], onId: (id: string) => void}} options
 */
export async function sendFolder(thing, { known, unfinished, signal, onSent, onWait, onId }) {
  const there = known && await whatIsThere(thing, known.id, unfinished, signal);
  const id = there?.id ?? (await uploadApi.beginFolder(signal, { name: thing.name, files: thing.files.length, size: thing.size })).id;
  onId(id);
  const { placed, begun } = there ?? { placed: new Map(), begun: new Map() };
  /** @type {Map<string, number>} */
  const sent = new Map();
  let done = 0;
  /** @type {(path: string, bytes: number, end?: boolean) => void} */
  const note = (path, bytes, end = false) => {
    if (end) { sent.delete(path); done += bytes; } else sent.set(path, bytes);
    onSent(done + [...sent.values()].reduce((sum, one) => sum + one, 0));
  };
  /** @type {(one: {path: string, file: File}) => Promise<void>} */
  const send = async ({ path, file }) => {
    if (!same(placed.get(path), file)) {
      const half = begun.get(path);
      await sendFile(file, {
        said: { folder: id, path }, url: half && same(half, file) ? `/api/v1/uploads/${half.id}` : null,
        signal, onSent: (bytes) => note(path, bytes), onWait,
      });
    }
    note(path, file.size, true);
  };
  await each(thing.files, send);
  await uploadApi.finishFolder(signal, id, thing.empty);
  return id;
}

/**
 * What of a folder was sent before; null if files of other names are in it: it would never be complete.
 * @param {import("./drop_tree.js").OneFolder} thing
 * @param {string} id
 * @param {Api.UploadView[]} unfinished
 * @param {AbortSignal} signal
 */
async function whatIsThere(thing, id, unfinished, signal) {
  const placed = await uploadApi.placed(signal, id);
  const begun = new Map(unfinished.filter((one) => one.folder === id).map((one) => [one.path, one]));
  const ours = new Set(thing.files.map(({ path }) => path));
  return [...placed.keys(), ...begun.keys()].every((path) => ours.has(path)) ? { id, placed, begun } : null;
}

/** @type {(known: {size: number, modified: number | null} | undefined, file: File) => boolean} */
const same = (known, file) => known !== undefined && known.size === file.size && known.modified === file.lastModified;

/**
 * Do something with each, a few at a time; the first failure ends it.
 * @template T
 * @param {T[]} things
 * @param {(thing: T) => Promise<void>} work
 */
async function each(things, work) {
  let next = 0, failed = false;
  const worker = async () => {
    while (next < things.length && !failed) {
      try {
        await work(things[next++]);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}
