// The ways to add uploads: pickers for files and for a folder, and dropping anywhere on the page.

import { fromDrop, fromInput } from "./drop_tree.js";
import { Icon } from "./parts.js";
import { use } from "./store.js";
import { t } from "./strings.js";
import { announced, enqueue } from "./uploads.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const FOLDERS = "webkitdirectory" in HTMLInputElement.prototype;

/**
 * A button that opens the browser's own dialog, for files or for one folder.
 * @param {{folder?: boolean, primary?: boolean, again?: boolean, title: string, label?: string}} props
 */
export function Pick({ folder = false, primary = false, again = false, title, label = title }) {
  const input = useRef(null);
  useEffect(() => { if (folder) input.current.webkitdirectory = true; }, [folder]);
  const pick = (/** @type {any} */ event) => {
    enqueue(fromInput([...event.target.files]));
    event.target.value = "";
  };
  return html`<span class="pick">
    <input class="sr" ref=${input} type="file" multiple=${!again || folder} tabindex="-1" aria-hidden="true" aria-label=${label} onChange=${pick} />
    <button type="button" class=${`button ${primary ? "primary" : ""}`} aria-label=${label} onClick=${() => input.current.click()}><${Icon} name=${folder ? "folder" : "upload"} />${title}</button>
  </span>`;
}

/** @param {{primary?: boolean}} props */
export function PickFiles({ primary }) {
  return html`<span class="picks"><${Pick} primary=${primary} title=${t("Upload files")} />${FOLDERS && html`<${Pick} folder=${true} title=${t("Upload a folder")} />`}</span>`;
}

/** The whole page takes what is dropped on it; here too a screen reader hears the end of each. */
export function DropAnywhere() {
  const [over, setOver] = useState(false);
  const said = use(announced);
  useEffect(() => {
    const files = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (/** @type {DragEvent} */ event) => { if (files(event)) { event.preventDefault(); setOver(true); } };
    const leave = (/** @type {DragEvent} */ event) => { if (!event.relatedTarget) setOver(false); };
    const drop = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer || !files(event)) return;
      event.preventDefault();
      setOver(false);
      enqueue(fromDrop(event.dataTransfer));
    };
    const pairs = /** @type {[any, (event: any) => void][]} */ ([["dragenter", enter], ["dragover", enter], ["dragleave", leave], ["drop", drop]]);
    for (const [name, listener] of pairs) addEventListener(name, listener);
    return () => { for (const [name, listener] of pairs) removeEventListener(name, listener); };
  }, []);
  return html`<div><p class="sr" role="status">${said}</p>
    <div aria-hidden="true">${over && html`<div class="drop"><div><${Icon} name="upload" />${t("Drop files and folders to share them with the swarm")}</div></div>`}</div></div>`;
}
