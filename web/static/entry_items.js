// One entry in the library: as a row of the list, and as a tile of the gallery.

import { age, bytes, moment } from "./format.js";
import { kindName } from "./kind_icons.js";
import { Copies, copyLink, Icon, onMachines } from "./parts.js";
import { Thumbnail } from "./pictures.js";
import { t, tn } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function Row({ entry }) {
  const about = entry.kind === "folder" ? `${tn(entry.files, "{n} file", "{n} files")} · ` : "";
  return html`<div class="entry">
    <span class="kind"><${Thumbnail} entry=${entry} quality="low" /></span>
    <a class="what" href=${`#/entry/${entry.id}`}>
      <span class="name" dir="auto">${entry.name}</span>
      <span class="about"><span class="size-here">${bytes(entry.size)} · </span>${about}<bdi>${entry.author}</bdi> · <time datetime=${new Date(entry.created).toISOString()} title=${moment(entry.created)}>${age(entry.created)}</time>${inside(entry)}</span>
    </a>
    <span class="size">${bytes(entry.size)}</span>
    <span class="where"><${Copies} entry=${entry} /><span class="machines">${onMachines(entry)}</span></span>
    <${Actions} entry=${entry} />
  </div>`;
}

/**
 * The name in a folder that a search met.
 * @param {Api.EntryView} entry
 */
function inside(entry) {
  return entry.inside && html` · <span class="inside">${t("inside: {name}", { name: entry.inside })}</span>`;
}

/** @param {{entry: Api.EntryView}} props */
export function Tile({ entry }) {
  return html`<div class="tile">
    <a class="what" href=${`#/entry/${entry.id}`} title=${entry.name}>
      <${Picture} entry=${entry} />
      <span class="name" dir="auto">${entry.name}</span>
    </a>
    <span class="about">${kindName(entry.content)} · ${bytes(entry.size)}${inside(entry)}</span>
    <span class="under"><${Copies} entry=${entry} /><${Actions} entry=${entry} /></span>
  </div>`;
}

/**
 * The entry's thumbnail where there is one, else its kind.
 * @param {{entry: Api.EntryView}} props
 */
function Picture({ entry }) {
  return html`<span class=${`picture ${entry.content ?? entry.kind}`}><${Thumbnail} entry=${entry} quality="medium" /></span>`;
}

/** @param {{entry: Api.EntryView}} props */
function Actions({ entry }) {
  return html`<span class="actions">
    <a class="button quiet icon-only" href=${`/download/${entry.id}`} download title=${t("Download")} aria-label=${t("Download {name}", entry)}><${Icon} name="download" /></a>
    <button class="button quiet icon-only" title=${t("Copy link")} aria-label=${t("Copy the link to {name}", entry)} onClick=${() => copyLink(entry)}><${Icon} name="link" /></button>
  </span>`;
}

/** Where an entry will be when it has come. */
export function Coming() {
  return html`<div class="coming" aria-busy="true"><span class="sr">${t("Loading…")}</span></div>`;
}
