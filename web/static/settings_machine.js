// What this machine offers to the group, how often it reads what it has, and whom it looks for.

import { bytes } from "./format.js";
import { settingsApi } from "./settings_api.js";
import { Field, readNumber, Section, Switch, useChange, Wrong } from "./settings_fields.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

const GIGA = 1_000_000_000;

/** @param {import("./settings.js").Given} props */
export function SpaceSettings({ settings, owner }) {
  return html`<${Section} id="space" title=${t("Space for the group")} owner=${owner}><${Space} key=${settings.capacity} settings=${settings} /><//>`;
}

/** @param {{settings: Api.SettingsNow}} props */
function Space({ settings }) {
  const [text, setText] = useState(String(settings.capacity / GIGA));
  const { busy, wrong, run, form } = useChange(async () => {
    const capacity = Math.round(readNumber("capacity", text) * GIGA);
    const { told } = await settingsApi.change({ capacity });
    const said = t("This machine offers {size} now.", { size: bytes(capacity) });
    tell(told ? said : `${said} ${t("The others hear of it when the tracker is back.")}`);
  });
  const wanted = Number(text.replace(",", ".")) * GIGA;
  const hint = t("Kept for the group now: {size}. Of the disk, 2 % and at least 1 GiB stay free in any case.", { size: bytes(settings.stored) });
  return html`<form ref=${form} onSubmit=${run} novalidate aria-label=${t("Space for the group")}>
    <${Field} name="capacity" label=${t("This machine offers")} unit=${t("GB")} inputmode="decimal" value=${text} set=${setText} wrong=${wrong} hint=${hint} />
    <p class="note" role="status">${lessText(wanted, settings)}</p>
    <${Wrong} wrong=${wrong} fields=${["capacity"]} />
    <div class="buttons"><button class="button primary" disabled=${busy}>${t("Save space")}</button></div>
  </form>`;
}

/**
 * What happens to what is here and has no room then.
 * @param {number} wanted
 * @param {Api.SettingsNow} settings
 */
function lessText(wanted, { stored, capacity }) {
  if (!(wanted >= 0 && wanted < stored) || wanted === capacity) return "";
  return t("This is less than what is kept now. What does not fit goes to other machines, and from here only once they hold it. If they have no room, it stays.");
}

/** @param {import("./settings.js").Given} props */
export function CareSettings({ settings, owner }) {
  return html`<${Section} id="care" title=${t("Care and surroundings")} owner=${owner}>
    <${Scrub} key=${settings.scrub_days} settings=${settings} />
    <${Switch} label=${t("Look for machines on the same network")} hint=${t("They find each other there also while the tracker is away, and their links are faster.")} on=${settings.discover}
      work=${() => settingsApi.change({ discover: !settings.discover })} /><//>`;
}

/** @param {{settings: Api.SettingsNow}} props */
function Scrub({ settings }) {
  const [text, setText] = useState(String(settings.scrub_days));
  const { busy, wrong, run, form } = useChange(async () => {
    await settingsApi.change({ scrub_days: readNumber("scrub_days", text) });
    tell(t("Saved."));
  });
  return html`<form ref=${form} onSubmit=${run} novalidate aria-label=${t("How often all is read")}>
    <${Field} name="scrub_days" label=${t("Read everything kept here once in")} unit=${t("days")} inputmode="decimal" value=${text} set=${setText} wrong=${wrong}
      hint=${t("So that a disk that forgets is found while others still have it. 0 for never.")} />
    <${Wrong} wrong=${wrong} fields=${["scrub_days"]} />
    <div class="buttons"><button class="button primary" disabled=${busy}>${t("Save days")}</button></div>
  </form>`;
}
