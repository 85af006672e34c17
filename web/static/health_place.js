// How well everything is kept: the numbers, whom to bring back, and what happened.

import { bytes, duration, moment, number, rate, series } from "./format.js";
import { LEVELS, level, load } from "./health.js";
import { Problem, Waiting } from "./parts.js";
import { english } from "./said.js";
import { health, use } from "./store.js";
import { t, tn } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

export function Health() {
  const now = use(health);
  if (!now) return html`<${Waiting} />`;
  if (now.error) return html`<div class="stack"><h1>${t("Health")}</h1><${Problem} error=${now.error} retry=${load} /></div>`;
  return html`<div class="stack"><h1>${t("Health")} <span class="soft">${LEVELS[level(now)]?.()}</span></h1>
    ${now.local && html`<p class="tally">${t("The tracker is away: this counts what this machine holds.")}</p>`}
    <${Numbers} now=${now} /><${Returns} returns=${now.returns} /><${Events} events=${now.events} /></div>`;
}

/** @param {{now: Api.Health}} props */
function Numbers({ now }) {
  const { safe, short, repairing, away, lost } = now.entries;
  return html`<dl class="facts card health">
    <${Number} name=${t("Safe")} count=${safe} kind="good">${t("all copies there")}<//>
    <${Number} name=${t("Short of copies")} count=${short} kind="short">${repairing > 0 && tn(repairing, "{n} being repaired", "{n} being repaired")}<//>
    <${Number} name=${t("Lost for now")} count=${away} kind="bad">${away > 0 && t("machines that are away have them")}<//>
    <${Number} name=${t("Lost")} count=${lost} kind="bad">${lost > 0 && t("no machine has all of them")}<//>
    <div><dt>${t("Still to copy")}</dt><dd>${now.missing ? bytes(now.missing) : t("Nothing")} <span class="soft">${now.missing > 0 && pace(now)}</span></dd></div>
  </dl>`;
}

/** @param {{name: string, count: number, kind: string, children?: any}} props */
function Number({ name, count, kind, children }) {
  return html`<div><dt>${name}</dt><dd><span class=${`big ${count ? kind : ""}`}>${number(count)}</span> <span class="soft">${children}</span></dd></div>`;
}

/** @param {Api.Health} now */
function pace(now) {
  return now.left === null ? t("nothing comes to this machine now") : t("{time} at {rate}", { time: duration(now.left), rate: rate(now.rate) });
}

/** @param {{returns: Api.ReturnView[]}} props */
function Returns({ returns }) {
  if (returns.length === 0) return null;
  return html`<section class="card notices" aria-labelledby="returns"><h2 id="returns">${t("Machines to bring back")}</h2>
    <ul>${returns.map((each) => html`<li key=${each.name}><p><strong><bdi>${each.name}</bdi></strong> ${gains(each)}</p>
      ${each.out !== null && html`<p class="soft">${t("Repair starts in {time}", { time: duration(each.out) })}</p>`}</li>`)}</ul></section>`;
}

/**
 * What a machine that comes back is good for.
 * @param {Api.ReturnView} each
 */
export function gains({ safe, found }) {
  const saves = found > 0 ? [tn(found, "saves {n} entry that nobody else has", "saves {n} entries that nobody else has")] : [];
  return series([...saves, ...(safe > 0 ? [tn(safe, "makes {n} entry safe again", "makes {n} entries safe again")] : [])]);
}

/** @param {{events: Api.EventView[]}} props */
function Events({ events }) {
  return html`<section class="card" aria-labelledby="events"><h2 id="events">${t("What happened")}</h2>
    ${events.length === 0
      ? html`<p class="soft">${t("Nothing that this machine noticed.")}</p>`
      : html`<ul class="happened">${events.map((event, index) => html`<li key=${`${event.when} ${index}`} class=${event.kind}><span>${english(event.text)}</span><time class="soft" datetime=${new Date(event.when).toISOString()}>${moment(event.when)}</time></li>`)}</ul>`}</section>`;
}
