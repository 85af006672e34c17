// What is known of an entry: copies, size, where it is; and what happened to it so far.

import { age, bytes, moment, number, series } from "./format.js";
import { Copies, onMachines } from "./parts.js";
import { english } from "./said.js";
import { t, tn } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function Facts({ entry }) {
  const part = () => tn(entry.pieces, "{have} of {n} piece", "{have} of {n} pieces", { have: number(entry.here) });
  const here = entry.here >= entry.pieces ? t("All of it") : entry.here === 0 ? t("Nothing yet") : part();
  const pieces = tn(entry.pieces, "{n} piece", "{n} pieces");
  return html`<dl class="facts card">
    <div><dt>${t("Copies")}</dt><dd><${Copies} entry=${entry} /> <span class="soft">${entry.safety === "short" || entry.safety === "repairing" ? english(entry.safety_text.replace(/^\d+ of \d+: /, "")) : onMachines(entry)}</span></dd></div>
    <div><dt>${t("Size")}</dt><dd>${bytes(entry.size)} <span class="soft">${entry.kind === "folder" ? series([tn(entry.files, "{n} file", "{n} files"), pieces]) : pieces}</span></dd></div>
    <div><dt>${t("Shared")}</dt><dd>${age(entry.created)} <span class="soft">${t("by {author}, {when}", { author: entry.author, when: moment(entry.created) })}</span></dd></div>
    <div><dt>${t("On this machine")}</dt><dd>${here}</dd></div>
  </dl>`;
}

/**
 * The events an entry tells of itself, oldest first.
 * @param {Api.EntryView} entry
 */
export function historyOf(entry) {
  const events = [{ when: entry.created, text: t("Shared by {author}", entry) }];
  if (entry.edited) events.push({ when: entry.edited, text: t("Last edited by {author}", entry) });
  if (entry.restored_by) events.push({ when: 0, text: t("Brought back from the trash by {name}", { name: entry.restored_by }) });
  return events;
}

/** @param {{entry: Api.EntryView}} props */
export function History({ entry }) {
  return html`<section class="card" aria-labelledby="history"><h2 id="history">${t("History")}</h2>
    <ol class="happened">${historyOf(entry).map((event) => html`<li key=${event.text}><span>${event.text}</span>
      ${event.when > 0 && html`<time class="soft" datetime=${new Date(event.when).toISOString()}>${series([moment(event.when), age(event.when)])}</time>`}</li>`)}</ol>
    <p class="soft">${entry.version > 1 ? t("This is version {n}: each edit, deletion and return counts as one.", { n: number(entry.version) }) : t("Nothing has been changed since.")}</p>
  </section>`;
}
