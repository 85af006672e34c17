// A text file as text, whatever is in it, with its words coloured. Long ones are cut.

import { bytes } from "./format.js";
import { tokens } from "./highlight.js";
import { Waiting } from "./parts.js";
import { endingOf } from "./preview_kinds.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const MOST = 256 * 1024;

/**
 * @param {Api.EntryView} entry
 * @param {Api.FileView} file
 * @param {AbortSignal} signal
 */
async function read(entry, file, signal) {
  const headers = { Range: `bytes=0-${Math.min(MOST, file.size) - 1}` };
  // Not as a download, which the activity would tell. What is markup is text here, and nowhere shown.
  const answer = await fetch(`/view/${entry.id}/${file.index}`, { headers, signal });
  if (!answer.ok) throw new Error();
  const content = new Uint8Array(await answer.arrayBuffer());
  if (content.subarray(0, 4096).includes(0)) throw new Error();
  return new TextDecoder().decode(content, { stream: file.size > MOST });
}

/** @param {{entry: Api.EntryView, file: Api.FileView, fail: () => void}} props */
export function TextPreview({ entry, file, fail }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    setText(null);
    read(entry, file, stop.signal).then(setText, (error) => { if (error.name !== "AbortError") fail(); });
    return () => stop.abort();
  }, [entry.id, file.index]);
  if (text === null) return html`<${Waiting} />`;
  return html`<div><pre class="text" tabindex="0" dir="auto" aria-label=${t("Text of {name}", { name: file.path })}><code>${tokens(text, endingOf(file.path)).map(([kind, part]) => (kind ? html`<span class=${`t-${kind}`}>${part}</span>` : part))}</code></pre>
    ${file.size > MOST && html`<p class="soft">${t("The first {shown} of {size}; download it to see the rest.", { shown: bytes(MOST), size: bytes(file.size) })}</p>`}</div>`;
}
