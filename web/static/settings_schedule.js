// The weekly schedule: windows of time with rates of their own, added, changed and removed.

import { Confirm } from "./dialogs.js";
import { listed } from "./format.js";
import { settingsApi } from "./settings_api.js";
import { Field, FieldError, RateFields, rateText, rateValue, readRate, Section, useChange, Wrong } from "./settings_fields.js";
import { DAYS, dayName, readTimes, runsOf, sameTimes, writeTimes } from "./settings_times.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

const NEW = { times: "mon-fri 08:00-18:00", rates: { up: null, down: null } };

/** @param {import("./settings.js").Given} props */
export function ScheduleSettings({ limits, owner }) {
  const [open, setOpen] = useState(""), [asked, setAsked] = useState("");
  const close = () => setOpen("");
  return html`<${Section} id="schedule" title=${t("Weekly schedule")} owner=${owner}>
    <p class="soft">${limits.windows.length ? t("The first window that covers the time holds, by this machine's clock.") : t("The limits are the same all week.")}</p>
    <ul class="rows">${limits.windows.map((window) => html`<li key=${window.times}>
      ${open === window.times ? html`<${WindowForm} window=${window} known=${true} close=${close} />` : html`<${Shown} window=${window} owner=${owner} change=${() => setOpen(window.times)} remove=${() => setAsked(window.times)} />`}</li>`)}</ul>
    ${open === "+" && html`<${WindowForm} window=${NEW} known=${false} close=${close} />`}
    ${owner && open !== "+" && html`<div class="buttons"><button type="button" class="button" onClick=${() => setOpen("+")}>${t("Add a window")}</button></div>`}
    ${asked && html`<${Confirm} title=${t("Remove this window?")} text=${t("{times}: the limits outside the schedule hold then.", { times: timesShown(asked) })} action=${t("Remove")} done=${t("The window is removed.")}
      work=${() => settingsApi.changeLimits({ at: asked, remove: true })} close=${() => setAsked("")} />`}
  <//>`;
}

/** @param {string} times */
function timesShown(times) {
  const { days, from, to } = readTimes(times);
  const names = days.size === DAYS.length ? t("Every day") : listed(runsOf(days).map(([first, last]) => (first === last ? dayName(first) : `${dayName(first)}–${dayName(last)}`)));
  return `${names} ${from}–${to}`;
}

/** @param {{window: Api.WindowView, owner: boolean, change: () => void, remove: () => void}} props */
function Shown({ window, owner, change, remove }) {
  const times = timesShown(window.times);
  return html`<span><strong>${times}</strong>${window.now && html` <span class="tag">${t("now")}</span>`} <span class="soft">${t("sending {up}, receiving {down}", { up: rateText(window.rates.up), down: rateText(window.rates.down) })}</span></span>
    ${owner && html`<span class="buttons"><button type="button" class="button" aria-label=${t("Change the window {times}", { times })} onClick=${change}>${t("Change")}</button>
      <button type="button" class="button danger" aria-label=${t("Remove the window {times}", { times })} onClick=${remove}>${t("Remove")}</button></span>`}`;
}

/** @param {{window: Pick<Api.WindowView, "times" | "rates">, known: boolean, close: () => void}} props */
function WindowForm({ window, known, close }) {
  const before = readTimes(window.times);
  const [times, setTimes] = useState(before);
  const [rates, setRates] = useState({ up: rateValue(window.rates.up), down: rateValue(window.rates.down) });
  const { busy, wrong, run, form } = useChange(async () => {
    if (times.days.size === 0) throw new FieldError("at", t("Choose at least one day."));
    const at = writeTimes(times);
    await settingsApi.changeLimits({ at, up: readRate("up", rates.up), down: readRate("down", rates.down) });
    // Only now: were the new one refused, the old one would be gone.
    if (known && !sameTimes(before, times)) await settingsApi.changeLimits({ at: window.times, remove: true });
    tell(t("The schedule is saved."));
    close();
  });
  const toggle = (/** @type {string} */ day) => {
    const days = new Set(times.days);
    if (!days.delete(day)) days.add(day);
    setTimes({ ...times, days });
  };
  return html`<form ref=${form} class="inner" onSubmit=${run} novalidate aria-label=${t("A window of the schedule")}>
    <fieldset class="choice days"><legend>${t("Days")}</legend><div>${DAYS.map((day) => html`<label key=${day}>
      <input type="checkbox" checked=${times.days.has(day)} onChange=${() => toggle(day)} aria-label=${dayName(day, "long")} /><span>${dayName(day)}</span></label>`)}</div></fieldset>
    <div class="pair">
      <${Field} id="win-from" name="at" label=${t("From")} placeholder="08:00" maxlength="5" value=${times.from} set=${(from) => setTimes({ ...times, from })} wrong=${wrong} hint=${t("As on a 24-hour clock, like 08:00.")} />
      <${Field} id="win-to" name="to" label=${t("To")} placeholder="18:00" maxlength="5" value=${times.to} set=${(to) => setTimes({ ...times, to })} wrong=${wrong} hint=${t("24:00 is the end of the day; earlier than “From” is the next day.")} />
    </div>
    <${RateFields} prefix="win" rates=${rates} set=${setRates} wrong=${wrong} />
    <${Wrong} wrong=${wrong} fields=${["at", "up", "down"]} />
    <div class="buttons"><button type="button" class="button" onClick=${close}>${t("Cancel")}</button><button class="button primary" disabled=${busy}>${t("Save window")}</button></div>
  </form>`;
}
