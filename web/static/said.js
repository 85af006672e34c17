// What the machine itself says comes in English. Where the page speaks another language, that is
// marked, so that it is read aloud and set as what it is; general troubles are said in the page's own words.

import { speaking, t } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/**
 * Troubles of which the kind says enough, by the interface's words for them.
 * @type {Record<string, () => string>}
 */
const KINDS = {
  unreachable: () => t("This machine's daemon, or something it needs, is not there now. Try again in a while."),
  too_many: () => t("Too much at once. Try again in a minute."),
  no_room: () => t("There is no room left for this on the machine."),
  too_large: () => t("This is larger than the machine takes."),
};

/**
 * A text of the machine's own, for a template.
 * @param {Drawn} text
 * @returns {Drawn}
 */
export function english(text) {
  return speaking().language === "en" || !text ? text : html`<span lang="en" dir="ltr">${text}</span>`;
}

/**
 * What went wrong, for a template: in the page's words, or else in the machine's.
 * @param {Error & {status?: number, kind?: string, foreign?: boolean}} error
 * @returns {Drawn}
 */
export function said(error) {
  if (!error.foreign || speaking().language === "en") return error.message;
  if (error.status === 401) return t("You are not logged in.");
  return KINDS[error.kind ?? ""]?.() ?? english(error.message);
}
