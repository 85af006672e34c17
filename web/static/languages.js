// Which languages there are, and which of them this page speaks: the one that was chosen here, else
// the first of the browser's that there is a catalogue of, else English.

import { cell } from "./store.js";
import { learn, speak } from "./strings.js";

const CHOSEN = "twofold-language";

/**
 * Each by its name in itself. English is the key of the catalogues, and has none. `load` gives what the
 * first page says, `loadMore` what the parts say that are loaded when they are needed.
 * @typedef {() => Promise<{default: Record<string, string>}>} Load
 * @type {Record<string, {name: string, load?: Load, loadMore?: Load, rightToLeft?: boolean}>}
 */
export const LANGUAGES = {
  en: { name: "English" },
  de: { name: "Deutsch", load: () => import("./languages/de.js"), loadMore: () => import("./languages/de-more.js") },
  ar: { name: "العربية", load: () => import("./languages/ar.js"), loadMore: () => import("./languages/ar-more.js"), rightToLeft: true },
};

/** The language that is spoken; everything is drawn anew when it changes. */
export const language = cell("en");
/** Whether a part was needed yet that says more than the first page does. */
let more = false;

/** @param {string} tag */
const primary = (tag) => tag.toLowerCase().split("-")[0];

/**
 * The language for what was chosen and what the browser asks for. Pure.
 * @param {string} chosen
 * @param {readonly string[]} wanted
 */
export function bestOf(chosen, wanted) {
  return [chosen, ...wanted.map(primary)].find((one) => Object.hasOwn(LANGUAGES, one)) ?? "en";
}

/**
 * Numbers and dates as in the person's own region, if the browser names one of this language. Pure.
 * @param {string} name
 * @param {readonly string[]} wanted
 */
export function localeOf(name, wanted) {
  return wanted.find((tag) => primary(tag) === name && isTag(tag)) ?? name;
}

/** Some systems have their browsers name what is no language tag ("en-US@posix"). */
/** @param {string} tag */
function isTag(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/** Speak the language that was chosen here, or that the browser asks for. Before anything is drawn. */
export function begin() {
  return change(bestOf(remembered(), navigator.languages));
}

/**
 * Speak this language, and remember it.
 * @param {string} name
 */
export async function choose(name) {
  try {
    localStorage.setItem(CHOSEN, name);
  } catch { /* A browser may keep nothing; then it is so until the page is closed. */ }
  await change(name);
}

/** Whatever the parts say that are loaded when they are needed, in the language that is spoken. */
export async function sayMore() {
  more = true;
  const name = language.get();
  const texts = (await LANGUAGES[name].loadMore?.())?.default ?? {};
  // Another one may be spoken meanwhile: that came with all its texts.
  if (language.get() === name) learn(texts);
}

/** @param {string} name */
async function change(name) {
  const { load, loadMore, rightToLeft = false } = LANGUAGES[name];
  const all = more, catalogue = {};
  try {
    for (const texts of await Promise.all([load?.(), all && loadMore?.()])) if (texts) Object.assign(catalogue, texts.default);
  } catch {
    // English is better than nothing.
    if (name !== "en") return change("en");
  }
  if (more !== all) return change(name);
  speak({ language: name, locale: localeOf(name, navigator.languages), rightToLeft, catalogue });
  document.documentElement.lang = name;
  document.documentElement.dir = rightToLeft ? "rtl" : "ltr";
  return language.set(name);
}

function remembered() {
  try {
    return localStorage.getItem(CHOSEN) ?? "";
  } catch {
    return "";
  }
}
