// Whom one download asks for pieces, as a table; and what goes from this machine to others.

import { api } from "./api.js";
import { bytes, listed, number, rate as perSecond, share } from "./format.js";
import { useLinks, usePolled } from "./links.js";
import { said } from "./said.js";
import { t, tn } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/** @type {Record<Api.SourceView["state"], () => string>} */
const STATES = {
  sends: () => t("sends"),
  idle: () => t("nothing asked of it now"),
  late: () => t("late"),
  limited: () => t("held back by the limits here"),
};

/**
 * The address, and whether it lies on the same network.
 * @param {{machine: {address: string, near: boolean}}} props
 */
function Where({ machine }) {
  if (!machine.address) return null;
  return html`<span class="soft where-from">${machine.address}${machine.near && ` · ${t("same network")}`}</span>`;
}

/** @type {(title: string, content: Drawn, kind?: string) => Drawn} */
const cell = (title, content, kind = "") => html`<td class=${kind} data-title=${title}>${content}</td>`;

/** @param {{titles: string[]}} props */
function Head({ titles }) {
  return html`<thead><tr>${titles.map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>`;
}

/**
 * Looked at again and again as long as it is drawn.
 * @param {{id: string, name: string}} props
 */
export function TransferPeers({ id, name }) {
  const { value: told, error } = usePolled(() => api.sources(id), id);
  if (error) return html`<p class="soft">${said(error)}</p>`;
  if (!told) return html`<p class="soft" role="status">${t("Looking…")}</p>`;
  if (told.sources.length === 0) return html`<p class="soft">${t("No machine that has it is linked now.")}</p>`;
  const [machine, state, rate, has, asked, received, ways, answers] = [t("Machine"), t("State"), t("Rate"), t("Has of it"), t("Asked now"), t("Came from it"), t("Connections"), t("Time to answer")];
  return html`<table class="peers"><caption class="sr">${t("Machines that {name} comes from", { name })}</caption>
    <${Head} titles=${[machine, state, rate, has, asked, received, ways, answers]} />
    <tbody>${told.sources.map((source) => html`<tr key=${source.peer}>
      <th scope="row"><bdi>${source.name}</bdi><${Where} machine=${source} /></th>
      ${cell(state, STATES[source.state](), source.state)}
      ${cell(rate, perSecond(source.rate), "number")}
      ${cell(has, html`${share(source.pieces, told.pieces)} <span class="soft">${tn(source.pieces, "{n} piece", "{n} pieces")}</span>`, "number")}
      ${cell(asked, html`${number(source.asked)}${source.late > 0 && html` <span class="late">${t("{n} late", { n: number(source.late) })}</span>`}`, "number")}
      ${cell(received, bytes(source.received), "number")}
      ${cell(ways, number(source.connections), "number")}
      ${cell(answers, source.answers === null ? t("not known yet") : t("{n} ms", { n: shortTime(source.answers) }), "number")}
    </tr>`)}</tbody></table>`;
}

/** @param {number} seconds */
const shortTime = (seconds) => number(seconds * 1000, seconds < 0.01 ? 1 : 0);

/** The machines that fetch from this one; nothing when there are none. */
export function Takers() {
  const links = useLinks().filter((link) => link.fetching > 0 || link.asks > 0);
  if (links.length === 0) return null;
  const [machine, what, rate, waiting, sent, ways] = [t("Machine"), t("Fetches"), t("Rate"), t("Pieces waiting"), t("Sent since start"), t("Connections")];
  return html`<section class="card" aria-labelledby="takers"><h2 id="takers">${t("Goes to")}</h2>
    <table class="peers"><caption class="sr">${t("Machines that fetch from this one")}</caption>
      <${Head} titles=${[machine, what, rate, waiting, sent, ways]} />
      <tbody>${links.map((link) => html`<tr key=${link.peer}>
        <th scope="row"><bdi>${link.name}</bdi><${Where} machine=${link} /></th>
        ${cell(what, fetched(link), "wide")}
        ${cell(rate, perSecond(link.up), "number")}
        ${cell(waiting, number(link.asks), "number")}
        ${cell(sent, bytes(link.sent), "number")}
        ${cell(ways, number(link.connections), "number")}
      </tr>`)}</tbody></table></section>`;
}

/** @param {import("./links.js").Link} link */
function fetched({ fetches, fetching }) {
  const more = fetching - fetches.length;
  if (fetches.length === 0) return tn(fetching, "{n} entry", "{n} entries");
  return more > 0 ? t("{names} and {n} more", { names: listed(fetches), n: number(more) }) : listed(fetches);
}
