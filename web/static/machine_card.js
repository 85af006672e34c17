// One machine: how it is, how full, and what an admin can do about it.

import { api } from "./api.js";
import { Confirm, Dialog, useWork } from "./dialogs.js";
import { age, bytes, rate as perSecond, series, share } from "./format.js";
import { gains } from "./health_place.js";
import { ZoneField } from "./invite_machine.js";
import { Bar, State } from "./parts.js";
import { health, tell, use } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

/** @type {Record<string, () => [string, string]>} */
const STANDINGS = {
  draining: () => [t("draining"), t("takes nothing new")],
  leaving: () => [t("leaving"), t("moves its copies elsewhere, then goes")],
  left: () => [t("left"), t("has left")],
};

/** @param {{machine: Api.MachineView, rate: {down: number, up: number} | null | undefined, manage: boolean, zones: string[], load: () => void}} props */
export function MachineCard({ machine, rate, manage, zones, load }) {
  return html`<li class="card machine-card">
    <div class="head"><h2><bdi>${machine.name}</bdi></h2><${State} state=${machine.state} /></div>
    <${Tags} machine=${machine} />
    ${machine.state !== "live" && html`<${BringBack} machine=${machine} />`}
    <${Used} machine=${machine} />
    <dl>
      ${machine.standing !== "active" && html`<div><dt>${t("Standing")}</dt><dd>${STANDINGS[machine.standing]?.()[1] ?? machine.standing}</dd></div>`}
      ${rate && html`<div><dt>${t("Now")}</dt><dd>${rateText(machine, rate)}</dd></div>`}
      <div><dt>${t("Zone")}</dt><dd>${machine.zone ? html`<bdi>${machine.zone}</bdi>` : html`<span class="soft">${t("none")}</span>`}</dd></div>
      <div><dt>${t("Seen")}</dt><dd>${machine.this || machine.state === "live" ? t("now") : machine.seen ? age(machine.seen) : t("never")}</dd></div>
      <div><dt>${t("Address")}</dt><dd class="address">${series(machine.addresses) || t("unknown")}</dd></div>
    </dl>
    ${manage && html`<${Actions} machine=${machine} zones=${zones} load=${load} />`}
  </li>`;
}

/**
 * Why it should come back, where copies wait for it.
 * @param {{machine: Api.MachineView}} props
 */
function BringBack({ machine }) {
  const now = use(health);
  const found = now?.entries && now.returns.find((each) => each.name === machine.name);
  if (!found || !(found.safe || found.found)) return null;
  return html`<p class="bring-back">${t("Bring it back: it {gains}.", { gains: gains(found) })}</p>`;
}

/**
 * Of this machine all that moves; of others what comes here and goes there.
 * @param {Api.MachineView} machine
 * @param {{down: number, up: number}} rate
 */
function rateText(machine, { down, up }) {
  const rates = { down: perSecond(down), up: perSecond(up) };
  return machine.this ? t("{down} in, {up} out", rates) : t("{down} from it, {up} to it", rates);
}

/** @param {{machine: Api.MachineView}} props */
function Tags({ machine }) {
  const tags = [machine.this && t("this machine"), machine.admin && t("admin"), machine.standing !== "active" && (STANDINGS[machine.standing]?.()[0] ?? machine.standing)].filter(Boolean);
  return tags.length > 0 && html`<p class="marks">${tags.map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</p>`;
}

/** @param {{machine: Api.MachineView}} props */
function Used({ machine }) {
  if (machine.capacity === 0) return html`<p class="soft">${t("Keeps nothing for others")}</p>`;
  return html`<div class="used"><${Bar} done=${machine.stored} total=${machine.capacity} label=${t("Space used on {name}", machine)} /></div>
    <p>${bytes(machine.stored)} <span class="soft">${t("of {size} used, {share}", { size: bytes(machine.capacity), share: share(machine.stored, machine.capacity) })}</span></p>`;
}

/** @param {{machine: Api.MachineView, zones: string[], load: () => void}} props */
function Actions({ machine, zones, load }) {
  const [open, setOpen] = useState("");
  const close = () => { setOpen(""); load(); };
  return html`<div class="buttons">
      <button class="button" onClick=${() => setOpen("zone")} aria-label=${t("Set the zone of {name}", machine)}>${t("Set the zone")}</button>
      ${!machine.this && html`<button class="button danger" onClick=${() => setOpen("out")} aria-label=${t("Shut out {name}", machine)}>${t("Shut out")}</button>`}
    </div>
    ${open === "zone" && html`<${SetZone} machine=${machine} zones=${zones} close=${close} />`}
    ${open === "out" && html`<${Confirm} title=${t("Shut out {name}?", machine)} action=${t("Shut out for good")} done=${t("{name} is shut out.", machine)} work=${() => api.shutOut(machine.id)} close=${close}
      text=${tx("It can never come back with its keys, and its copies no longer count. The others make new ones from what they hold. A machine that should leave well runs: {command}", { command: html`<code>twofold leave</code>` })} />`}`;
}

/** @param {{machine: Api.MachineView, zones: string[], close: () => void}} props */
function SetZone({ machine, zones, close }) {
  const [zone, setZone] = useState(machine.zone);
  const { busy, wrong, run } = useWork(async () => {
    await api.setZone(machine.id, zone.trim());
    tell(zone.trim() ? t("{name} is in zone {zone} now.", { name: machine.name, zone: zone.trim() }) : t("{name} is in no zone now.", machine));
    close();
  });
  return html`<${Dialog} title=${t("Zone of {name}", machine)} close=${close}><form onSubmit=${run}>
    <${ZoneField} zones=${zones} value=${zone} set=${setZone} /><p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button" type="button" onClick=${close}>${t("Cancel")}</button><button class="button primary" disabled=${busy}>${t("Set the zone")}</button></div>
  </form><//>`;
}
