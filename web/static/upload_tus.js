// One file over tus, by tus-js-client, which is loaded when it is needed first.

import { errorOf } from "./api.js";
import { t } from "./strings.js";

const ENDPOINT = "/api/v1/uploads";
/** Up to here a file goes with the request that begins it; longer ones can go on after a cut. */
const SMALL = 1 << 20;
const DELAYS = [200, 500, 1000, 2000, ...Array(150).fill(4000)];
const AGAIN = new Set([0, 408, 409, 423, 429, 460, 500, 502, 503, 504]);
/** Browsers open six connections to a machine; the page needs some for itself. */
const AT_ONCE = 3;

/** @type {Promise<unknown> | null} */
let loading = null;
let free = AT_ONCE;
/** @type {((turn: null) => void)[]} */
const queue = [];

async function library() {
  loading ??= import("./vendor/tus.js").catch(() => {
    loading = null;
    throw new UploadError(t("A part of this page did not load. Is the machine still on?"));
  });
  await loading;
  return globalThis.tus;
}

/**
 * Wait for one of the few connections; call what this gives to hand it on.
 * @param {AbortSignal} signal
 */
async function turn(signal) {
  while (free === 0) await new Promise((resolve) => { queue.push(resolve); });
  free -= 1;
  let given = false;
  const giveBack = () => {
    if (given) return;
    given = true;
    free += 1;
    queue.shift()?.(null);
  };
  if (signal.aborted) giveBack();
  signal.throwIfAborted();
  return giveBack;
}

/** @typedef {{signal: AbortSignal, onSent: (bytes: number) => void, onWait: () => void}} Course */

export class UploadError extends Error {}

/**
 * Send a file, or the rest of one the page knows.
 * @param {File} file
 * @param {Course & {said: Record<string, string>, url: string | null, onUrl?: (url: string) => void}} options
 * @returns {Promise<string>} the address of the upload; rejects with ApiError, UploadError, or when aborted.
 */
export async function sendFile(file, { said, url, signal, onSent, onWait, onUrl = () => {} }) {
  const { Upload } = await library();
  const giveBack = await turn(signal);
  let stop = () => {};
  try {
    return await new Promise((resolve, reject) => {
      const upload = new Upload(file, {
        endpoint: ENDPOINT,
        uploadUrl: url,
        metadata: { ...said, modified: String(file.lastModified) },
        uploadDataDuringCreation: file.size <= SMALL,
        storeFingerprintForResuming: false,
        retryDelays: DELAYS,
        onShouldRetry: (error) => {
          const again = AGAIN.has(error.originalResponse?.getStatus() ?? 0);
          if (again) onWait();
          return again;
        },
        onProgress: (sent) => onSent(sent),
        onUploadUrlAvailable: () => onUrl(upload.url),
        onSuccess: () => resolve(upload.url),
        onError: (error) => reject(reason(error)),
      });
      stop = () => {
        upload.abort();
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop);
      upload.start();
    });
  } finally {
    signal.removeEventListener("abort", stop);
    giveBack();
  }
}

/** @param {tus.TusError} error */
function reason(error) {
  const answer = error.originalResponse;
  if (!answer) return new UploadError(error.originalRequest ? t("The connection is lost. Try again when it is back.") : t("This file cannot be read any more. Pick it again."));
  if (answer.getStatus() === 401) location.assign("/login");
  let content = null;
  try { content = JSON.parse(answer.getBody()); } catch { /* no text of ours */ }
  return errorOf(content, answer.getStatus());
}
