// What the page asks about uploads beside sending bytes; asks again while the machine is away.

import { ApiError, ask } from "./api.js";

/** @typedef {import("./drop_tree.js").OneFile | import("./drop_tree.js").OneFolder} Thing */

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/**
 * The same request until it is answered: its loss must not lose an upload.
 * @param {AbortSignal | null} signal
 * @param {Parameters<typeof ask>} request
 */
async function surely(signal, ...request) {
  for (let wait = 300; ; wait = Math.min(2 * wait, 4000)) {
    try {
      return await ask(...request);
    } catch (error) {
      if (!(error instanceof ApiError) || ![0, 429, 502, 503, 504].includes(error.status)) throw error;
    }
    await pause(wait);
    signal?.throwIfAborted();
  }
}

export const uploadApi = {
  /** @type {() => Promise<Api.UploadView[]>} */
  unfinished: async () => (await ask("GET", "/uploads")).uploads,
  /** @type {(id: string) => Promise<Api.UploadView>} */
  one: (id) => ask("GET", `/uploads/${id}?wait=2`),
  /** @type {(id: string) => Promise<unknown>} */
  addAgain: (id) => ask("POST", `/uploads/${id}/add`),
  /** @type {(kind: "file" | "folder", id: string) => Promise<unknown>} */
  drop: (kind, id) => (kind === "folder" ? ask("DELETE", `/folders/${id}`) : ask("DELETE", `/uploads/${id}`, null, { "Tus-Resumable": "1.0.0" })),
  /** @type {(id: string, caption: string) => Promise<unknown>} */
  caption: (id, caption) => surely(null, "PUT", `/uploads/${id}/caption`, { caption }),
  /** @type {(signal: AbortSignal, folder: Api.NewFolder) => Promise<Api.UploadView>} */
  beginFolder: (signal, folder) => surely(signal, "POST", "/folders", folder),
  /** @type {(signal: AbortSignal, id: string, empty: string[]) => Promise<unknown>} */
  finishFolder: (signal, id, empty) => surely(signal, "POST", `/folders/${id}/finish`, { empty }),
  /**
   * Path to {size, modified} of the files of a folder that are there in full.
   * @param {AbortSignal} signal
   * @param {string} id
   */
  async placed(signal, id) {
    /** @type {Map<string, Api.PlacedFile>} */
    const found = new Map();
    for (let start = /** @type {number | null} */ (0); start !== null;) {
      /** @type {Api.PlacedFiles} */
      const page = await surely(signal, "GET", `/folders/${id}/files?start=${start}`);
      for (const file of page.files) found.set(file.path, file);
      start = page.next;
    }
    return found;
  },
};

/**
 * A name as the machine keeps it, so that an upload is found again by it.
 * @param {string} name
 */
export function keptName(name) {
  return name.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}/\\\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, "_").trim();
}

/**
 * What is known of this file or folder, whoever began it: browser or command line.
 * @param {Api.UploadView[]} unfinished
 * @param {Thing} thing
 */
export function findKnown(unfinished, thing) {
  const name = keptName(thing.name);
  return unfinished.find((known) => known.kind === thing.kind && !known.folder && known.name === name && known.size === thing.size
    && (thing.kind === "folder" ? known.files === thing.files.length : known.modified === thing.file.lastModified));
}
