// What is being uploaded, and the ways to add to it: a picker, and dropping anywhere on the page.

import { bytes, duration, percent } from "./format.js";
import { Bar, Icon } from "./parts.js";
import { tell, use } from "./store.js";
import { cancel, clear, enqueue, queue, retry } from "./uploads.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

export function PickFiles({ primary }) {
  const input = useRef(null);
  const pick = (event) => {
    enqueue(event.target.files);
    event.target.value = "";
  };
  return html`<span class="pick">
    <input class="sr" ref=${input} type="file" multiple tabindex="-1" aria-label="Files to upload" onChange=${pick} />
    <button type="button" class=${`button ${primary ? "primary" : ""}`} onClick=${() => input.current.click()}><${Icon} name="upload" />Upload files</button>
  </span>`;
}

export function UploadList() {
  const items = use(queue);
  if (items.length === 0) return null;
  const open = items.filter((item) => ["waiting", "sending", "adding"].includes(item.state)).length;
  return html`<section class="card uploads" aria-labelledby="uploads">
    <header><h2 id="uploads">${open ? `Uploading ${items.length - open + 1} of ${items.length}` : "Uploads"}</h2>
      ${open < items.length && html`<button class="button quiet" onClick=${clear}>Clear finished</button>`}</header>
    <ul>${items.map((item) => html`<${Upload} key=${item.id} item=${item} />`)}</ul>
  </section>`;
}

function Upload({ item }) {
  const going = item.state === "sending" || item.state === "adding";
  return html`<li class="upload">
    <${item.entry ? "a" : "div"} class="what" href=${item.entry && `#/entry/${item.entry.id}`}><span class="name">${item.name}</span>
      <span class=${`about ${item.state}`}>${words(item)}</span><//>
    ${going && html`<${Bar} done=${item.sent} total=${item.size} label=${`Upload of ${item.name}`} />`}
    ${item.state === "failed" && html`<button class="button" onClick=${() => retry(item.id)}>Try again</button>`}
    ${(item.state === "waiting" || item.state === "sending") && html`<button class="button quiet icon-only" aria-label=${`Cancel the upload of ${item.name}`} title="Cancel" onClick=${() => cancel(item.id)}><${Icon} name="close" /></button>`}
  </li>`;
}

function words(item) {
  if (item.state === "waiting") return `${bytes(item.size)} · waiting`;
  if (item.state === "adding") return "Adding to the swarm…";
  if (item.state === "done") return `${bytes(item.size)} · shared`;
  if (item.state === "cancelled") return "Cancelled";
  if (item.state === "failed") return item.text;
  const left = item.rate ? ` · ${bytes(item.rate)}/s · ${duration((item.size - item.sent) / item.rate)} left` : "";
  return `${percent(item.sent, item.size)} % of ${bytes(item.size)}${left}`;
}

/** The whole page takes files that are dropped on it. */
export function DropAnywhere() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const files = (event) => event.dataTransfer?.types.includes("Files");
    const enter = (event) => { if (files(event)) { event.preventDefault(); setOver(true); } };
    const leave = (event) => { if (!event.relatedTarget) setOver(false); };
    const drop = (event) => {
      if (!files(event)) return;
      event.preventDefault();
      setOver(false);
      take(event.dataTransfer);
    };
    const pairs = [["dragenter", enter], ["dragover", enter], ["dragleave", leave], ["drop", drop]];
    for (const [name, listener] of pairs) addEventListener(name, listener);
    return () => { for (const [name, listener] of pairs) removeEventListener(name, listener); };
  }, []);
  return html`<div aria-hidden="true">${over && html`<div class="drop"><div><${Icon} name="upload" />Drop to share with the swarm</div></div>`}</div>`;
}

function take(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  const files = items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile());
  if (folders.length) tell("Folders are shared from the command line: twofold add FOLDER", false);
  if (files.length) enqueue(files);
}
