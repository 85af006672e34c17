// Draws the PDF that the page hands over. Runs in a sandbox of an opaque origin, without network:
// whatever a PDF makes of it, there is nothing here to take and nowhere to send it.

// pdf.js finds this on its own, and so needs no Worker, which an opaque origin may not start.
import "/static/vendor/pdf/pdf.worker.min.mjs";
import { getDocument, GlobalWorkerOptions } from "/static/vendor/pdf/pdf.min.mjs";

const WIDEST = 900, KEPT = 8, PADDING = 24;
const place = /** @type {HTMLElement} */ (document.getElementById("pages"));
/** @type {Map<number, HTMLElement>} */
const drawn = new Map();
/** What to say, in the page's language. */
const said = new URLSearchParams(location.hash.slice(1));
document.documentElement.lang = said.get("lang") ?? "en";
place.setAttribute("aria-label", said.get("pages") ?? "Pages");
GlobalWorkerOptions.workerSrc = "/static/vendor/pdf/pdf.worker.min.mjs";

addEventListener("message", async (event) => {
  if (event.source !== parent || !(event.data instanceof ArrayBuffer)) return;
  try {
    const pdf = await getDocument({ data: event.data, isEvalSupported: false, enableXfa: false, stopAtErrors: false }).promise;
    await show(pdf);
    parent.postMessage(pdf.numPages, "*");
  } catch {
    parent.postMessage("failed", "*");
  }
});
parent.postMessage("ready", "*");

/**
 * Places for all pages, each of them drawn when it comes near the screen.
 * @param {import("/static/vendor/pdf/pdf.min.mjs").Pdf} pdf
 */
async function show(pdf) {
  const first = (await pdf.getPage(1)).getViewport({ scale: 1 });
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) draw(pdf, /** @type {HTMLElement} */ (target));
  }, { rootMargin: "400px" });
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const page = document.createElement("section");
    page.className = "page";
    page.dataset.number = String(number);
    page.setAttribute("aria-label", (said.get("page") ?? "{n} / {all}").replace("{n}", String(number)).replace("{all}", String(pdf.numPages)));
    resize(page, first);
    place.append(page);
    near.observe(page);
  }
}

/**
 * @param {HTMLElement} page
 * @param {{width: number, height: number}} viewport
 */
function resize(page, viewport) {
  const width = Math.min(WIDEST, document.documentElement.clientWidth - PADDING);
  page.style.width = `${width}px`;
  page.style.height = `${(width * viewport.height) / viewport.width}px`;
  return width;
}

/**
 * @param {import("/static/vendor/pdf/pdf.min.mjs").Pdf} pdf
 * @param {HTMLElement} target
 */
async function draw(pdf, target) {
  const number = Number(target.dataset.number);
  if (drawn.has(number)) return;
  drawn.set(number, target);
  try {
    const page = await pdf.getPage(number);
    const width = resize(target, page.getViewport({ scale: 1 }));
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const viewport = page.getViewport({ scale: (width / page.getViewport({ scale: 1 }).width) * ratio });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.ceil(viewport.width), Math.ceil(viewport.height)];
    canvas.setAttribute("aria-hidden", "true");
    await page.render({ canvasContext: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), viewport }).promise;
    target.replaceChildren(canvas, await words(page));
  } catch {
    target.textContent = said.get("wrong") ?? "";
  }
  forget(number);
}

/**
 * The text of a page for who cannot see it.
 * @param {import("/static/vendor/pdf/pdf.min.mjs").PdfPage} page
 */
async function words(page) {
  const text = document.createElement("p");
  text.className = "sr";
  text.textContent = (await page.getTextContent()).items.map((item) => item.str + (item.hasEOL ? "\n" : "")).join("");
  return text;
}

/**
 * Keep the memory of a few pages only: those next to the one just drawn.
 * @param {number} number
 */
function forget(number) {
  const far = [...drawn.keys()].sort((a, b) => Math.abs(b - number) - Math.abs(a - number));
  for (const other of far.slice(0, Math.max(0, drawn.size - KEPT))) {
    drawn.get(other)?.replaceChildren();
    drawn.delete(other);
  }
}
