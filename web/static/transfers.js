// Downloads under way on this machine, live.

import { bytes, duration, percent } from "./format.js";
import { Bar, Empty, listed, Waiting } from "./parts.js";
import { status, use } from "./store.js";
import { html } from "./vendor/preact-htm.js";

const PURPOSES = { get: "for you", keep: "kept here for the swarm" };

export function Transfers() {
  const now = use(status);
  if (!now) return html`<${Waiting} />`;
  return html`<div class="stack"><h1>Transfers</h1><${Totals} now=${now} /><${Running} transfers=${now.transfers} /></div>`;
}

function Totals({ now }) {
  return html`<dl class="facts card">
    <div><dt>Received since start</dt><dd>${bytes(now.downloaded)}</dd></div>
    <div><dt>Sent since start</dt><dd>${bytes(now.uploaded)}</dd></div>
    <div><dt>Kept on this machine</dt><dd>${bytes(now.store.bytes)} <span class="soft">of ${bytes(now.store.capacity)}</span></dd></div>
  </dl>`;
}

function Running({ transfers }) {
  if (transfers.length === 0) {
    return html`<${Empty} icon="download" title="Nothing on its way"><p>What this machine fetches is shown here while it arrives.</p><a class="button" href="#/">Open the library</a><//>`;
  }
  return html`<ul class="transfers" aria-label="Transfers">${transfers.map((transfer) => html`<${Transfer} key=${transfer.id} transfer=${transfer} />`)}</ul>`;
}

function Transfer({ transfer }) {
  const sources = transfer.sources.length ? `from ${listed(transfer.sources)}` : "looking for a machine that has it";
  const left = transfer.left === null ? "" : ` · ${duration(transfer.left)} left`;
  return html`<li class="card transfer">
    <div class="head"><span class="name">${transfer.name}</span><span class="soft">${PURPOSES[transfer.purpose]}</span></div>
    <${Bar} done=${transfer.done} total=${transfer.size} label=${transfer.name} />
    <div class="head soft"><span>${percent(transfer.done, transfer.size)} % of ${bytes(transfer.size)} · ${bytes(transfer.rate)}/s${left}</span><span>${sources}</span></div>
  </li>`;
}
