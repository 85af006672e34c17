// Numbers and moments as people read them, in the page's language.

import { isolated, speaking, t, tn } from "./strings.js";

/** @type {((n: string) => string)[]} */
const UNITS = [(n) => t("{n} B", { n }), (n) => t("{n} kB", { n }), (n) => t("{n} MB", { n }), (n) => t("{n} GB", { n }), (n) => t("{n} TB", { n }), (n) => t("{n} PB", { n })];
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const made = new Map();

/**
 * A formatter of the page's language; making one costs much more than using it.
 * @param {any} Kind
 * @param {object} options
 * @returns {any}
 */
function formatter(Kind, options) {
  const { locale } = speaking();
  const key = `${Kind.name} ${locale} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Kind(locale, options));
  return made.get(key);
}

/**
 * A number, with this many digits after the point.
 * @param {number} value
 * @param {number} [digits]
 * @returns {string}
 */
export function number(value, digits = 0) {
  return formatter(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/**
 * Bytes as text, in powers of 1000.
 * @param {number} count
 */
export function bytes(count) {
  let value = count, unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) { value /= 1000; unit += 1; }
  return UNITS[unit](number(value, unit === 0 || value >= 99.95 ? 0 : 1));
}

/**
 * Bytes each second as text.
 * @param {number} count
 */
export function rate(count) {
  return t("{size}/s", { size: bytes(count) });
}

/**
 * How long ago a moment (milliseconds since 1970) was.
 * @param {number} moment
 * @param {number} [now]
 * @returns {string}
 */
export function age(moment, now = Date.now()) {
  const seconds = Math.max(0, (now - moment) / 1000);
  if (seconds < 45) return t("just now");
  const [unit, length] = SPANS.find(([, each]) => seconds >= each) ?? SPANS[SPANS.length - 1];
  return formatter(Intl.RelativeTimeFormat, {}).format(-Math.max(1, Math.floor(seconds / length)), unit);
}

/**
 * A moment in full.
 * @param {number} milliseconds
 */
export function moment(milliseconds) {
  return formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(milliseconds);
}

/**
 * Seconds as a short length of time.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 60) return t("{n} s", { n: number(Math.max(1, Math.round(seconds))) });
  const all = Math.round(seconds / 60), hours = Math.floor(all / 60);
  if (hours === 0) return t("{n} min", { n: number(all) });
  if (hours >= 48) return tn(Math.round(hours / 24), "{n} day", "{n} days");
  return t("{hours} h {minutes} min", { hours: number(hours), minutes: number(all % 60) });
}

/**
 * done of total as a whole percentage; 100 only when all is done.
 * @param {number} done
 * @param {number} total
 */
export function percent(done, total) {
  if (total === 0 || done >= total) return 100;
  return Math.min(99, Math.floor((done / total) * 100));
}

/**
 * The same as text.
 * @param {number} done
 * @param {number} total
 */
export function share(done, total) {
  return t("{n} %", { n: number(percent(done, total)) });
}

/**
 * "a", "a and b", "a, b and c": of names, or of texts.
 * @param {string[]} names
 */
export function listed(names) {
  const { language, locale } = speaking();
  const list = new Intl.ListFormat(language === "en" ? "en-GB" : locale, { type: "conjunction" });
  return list.format(names.map(isolated));
}

/**
 * The same, short: "a, b and 5 more".
 * @param {string[]} names
 */
export function fewListed(names) {
  return listed(names.length > 3 ? [...names.slice(0, 2), t("{n} more", { n: number(names.length - 2) })] : names);
}

/**
 * Things one after the other, with a comma between them.
 * @param {string[]} names
 */
export function series(names) {
  return names.map(isolated).join(t(", "));
}
