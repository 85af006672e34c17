// A look at one file: picture, sound, video, text or PDF. Sound and video play while the pieces
// still arrive: the browser asks for the part it needs, and that is fetched first.

import { bytes } from "./format.js";
import { Lazy } from "./lazy.js";
import { Icon } from "./parts.js";
import { keptAddress } from "./pictures.js";
import { kindOf } from "./preview_kinds.js";
import { t } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

const SMALL = 8_000_000;
const loadText = () => import("./preview_text.js").then((module) => module.TextPreview);
const loadPdf = () => import("./preview_pdf.js").then((module) => module.PdfPreview);

/**
 * Reading anything brings the whole entry to this machine: what is large and not here is asked for first.
 * @param {Api.EntryView} entry
 */
function isReady(entry) {
  return entry.here >= entry.pieces || entry.size <= SMALL;
}

/** @param {Api.EntryView} entry */
function missing(entry) {
  return entry.size * (1 - entry.here / entry.pieces);
}

/** @param {{entry: Api.EntryView, file: Api.FileView}} props */
export function Preview({ entry, file }) {
  const kind = kindOf(file.path);
  const [wanted, setWanted] = useState(() => isReady(entry));
  if (!kind || file.size === 0) return null;
  const smaller = wanted ? null : keptAddress(entry, "very high");
  if (smaller) return html`<section class="preview" aria-label=${t("Preview")}><img src=${smaller} alt=${t("Picture: {name}", { name: file.path })} onError=${() => setWanted(true)} />
    <p class="soft">${t("A smaller version: the picture itself is not on this machine yet.")} <button class="button quiet" onClick=${() => setWanted(true)}>${t("Show it in full ({size})", { size: bytes(missing(entry)) })}</button></p></section>`;
  if (wanted) return html`<section class="preview" aria-label=${t("Preview")}><${Look} entry=${entry} file=${file} kind=${kind} /></section>`;
  const playing = kind === "audio" || kind === "video";
  return html`<section class="preview ask" aria-label=${t("Preview")}>
    <button class="button" onClick=${() => setWanted(true)}><${Icon} name=${playing ? "play" : "file"} />${playing ? t("Play") : t("Show")}</button>
    <p class="soft">${brings(entry, playing)}</p>
  </section>`;
}

/**
 * @param {Api.EntryView} entry
 * @param {boolean} playing
 */
function brings(entry, playing) {
  const fields = { size: bytes(missing(entry)) };
  if (entry.here === 0) return playing ? t("Not on this machine yet: it fetches {size}, and plays meanwhile.", fields) : t("Not on this machine yet: it fetches {size} for it.", fields);
  return playing ? t("Only in part on this machine: it fetches the other {size}, and plays meanwhile.", fields) : t("Only in part on this machine: it fetches the other {size} for it.", fields);
}

/** @param {{entry: Api.EntryView, file: Api.FileView, kind: string}} props */
function Look({ entry, file, kind }) {
  const [failed, setFailed] = useState(false);
  const address = `/view/${entry.id}/${file.index}`;
  const fail = () => setFailed(true);
  if (failed) return html`<${NotShown} entry=${entry} file=${file} kind=${kind} />`;
  if (kind === "image") return html`<img src=${address} alt=${t("Picture: {name}", { name: file.path })} onError=${fail} />`;
  if (kind === "audio") return html`<audio controls preload="metadata" src=${address} aria-label=${file.path} onError=${fail}></audio>`;
  if (kind === "video") return html`<video controls preload="metadata" playsinline src=${address} aria-label=${file.path} onError=${fail}></video>`;
  return html`<${Lazy} load=${kind === "pdf" ? loadPdf : loadText} entry=${entry} file=${file} fail=${fail} />`;
}

/** @param {{entry: Api.EntryView, file: Api.FileView, kind: string}} props */
export function NotShown({ entry, file, kind }) {
  const why = kind === "audio" || kind === "video" ? t("This browser cannot play it, or its pieces cannot be had now.") : t("It cannot be shown here: it is damaged, of a kind this browser does not know, or its pieces cannot be had now.");
  return html`<div class="ask" role="alert"><p>${why}</p>
    <a class="button" href=${`/download/${entry.id}/${file.index}`} download><${Icon} name="download" />${t("Download it")}</a></div>`;
}
