// Which languages there are, and which of them this page speaks: the one that was chosen here, else
// the first of the browser's that there is a catalogue of, else English.

import { cell } from "./store.js";
import { speak } from "./strings.js";

const CHOSEN = "twofold-language";

/**
 * Each by its name in itself. English is the key of the catalogues, and has none.
 * @type {Record<string, {name: string, load?: () => Promise<{default: Record<string, string>}>, rightToLeft?: boolean}>}
 */
export const LANGUAGES = {
  en: { name: "English" },
  de: { name: "Deutsch", load: () => import("./languages/de.js") },
  ar: { name: "العربية", load: () => import("./languages/ar.js"), rightToLeft: true },
};

/** The language that is spoken; everything is drawn anew when it changes. */
export const language = cell("en");

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

/** @param {string} name */
async function change(name) {
  const { load, rightToLeft = false } = LANGUAGES[name];
  let catalogue = {};
  try {
    if (load) catalogue = (await load()).default;
  } catch {
    // English is better than nothing.
    if (name !== "en") return change("en");
  }
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
