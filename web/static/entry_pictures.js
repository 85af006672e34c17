// The sizes there are of a picture, each with an address that pages elsewhere can show.

import { ask } from "./api.js";
import { bytes, number } from "./format.js";
import { copyText, Icon } from "./parts.js";
import { pictureAddress } from "./pictures.js";
import { tell } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {Api.RenditionView["quality"]} Quality */

/** @param {{width: number, height: number}} picture */
const pixels = ({ width, height }) => html`<bdi dir="ltr">${number(width)} × ${number(height)}</bdi>`;

/** @param {Quality} quality */
function called(quality) {
  if (quality === "very high") return t("Very high");
  if (quality === "high") return t("High");
  return quality === "medium" ? t("Medium") : t("Low");
}

/**
 * @param {Api.EntryView} entry
 * @param {Quality} quality
 */
async function copyAddress(entry, quality) {
  const address = new URL(pictureAddress(entry, quality) ?? "", location.href).href;
  const copied = await copyText(address);
  tell(copied ? t("The address of the picture is copied.") : t("Copy it by hand: {address}", { address }), copied);
}

/** @param {{entry: Api.EntryView}} props */
export function PictureSizes({ entry }) {
  const [open, setOpen] = useState(/** @type {boolean | null} */ (null));
  useEffect(() => { ask("GET", "/upload-rules").then(({ rules }) => setOpen(rules.embed), () => {}); }, []);
  return html`<section class="card" aria-labelledby="sizes"><h2 id="sizes">${t("Sizes of the picture")}</h2>
    <ul class="sizes">
      ${entry.picture && html`<li><span class="name">${t("As it was shared")}</span><span class="soft">${pixels(entry.picture)}, ${bytes(entry.size)}</span></li>`}
      ${entry.renditions.map((each) => html`<li key=${each.quality}><span class="name">${called(each.quality)}</span><span class="soft">${pixels(each)}, ${bytes(each.size)}</span>
        <button class="button quiet" aria-label=${t("Copy picture address: {quality}", { quality: called(each.quality) })} onClick=${() => copyAddress(entry, each.quality)}><${Icon} name="link" /><span>${t("Copy picture address")}</span></button></li>`)}
    </ul>
    ${open !== null && html`<p class="soft">${open
      ? t("Pages of other sites may show these addresses, without a login: the owner of this machine allows it.")
      : tx("Only who is logged in here sees these addresses. To let pages of other sites show them: {command}", { command: html`<code>twofold rules --embed</code>` })}</p>`}
  </section>`;
}
