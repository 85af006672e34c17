// Waiting for entries: one request at a time, however many uploads are being added.

import { ApiError } from "./api.js";
import { t } from "./strings.js";
import { uploadApi } from "./upload_api.js";

/** @type {{upload: string, resolve: (became: {entry: string, note: string}) => void, reject: (error: Error) => void}[]} */
const waiting = [];
let running = false;

/**
 * The id of the entry that a complete upload becomes, and what else is to be told of it.
 * @returns {Promise<{entry: string, note: string}>} rejects with why it became none.
 * @param {string} upload
 */
export function awaitEntry(upload) {
  return new Promise((resolve, reject) => {
    waiting.push({ upload, resolve, reject });
    if (!running) run();
  });
}

async function run() {
  running = true;
  while (waiting.length) {
    const one = /** @type {typeof waiting[0]} */ (waiting.shift());
    try {
      const view = await uploadApi.one(one.upload);
      if (view.state === "added") one.resolve({ entry: view.entry, note: view.note });
      else if (view.state === "adding") waiting.push(one);
      else one.reject(view.text ? new ApiError(200, view.text, { foreign: true }) : new Error(t("The machine lost a part of it. Try again.")));
    } catch (error) {
      if (error instanceof ApiError && error.status !== 0 && error.status < 500) one.reject(error);
      else {
        waiting.push(one);
        await new Promise((resolve) => { setTimeout(resolve, 1000); });
      }
    }
  }
  running = false;
}
