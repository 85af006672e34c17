// The files of a folder as a tree. Only the rows on the screen are drawn, so 10,000 files are fine.

import { api } from "./api.js";
import { bytes, number, series } from "./format.js";
import { Icon, Problem } from "./parts.js";
import { Preview } from "./preview.js";
import { kindOf } from "./preview_kinds.js";
import { t, tn } from "./strings.js";
import { keyOf, treeKey } from "./tree_keys.js";
import { addFiles, matchingRows, newTree, openRows } from "./tree_model.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

/**
 * @typedef {{root: import("./tree_model.js").Folder, files: Api.FileView[], total: number, next: number, done: boolean, error: Error | null, again: () => void}} Known
 * @typedef {import("./tree_keys.js").Done} Done
 */

const ROW = 44, MOST_ROWS = 12, SPARE = 6, SEARCH_FROM = 20;

/**
 * All files of an entry, as they come: {root, files, total, done, error, again}.
 * @param {Api.EntryView} entry
 * @returns {Known | null}
 */
function useFiles(entry) {
  const [, setSeen] = useState(0);
  const state = useRef(null);
  const load = async (/** @type {Known} */ known) => {
    try {
      while (!known.done && state.current === known) {
        const page = await api.files(entry.id, known.next);
        addFiles(known.root, page.files);
        known.files.push(...page.files);
        known.total = page.total;
        known.next = page.files.length ? page.files[page.files.length - 1].index + 1 : page.total;
        known.done = known.next >= page.total;
        if (known.done || known.files.length <= 200 || known.files.length % 2000 === 0) setSeen((turn) => turn + 1);
      }
    } catch (error) {
      known.error = error;
      setSeen((turn) => turn + 1);
    }
  };
  const again = () => {
    state.current = { root: newTree(), files: [], total: entry.files, next: 0, done: false, error: null, again };
    load(state.current);
    setSeen((turn) => turn + 1);
  };
  useEffect(() => { again(); return () => { state.current = null; }; }, [entry.id]);
  return state.current;
}

/** @param {{entry: Api.EntryView}} props */
export function FileTree({ entry }) {
  const known = useFiles(entry);
  const [chosen, setChosen] = useState(/** @type {Api.FileView | null} */ (null));
  const [words, setWords] = useState("");
  if (!known) return null;
  return html`<section class="card tree-card" aria-labelledby="files"><h2 id="files">${tn(entry.files, "{n} file", "{n} files")}</h2>
    ${entry.files >= SEARCH_FROM && html`<div class="search"><label class="sr" for="tree-search">${t("Find in this folder")}</label><${Icon} name="search" />
      <input id="tree-search" type="search" placeholder=${t("Find in this folder")} autocomplete="off" value=${words} onInput=${(event) => setWords(event.target.value)} /></div>`}
    ${!known.done && !known.error && known.files.length > 0 && html`<p class="soft" role="status">${t("Reading the list: {n} of {all}", { n: number(known.files.length), all: number(entry.files) })}</p>`}
    <${Rows} known=${known} words=${words.trim()} entry=${entry} chosen=${chosen} choose=${setChosen} />
    ${known.error && html`<${Problem} error=${known.error} retry=${known.again} />`}
    ${chosen && html`<${Chosen} key=${chosen.index} entry=${entry} file=${chosen} close=${() => setChosen(null)} />`}
  </section>`;
}

