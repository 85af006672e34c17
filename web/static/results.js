// What was found: how many, then a list or a gallery of them.

import { Coming, Row, Tile } from "./entry_items.js";
import { EntryPages } from "./entry_pages.js";
import { withoutFilters } from "./find_filters.js";
import { FirstMachine } from "./first_machine.js";
import { activeFilters, addressOf, paramsOf } from "./find_query.js";
import { series } from "./format.js";
import { Empty, Problem, Waiting } from "./parts.js";
import { said } from "./said.js";
import { changes, status, use, useRefresh } from "./store.js";
import { t, tn } from "./strings.js";
import { PickFiles } from "./upload_pick.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { VirtualList } from "./virtual_list.js";

/** @typedef {import("./find_query.js").Find} Find */

const NARROW = "(max-width: 720px)";
const ROW = 64, NARROW_ROW = 112, TILE = 232, LEAST_TILE = 190, LEAST_NARROW_TILE = 150;

/**
 * The newest pages for what is looked for; the ones before are shown until the first of them is here.
 * @param {Find} find
 */
function usePages(find) {
  const version = use(changes), params = paramsOf(find);
  const [, redraw] = useState(0);
  const newest = useRef(null), shown = useRef(/** @type {EntryPages | null} */ (null));
  useEffect(() => {
    const pages = new EntryPages(params, () => {
      if (pages.begun || pages.error) {
        if (shown.current !== pages) shown.current?.close();
        shown.current = pages;
      }
      redraw((turn) => turn + 1);
    });
    newest.current = pages;
    pages.fill();
    return () => pages.close();
  }, [params]);
  useEffect(() => { if (newest.current.begun || newest.current.error) newest.current.refresh(); }, [version]);
  const pages = shown.current;
  useRefresh(() => newest.current.refresh(), pages?.some((entry) => entry.copies.have < entry.copies.want));
  return pages;
}

/** @param {{find: Find}} props */
export function Results({ find }) {
  const pages = usePages(find);
  if (!pages) return html`<${Waiting} />`;
  if (!pages.begun) return html`<${Refused} error=${pages.error} find=${find} retry=${() => pages.refresh()} />`;
  if (pages.length === 0 && !pages.hasMore) return html`<${Nothing} find=${find} />`;
  const looked = find.q.trim() !== "" || activeFilters(find).length > 0;
  const counted = looked ? tn(pages.total, "{n} match", "{n} matches") : tn(pages.total, "{n} entry", "{n} entries");
  return html`<div class="library">
    <p class="tally" role="status">${pages.counted ? counted : atLeast(pages.total, looked)}${pages.local && ` · ${t("the tracker is away, this is what this machine knows")}`}${pages.replaced.map((each) => html` · <bdi>${like(each)}</bdi>`)}</p>
    <${Entries} pages=${pages} gallery=${find.view === "gallery"} key=${pages.params + find.view} />
    ${pages.error && html`<p class="more" role="alert">${said(pages.error)}</p>`}
    ${pages.hasMore && html`<p class="more"><button class="button" onClick=${() => pages.show(pages.first, pages.length)}>${pages.error ? t("Try again") : t("Load more")}</button></p>`}
  </div>`;
}

/** @param {Api.Replaced} replaced */
function like({ word, instead }) {
  return t("nothing for “{word}”, this is for “{instead}”", { word, instead: series(instead) });
}

/**
 * @param {number} total
 * @param {boolean} looked
 */
function atLeast(total, looked) {
  return looked ? tn(total, "More than {n} match", "More than {n} matches") : tn(total, "More than {n} entry", "More than {n} entries");
}

/** @param {{pages: EntryPages, gallery: boolean}} props */
function Entries({ pages, gallery }) {
  const narrow = useMedia(NARROW);
  const [frame, width] = useWidth();
  useEffect(() => { if (scrollY > frame.current.offsetTop) scrollTo(0, 0); }, []);
  const columns = gallery ? Math.max(1, Math.floor(width / (narrow ? LEAST_NARROW_TILE : LEAST_TILE))) : 1;
  const item = (/** @type {number} */ index) => {
    const entry = pages.at(index);
    if (!entry) return html`<${Coming} />`;
    return gallery ? html`<${Tile} entry=${entry} />` : html`<${Row} entry=${entry} />`;
  };
  return html`<div ref=${frame}><${VirtualList} name=${gallery ? "tiles" : "entries"} label=${t("Entries")} count=${pages.length} columns=${columns}
    total=${pages.counted ? Math.max(pages.total, pages.length) : -1} height=${gallery ? TILE : narrow ? NARROW_ROW : ROW}
    render=${item} keyOf=${(index) => pages.at(index)?.id ?? `coming ${index}`} onView=${(first, last) => pages.show(first, last)} /></div>`;
}

/** @param {string} query */
function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query), change = () => setMatches(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, [query]);
  return matches;
}

/** @returns {[{current: any}, number]} */
function useWidth() {
  const frame = useRef(null);
  const [width, setWidth] = useState(320);
  useEffect(() => {
    const watch = new ResizeObserver(([seen]) => setWidth(seen.contentRect.width));
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, []);
  return [frame, width];
}

/** @param {{error: import("./api.js").ApiError, find: Find, retry: () => void}} props */
function Refused({ error, find, retry }) {
  const filtered = error.status >= 400 && error.status < 500 && activeFilters(find).length > 0;
  return html`<${Problem} error=${error} retry=${retry} />
    ${filtered && html`<p class="more"><a class="button" href=${addressOf(withoutFilters(find))}>${t("Remove the filters")}</a></p>`}`;
}

/** @param {{find: Find}} props */
function Nothing({ find }) {
  const words = find.q.trim(), filters = activeFilters(find);
  if (!words && filters.length === 0) return html`<${NothingYet} />`;
  return html`<${Empty} icon="search" title=${t("Nothing found")}>
    <p>${nothing(words, series(filters.map(([, text]) => text)))}</p>
    ${filters.length > 0 && html`<a class="button" href=${addressOf(withoutFilters(find))}>${t("Remove the filters")}</a>`}
    <a class="button" href="#/">${t("Show everything")}</a>
  <//>`;
}

/**
 * @param {string} words
 * @param {string} filters
 */
function nothing(words, filters) {
  if (!words) return t("Nothing is like this with these filters: {filters}.", { filters });
  if (!filters) return t("No name, caption, tag or author has “{words}” in it.", { words });
  return t("No name, caption, tag or author has “{words}” in it with these filters: {filters}.", { words, filters });
}

function NothingYet() {
  if (use(status)?.swarm.members === 1) return html`<${FirstMachine} />`;
  return html`<${Empty} icon="upload" title=${t("Share the first file")}>
    <p>${t("Drop files and folders anywhere on this page. Every piece is kept on two machines of your swarm.")}</p>
    <${PickFiles} primary=${true} />
  <//>`;
}
