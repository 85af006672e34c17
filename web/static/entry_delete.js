// Deleting an entry for everyone, after asking.

import { api } from "./api.js";
import { Icon } from "./parts.js";
import { said } from "./said.js";
import { changed, tell } from "./store.js";
import { t } from "./strings.js";
import { html, useRef, useState } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function DeleteEntry({ entry }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      const held = (await api.remove(entry.id))?.held;
      tell(held ? t("{name} is not deleted yet: too many deletions at once, somebody must approve them.", entry) : t("{name} is deleted. For 30 days the trash brings it back.", entry));
      changed();
      location.hash = "#/";
    } catch (error) {
      dialog.current.close();
      tell(said(error), false);
    }
    setBusy(false);
  };
  return html`<span class="delete"><button class="button danger" onClick=${() => dialog.current.showModal()}><${Icon} name="trash" />${t("Delete")}</button>
    <dialog ref=${dialog} aria-labelledby="delete-title">
      <h2 id="delete-title">${t("Delete for everyone?")}</h2>
      <p>${t("“{name}” disappears from the library of every machine. For 30 days it can be brought back from the trash.", entry)}</p>
      <div class="buttons">
        <button class="button" autofocus onClick=${() => dialog.current.close()}>${t("Keep it")}</button>
        <button class="button danger solid" disabled=${busy} onClick=${remove}>${t("Delete for everyone")}</button>
      </div>
    </dialog></span>`;
}
