// Downloads under way on this machine, how it sends and receives, and changed files; all live.

import { bytes, count, duration, moment, percent } from "./format.js";
import { Bar, Empty, fewListed, Waiting } from "./parts.js";
import { RateGraph } from "./rate_graph.js";
import { status, use } from "./store.js";
import { html } from "./vendor/preact-htm.js";

const PURPOSES = { get: "for you", keep: "kept here for the swarm" };

export function Transfers() {
  const now = use(status);
  if (!now) return html`<${Waiting} />`;
  return html`<div class="stack"><h1>Transfers</h1><${Notices} notices=${now.notices} /><${Running} transfers=${now.transfers} /><${RateGraph} /><${Totals} now=${now} /></div>`;
}

/** @param {{notices: Api.NoticeView[]}} props */
function Notices({ notices }) {
  if (notices.length === 0) return null;
  return html`<section class="card notices" aria-labelledby="notices"><h2 id="notices">Shared files that changed</h2>
    <ul>${notices.map((notice) => html`<li key=${notice.text}><p>${notice.text}</p><p class="soft">${moment(notice.when)}</p></li>`)}</ul>
    <p class="soft">The other machines keep what was shared. Put the files back as they were, or share them again.</p>
  </section>`;
}

/** @param {{now: Api.Status}} props */
function Totals({ now }) {
  return html`<dl class="facts card">
    <div><dt>Received since start</dt><dd>${bytes(now.downloaded)} ${now.fetched_twice > 0 && html`<span class="soft">${count(now.fetched_twice, "piece")} came twice</span>`}</dd></div>
    <div><dt>Sent since start</dt><dd>${bytes(now.uploaded)}</dd></div>
    <div><dt>Kept on this machine</dt><dd>${bytes(now.store.bytes)} <span class="soft">of ${bytes(now.store.capacity)}${now.store.capacity > 0 && now.store.room === 0 && ", full"}</span></dd></div>
    <div><dt>Limits now</dt><dd>${limits(now.limits)}</dd></div>
    <div><dt>Congestion control</dt><dd>${now.congestion.join(", ") || "Not known"} <span class="soft">${now.lanes > 0 ? `with ${count(now.lanes, "more connection")} for pieces` : "paces what is sent"}</span></dd></div>
  </dl>`;
}

/** @param {Api.RatesView} now */
function limits({ up, down }) {
  if (up === null && down === null) return "None";
  const [sending, receiving] = [up, down].map((rate) => (rate === null ? "without a limit" : `at most ${bytes(rate)}/s`));
  return `Sending ${sending}, receiving ${receiving}`;
}

/** @param {{transfers: Api.TransferView[]}} props */
function Running({ transfers }) {
  if (transfers.length === 0) {
    return html`<${Empty} icon="download" title="Nothing on its way"><p>What this machine fetches is shown here while it arrives.</p><a class="button" href="#/">Open the library</a><//>`;
  }
  return html`<ul class="transfers" aria-label="Transfers">${transfers.map((transfer) => html`<${Transfer} key=${transfer.id} transfer=${transfer} />`)}</ul>`;
}

/** @param {{transfer: Api.TransferView}} props */
function Transfer({ transfer }) {
  return html`<li class="card transfer">
    <div class="head"><span class="name">${transfer.name}</span><span class="soft">${PURPOSES[transfer.purpose]}</span></div>
    <${Bar} done=${transfer.done} total=${transfer.size} label=${transfer.name} />
    <div class="head soft"><span>${percent(transfer.done, transfer.size)} % of ${bytes(transfer.size)} · ${bytes(transfer.rate)}/s · ${timeLeft(transfer)}</span><${Sources} names=${transfer.sources} /></div>
  </li>`;
}

/** @param {{names: string[]}} props */
function Sources({ names }) {
  if (names.length === 0) return html`<span>looking for a machine that has it</span>`;
  if (names.length <= 3) return html`<span>from ${fewListed(names)}</span>`;
  return html`<details class="sources"><summary>from ${fewListed(names)}</summary><ul>${names.map((name) => html`<li key=${name}>${name}</li>`)}</ul></details>`;
}

/** @param {Api.TransferView} transfer */
function timeLeft({ done, size, left }) {
  if (done >= size) return "finishing";
  return left === null ? "time left unknown" : `${duration(left)} left`;
}
