// Editing name, caption and tags of an entry.

import { api } from "./api.js";
import { Icon } from "./parts.js";
import { changed, tell } from "./store.js";
import { html, useRef, useState } from "./vendor/preact-htm.js";

const MOST_TAGS = 32, LONGEST_TAG = 64;

/**
 * The tags in a text with commas, each once.
 * @param {string} text
 */
export function tagsOf(text) {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
}

/** @param {{name: string, tags: string}} said */
function wrongIn({ name, tags }) {
  if (!name.trim()) return "Give it a name.";
  const list = tagsOf(tags);
  if (list.length > MOST_TAGS) return `At most ${MOST_TAGS} tags: these are ${list.length}.`;
  const long = list.find((tag) => [...tag].length > LONGEST_TAG);
  return long ? `A tag has at most ${LONGEST_TAG} characters: “${long.slice(0, 20)}…” has more.` : "";
}

/** @param {{entry: Api.EntryView}} props */
export function EditEntry({ entry }) {
  const dialog = useRef(null);
  const [open, setOpen] = useState(false);
  const show = () => { setOpen(true); dialog.current.showModal(); };
  const close = () => dialog.current.close();
  return html`<button class="button" onClick=${show}><${Icon} name="edit" />Edit</button>
    <dialog ref=${dialog} class="wide" aria-labelledby="edit-title" onClose=${() => setOpen(false)}>${open && html`<${Form} entry=${entry} close=${close} />`}</dialog>`;
}

/** @param {{entry: Api.EntryView, close: () => void}} props */
function Form({ entry, close }) {
  const [said, setSaid] = useState({ name: entry.name, caption: entry.caption, tags: entry.tags.join(", ") });
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const type = (/** @type {string} */ part) => (/** @type {any} */ event) => { setSaid({ ...said, [part]: event.target.value }); setWrong(""); };
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const problem = wrongIn(said);
    if (problem) return setWrong(problem);
    setBusy(true);
    try {
      const done = await api.edit(entry.id, { name: said.name.trim(), caption: said.caption, tags: tagsOf(said.tags) });
      tell(done.published ? `${done.entry.name} is saved.` : `${done.entry.name} is saved here. The tracker is away: others see it when it is back.`);
      changed();
      return close();
    } catch (error) {
      setBusy(false);
      return setWrong(error.message);
    }
  };
  return html`<form class="fields" onSubmit=${save} novalidate>
    <h2 id="edit-title">Edit this entry</h2>
    <label>Name<input value=${said.name} maxlength="255" autocomplete="off" autofocus onInput=${type("name")} aria-describedby="edit-wrong" /></label>
    <label>Caption<textarea rows="4" maxlength="4096" onInput=${type("caption")}>${said.caption}</textarea></label>
    <label>Tags, with commas between them<input value=${said.tags} maxlength="2200" autocomplete="off" onInput=${type("tags")} aria-describedby="edit-wrong" /></label>
    <p id="edit-wrong" class="wrong" role="alert">${wrong}</p>
    <div class="buttons">
      <button type="button" class="button" onClick=${close}>Cancel</button>
      <button class="button primary" disabled=${busy}>Save</button>
    </div>
  </form>`;
}
