// A PDF, drawn in a frame that has no part in this page: a sandbox of an origin of its own, without
// network. It is given the bytes and can only tell how many pages it shows.

import { bytes } from "./format.js";
import { Icon, Waiting } from "./parts.js";
import { speaking, t, tn } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const MOST = 64_000_000;

/** The frame's own words: it can reach none of this page's. */
function frameWords() {
  return new URLSearchParams({ lang: speaking().language, pages: t("Pages"), page: t("Page {n} of {all}"), wrong: t("This page cannot be drawn.") });
}

/** @param {{entry: Api.EntryView, file: Api.FileView, fail: () => void}} props */
export function PdfPreview({ entry, file, fail }) {
  const frame = useRef(null);
  const [pages, setPages] = useState(0);
  useEffect(() => {
    if (file.size > MOST) return undefined;
    const stop = new AbortController();
    const content = fetch(`/view/${entry.id}/${file.index}`, { signal: stop.signal }).then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error())));
    content.catch((error) => { if (error.name !== "AbortError") fail(); });
    const hear = async (/** @type {MessageEvent} */ event) => {
      if (!frame.current || event.source !== frame.current.contentWindow) return;
      if (event.data === "ready") {
        const sent = await content.catch(() => null);
        // Its origin is opaque: there is no name for it but "*". The window is the one we made.
        if (sent) frame.current?.contentWindow.postMessage(sent, "*", [sent]);
      } else if (Number.isSafeInteger(event.data) && event.data > 0) setPages(event.data);
      else fail();
    };
    addEventListener("message", hear);
    return () => { stop.abort(); removeEventListener("message", hear); };
  }, [entry.id, file.index]);
  if (file.size > MOST) return html`<div class="ask"><p class="soft">${t("PDFs of more than {size} are not shown here.", { size: bytes(MOST) })}</p>
    <a class="button" href=${`/download/${entry.id}/${file.index}`} download><${Icon} name="download" />${t("Download it")}</a></div>`;
  return html`<div>${pages === 0 ? html`<${Waiting} />` : html`<p class="soft" role="status">${tn(pages, "{n} page", "{n} pages")}</p>`}
    <iframe ref=${frame} class="pdf" sandbox="allow-scripts" src=${`/static/pdf/frame.html#${frameWords()}`} title=${t("PDF: {name}", { name: file.path })} tabindex="0"></iframe></div>`;
}
