// How well everything is kept: the numbers, whom to bring back, and what happened.

import { api } from "./api.js";
import { bytes, count, duration, moment } from "./format.js";
import { Problem, Waiting } from "./parts.js";
import { changes, health, status, use, useRefresh } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect } from "./vendor/preact-htm.js";

/** @param {number} number */
const entries = (number) => count(number, "entry", "entries");

async function load() {
  try {
    health.set(await api.health());
  } catch (error) {
    // What was known a moment ago is shown until it can be asked again.
    if (!health.get()?.entries) health.set({ error });
  }
}

/**
 * "good", "short", "bad", or "" while it is not known.
 * @param {import("./store.js").HealthNow | null} now
 */
function level(now) {
  if (!now?.entries) return "";
  if (now.entries.lost || now.entries.away) return "bad";
  return now.entries.short ? "short" : "good";
}

/** @type {Record<string, string>} */
const LEVELS = { good: "all safe", short: "some short of copies", bad: "some lost" };

/** The dot beside "Health" in the frame; keeps the numbers fresh on every place. */
export function HealthMark() {
  const now = use(health), version = use(changes), connected = use(status)?.tracker.state;
  useEffect(() => { load(); }, [version, connected]);
  const is = level(now);
  useRefresh(load, is && is !== "good");
  return is && html`<span class=${`mark ${is}`} title=${LEVELS[is]}><span class="sr">: ${LEVELS[is]}</span></span>`;
}

export function Health() {
  const now = use(health);
  if (!now) return html`<${Waiting} />`;
  if (now.error) return html`<div class="stack"><h1>${t("Health")}</h1><${Problem} error=${now.error} retry=${load} /></div>`;
  return html`<div class="stack"><h1>Health <span class="soft">${LEVELS[level(now)]}</span></h1>
    ${now.local && html`<p class="tally">The tracker is away: this counts what this machine holds.</p>`}
    <${Numbers} now=${now} /><${Returns} returns=${now.returns} /><${Events} events=${now.events} /></div>`;
}

/** @param {{now: Api.Health}} props */
function Numbers({ now }) {
  const { safe, short, repairing, away, lost } = now.entries;
  return html`<dl class="facts card health">
    <${Number} name="Safe" number=${safe} kind="good">all copies there<//>
    <${Number} name="Short of copies" number=${short} kind="short">${repairing > 0 && `${repairing.toLocaleString()} being repaired`}<//>
    <${Number} name="Lost for now" number=${away} kind="bad">${away > 0 && "machines that are away have them"}<//>
    <${Number} name="Lost" number=${lost} kind="bad">${lost > 0 && "no machine has all of them"}<//>
    <div><dt>Still to copy</dt><dd>${now.missing ? bytes(now.missing) : "Nothing"} <span class="soft">${now.missing > 0 && pace(now)}</span></dd></div>
  </dl>`;
}

/** @param {{name: string, number: number, kind: string, children?: any}} props */
function Number({ name, number, kind, children }) {
  return html`<div><dt>${name}</dt><dd><span class=${`big ${number ? kind : ""}`}>${number.toLocaleString()}</span> <span class="soft">${children}</span></dd></div>`;
}

/** @param {Api.Health} now */
function pace(now) {
  return now.left === null ? "nothing comes to this machine now" : `${duration(now.left)} at ${bytes(now.rate)}/s`;
}

/** @param {{returns: Api.ReturnView[]}} props */
function Returns({ returns }) {
  if (returns.length === 0) return null;
  return html`<section class="card notices" aria-labelledby="returns"><h2 id="returns">Machines to bring back</h2>
    <ul>${returns.map((each) => html`<li key=${each.name}><p><strong>${each.name}</strong> ${gains(each)}</p>
      ${each.out !== null && html`<p class="soft">Repair starts in ${duration(each.out)}</p>`}</li>`)}</ul></section>`;
}

/** @param {Api.ReturnView} each */
function gains({ safe, found }) {
  const saves = found > 0 ? [`saves ${entries(found)} that nobody else has`] : [];
  return [...saves, ...(safe > 0 ? [`makes ${entries(safe)} safe again`] : [])].join(", ");
}

/** @param {{events: Api.EventView[]}} props */
function Events({ events }) {
  return html`<section class="card" aria-labelledby="events"><h2 id="events">What happened</h2>
    ${events.length === 0
      ? html`<p class="soft">Nothing that this machine noticed.</p>`
      : html`<ul class="happened">${events.map((event, index) => html`<li key=${`${event.when} ${index}`} class=${event.kind}><span>${event.text}</span><time class="soft" datetime=${new Date(event.when).toISOString()}>${moment(event.when)}</time></li>`)}</ul>`}</section>`;
}
