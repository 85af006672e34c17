// Editing name, caption and tags of an entry.

import { api } from "./api.js";
import { number } from "./format.js";
import { Icon } from "./parts.js";
import { said } from "./said.js";
import { changed, tell } from "./store.js";
import { t } from "./strings.js";
import { html, useRef, useState } from "./vendor/preact-htm.js";

const MOST_TAGS = 32, LONGEST_TAG = 64;

/**
 * The tags in a text with commas (Arabic ones, too), each once.
 * @param {string} text
 */
export function tagsOf(text) {
  return [...new Set(text.split(/[,،]/).map((tag) => tag.trim()).filter(Boolean))];
}

/** @param {{name: string, tags: string}} said */
function wrongIn({ name, tags }) {
  if (!name.trim()) return t("Give it a name.");
  const list = tagsOf(tags);
  if (list.length > MOST_TAGS) return t("At most {most} tags: these are {n}.", { most: number(MOST_TAGS), n: number(list.length) });
  const long = list.find((tag) => [...tag].length > LONGEST_TAG);
  return long ? t("A tag has at most {n} characters: “{tag}…” has more.", { n: number(LONGEST_TAG), tag: long.slice(0, 20) }) : "";
}

/** @param {{entry: Api.EntryView}} props */
export function EditEntry({ entry }) {
  const dialog = useRef(null);
  const [open, setOpen] = useState(false);
  const show = () => { setOpen(true); dialog.current.showModal(); };
  const close = () => dialog.current.close();
  return html`<button class="button" onClick=${show}><${Icon} name="edit" />${t("Edit")}</button>
    <dialog ref=${dialog} class="wide" aria-labelledby="edit-title" onClose=${() => setOpen(false)}>${open && html`<${Form} entry=${entry} close=${close} />`}</dialog>`;
}

/** @param {{entry: Api.EntryView, close: () => void}} props */
function Form({ entry, close }) {
  const [typed, setTyped] = useState({ name: entry.name, caption: entry.caption, tags: entry.tags.join(", ") });
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState(/** @type {Drawn} */ (""));
  const type = (/** @type {string} */ part) => (/** @type {any} */ event) => { setTyped({ ...typed, [part]: event.target.value }); setWrong(""); };
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const problem = wrongIn(typed);
    if (problem) return setWrong(problem);
    setBusy(true);
    try {
      const done = await api.edit(entry.id, { name: typed.name.trim(), caption: typed.caption, tags: tagsOf(typed.tags) });
      tell(done.published ? t("{name} is saved.", done.entry) : t("{name} is saved here. The tracker is away: others see it when it is back.", done.entry));
      changed();
      return close();
    } catch (error) {
      setBusy(false);
      return setWrong(said(error));
    }
  };
  return html`<form class="fields" onSubmit=${save} novalidate>
    <h2 id="edit-title">${t("Edit this entry")}</h2>
    <label>${t("Name")}<input value=${typed.name} maxlength="255" autocomplete="off" autofocus onInput=${type("name")} aria-describedby="edit-wrong" /></label>
    <label>${t("Caption")}<textarea rows="4" maxlength="4096" onInput=${type("caption")}>${typed.caption}</textarea></label>
    <label>${t("Tags, with commas between them")}<input value=${typed.tags} maxlength="2200" autocomplete="off" onInput=${type("tags")} aria-describedby="edit-wrong" /></label>
    <p id="edit-wrong" class="wrong" role="alert">${wrong}</p>
    <div class="buttons">
      <button type="button" class="button" onClick=${close}>${t("Cancel")}</button>
      <button class="button primary" disabled=${busy}>${t("Save")}</button>
    </div>
  </form>`;
}
