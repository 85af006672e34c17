// What was deleted and is still kept on this machine: to bring back, or to throw away for good.

import { api } from "./api.js";
import { age, bytes, moment } from "./format.js";
import { Empty, Icon, Problem, Waiting } from "./parts.js";
import { said } from "./said.js";
import { changed, changes, tell, use } from "./store.js";
import { t, tn } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

export function Trash() {
  const version = use(changes);
  const [known, setKnown] = useState(/** @type {{entries: Api.TrashView[] | null, total: number, error: Error | null}} */ ({ entries: null, total: 0, error: null }));
  const load = async (/** @type {number} */ wanted) => {
    try {
      let page = await api.trash(0);
      const entries = [...page.entries];
      while (entries.length < Math.min(wanted, page.total) && page.entries.length) {
        page = await api.trash(entries.length);
        entries.push(...page.entries);
      }
      setKnown({ entries, total: page.total, error: null });
    } catch (error) {
      setKnown((old) => ({ ...old, error }));
    }
  };
  const shown = known.entries?.length ?? 0;
  useEffect(() => { load(shown); }, [version]);
  return html`<div class="stack"><a class="back" href="#/"><${Icon} name="back" />${t("Library")}</a>
    <h1>${t("Trash")} <span class="soft">${t("of this machine")}</span></h1>
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load(shown)} />`}
    ${!known.error && !known.entries && html`<${Waiting} />`}
    ${known.entries && known.total === 0 && html`<${Empty} icon="trash" title=${t("The trash is empty")}><p>${t("What is deleted stays here for 30 days, and can be brought back.")}</p><//>`}
    ${known.total > 0 && html`<${Listed} known=${known} more=${() => load(shown + 1)} />`}
  </div>`;
}

/** @param {{known: {entries: Api.TrashView[], total: number}, more: () => void}} props */
function Listed({ known, more }) {
  return html`<div>
    <div class="trash-head"><p class="tally">${tn(known.total, "{n} deleted entry", "{n} deleted entries")}</p><${PurgeButton} title=${t("Empty the trash")} text=${t("Empty the trash")} say=${t("Everything in the trash of this machine is removed for good.")} /></div>
    <ul class="entries" aria-label=${t("Deleted entries")}>${known.entries.map((entry) => html`<${Deleted} key=${entry.id} entry=${entry} />`)}</ul>
    ${known.entries.length < known.total && html`<p class="more"><button class="button" onClick=${more}>${t("Show more")}</button></p>`}
  </div>`;
}

/** @param {{entry: Api.TrashView}} props */
function Deleted({ entry }) {
  const [busy, setBusy] = useState(false);
  const name = entry.name || t("An entry whose name is not known here");
  const restore = async () => {
    setBusy(true);
    try {
      const done = await api.restore(entry.id);
      tell(done.published ? t("{name} is back in the library.", done) : t("{name} is back here. The tracker is away: others may see it when it is back.", done));
      changed();
    } catch (error) {
      tell(said(error), false);
    }
    setBusy(false);
  };
  return html`<li class="entry deleted">
    <span class="what"><span class="name" dir="auto">${name}</span>
      <span class="about">${bytes(entry.size)} · ${t("deleted {age} by {name}", { age: age(entry.deleted), name: entry.by })} · ${entry.path ? t("the files stay at {path}", entry) : t("kept until {when}", { when: moment(entry.until) })}</span></span>
    <span class="buttons"><button class="button" disabled=${busy} onClick=${restore} aria-label=${t("Bring back {name}", { name })}>${t("Bring back")}</button>
      ${!entry.path && html`<${PurgeButton} id=${entry.id} title=${t("Remove {name} for good", { name })} text=${t("Remove")} say=${t("“{name}” is removed from the trash of this machine for good.", { name })} />`}</span>
  </li>`;
}

/**
 * Removes one deleted entry, or everything, after asking.
 * @param {{id?: string, title: string, text: string, say: string}} props
 */
function PurgeButton({ id, title, text, say }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const purge = async () => {
    setBusy(true);
    try {
      const done = await api.purge(id);
      tell(done.contents ? t("{size} are free again.", { size: bytes(done.bytes) }) : t("There was nothing to remove."));
      changed();
    } catch (error) {
      tell(said(error), false);
    }
    dialog.current?.close();
    setBusy(false);
  };
  return html`<span class="delete"><button class="button danger" aria-label=${title} onClick=${() => dialog.current.showModal()}>${text}</button>
    <dialog ref=${dialog} aria-label=${title}><h2>${t("Remove for good?")}</h2><p>${say} ${t("This cannot be undone here. Files that were shared from where they lie stay there.")}</p>
      <div class="buttons"><button class="button" autofocus onClick=${() => dialog.current.close()}>${t("Keep it")}</button>
      <button class="button danger solid" disabled=${busy} onClick=${purge}>${t("Remove for good")}</button></div></dialog></span>`;
}
