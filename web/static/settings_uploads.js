// What people may upload to this machine: types, the largest, how much each, the least resolution of
// pictures; and whether pages of other sites may show pictures. For the owner; others only see it.

import { ask } from "./api.js";
import { useWork } from "./dialogs.js";
import { withStyles } from "./lazy.js";
import { Problem, Waiting } from "./parts.js";
import { Section } from "./settings_fields.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {{text: string, unit: string}} Amount */
/** @typedef {{kinds: string[], endings: string, largest: Amount, quota: Amount, width: string, height: string, embed: boolean}} Form */

/** @type {Record<string, number>} */
const UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };
/** @type {() => Record<string, string>} */
const unitNames = () => ({ MB: t("MB"), GB: t("GB"), TB: t("TB") });
/** @type {() => [string, string][]} */
const kinds = () => [["image", t("Images")], ["video", t("Videos")], ["audio", t("Sound")], ["document", t("Documents")], ["archive", t("Archives")]];

/**
 * A number of bytes as the form has it: as text, and a unit.
 * @param {number | null} bytes
 * @returns {Amount}
 */
function sizeOf(bytes) {
  if (bytes === null) return { text: "", unit: "GB" };
  const unit = Object.keys(UNITS).findLast((each) => bytes >= UNITS[each] && bytes % (UNITS[each] / 1000) === 0) ?? "MB";
  return { text: String(bytes / UNITS[unit]), unit };
}

/**
 * The bytes again; throws `wrong` for what is no size.
 * @param {Amount} amount
 * @param {string} wrong
 */
function bytesOf({ text, unit }, wrong) {
  if (!text.trim()) return null;
  const bytes = Math.round(Number(text.replace(",", ".")) * UNITS[unit]);
  if (!(bytes > 0)) throw new Error(wrong);
  return bytes;
}

/**
 * The rules as the form has them: everything as text.
 * @param {Required<Api.Rules>} rules
 * @returns {Form}
 */
function formOf({ types, largest, quota, least, embed }) {
  const known = kinds().map(([kind]) => kind);
  return {
    kinds: types.filter((type) => known.includes(type)), endings: types.filter((type) => !known.includes(type)).join(", "),
    largest: sizeOf(largest), quota: sizeOf(quota),
    width: least ? String(least.width) : "", height: least ? String(least.height) : "", embed,
  };
}

/**
 * What the form says, as it is sent; throws what is wrong with it, for a person.
 * @param {Form} form
 * @returns {Api.Rules}
 */
function rulesOf(form) {
  const endings = form.endings.split(/[\s,]+/).filter(Boolean);
  const largest = bytesOf(form.largest, t("The largest size is a number, like 50; leave it empty for no limit."));
  const quota = bytesOf(form.quota, t("What each person may have is a number, like 50; leave it empty for no limit."));
  const sides = [form.width, form.height].map((side) => side.trim());
  if (Boolean(sides[0]) !== Boolean(sides[1]) || sides.some((side) => side && !/^[1-9]\d{0,5}$/.test(side))) {
    throw new Error(t("The least resolution is two whole numbers, like 1024 and 786; leave both empty for any."));
  }
  return { types: [...form.kinds, ...endings], largest, quota, least: sides[0] ? { width: Number(sides[0]), height: Number(sides[1]) } : null, embed: form.embed };
}

/**
 * A number with a unit to choose.
 * @param {{label: string, value: Amount, set: (value: Amount) => void}} props
 */
function Size({ label, value, set }) {
  return html`<div class="pair"><label>${label}<input value=${value.text} inputmode="decimal" placeholder=${t("no limit")} autocomplete="off" onInput=${(event) => set({ ...value, text: event.target.value })} /></label>
    <label>${t("in")}<select aria-label=${t("Unit of: {label}", { label })} onChange=${(event) => set({ ...value, unit: event.target.value })}>${Object.entries(unitNames()).map(([unit, name]) => html`<option key=${unit} value=${unit} selected=${unit === value.unit}>${name}</option>`)}</select></label></div>`;
}

/**
 * A card whose form loads and saves by itself. `owner`: whether it may be changed.
 * @param {{owner: boolean}} props
 */
export function UploadRulesSettings({ owner }) {
  return html`<${Section} id="uploads" title=${t("Uploads to this page")} owner=${owner}><${Rules} /><//>`;
}

function Rules() {
  const [form, setForm] = useState(/** @type {Form | null} */ (null)), [error, setError] = useState(/** @type {Error | null} */ (null));
  const load = () => {
    setError(null);
    ask("GET", "/upload-rules").then(({ rules }) => setForm(formOf(rules)), setError);
  };
  useEffect(() => { withStyles(["pictures"], Promise.resolve()).then(load); }, []);
  const { busy, wrong, run } = useWork(async () => {
    const { rules } = await ask("PUT", "/upload-rules", rulesOf(/** @type {Form} */ (form)));
    setForm(formOf(rules));
    tell(t("The rules for uploads are saved."));
  });
  if (error) return html`<${Problem} error=${error} retry=${load} />`;
  if (!form) return html`<${Waiting} />`;
  /** @type {(part: keyof Form, value: Form[keyof Form]) => void} */
  const put = (part, value) => setForm({ ...form, [part]: value });
  const type = (/** @type {keyof Form} */ part) => (/** @type {any} */ event) => put(part, event.target.value);
  const toggle = (/** @type {string} */ kind) => put("kinds", form.kinds.includes(kind) ? form.kinds.filter((each) => each !== kind) : [...form.kinds, kind]);
  return html`<form class="fields upload-rules" onSubmit=${run} novalidate aria-label=${t("Uploads to this page")}>
    <fieldset class="kinds"><legend>${t("Types that are taken; none chosen: all")}</legend>
      ${kinds().map(([kind, name]) => html`<label key=${kind} class="check"><input type="checkbox" checked=${form.kinds.includes(kind)} onChange=${() => toggle(kind)} />${name}</label>`)}</fieldset>
    <label>${t("And names that end in")}<input value=${form.endings} placeholder=".pdf, .txt" autocomplete="off" onInput=${type("endings")} /></label>
    <${Size} label=${t("The largest")} value=${form.largest} set=${(/** @type {Amount} */ value) => put("largest", value)} />
    <${Size} label=${t("Each person who was let in may have")} value=${form.quota} set=${(/** @type {Amount} */ value) => put("quota", value)} />
    <div class="pair"><label>${t("Pictures at least this wide")}<input value=${form.width} inputmode="numeric" placeholder=${t("any")} autocomplete="off" onInput=${type("width")} /></label>
      <label>${t("and this high, in pixels")}<input value=${form.height} inputmode="numeric" placeholder=${t("any")} autocomplete="off" onInput=${type("height")} /></label></div>
    <label class="check"><input type="checkbox" checked=${form.embed} onChange=${(event) => put("embed", event.target.checked)} />${t("Pages of other sites may show pictures of this machine, without a login")}</label>
    <p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button primary" disabled=${busy}>${t("Save rules")}</button></div>
  </form>`;
}
