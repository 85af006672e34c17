// Inviting a machine: the wish, the invite shown once, and the list of those still open.

import { api } from "./api.js";
import { Choice, Confirm, Dialog, Once, useWork } from "./dialogs.js";
import { moment } from "./format.js";
import { html, useState } from "./vendor/preact-htm.js";

const TIMES = [[3600, "1 hour"], [86400, "1 day"], [604800, "7 days"]];

/** @param {{zones: string[], close: () => void}} props */
export function InviteMachine({ zones, close }) {
  const [expires, setExpires] = useState(86400), [zone, setZone] = useState("");
  const [made, setMade] = useState(/** @type {Api.MadeInvite | null} */ (null));
  const { busy, wrong, run } = useWork(async () => setMade(await api.invite(expires, zone.trim())));
  if (made) return html`<${Made} key="made" made=${made} close=${close} />`;
  return html`<${Dialog} key="wish" title="Invite a machine" close=${close}><form onSubmit=${run}>
    <${Choice} legend="Good for" name="expires" choices=${TIMES} value=${expires} set=${setExpires} />
    <${ZoneField} zones=${zones} value=${zone} set=${setZone} />
    <p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button" type="button" onClick=${close}>Cancel</button><button class="button primary" disabled=${busy}>Make the invite</button></div>
  </form><//>`;
}

/** @param {{made: Api.MadeInvite, close: () => void}} props */
function Made({ made, close }) {
  return html`<${Dialog} title="Invite for one machine" close=${close}>
    <p>Shown only now, good until ${moment(made.expires)}. Send it in a way that others do not read.</p>
    <${Once} text=${made.invite} qr=${made.qr} label="invite" />
    <p class="how">On the new machine run <code>twofold join -</code>, paste the invite, press Enter, then run <code>twofold run</code>.</p>
    <div class="buttons"><button class="button" onClick=${close}>Done</button></div><//>`;
}

/**
 * A zone, with those there are to choose from.
 * @param {{zones: string[], value: string, set: (zone: string) => void}} props
 */
export function ZoneField({ zones, value, set }) {
  return html`<div class="field"><label for="zone">Zone <span class="soft">(may be empty)</span></label>
    <input id="zone" list="zones" maxlength="64" autocomplete="off" value=${value} onInput=${(event) => set(event.target.value)} aria-describedby="zone-hint" />
    <datalist id="zones">${zones.map((zone) => html`<option key=${zone} value=${zone} />`)}</datalist>
    <p class="soft" id="zone-hint">What could be lost together: a room, a house, an owner. Two copies are kept in different zones.</p></div>`;
}

/** @param {{invites: Api.InviteSummary[], load: () => void}} props */
export function OpenInvites({ invites, load }) {
  const [asked, setAsked] = useState(/** @type {Api.InviteSummary | null} */ (null));
  if (!invites?.length) return null;
  return html`<section class="card" aria-labelledby="open-invites"><h2 id="open-invites">Open invites</h2>
    <ul class="rows">${invites.map((invite) => html`<li key=${invite.id}>
      <span><span class="mono">${invite.id.slice(0, 12)}</span> <span class="soft">${invite.zone ? `zone ${invite.zone}` : "no zone"} · good until ${moment(invite.expires)}</span></span>
      <button class="button" onClick=${() => setAsked(invite)} aria-label=${`Revoke the invite ${invite.id.slice(0, 12)}`}>Revoke</button></li>`)}</ul>
    ${asked && html`<${Confirm} title="Revoke this invite?" text="Nobody can join with it any more." action="Revoke" done="The invite is worthless now."
      work=${() => api.withdraw(asked.id)} close=${() => { setAsked(null); load(); }} />`}
  </section>`;
}
