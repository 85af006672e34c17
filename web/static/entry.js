// One entry: what it is, a look at it, its files, who holds it, its pieces and its history.

import { api } from "./api.js";
import { DeleteEntry } from "./entry_delete.js";
import { EditEntry } from "./entry_edit.js";
import { Facts, History } from "./entry_facts.js";
import { ShareLink } from "./entry_link.js";
import { Lazy, withStyles } from "./lazy.js";
import { copyLink, Icon, Problem, Waiting } from "./parts.js";
import { PieceMap } from "./piece_map.js";
import { english } from "./said.js";
import { changes, status, use, useRefresh } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const loadPreview = () => import("./preview.js").then((module) => module.Preview);
const loadSizes = () => withStyles(["pictures"], import("./entry_pictures.js").then((module) => module.PictureSizes));
const loadTree = () => import("./file_tree.js").then((module) => module.FileTree);

/** @param {{id: string}} props */
export function Entry({ id }) {
  const version = use(changes);
  const [loaded, setLoaded] = useState(/** @type {{id?: string, entry?: Api.EntryView, map?: Api.PieceRows, error?: Error}} */ ({}));
  const load = async () => {
    try {
      const [entry, map] = await Promise.all([api.entry(id), api.pieces(id)]);
      setLoaded({ id, entry, map });
    } catch (error) {
      setLoaded({ id, error });
    }
  };
  useEffect(() => { load(); }, [id, version]);
  const entry = loaded.entry;
  useRefresh(load, entry && entry.copies.have < entry.copies.want);
  if (loaded.id !== id) return html`<${Waiting} />`;
  if (loaded.error) return html`<div class="stack"><${Back} /><h1 class="sr">${t("Entry")}</h1><${Problem} error=${loaded.error} retry=${load} /></div>`;
  return html`<div class="stack"><${Back} /><${Loaded} entry=${loaded.entry} map=${loaded.map} key=${id} /></div>`;
}

function Back() {
  return html`<a class="back" href="#/"><${Icon} name="back" />${t("Library")}</a>`;
}

/** @param {{entry: Api.EntryView, map: Api.PieceRows}} props */
function Loaded({ entry, map }) {
  // Only the machine that shared an entry can edit or delete it.
  const own = use(status)?.peer.name === entry.author;
  const folder = entry.kind === "folder";
  return html`<article class="one">
    <header>
      <h1 dir="auto">${entry.name}</h1>
      <${Warnings} entry=${entry} />
      ${entry.caption && html`<p class="caption" dir="auto">${entry.caption}</p>`}
      ${entry.tags.length > 0 && html`<ul class="tags" aria-label=${t("Tags")}>${entry.tags.map((tag) => html`<li key=${tag}><a href=${`#/?${new URLSearchParams({ q: tag })}`}><bdi>${tag}</bdi></a></li>`)}</ul>`}
      <div class="buttons">
        <a class="button primary" href=${`/download/${entry.id}`} download><${Icon} name="download" />${folder ? t("Download as zip") : t("Download")}</a>
        <button class="button" onClick=${() => copyLink(entry)}><${Icon} name="link" />${t("Copy link")}</button>
        ${own && html`<${EditEntry} entry=${entry} /><${DeleteEntry} entry=${entry} />`}
      </div>
    </header>
    ${folder ? html`<${Lazy} load=${loadTree} entry=${entry} />` : html`<${Lazy} load=${loadPreview} entry=${entry} file=${{ index: 0, path: entry.name, size: entry.size }} />`}
    ${(entry.picture || entry.renditions?.length > 0) && html`<${Lazy} load=${loadSizes} entry=${entry} />`}
    <div class="side-by-side"><${Facts} entry=${entry} /><${ShareLink} entry=${entry} /></div>
    <section class="card" aria-labelledby="pieces"><h2 id="pieces">${t("Pieces by machine")}</h2><${PieceMap} map=${map} /></section>
    <${History} entry=${entry} />
  </article>`;
}

/**
 * What its owner should know: files that changed, copies that are missing, a deletion that waits.
 * @param {{entry: Api.EntryView}} props
 */
function Warnings({ entry }) {
  const said = [
    entry.held && tx("Its deletion is held until somebody approves it: {command}", { command: html`<code>twofold approve</code>` }),
    english(entry.notice),
    (entry.safety === "away" || entry.safety === "lost") && english(entry.safety_text),
  ].filter(Boolean);
  if (said.length === 0) return null;
  return html`<div role="status"><ul class="warnings">${said.map((text, index) => html`<li key=${index}>${text}</li>`)}</ul></div>`;
}
