// A folder: begun, each of its files sent that is not there yet, then finished. One entry in the end.

import { uploadApi } from "./upload_api.js";
import { sendFile } from "./upload_tus.js";

const WORKERS = 3;

/**
 * Send a folder, or the rest of one that is known.
 * @returns {Promise<string>} the id of the upload.
 */
export async function sendFolder(thing, { known, unfinished, signal, onSent, onWait, onId }) {
  const id = known?.id ?? (await uploadApi.beginFolder(signal, { name: thing.name, files: thing.files.length, size: thing.size })).id;
  onId(id);
  const placed = known ? await uploadApi.placed(signal, id) : new Map();
  const begun = new Map(unfinished.filter((one) => one.folder === id).map((one) => [one.path, one]));
  const sent = new Map();
  let done = 0;
  const note = (path, bytes, end = false) => {
    if (end) { sent.delete(path); done += bytes; } else sent.set(path, bytes);
    onSent(done + [...sent.values()].reduce((sum, one) => sum + one, 0));
  };
  const send = async ({ path, file }) => {
    const there = placed.get(path);
    if (!same(there, file)) {
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
