// Fields of the settings: what is wrong is said at the field, as the machine said it.

import { said } from "./said.js";
import { changed } from "./store.js";
import { speaking, t } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const MEGA = 1_000_000;

/** @typedef {{field: string, text: Drawn}} Fault */
/** @typedef {{up: string, down: string}} TypedRates */

/** A mistake that was found before anything was asked. */
export class FieldError extends Error {
  /**
   * @param {string} field
   * @param {string} text
   */
  constructor(field, text) {
    super(text);
    this.field = field;
  }
}

/**
 * Runs `work` for a form. `wrong` is {field, text}, text "" for nothing; its field gets the focus.
 * @param {() => Promise<unknown> | unknown} work
 */
export function useChange(work) {
  const [busy, setBusy] = useState(false), [wrong, setWrong] = useState(/** @type {Fault} */ ({ field: "", text: "" }));
  const form = useRef(null);
  useEffect(() => {
    if (wrong.text && wrong.field) form.current?.querySelector(`[name="${wrong.field}"]`)?.focus();
  }, [wrong]);
  const run = async (/** @type {Event} */ event) => {
    event?.preventDefault();
    setBusy(true);
    setWrong({ field: "", text: "" });
    try {
      await work();
      changed();
    } catch (error) {
      setWrong({ field: error.field ?? "", text: said(error) });
    }
    setBusy(false);
  };
  return { busy, wrong, run, form };
}

/**
 * Said where no field is to blame, or not one of `fields`.
 * @param {{wrong: Fault, fields?: string[]}} props
 */
export function Wrong({ wrong, fields = [] }) {
  const here = wrong.text && !fields.includes(wrong.field);
  return html`<p class="wrong" role="alert">${here ? wrong.text : ""}</p>`;
}

/**
 * A line of text with its label, a unit behind it, and what is wrong with it.
 * @param {{name: string, label: string, value: string, set: (text: string) => void, wrong: Fault, unit?: string, hint?: string, id?: string} & Record<string, unknown>} props
 */
export function Field({ name, label, value, set, wrong, unit, hint, id = `set-${name}`, ...more }) {
  const bad = wrong.field === name && wrong.text;
  return html`<div class="field"><label for=${id}>${label}</label>
    <div class="with-unit"><input id=${id} name=${name} value=${value} autocomplete="off" aria-invalid=${bad ? "true" : null}
      aria-describedby=${`${id}-wrong ${id}-hint`} onInput=${(event) => set(event.target.value)} ...${more} />${unit && html`<span class="soft">${unit}</span>`}</div>
    <p class="wrong" id=${`${id}-wrong`} role="alert">${bad || ""}</p>
    <p class="soft" id=${`${id}-hint`}>${hint}</p></div>`;
}

/**
 * A rate, in MB a second, as people read it.
 * @param {number | null} rate
 */
export const rateText = (rate) => (rate === null ? t("without a limit") : t("at most {number} MB/s", { number: mega(rate) }));

/** @param {number} rate */
const mega = (rate) => (rate / MEGA).toLocaleString(speaking().locale, { maximumFractionDigits: 3 });

/**
 * What stands in a field for a rate.
 * @param {number | null} rate
 */
export const rateValue = (rate) => (rate === null ? "" : String(rate / MEGA));

/**
 * Bytes a second from a field, null for an empty one; FieldError for what is no number.
 * @param {string} field
 * @param {string} text
 */
export function readRate(field, text) {
  if (!text.trim()) return null;
  return Math.round(readNumber(field, text) * MEGA);
}

/**
 * The number in a field, with a point or a comma.
 * @param {string} field
 * @param {string} text
 */
export function readNumber(field, text) {
  const number = Number(text.trim().replace(",", "."));
  if (!text.trim() || !Number.isFinite(number)) throw new FieldError(field, t("Write a number, like 5 or 0.8."));
  return number;
}

/**
 * Two rates side by side. `prefix` keeps the ids of several forms apart.
 * @param {{prefix: string, rates: TypedRates, set: (rates: TypedRates) => void, wrong: Fault}} props
 */
export function RateFields({ prefix, rates, set, wrong }) {
  /** @type {(name: "up" | "down", label: string) => Drawn} */
  const one = (name, label) => html`<${Field} id=${`${prefix}-${name}`} name=${name} label=${label} unit=${t("MB/s")} inputmode="decimal" placeholder=${t("no limit")}
    value=${rates[name]} set=${(/** @type {string} */ text) => set({ ...rates, [name]: text })} wrong=${wrong} />`;
  return html`<div class="pair">${one("up", t("Send at most"))}${one("down", t("Receive at most"))}</div>`;
}

/**
 * A switch that is saved as soon as it is touched.
 * @param {{label: string, hint?: string, on: boolean, work: () => Promise<unknown>}} props
 */
export function Switch({ label, hint, on, work }) {
  const { busy, wrong, run } = useChange(work);
  return html`<div class="switch"><label><input type="checkbox" checked=${on} disabled=${busy} onChange=${run} /><span>${label}</span></label>
    ${hint && html`<p class="soft">${hint}</p>`}<${Wrong} wrong=${wrong} /></div>`;
}

/**
 * One card of the settings; whoever may not change it sees it only.
 * @param {{id: string, title: string, owner: boolean, children?: any}} props
 */
export function Section({ id, title, owner, children }) {
  return html`<section class="card setting" aria-labelledby=${`set-${id}`}><h2 id=${`set-${id}`}>${title}</h2>
    <fieldset class="bare" disabled=${!owner}>${children}</fieldset></section>`;
}