/** @param {{known: Known, words: string, entry: Api.EntryView, chosen: Api.FileView | null, choose: (file: Api.FileView) => void}} props */
function Rows({ known, words, entry, chosen, choose }) {
  const box = useRef(null);
  const [open, setOpen] = useState(() => /** @type {Set<string>} */ (new Set()));
  const [at, setAt] = useState(0);
  const [top, setTop] = useState(0);
  const rows = words ? matchingRows(known.files, words) : openRows(known.root, open);
  const here = Math.min(at, rows.length - 1);
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const shown = rows.slice(first, first + MOST_ROWS + 2 * SPARE + 1);
  const go = (/** @type {number} */ index) => {
    setAt(index);
    const list = box.current;
    list.scrollTop = Math.min(index * ROW, Math.max(list.scrollTop, (index + 1) * ROW - list.clientHeight));
    setTop(list.scrollTop);
  };
  const act = (/** @type {Done} */ done) => {
    if (done.at !== undefined) go(done.at);
    if (done.choose) choose(done.choose.file);
    if (done.toggle === undefined) return;
    const next = new Set(open);
    if (!next.delete(done.toggle)) next.add(done.toggle);
    setOpen(next);
  };
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const done = treeKey(keyOf(event), rows, here, open, MOST_ROWS - 1);
    if (!done) return;
    event.preventDefault();
    act(done);
  };
  const click = (/** @type {number} */ index) => { setAt(index); act(rows[index].node.file ? { choose: rows[index].node } : { toggle: rows[index].node.path }); };
  useEffect(() => { setAt(0); setTop(0); box.current.scrollTop = 0; }, [words]);
  return html`<div class="tree" role="tree" aria-label=${t("Files")} tabindex="0" ref=${box} onScroll=${(event) => setTop(event.target.scrollTop)} onKeyDown=${press}
      aria-activedescendant=${rows.length ? `row-${here}` : null} style=${{ height: `${Math.max(1, Math.min(MOST_ROWS, rows.length)) * ROW}px` }}>
    <div role="presentation" style=${{ height: `${rows.length * ROW}px` }}>
      ${rows.length === 0 && html`<p class="soft">${words ? t("No file has “{words}” in its path.", { words }) : known.done ? t("There are no files in it.") : t("Loading…")}</p>`}
      ${shown.map((row, index) => html`<${Row} key=${row.node.path} row=${row} index=${first + index} entry=${entry} active=${first + index === here} open=${open.has(row.node.path)} chosen=${Boolean(row.node.file) && row.node.file === chosen} click=${click} />`)}
    </div></div>`;
}

/** @param {{row: import("./tree_model.js").Row, index: number, entry: Api.EntryView, active: boolean, open: boolean, chosen: boolean, click: (index: number) => void}} props */
function Row({ row, index, entry, active, open, chosen, click }) {
  const { node, depth, place, of } = row;
  const file = node.file;
  return html`<div id=${`row-${index}`} role="treeitem" class=${`tree-row${active ? " active" : ""}`} aria-level=${depth} aria-posinset=${place} aria-setsize=${of}
      aria-expanded=${file ? null : open ? "true" : "false"} aria-selected=${chosen ? "true" : "false"} aria-label=${series(file ? [node.name, bytes(file.size)] : [node.name, tn(node.files, "{n} file", "{n} files"), t("folder")])}
      style=${{ top: `${index * ROW}px`, paddingInlineStart: `${Math.min(depth - 1, 8) * 1.2 + 0.4}rem` }} onClick=${() => click(index)}>
    <span class=${`twist${open ? " open" : ""}`}>${!file && html`<${Icon} name="open" />`}</span><span class="kind"><${Icon} name=${file ? "file" : "folder"} /></span>
    <span class="name" dir="auto" title=${node.path}>${node.name}</span> <span class="size">${file ? bytes(file.size) : tn(node.files, "{n} file", "{n} files")}</span>
    ${file ? html`<a class="button quiet icon-only" tabindex="-1" aria-hidden="true" href=${`/download/${entry.id}/${file.index}`} download title=${t("Download")} onClick=${(event) => event.stopPropagation()}><${Icon} name="download" /></a>` : html`<span></span>`}
  </div>`;
}

/**
 * The file that was chosen in the tree: a look at it, and its download.
 * @param {{entry: Api.EntryView, file: Api.FileView, close: () => void}} props
 */
function Chosen({ entry, file, close }) {
  const panel = useRef(null);
  useEffect(() => { panel.current.focus({ preventScroll: true }); panel.current.scrollIntoView({ block: "nearest" }); }, []);
  return html`<div class="chosen" ref=${panel} tabindex="-1" role="group" aria-label=${file.path}>
    <div class="chosen-head"><h3><bdi>${file.path}</bdi> <span class="soft">${bytes(file.size)}</span></h3>
      <button class="button quiet icon-only" aria-label=${t("Close")} title=${t("Close")} onClick=${close}><${Icon} name="close" /></button></div>
    ${kindOf(file.path) && file.size > 0 ? html`<${Preview} entry=${entry} file=${file} />` : html`<p class="soft">${t("There is no preview of this kind of file.")}</p>`}
    <div class="buttons"><a class="button" href=${`/download/${entry.id}/${file.index}`} download><${Icon} name="download" />${t("Download")}</a></div>
  </div>`;
}
