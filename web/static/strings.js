// What the page says, in the language it speaks. The English text is the key of every catalogue.

/** @type {Record<string, string>} */
let catalogue = {};
let spoken = { language: "en", locale: "en", rightToLeft: false, plural: new Intl.PluralRules("en") };
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/**
 * The text in the page's language. `{name}` in it stands for `fields.name`.
 * @param {string} text
 * @param {object} [fields]
 * @returns {string}
 */
export function t(text, fields) {
  return inserted(text, fields).join("");
}

/**
 * The same for a text with something drawn inside: what may stand in an html`` template.
 * @param {string} text
 * @param {object} fields
 * @returns {unknown[]}
 */
export function tx(text, fields) {
  return inserted(text, fields);
}

/**
 * A text that depends on a number; `{n}` in it stands for the number, as people write it. A catalogue has
 * one entry for each plural category of its language: "{n} files (one)", "{n} files (other)".
 * @param {number} number
 * @param {string} one
 * @param {string} many
 * @param {object} [fields]
 * @returns {string}
 */
export function tn(number, one, many, fields) {
  const found = catalogue[`${many} (${spoken.plural.select(number)})`] ?? (number === 1 ? one : many);
  return filled(found, { ...fields, n: number.toLocaleString(spoken.locale) }).join("");
}

/**
 * From now on the page speaks this.
 * @param {{language: string, locale: string, rightToLeft: boolean, catalogue: Record<string, string>}} wanted
 */
export function speak(wanted) {
  catalogue = wanted.catalogue;
  spoken = { ...wanted, plural: new Intl.PluralRules(wanted.language) };
}

/**
 * More texts of the language that is spoken.
 * @param {Record<string, string>} texts
 */
export function learn(texts) {
  catalogue = { ...catalogue, ...texts };
}

/** What the page speaks: the language of its texts, the locale of its numbers, and whether it goes right to left. */
export function speaking() {
  return spoken;
}

/**
 * A name of somebody's own inside a text of ours: its direction stays its own (as <bdi> does where
 * there are elements). Left alone where everything goes left to right.
 * @param {string} text
 */
export function isolated(text) {
  return spoken.rightToLeft || RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

/** @type {(text: string, fields?: object) => any[]} */
const inserted = (text, fields) => filled(catalogue[text] ?? text, fields);

/**
 * @param {string} text
 * @param {object} [fields]
 * @returns {any[]}
 */
function filled(text, fields) {
  if (!fields) return [text];
  const given = /** @type {Record<string, any>} */ (fields);
  return text.split(/(\{\w+\})/).map((part) => {
    const field = part.startsWith("{") ? given[part.slice(1, -1)] ?? part : part;
    return field !== part && typeof field === "string" ? isolated(field) : field;
  });
}
