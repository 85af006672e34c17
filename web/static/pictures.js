// Smaller versions of pictures: their addresses, and the thumbnail that falls back to an icon.

import { KindIcon } from "./kind_icons.js";
import { html, useState } from "./vendor/preact-htm.js";

/**
 * The address of one smaller version, which stays; null if there is none.
 * @param {Api.EntryView} entry
 * @param {string} quality
 */
export function pictureAddress(entry, quality) {
  return entry.renditions?.some((each) => each.quality === quality) ? `/pictures/${entry.id}/${quality.replace(" ", "-")}` : null;
}

/**
 * The same for this page: a browser may keep what is under it for good.
 * @param {Api.EntryView} entry
 * @param {string} quality
 */
export function keptAddress(entry, quality) {
  const one = entry.renditions?.find((each) => each.quality === quality);
  return one ? `${pictureAddress(entry, quality)}?v=${one.id}-${one.version}` : null;
}

/**
 * A picture of an entry, or where there is none, or it cannot be had, its kind.
 * @param {{entry: Api.EntryView, quality: string}} props
 */
export function Thumbnail({ entry, quality }) {
  const address = keptAddress(entry, quality) ?? keptAddress(entry, "low");
  const [failed, setFailed] = useState(/** @type {string | null} */ (null));
  if (!address || failed === address) return html`<${KindIcon} entry=${entry} />`;
  return html`<img src=${address} alt="" loading="lazy" decoding="async" onError=${() => setFailed(address)} />`;
}
