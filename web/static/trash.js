// What was deleted and is still kept on this machine: to bring back, or to throw away for good.

import { api } from "./api.js";
import { age, bytes, count, moment } from "./format.js";
import { Empty, Icon, Problem, Waiting } from "./parts.js";
import { changed, changes, tell, use } from "./store.js";
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
  return html`<div class="stack"><a class="back" href="#/"><${Icon} name="back" />Library</a>
    <h1>Trash <span class="soft">of this machine</span></h1>
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load(shown)} />`}
    ${!known.error && !known.entries && html`<${Waiting} />`}
    ${known.entries && known.total === 0 && html`<${Empty} icon="trash" title="The trash is empty"><p>What is deleted stays here for 30 days, and can be brought back.</p><//>`}
    ${known.total > 0 && html`<${Listed} known=${known} more=${() => load(shown + 1)} />`}
  </div>`;
}

/** @param {{known: {entries: Api.TrashView[], total: number}, more: () => void}} props */
function Listed({ known, more }) {
  return html`<div>
    <div class="trash-head"><p class="tally">${count(known.total, "deleted entry", "deleted entries")}</p><${PurgeButton} title="Empty the trash" text="Empty the trash" say="Everything in the trash of this machine is removed for good." /></div>
    <ul class="entries" aria-label="Deleted entries">${known.entries.map((entry) => html`<${Deleted} key=${entry.id} entry=${entry} />`)}</ul>
    ${known.entries.length < known.total && html`<p class="more"><button class="button" onClick=${more}>Show more</button></p>`}
  </div>`;
}

/** @param {{entry: Api.TrashView}} props */
function Deleted({ entry }) {
  const [busy, setBusy] = useState(false);
  const name = entry.name || "An entry whose name is not known here";
  const restore = async () => {
    setBusy(true);
    try {
      const done = await api.restore(entry.id);
      tell(done.published ? `${done.name} is back in the library.` : `${done.name} is back here. The tracker is away: others may see it when it is back.`);
      changed();
    } catch (error) {
      tell(error.message, false);
    }
    setBusy(false);
  };
  return html`<li class="entry deleted">
    <span class="what"><span class="name">${name}</span>
      <span class="about">${bytes(entry.size)} · deleted ${age(entry.deleted)} by ${entry.by} · ${entry.path ? `the files stay at ${entry.path}` : `kept until ${moment(entry.until)}`}</span></span>
    <span class="buttons"><button class="button" disabled=${busy} onClick=${restore} aria-label=${`Bring back ${name}`}>Bring back</button>
      ${!entry.path && html`<${PurgeButton} id=${entry.id} title=${`Remove ${name} for good`} text="Remove" say=${`“${name}” is removed from the trash of this machine for good.`} />`}</span>
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
      tell(done.contents ? `${bytes(done.bytes)} are free again.` : "There was nothing to remove.");
      changed();
    } catch (error) {
      tell(error.message, false);
    }
    dialog.current?.close();
    setBusy(false);
  };
  return html`<span class="delete"><button class="button danger" aria-label=${title} onClick=${() => dialog.current.showModal()}>${text}</button>
    <dialog ref=${dialog} aria-label=${title}><h2>Remove for good?</h2><p>${say} This cannot be undone here. Files that were shared from where they lie stay there.</p>
      <div class="buttons"><button class="button" autofocus onClick=${() => dialog.current.close()}>Keep it</button>
      <button class="button danger solid" disabled=${busy} onClick=${purge}>Remove for good</button></div></dialog></span>`;
}
