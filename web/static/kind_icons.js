// A picture for each kind of content, beside words: it says nothing to a screen reader.

import { t } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

const SHEET = "M7 3.5h7l4 4V20a.5.5 0 0 1-.5.5h-11A.5.5 0 0 1 6 20V4a.5.5 0 0 1 .5-.5Zm7 0V8h4";
/** @type {Record<string, string>} */
const PATHS = {
  folder: "M3.5 6.5A1 1 0 0 1 4.5 5.5h4.7l2 2.5h8.3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1Z",
  image: "M4.5 4.5h15a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1Zm-1 12 5-5 4.5 4.5 2.5-2.5 5 5M15.5 9.5h.01",
  video: "M4.5 5.5h15a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1ZM10 9v6l5-3Z",
  audio: "M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0Zm10-2a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0Z",
  document: `${SHEET}M9 12h6M9 15.5h6`,
  archive: "M4.5 9h15v10a1 1 0 0 1-1 1h-13a1 1 0 0 1-1-1Zm-1-5h17v5h-17Zm6.5 9h4",
  other: SHEET,
};
/** @type {Record<string, () => string>} */
const NAMES = { folder: () => t("Folder"), image: () => t("Image"), video: () => t("Video"), audio: () => t("Audio"), document: () => t("Document"), archive: () => t("Archive"), other: () => t("File") };

/**
 * What a kind of content is called.
 * @param {string} content
 */
export const kindName = (content) => (NAMES[content] ?? NAMES.other)();

/** @param {{entry: Api.EntryView}} props */
export function KindIcon({ entry }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[entry.content] ?? PATHS[entry.kind] ?? SHEET} /></svg>`;
}
