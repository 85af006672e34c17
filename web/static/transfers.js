// Downloads under way on this machine, how it sends and receives, and changed files; all live.

import { TellEnd } from "./ends.js";
import { bytes, duration, fewListed, moment, rate, series, share } from "./format.js";
import { Bar, Empty, Waiting } from "./parts.js";
import { RateGraph } from "./rate_graph.js";
import { english } from "./said.js";
import { status, use } from "./store.js";
import { t, tn } from "./strings.js";
import { Takers, TransferPeers } from "./transfer_peers.js";
import { html, useState } from "./vendor/preact-htm.js";

const PURPOSES = { get: () => t("for you"), keep: () => t("kept here for the swarm") };

export function Transfers() {
  const now = use(status);
  if (!now) return html`<${Waiting} />`;
  return html`<div class="stack"><h1>${t("Transfers")}</h1><${Notices} notices=${now.notices} /><${Running} transfers=${now.transfers} /><${Takers} /><${RateGraph} /><${Totals} now=${now} /></div>`;
}

const ABOUT = {
  files: { title: () => t("Shared files that changed"), advice: () => t("The other machines keep what was shared. Put the files back as they were, or share them again.") },
  machine: { title: () => t("About this machine"), advice: () => "" },
  tracker: { title: () => t("The tracker knows less than before"), advice: () => t("If nobody restored it from a backup, ask whoever runs it. Nothing that is kept here was given up.") },
};

/** @param {{notices: Api.NoticeView[]}} props */
function Notices({ notices }) {
  return Object.entries(ABOUT).map(([about, { title, advice }]) => {
    const told = notices.filter((notice) => notice.about === about);
    const id = `notices-${about}`;
    return told.length > 0 && html`<section key=${about} class="card notices" aria-labelledby=${id}><h2 id=${id}>${title()}</h2>
      <ul>${told.map((notice) => html`<li key=${notice.text}><p>${english(notice.text)}</p><p class="soft">${moment(notice.when)}</p></li>`)}</ul>
      ${advice() && html`<p class="soft">${advice()}</p>`}
    </section>`;
  });
}

/** @param {{now: Api.Status}} props */
function Totals({ now }) {
  return html`<dl class="facts card">
    <div><dt>${t("Received since start")}</dt><dd>${bytes(now.downloaded)} ${now.fetched_twice > 0 && html`<span class="soft">${tn(now.fetched_twice, "{n} piece came twice", "{n} pieces came twice")}</span>`}</dd></div>
    <div><dt>${t("Sent since start")}</dt><dd>${bytes(now.uploaded)}</dd></div>
    <div><dt>${t("Kept on this machine")}</dt><dd>${bytes(now.store.bytes)} <span class="soft">${now.store.capacity > 0 && now.store.room === 0 ? t("of {size}, full", { size: bytes(now.store.capacity) }) : t("of {size}", { size: bytes(now.store.capacity) })}</span></dd></div>
    <div><dt>${t("Limits now")}</dt><dd>${limits(now.limits)}</dd></div>
    <div><dt>${t("Congestion control")}</dt><dd>${series(now.congestion) || t("Not known")} <span class="soft">${now.lanes > 0 ? tn(now.lanes, "with {n} more connection for pieces", "with {n} more connections for pieces") : t("paces what is sent")}</span></dd></div>
  </dl>`;
}

/** @param {Api.RatesView} now */
function limits({ up, down }) {
  if (up === null && down === null) return t("None");
  const [sending, receiving] = [up, down].map((most) => (most === null ? t("without a limit") : t("at most {rate}", { rate: rate(most) })));
  return t("Sending {sending}, receiving {receiving}", { sending, receiving });
}

/** @param {{transfers: Api.TransferView[]}} props */
function Running({ transfers }) {
  if (transfers.length === 0) {
    return html`<${Empty} icon="download" title=${t("Nothing on its way")}><p>${t("What this machine fetches is shown here while it arrives.")}</p><a class="button" href="#/">${t("Open the library")}</a><//>`;
  }
  const long = transfers.some((transfer) => transfer.purpose === "get");
  return html`${long && html`<${TellEnd} />`}<ul class="transfers" aria-label=${t("Transfers")}>${transfers.map((transfer) => html`<${Transfer} key=${transfer.id} transfer=${transfer} />`)}</ul>`;
}

/** @param {{transfer: Api.TransferView}} props */
function Transfer({ transfer }) {
  return html`<li class="card transfer">
    <div class="head"><span class="name" dir="auto">${transfer.name}</span><span class="soft">${PURPOSES[transfer.purpose]?.()}</span></div>
    <${Bar} done=${transfer.done} total=${transfer.size} label=${transfer.name} />
    <div class="head soft"><span>${t("{share} of {size}", { share: share(transfer.done, transfer.size), size: bytes(transfer.size) })} · ${rate(transfer.rate)} · ${timeLeft(transfer)}</span><${Sources} names=${transfer.sources} /></div>
    <${Machines} transfer=${transfer} />
  </li>`;
}

/** @param {{names: string[]}} props */
function Sources({ names }) {
  if (names.length === 0) return html`<span>${t("looking for a machine that has it")}</span>`;
  return html`<span>${t("from {names}", { names: fewListed(names) })}</span>`;
}

/**
 * Unfolded: a table of the machines, which is asked for only as long as it is open.
 * @param {{transfer: Api.TransferView}} props
 */
function Machines({ transfer: { id, name } }) {
  const [open, setOpen] = useState(false);
  return html`<details class="sources" onToggle=${(event) => setOpen(event.target.open)}><summary aria-label=${t("Machines that {name} comes from", { name })}>${t("Machines")}</summary>
    ${open && html`<${TransferPeers} id=${id} name=${name} />`}</details>`;
}

/** @param {Api.TransferView} transfer */
function timeLeft({ done, size, left }) {
  if (done >= size) return t("finishing");
  return left === null ? t("time left unknown") : t("{time} left", { time: duration(left) });
}
