// What people may upload to this machine: types, the largest, the least resolution of pictures; and
// whether pages of other sites may show pictures. For the owner; others only see it.

import { ask } from "./api.js";
import { useWork } from "./dialogs.js";
import { loadStyle } from "./lazy.js";
import { Problem, Waiting } from "./parts.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };
const kinds = () => [["image", t("Images")], ["video", t("Videos")], ["audio", t("Sound")], ["document", t("Documents")], ["archive", t("Archives")]];

/** The rules as the form has them: everything as text. */
function formOf({ types, largest, least, embed }) {
  const known = kinds().map(([kind]) => kind);
  const unit = largest === null ? "GB" : Object.keys(UNITS).findLast((each) => largest >= UNITS[each] && largest % (UNITS[each] / 1000) === 0) ?? "MB";
  return {
    kinds: types.filter((type) => known.includes(type)), endings: types.filter((type) => !known.includes(type)).join(", "),
    largest: largest === null ? "" : String(largest / UNITS[unit]), unit,
    width: least ? String(least.width) : "", height: least ? String(least.height) : "", embed,
  };
}

/** What the form says, as it is sent; throws what is wrong with it, for a person. */
function rulesOf(form) {
  const endings = form.endings.split(/[\s,]+/).filter(Boolean);
  const largest = form.largest.trim() ? Math.round(Number(form.largest.replace(",", ".")) * UNITS[form.unit]) : null;
  if (largest !== null && !(largest > 0)) throw new Error(t("The largest size is a number, like 50; leave it empty for no limit."));
  const sides = [form.width, form.height].map((side) => side.trim());
  if (Boolean(sides[0]) !== Boolean(sides[1]) || sides.some((side) => side && !/^[1-9]\d{0,5}$/.test(side))) {
    throw new Error(t("The least resolution is two whole numbers, like 1024 and 786; leave both empty for any."));
  }
  return { types: [...form.kinds, ...endings], largest, least: sides[0] ? { width: Number(sides[0]), height: Number(sides[1]) } : null, embed: form.embed };
}

/** A form that loads and saves by itself. `owner`: whether it may be changed. */
export function UploadRulesSettings({ owner = true }) {
  const [form, setForm] = useState(null), [error, setError] = useState(null);
  const load = () => {
    setError(null);
    ask("GET", "/upload-rules").then(({ rules }) => setForm(formOf(rules)), setError);
  };
  useEffect(() => { loadStyle("pictures.css").then(load); }, []);
  const { busy, wrong, run } = useWork(async () => {
    const { rules } = await ask("PUT", "/upload-rules", rulesOf(form));
    setForm(formOf(rules));
    tell(t("The rules for uploads are saved."));
  });
  if (error) return html`<${Problem} error=${error} retry=${load} />`;
  if (!form) return html`<${Waiting} />`;
  const put = (part, value) => setForm({ ...form, [part]: value });
  const type = (part) => (event) => put(part, event.target.value);
  const toggle = (kind) => put("kinds", form.kinds.includes(kind) ? form.kinds.filter((each) => each !== kind) : [...form.kinds, kind]);
  return html`<form class="fields upload-rules" onSubmit=${run} novalidate><fieldset class="plain" disabled=${!owner}>
    <fieldset class="kinds"><legend>${t("Types that are taken; none chosen: all")}</legend>
      ${kinds().map(([kind, name]) => html`<label key=${kind} class="check"><input type="checkbox" checked=${form.kinds.includes(kind)} onChange=${() => toggle(kind)} />${name}</label>`)}</fieldset>
    <label>${t("And names that end in")}<input value=${form.endings} placeholder=".pdf, .txt" autocomplete="off" onInput=${type("endings")} /></label>
    <div class="pair"><label>${t("The largest")}<input value=${form.largest} inputmode="decimal" placeholder=${t("no limit")} autocomplete="off" onInput=${type("largest")} /></label>
      <label>${t("in")}<select onChange=${type("unit")}>${Object.keys(UNITS).map((unit) => html`<option key=${unit} value=${unit} selected=${unit === form.unit}>${unit}</option>`)}</select></label></div>
    <div class="pair"><label>${t("Pictures at least this wide")}<input value=${form.width} inputmode="numeric" placeholder=${t("any")} autocomplete="off" onInput=${type("width")} /></label>
      <label>${t("and this high, in pixels")}<input value=${form.height} inputmode="numeric" placeholder=${t("any")} autocomplete="off" onInput=${type("height")} /></label></div>
    <label class="check"><input type="checkbox" checked=${form.embed} onChange=${(event) => put("embed", event.target.checked)} />${t("Pages of other sites may show pictures of this machine, without a login")}</label>
    <p class="wrong" role="alert">${wrong}</p>
    ${owner ? html`<div class="buttons"><button class="button primary" disabled=${busy}>${t("Save")}</button></div>` : html`<p class="soft">${t("Only the owner of this machine can change this.")}</p>`}
  </fieldset></form>`;
}
