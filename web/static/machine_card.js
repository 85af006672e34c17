// One machine: how it is, how full, and what an admin can do about it.

import { api } from "./api.js";
import { Confirm, Dialog, useWork } from "./dialogs.js";
import { age, bytes, percent } from "./format.js";
import { ZoneField } from "./invite_machine.js";
import { Bar, State } from "./parts.js";
import { tell } from "./store.js";
import { html, useState } from "./vendor/preact-htm.js";

/** @type {Record<string, string>} */
const STANDINGS = { draining: "takes nothing new", leaving: "moves its copies elsewhere, then goes", left: "has left" };

/** @param {{machine: Api.MachineView, rate: Api.RateSample | null, manage: boolean, zones: string[], load: () => void}} props */
export function MachineCard({ machine, rate, manage, zones, load }) {
  return html`<li class="card machine-card">
    <div class="head"><h2>${machine.name}</h2><${State} state=${machine.state} /></div>
    <${Tags} machine=${machine} />
    <${Used} machine=${machine} />
    <dl>
      ${machine.standing !== "active" && html`<div><dt>Standing</dt><dd>${STANDINGS[machine.standing] ?? machine.standing}</dd></div>`}
      ${rate && html`<div><dt>Now</dt><dd>${bytes(rate.down)}/s in, ${bytes(rate.up)}/s out</dd></div>`}
      <div><dt>Zone</dt><dd>${machine.zone || html`<span class="soft">none</span>`}</dd></div>
      <div><dt>Seen</dt><dd>${machine.this || machine.state === "live" ? "now" : machine.seen ? age(machine.seen) : "never"}</dd></div>
      <div><dt>Address</dt><dd class="address">${machine.addresses.join(", ") || "unknown"}</dd></div>
    </dl>
    ${manage && html`<${Actions} machine=${machine} zones=${zones} load=${load} />`}
  </li>`;
}

/** @param {{machine: Api.MachineView}} props */
function Tags({ machine }) {
  const tags = [machine.this && "this machine", machine.admin && "admin", machine.standing !== "active" && machine.standing].filter(Boolean);
  return tags.length > 0 && html`<p class="marks">${tags.map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</p>`;
}

/** @param {{machine: Api.MachineView}} props */
function Used({ machine }) {
  if (machine.capacity === 0) return html`<p class="soft">Keeps nothing for others</p>`;
  return html`<div class="used"><${Bar} done=${machine.stored} total=${machine.capacity} label=${`Space used on ${machine.name}`} /></div>
    <p>${bytes(machine.stored)} <span class="soft">of ${bytes(machine.capacity)} used, ${percent(machine.stored, machine.capacity)} %</span></p>`;
}

/** @param {{machine: Api.MachineView, zones: string[], load: () => void}} props */
function Actions({ machine, zones, load }) {
  const [open, setOpen] = useState("");
  const close = () => { setOpen(""); load(); };
  return html`<div class="buttons">
      <button class="button" onClick=${() => setOpen("zone")} aria-label=${`Set the zone of ${machine.name}`}>Set the zone</button>
      ${!machine.this && html`<button class="button danger" onClick=${() => setOpen("out")} aria-label=${`Shut out ${machine.name}`}>Shut out</button>`}
    </div>
    ${open === "zone" && html`<${SetZone} machine=${machine} zones=${zones} close=${close} />`}
    ${open === "out" && html`<${Confirm} title=${`Shut out ${machine.name}?`} action="Shut out for good" done=${`${machine.name} is shut out.`} work=${() => api.shutOut(machine.id)} close=${close}
      text="It can never come back with its keys, and its copies no longer count. The others make new ones from what they hold. A machine that should leave well runs: twofold leave" />`}`;
}

/** @param {{machine: Api.MachineView, zones: string[], close: () => void}} props */
function SetZone({ machine, zones, close }) {
  const [zone, setZone] = useState(machine.zone);
  const { busy, wrong, run } = useWork(async () => {
    await api.setZone(machine.id, zone.trim());
    tell(zone.trim() ? `${machine.name} is in zone ${zone.trim()} now.` : `${machine.name} is in no zone now.`);
    close();
  });
  return html`<${Dialog} title=${`Zone of ${machine.name}`} close=${close}><form onSubmit=${run}>
    <${ZoneField} zones=${zones} value=${zone} set=${setZone} /><p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button" type="button" onClick=${close}>Cancel</button><button class="button primary" disabled=${busy}>Set zone</button></div>
  </form><//>`;
}
