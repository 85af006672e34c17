// The settings of this machine: its owner changes them, others who were let in see them.

import { api } from "./api.js";
import { useMe } from "./me.js";
import { Problem, Waiting } from "./parts.js";
import { settingsApi } from "./settings_api.js";
import { useChange, Wrong } from "./settings_fields.js";
import { LimitsSettings } from "./settings_limits.js";
import { CareSettings, SpaceSettings } from "./settings_machine.js";
import { ScheduleSettings } from "./settings_schedule.js";
import { SharedPaths } from "./settings_shares.js";
import { UploadRulesSettings } from "./settings_uploads.js";
import { changes, tell, use } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {{settings: Api.SettingsNow, limits: Api.Limits, machines: Api.MachineView[]}} Known */
/** @typedef {Known & {owner: boolean}} Given */

/** Every card, in order; each is given {settings, limits, machines, owner}. */
const SECTIONS = [LimitsSettings, ScheduleSettings, SpaceSettings, UploadRulesSettings, CareSettings];
/** Those that only the owner of the machine sees. */
const OWNERS_SECTIONS = [SharedPaths];

export function Settings() {
  const version = use(changes), me = useMe();
  const [known, setKnown] = useState(/** @type {Partial<Known> & {error?: Error}} */ ({}));
  const load = async () => {
    try {
      const [settings, limits, { peers }] = await Promise.all([settingsApi.settings(), settingsApi.limits(), api.peers()]);
      setKnown({ settings, limits, machines: peers });
    } catch (error) {
      setKnown((old) => (old.settings ? old : { error }));
    }
  };
  useEffect(() => { load(); }, [version]);
  const here = known.machines?.find((machine) => machine.this)?.name;
  const parts = { ...known, owner: Boolean(me?.owner) };
  return html`<div class="stack settings"><h1>${t("Settings")} ${here && html`<span class="soft">${t("of {name}", { name: here })}</span>`}</h1>
    ${known.error && html`<${Problem} error=${known.error} retry=${load} />`}
    ${!known.error && !(known.settings && me) && html`<${Waiting} />`}
    ${known.settings && me && html`
      ${!me.owner && html`<p class="card note">${tx("Only the owner of this machine can change its settings. Ask them, or run on it: {command}", { command: html`<code>twofold login</code>` })}</p>`}
      ${SECTIONS.map((Part) => html`<${Part} key=${Part.name} ...${parts} />`)}
      ${me.owner && OWNERS_SECTIONS.map((Part) => html`<${Part} key=${Part.name} ...${parts} />`)}
      ${me.owner && html`<${File} file=${known.settings.file} />`}`}
  </div>`;
}

/** @param {{file: string}} props */
function File({ file }) {
  const { busy, wrong, run } = useChange(async () => {
    await settingsApi.reload();
    tell(t("The file is read again."));
  });
  return html`<section class="card setting" aria-labelledby="set-file"><h2 id="set-file">${t("The file")}</h2>
    <p class="soft">${tx("All but the space and the shared paths is kept in {file}, which may be edited by hand.", { file: html`<span class="mono">${file}</span>` })}</p>
    <${Wrong} wrong=${wrong} /><div class="buttons"><button class="button" disabled=${busy} onClick=${run}>${t("Read it again")}</button></div></section>`;
}
