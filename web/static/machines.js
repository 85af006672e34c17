// The machines of the swarm and how they are.

import { api } from "./api.js";
import { age, bytes } from "./format.js";
import { Bar, Problem, State, Waiting } from "./parts.js";
import { changes, status, use } from "./store.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const EVERY = 5000;

export function Machines() {
  const version = use(changes);
  const swarm = use(status)?.swarm;
  const [known, setKnown] = useState({});
  const load = () => api.peers().then((peers) => setKnown(peers), (error) => setKnown({ error }));
  useEffect(() => {
    load();
    const timer = setInterval(load, EVERY);
    return () => clearInterval(timer);
  }, [version]);
  return html`<div class="stack"><h1>Machines${swarm && html` <span class="soft">of ${swarm.name}</span>`}</h1>
    ${known.error && html`<${Problem} error=${known.error} retry=${load} />`}
    ${!known.error && !known.peers && html`<${Waiting} />`}
    ${known.local && html`<p class="tally">The tracker is away: this is what this machine knows.</p>`}
    ${known.warnings?.length > 0 && html`<section class="card notices" role="status"><ul>${known.warnings.map((text) => html`<li key=${text}><p>${text}</p></li>`)}</ul></section>`}
    ${known.peers && html`<ul class="machine-list">${known.peers.map((machine) => html`<${Machine} key=${machine.id} machine=${machine} />`)}</ul>`}</div>`;
}

function Machine({ machine }) {
  return html`<li class="card machine-card">
    <div class="head"><h2>${machine.name}${machine.this && html` <span class="tag">this machine</span>`}${machine.standing !== "active" && html` <span class="tag">${machine.standing}</span>`}</h2><${State} state=${machine.state} /></div>
    ${machine.capacity > 0
      ? html`<div class="used"><${Bar} done=${machine.stored} total=${machine.capacity} label=${`Space used on ${machine.name}`} /></div><p>${bytes(machine.stored)} <span class="soft">of ${bytes(machine.capacity)} used</span></p>`
      : html`<p class="soft">Keeps nothing for others</p>`}
    <dl>
      <div><dt>Zone</dt><dd>${machine.zone || "none"}</dd></div>
      <div><dt>Seen</dt><dd>${machine.this || machine.state === "live" ? "now" : machine.seen ? age(machine.seen) : "never"}</dd></div>
      <div><dt>Address</dt><dd class="address">${machine.addresses.join(", ") || "unknown"}</dd></div>
    </dl>
  </li>`;
}
