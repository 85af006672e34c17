// The page: its frame, which place is shown, and what is true everywhere (banner, messages, dropping).

import { number } from "./format.js";
import { HealthMark } from "./health.js";
import { LanguageSelect } from "./language_select.js";
import { begin, language } from "./languages.js";
import { Lazy, withStyles } from "./lazy.js";
import { Library } from "./library.js";
import { listen } from "./live.js";
import { LogOut, useMe } from "./me.js";
import { Icon, Toasts } from "./parts.js";
import { connection, route, status, use } from "./store.js";
import { t, tx } from "./strings.js";
import { DropAnywhere } from "./upload_pick.js";
import { html, render, useEffect } from "./vendor/preact-htm.js";

/** @type {[string, () => string, string][]} */
const PLACES = [["library", () => t("Library"), "#/"], ["transfers", () => t("Transfers"), "#/transfers"], ["machines", () => t("Machines"), "#/machines"], ["health", () => t("Health"), "#/health"]];
/** @type {Record<string, () => Drawn>} */
const BANNERS = {
  daemon: () => tx("The daemon of this machine is not running. Start it with: {command}. This page comes back by itself.", { command: html`<code>twofold run</code>` }),
  page: () => t("No connection to this machine. This page comes back by itself."),
};

/** @type {Record<string, () => string>} */
const TITLES = { entry: () => t("Entry"), trash: () => t("Trash"), settings: () => t("Settings") };
// All places but the first have their styles in common, in one order whichever is seen first.
const STYLES = ["entry", "machines", "settings"];
/** @type {<T>(part: Promise<T>) => Promise<T>} */
const placed = (part) => withStyles(STYLES, part);
const loadEntry = () => placed(import("./entry.js").then((module) => module.Entry));
const loadTransfers = () => placed(import("./transfers.js").then((module) => module.Transfers));
const loadMachines = () => placed(import("./machines.js").then((module) => module.Machines));
const loadHealth = () => placed(import("./health_place.js").then((module) => module.Health));
const loadSettings = () => placed(import("./settings.js").then((module) => module.Settings));
const loadTrash = () => placed(import("./trash.js").then((module) => module.Trash));

function App() {
  const { place, id } = use(route), spoken = use(language);
  useEffect(() => {
    scrollTo(0, 0);
  }, [place, id]);
  useEffect(() => {
    const title = PLACES.find(([name]) => name === place)?.[1] ?? TITLES[place];
    document.title = `${title?.() ?? "Twofold"} · Twofold`;
  }, [place, spoken]);
  return html`<div class="frame" key=${spoken}>
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>${t("Skip to the content")}</a>
    <${Top} place=${place} />
    <${Banner} />
    <main id="main" tabindex="-1"><${Place} place=${place} id=${id} /></main>
    <footer class="foot">${place === "library" && html`<a href="#/trash"><${Icon} name="trash" />${t("Trash")}</a>`}<${LogOut} /><${LanguageSelect} /></footer>
    <${Toasts} />
    <${DropAnywhere} />
  </div>`;
}

/** @param {{place: string, id: string}} props */
function Place({ place, id }) {
  if (place === "entry") return html`<${Lazy} load=${loadEntry} id=${id} />`;
  if (place === "trash") return html`<${Lazy} load=${loadTrash} />`;
  if (place === "settings") return html`<${Lazy} load=${loadSettings} />`;
  if (place === "transfers") return html`<${Lazy} load=${loadTransfers} />`;
  if (place === "machines") return html`<${Lazy} load=${loadMachines} />`;
  if (place === "health") return html`<${Lazy} load=${loadHealth} />`;
  return html`<${Library} />`;
}

/** @param {{place: string}} props */
function Top({ place }) {
  const now = use(status);
  const here = TITLES[place] && place !== "settings" ? "library" : place;
  return html`<header class="top"><div>
    <a class="brand" href="#/"><img src="/static/icon.svg" alt="" width="28" height="28" /><span dir="auto">${now?.swarm.name ?? "Twofold"}</span></a>
    <nav aria-label=${t("Places")}>${PLACES.map(([name, title, address]) => html`<a key=${name} href=${address} aria-current=${name === here ? "page" : null}>${title()}
      ${name === "transfers" && now && now.transfers.length > 0 && html`<span class="badge"><span class="sr">${t(", under way: ")}</span>${number(now.transfers.length)}</span>`}${name === "health" && html`<${HealthMark} />`}</a>`)}</nav>
    <${Here} now=${now} place=${place} />
  </div></header>`;
}

/** @param {{now: Api.Status | null, place: string}} props */
function Here({ now, place }) {
  const me = useMe();
  if (!now) return null;
  const away = now.tracker.state !== "connected";
  return html`<span class="here"><span class="soft"><bdi>${now.peer.name}</bdi>${away && ` · ${t("tracker away")}`}</span>
    ${me?.owner && html`<a class="button quiet" href="#/settings" aria-current=${place === "settings" ? "page" : null}><${Icon} name="settings" />${t("Settings")}</a>`}</span>`;
}

function Banner() {
  const text = BANNERS[use(connection)]?.();
  return html`<div role="status">${text && html`<p class="banner">${text}</p>`}</div>`;
}

await begin();
listen();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
