// What is looked for, as it stands in the address: so that a link or a reload shows the same.

import { t } from "./strings.js";

/** @typedef {{q: string, kind: string, size: string, age: string, author: string, machine: string, copies: string, sort: string, view: string}} Find */
/** @typedef {keyof Find} Name */

/** @type {Name[]} */
const NAMES = ["q", "kind", "size", "age", "author", "machine", "copies", "sort", "view"];
const HOUR = 3_600_000, DAY = 24 * HOUR;

/** @type {() => [string, string][]} */
export const kinds = () => [["folder", t("Folders")], ["file", t("Files")], ["image", t("Images")], ["video", t("Videos")], ["audio", t("Audio")], ["document", t("Documents")], ["archive", t("Archives")]];
/** @type {() => [string, string, Record<string, number>][]} */
export const sizes = () => [["under-1mb", t("Under 1 MB"), { most: 999_999 }], ["1mb", t("1 MB and more"), { least: 1e6 }], ["100mb", t("100 MB and more"), { least: 1e8 }], ["1gb", t("1 GB and more"), { least: 1e9 }], ["10gb", t("10 GB and more"), { least: 1e10 }]];
/** @type {() => [string, string, number][]} */
export const ages = () => [["day", t("Last 24 hours"), DAY], ["week", t("Last 7 days"), 7 * DAY], ["month", t("Last 30 days"), 30 * DAY], ["year", t("Last year"), 365 * DAY], ["older", t("Over a year ago"), -365 * DAY]];
/** @type {() => [string, string][]} */
export const copies = () => [["short", t("Short of copies")], ["safe", t("All copies there")]];
/** @type {() => [string, string][]} */
export const sorts = () => [["newest", t("Newest")], ["oldest", t("Oldest")], ["name", t("Name")], ["largest", t("Largest")], ["smallest", t("Smallest")]];
/**
 * The filters, in the order they are shown.
 * @type {Name[]}
 */
export const FILTERS = ["kind", "size", "age", "author", "machine", "copies"];

/**
 * @param {string} query
 * @returns {Find} what the query of an address says; "" for what it does not say
 */
export function readFind(query) {
  const given = new URLSearchParams(query);
  return /** @type {Find} */ (Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""])));
}

/**
 * The address of the library with this looked for.
 * @param {Find} find
 */
export function addressOf(find) {
  const said = NAMES.filter((name) => find[name]?.trim()).map((name) => [name, find[name]]);
  return said.length ? `#/?${new URLSearchParams(said)}` : "#/";
}

/**
 * The same for our interface, without a cursor. Ages go by whole hours, so that it stays the same for a while.
 * @param {Find} find
 * @param {number} [now]
 */
export function paramsOf(find, now = Date.now()) {
  const params = new URLSearchParams();
  /** @type {(name: string, value: string) => void} */
  const put = (name, value) => { if (value) params.set(name, value); };
  put("q", find.q.trim());
  for (const name of /** @type {Name[]} */ (["kind", "author", "machine", "copies", "sort"])) put(name, find[name]);
  const bounds = sizes().find(([value]) => value === find.size)?.[2] ?? {};
  for (const [name, value] of Object.entries(bounds)) put(name, String(value));
  const span = ages().find(([value]) => value === find.age)?.[2];
  if (span) put(span > 0 ? "after" : "before", String(Math.floor(now / HOUR) * HOUR - Math.abs(span)));
  return params.toString();
}

/**
 * The filters that are set, with what they say: [["kind", "Images"], …].
 * @param {Find} find
 * @returns {[Name, string][]}
 */
export function activeFilters(find) {
  /** @type {Partial<Record<Name, any[][]>>} */
  const named = { kind: kinds(), size: sizes(), age: ages(), copies: copies() };
  /** @type {Partial<Record<Name, string>>} */
  const said = { author: t("By {author}", find), machine: t("On {machine}", find) };
  return FILTERS.filter((name) => find[name]).map((name) => [name, said[name] ?? named[name]?.find(([value]) => value === find[name])?.[1] ?? find[name]]);
}

/**
 * Go to the library with this changed of what is looked for now; `quietly` without a step for the Back button.
 * What is looked for now stands in the address: what was shown last may be older than the last change.
 * @param {Partial<Find>} changes
 * @param {boolean} [quietly]
 */
export function goFind(changes, quietly = false) {
  const now = readFind(location.hash.split("?")[1] ?? "");
  history[quietly ? "replaceState" : "pushState"](null, "", addressOf({ ...now, ...changes }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
