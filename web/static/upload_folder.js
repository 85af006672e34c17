// A folder: begun, each of its files sent that is not there yet, then finished. One entry in the end.

import { uploadApi } from "./upload_api.js";
import { sendFile } from "./upload_tus.js";

const WORKERS = 3;

/**
 * Send a folder, or the rest of one that is known.
 * @returns {Promise<string>} the id of the upload.
 */
export async function sendFolder(thing, { known, unfinished, signal, onSent, onWait, onId }) {
  const there = known && await whatIsThere(thing, known.id, unfinished, signal);
  const id = there?.id ?? (await uploadApi.beginFolder(signal, { name: thing.name, files: thing.files.length, size: thing.size })).id;
  onId(id);
  const { placed, begun } = there ?? { placed: new Map(), begun: new Map() };
  const sent = new Map();
  let done = 0;
  const note = (path, bytes, end = false) => {
    if (end) { sent.delete(path); done += bytes; } else sent.set(path, bytes);
    onSent(done + [...sent.values()].reduce((sum, one) => sum + one, 0));
  };
  const send = async ({ path, file }) => {
    if (!same(placed.get(path), file)) {
      const half = begun.get(path);
      await sendFile(file, {
        said: { folder: id, path }, url: same(half, file) ? `/api/v1/uploads/${half.id}` : null,
        signal, onSent: (bytes) => note(path, bytes), onWait,
      });
    }
    note(path, file.size, true);
  };
  await each(thing.files, send);
  await uploadApi.finishFolder(signal, id, thing.empty);
  return id;
}

/** What of a folder was sent before; null if files of other names are in it: it would never be complete. */
async function whatIsThere(thing, id, unfinished, signal) {
  const placed = await uploadApi.placed(signal, id);
  const begun = new Map(unfinished.filter((one) => one.folder === id).map((one) => [one.path, one]));
  const ours = new Set(thing.files.map(({ path }) => path));
  return [...placed.keys(), ...begun.keys()].every((path) => ours.has(path)) ? { id, placed, begun } : null;
}

const same = (known, file) => Boolean(known) && known.size === file.size && known.modified === file.lastModified;

/** Do something with each, a few at a time; the first failure ends it. */
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
