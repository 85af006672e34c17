// Deleting an entry for everyone, after asking.

import { api } from "./api.js";
import { Icon } from "./parts.js";
import { changed, tell } from "./store.js";
import { html, useRef, useState } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function DeleteEntry({ entry }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      const held = (await api.remove(entry.id))?.held;
      tell(held ? `${entry.name} is not deleted yet: too many deletions at once, somebody must approve them.` : `${entry.name} is deleted. For 30 days the trash brings it back.`);
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
      <p>“${entry.name}” disappears from the library of every machine. For 30 days it can be brought back from the trash.</p>
      <div class="buttons">
        <button class="button" autofocus onClick=${() => dialog.current.close()}>Keep it</button>
        <button class="button danger solid" disabled=${busy} onClick=${remove}>Delete for everyone</button>
      </div>
    </dialog></span>`;
}
