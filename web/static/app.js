// The page: its frame, which place is shown, and what is true everywhere (banner, messages, dropping).

import { Health, HealthMark } from "./health.js";
import { Library } from "./library.js";
import { Lazy } from "./lazy.js";
import { listen } from "./live.js";
import { Machines } from "./machines.js";
import { Icon, Toasts } from "./parts.js";
import { connection, route, status, use } from "./store.js";
import { Transfers } from "./transfers.js";
import { DropAnywhere } from "./upload_pick.js";
import { html, render, useEffect } from "./vendor/preact-htm.js";

const PLACES = [["library", "Library", "#/"], ["transfers", "Transfers", "#/transfers"], ["machines", "Machines", "#/machines"], ["health", "Health", "#/health"]];
/** @type {Record<string, string>} */
const BANNERS = {
  daemon: "The daemon of this machine is not running. Start it with: twofold run. This page comes back by itself.",
  page: "No connection to this machine. This page comes back by itself.",
};

/** @type {Record<string, string>} */
const TITLES = { entry: "Entry", trash: "Trash" };
const loadEntry = () => import("./entry.js").then((module) => module.Entry);
const loadTrash = () => import("./trash.js").then((module) => module.Trash);

function App() {
  const { place, id } = use(route);
  useEffect(() => {
    scrollTo(0, 0);
    document.title = `${PLACES.find(([name]) => name === place)?.[1] ?? TITLES[place] ?? "Twofold"} · Twofold`;
  }, [place, id]);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
    <${Top} place=${place} />
    <${Banner} />
    <main id="main" tabindex="-1"><${Place} place=${place} id=${id} /></main>
    ${place === "library" && html`<footer class="foot"><a href="#/trash"><${Icon} name="trash" />Trash</a></footer>`}
    <${Toasts} />
    <${DropAnywhere} />
  </div>`;
}

/** @param {{place: string, id: string}} props */
function Place({ place, id }) {
  if (place === "entry") return html`<${Lazy} load=${loadEntry} id=${id} />`;
  if (place === "trash") return html`<${Lazy} load=${loadTrash} />`;
  if (place === "transfers") return html`<${Transfers} />`;
  if (place === "machines") return html`<${Machines} />`;
  if (place === "health") return html`<${Health} />`;
  return html`<${Library} />`;
}

/** @param {{place: string}} props */
function Top({ place }) {
  const now = use(status);
  const here = TITLES[place] ? "library" : place;
  return html`<header class="top"><div>
    <a class="brand" href="#/"><img src="/static/icon.svg" alt="" width="28" height="28" /><span>${now?.swarm.name ?? "Twofold"}</span></a>
    <nav aria-label="Places">${PLACES.map(([name, title, address]) => html`<a key=${name} href=${address} aria-current=${name === here ? "page" : null}>${title}
      ${name === "transfers" && now && now.transfers.length > 0 && html`<span class="badge"><span class="sr">, under way: </span>${now.transfers.length}</span>`}${name === "health" && html`<${HealthMark} />`}</a>`)}</nav>
    <${Here} now=${now} />
  </div></header>`;
}

/** @param {{now: Api.Status | null}} props */
function Here({ now }) {
  if (!now) return null;
  const away = now.tracker.state !== "connected";
  return html`<span class="here soft">${now.peer.name}${away && " · tracker away"}</span>`;
}

function Banner() {
  const text = BANNERS[use(connection)];
  return html`<div role="status">${text && html`<p class="banner">${text}</p>`}</div>`;
}

listen();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
