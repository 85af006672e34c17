// One entry: what it is, who holds it, its pieces and files, and deleting it.

import { api } from "./api.js";
import { age, bytes, count, moment } from "./format.js";
import { Copies, copyLink, Icon, onMachines, Problem, Waiting } from "./parts.js";
import { PieceMap } from "./piece_map.js";
import { changed, changes, status, tell, use, useRefresh } from "./store.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

export function Entry({ id }) {
  const version = use(changes);
  const [loaded, setLoaded] = useState({});
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
  if (loaded.error) return html`<div class="stack"><${Back} /><${Problem} error=${loaded.error} retry=${load} /></div>`;
  return html`<div class="stack"><${Back} /><${Loaded} entry=${loaded.entry} map=${loaded.map} /></div>`;
}

function Back() {
  return html`<a class="back" href="#/"><${Icon} name="back" />Library</a>`;
}

function Loaded({ entry, map }) {
  // Only the machine that shared an entry can delete it.
  const own = use(status)?.peer.name === entry.author;
  return html`<article class="one">
    <header>
      <h1>${entry.name}</h1>
      ${entry.held && html`<p class="soft">Its deletion is held until somebody approves it: twofold approve</p>`}
      ${entry.caption && html`<p class="caption">${entry.caption}</p>`}
      ${entry.tags.length > 0 && html`<ul class="tags" aria-label="Tags">${entry.tags.map((tag) => html`<li key=${tag}><a href=${`#/?${new URLSearchParams({ q: tag })}`}>${tag}</a></li>`)}</ul>`}
      <div class="buttons">
        <a class="button primary" href=${`/download/${entry.id}`} download><${Icon} name="download" />${entry.kind === "folder" ? "Download as zip" : "Download"}</a>
        <button class="button" onClick=${() => copyLink(entry)}><${Icon} name="link" />Copy link</button>
        ${own && html`<${Delete} entry=${entry} />`}
      </div>
    </header>
    <${Facts} entry=${entry} />
    <section class="card" aria-labelledby="pieces"><h2 id="pieces">Pieces by machine</h2><${PieceMap} map=${map} /></section>
    ${entry.kind === "folder" && html`<${FileList} entry=${entry} />`}
  </article>`;
}

function Facts({ entry }) {
  return html`<dl class="facts card">
    <div><dt>Copies</dt><dd><${Copies} entry=${entry} /> <span class="soft">${entry.safety === "safe" ? onMachines(entry) : entry.safety_text.replace(/^\d+ of \d+: /, "")}</span></dd></div>
    <div><dt>Size</dt><dd>${bytes(entry.size)} <span class="soft">${entry.kind === "folder" && `${count(entry.files, "file")}, `}${count(entry.pieces, "piece")}</span></dd></div>
    <div><dt>Shared</dt><dd>${age(entry.created)} <span class="soft">by ${entry.author}, ${moment(entry.created)}</span></dd></div>
    <div><dt>On this machine</dt><dd>${entry.here >= entry.pieces ? "All of it" : entry.here === 0 ? "Nothing yet" : `${entry.here} of ${count(entry.pieces, "piece")}`}</dd></div>
  </dl>`;
}

function Delete({ entry }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      const held = (await api.remove(entry.id))?.held;
      tell(held ? `${entry.name} is not deleted yet: too many deletions at once, somebody must approve them.` : `${entry.name} is deleted.`);
      changed();
      location.hash = "#/";
    } catch (error) {
      dialog.current.close();
      tell(error.message, false);
    }
    setBusy(false);
  };
  return html`<span class="delete"><button class="button danger" onClick=${() => dialog.current.showModal()}><${Icon} name="trash" />Delete</button>
    <dialog ref=${dialog} aria-labelledby="delete-title">
      <h2 id="delete-title">Delete for everyone?</h2>
      <p>“${entry.name}” disappears from the library of every machine.</p>
      <div class="buttons">
        <button class="button" autofocus onClick=${() => dialog.current.close()}>Keep it</button>
        <button class="button danger solid" disabled=${busy} onClick=${remove}>Delete for everyone</button>
      </div>
    </dialog></span>`;
}

function FileList({ entry }) {
  const [page, setPage] = useState({ files: [], total: entry.files, error: null });
  const more = async () => {
    try {
      const next = await api.files(entry.id, page.files.length);
      setPage({ files: [...page.files, ...next.files], total: next.total, error: null });
    } catch (error) {
      setPage({ ...page, error });
    }
  };
  useEffect(() => { more(); }, [entry.id]);
  return html`<section class="card" aria-labelledby="files"><h2 id="files">${count(page.total, "file")}</h2>
    <ul class="files">${page.files.map((file) => html`<li key=${file.index}>
      <span class="name">${file.path}</span><span class="size">${bytes(file.size)}</span>
      <a class="button quiet icon-only" href=${`/download/${entry.id}/${file.index}`} download title="Download" aria-label=${`Download ${file.path}`}><${Icon} name="download" /></a>
    </li>`)}</ul>
    ${page.error && html`<${Problem} error=${page.error} retry=${more} />`}
    ${!page.error && page.files.length > 0 && page.files.length < page.total && html`<p class="more"><button class="button" onClick=${more}>Show more files</button></p>`}
  </section>`;
}
