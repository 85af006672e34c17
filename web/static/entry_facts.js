// What is known of an entry: copies, size, where it is; and what happened to it so far.

import { age, bytes, count, moment } from "./format.js";
import { Copies, onMachines } from "./parts.js";
import { html } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function Facts({ entry }) {
  const here = entry.here >= entry.pieces ? "All of it" : entry.here === 0 ? "Nothing yet" : `${entry.here.toLocaleString()} of ${count(entry.pieces, "piece")}`;
  return html`<dl class="facts card">
    <div><dt>Copies</dt><dd><${Copies} entry=${entry} /> <span class="soft">${entry.safety === "short" || entry.safety === "repairing" ? entry.safety_text.replace(/^\d+ of \d+: /, "") : onMachines(entry)}</span></dd></div>
    <div><dt>Size</dt><dd>${bytes(entry.size)} <span class="soft">${entry.kind === "folder" && `${count(entry.files, "file")}, `}${count(entry.pieces, "piece")}</span></dd></div>
    <div><dt>Shared</dt><dd>${age(entry.created)} <span class="soft">by ${entry.author}, ${moment(entry.created)}</span></dd></div>
    <div><dt>On this machine</dt><dd>${here}</dd></div>
  </dl>`;
}

/**
 * The events an entry tells of itself, oldest first. Pure.
 * @param {Api.EntryView} entry
 */
export function historyOf(entry) {
  const events = [{ when: entry.created, text: `Shared by ${entry.author}` }];
  if (entry.edited) events.push({ when: entry.edited, text: `Last edited by ${entry.author}` });
  if (entry.restored_by) events.push({ when: 0, text: `Brought back from the trash by ${entry.restored_by}` });
  return events;
}

/** @param {{entry: Api.EntryView}} props */
export function History({ entry }) {
  return html`<section class="card" aria-labelledby="history"><h2 id="history">History</h2>
    <ol class="happened">${historyOf(entry).map((event) => html`<li key=${event.text}><span>${event.text}</span>
      ${event.when > 0 && html`<time class="soft" datetime=${new Date(event.when).toISOString()}>${moment(event.when)}, ${age(event.when)}</time>`}</li>`)}</ol>
    <p class="soft">${entry.version > 1 ? `This is version ${entry.version.toLocaleString()}: each edit, deletion and return counts as one.` : "Nothing has been changed since."}</p>
  </section>`;
}
