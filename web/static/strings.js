// What the page says, in the language it speaks. The English text is the key of every catalogue.

/** @type {Record<string, string>} */
let catalogue = {};
let plural = new Intl.PluralRules("en");

/**
 * The text in the page's language. `{name}` in it stands for `fields.name`.
 * @param {string} text
 * @param {Record<string, unknown>} [fields]
 * @returns {string}
 */
export function t(text, fields) {
  return inserted(text, fields).join("");
}

/**
 * The same for a text with something drawn inside: what may stand in an html`` template.
 * @param {string} text
 * @param {Record<string, unknown>} fields
 * @returns {unknown[]}
 */
export function tx(text, fields) {
  return inserted(text, fields);
}

/**
 * A text that depends on a number; `{n}` in it stands for the number, as people write it.
 * @param {number} number
 * @param {string} one
 * @param {string} many
 * @param {Record<string, unknown>} [fields]
 * @returns {string}
 */
export function tn(number, one, many, fields) {
  const found = catalogue[`${many} (${plural.select(number)})`] ?? catalogue[many] ?? (number === 1 ? one : many);
  return filled(found, { ...fields, n: number.toLocaleString() }).join("");
}

/** @type {(text: string, fields?: Record<string, unknown>) => any[]} */
const inserted = (text, fields) => filled(catalogue[text] ?? text, fields);

/**
 * @param {string} text
 * @param {Record<string, unknown>} [fields]
 * @returns {any[]}
 */
function filled(text, fields) {
  if (!fields) return [text];
  return text.split(/(\{\w+\})/).map((part) => (part.startsWith("{") ? fields[part.slice(1, -1)] ?? part : part));
}
