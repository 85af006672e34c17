// The machines of the swarm: how they are, who may come in, and what was done on this page.

import { Activity } from "./activity.js";
import { api } from "./api.js";
import { InviteMachine, OpenInvites } from "./invite_machine.js";
import { LetIn } from "./let_in.js";
import { MachineCard } from "./machine_card.js";
import { useMe } from "./me.js";
import { Problem, Waiting } from "./parts.js";
import { People } from "./people.js";
import { useLinks } from "./links.js";
import { newest, useRates } from "./rate_graph.js";
import { english } from "./said.js";
import { changes, route, status, use } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const EVERY = 5000;

export function Machines() {
  const version = use(changes), swarm = use(status)?.swarm, me = useMe();
  const [known, setKnown] = useState(/** @type {Partial<Api.Peers> & {error?: Error}} */ ({})), [invites, setInvites] = useState(/** @type {Api.InviteSummary[]} */ ([]));
  const here = known.peers?.find((machine) => machine.this);
  const manage = Boolean(me?.owner && here?.admin);
  const load = () => api.peers().then((peers) => setKnown(peers), (error) => setKnown({ error }));
  const loadInvites = () => manage && api.invites().then((found) => setInvites(found.invites), () => {});
  useEffect(() => {
    load();
    const timer = setInterval(load, EVERY);
    return () => clearInterval(timer);
  }, [version]);
  useEffect(() => { loadInvites(); }, [manage, version, swarm?.members]);
  const zones = [...new Set((known.peers ?? []).map((machine) => machine.zone).filter(Boolean))].sort();
  return html`<div class="stack"><h1>${t("Machines")}${swarm && html` <span class="soft">${t("of {name}", swarm)}</span>`}</h1>
    ${me?.owner && here && html`<${GetIn} here=${here} manage=${manage} zones=${zones} done=${loadInvites} />`}
    ${known.error && html`<${Problem} error=${known.error} retry=${load} />`}
    ${!known.error && !known.peers && html`<${Waiting} />`}
    ${known.local && html`<p class="tally">${t("The tracker is away: this is what this machine knows.")}</p>`}
    ${known.warnings && known.warnings.length > 0 && html`<section class="card notices" role="status"><ul>${known.warnings.map((text) => html`<li key=${text}><p>${english(text)}</p></li>`)}</ul></section>`}
    ${known.peers && html`<${List} machines=${known.peers} manage=${manage} zones=${zones} load=${load} />`}
    ${manage && html`<${OpenInvites} invites=${invites} load=${loadInvites} />`}
    ${me?.owner && html`<${People} />`}
    <${Activity} /></div>`;
}

/** @param {{machines: Api.MachineView[], manage: boolean, zones: string[], load: () => void}} props */
function List({ machines, manage, zones, load }) {
  const now = newest(useRates()), links = useLinks();
  const rateOf = (/** @type {Api.MachineView} */ machine) => (machine.this ? now : links.find((link) => link.peer === machine.id));
  return html`<ul class="machine-list">${machines.map((machine) => html`<${MachineCard} key=${machine.id} machine=${machine} rate=${rateOf(machine)} manage=${manage} zones=${zones} load=${load} />`)}</ul>`;
}

const INVITE = "#/machines/invite";

/**
 * For the owner: ways in for machines and people, or why there is none for machines.
 * @param {{here: Api.MachineView, manage: boolean, zones: string[], done: () => void}} props
 */
function GetIn({ here, manage, zones, done }) {
  const { id } = use(route);
  const [open, setOpen] = useState("");
  useEffect(() => { if (id === "invite" && manage) setOpen("machine"); }, [id, manage]);
  const close = () => {
    setOpen("");
    // The person may have gone on: a dialog tells a moment later that it was closed.
    if (location.hash === INVITE) {
      history.replaceState(null, "", "#/machines");
      dispatchEvent(new HashChangeEvent("hashchange"));
    }
    done();
  };
  return html`<div class="get-in"><div class="buttons">
      ${manage && html`<button class="button primary" onClick=${() => setOpen("machine")}>${t("Invite a machine")}</button>`}
      <button class="button" onClick=${() => setOpen("person")}>${t("Let a person in")}</button></div>
    ${!manage && html`<p class="soft">${tx("This machine is no admin, so it cannot invite machines. On the tracker's machine run {command}", { command: html`<code>twofold-tracker admin ${here.name}</code>` })}</p>`}
    ${open === "machine" && html`<${InviteMachine} zones=${zones} close=${close} />`}
    ${open === "person" && html`<${LetIn} close=${close} />`}</div>`;
}
