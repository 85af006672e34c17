// Inviting a machine: the wish, the invite shown once, and the list of those still open.

import { api } from "./api.js";
import { Choice, Confirm, Dialog, Once, useWork } from "./dialogs.js";
import { moment } from "./format.js";
import { t, tx } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

const times = () => [[3600, t("1 hour")], [86400, t("1 day")], [604800, t("7 days")]];

/** @param {{zones: string[], close: () => void}} props */
export function InviteMachine({ zones, close }) {
  const [expires, setExpires] = useState(86400), [zone, setZone] = useState("");
  const [made, setMade] = useState(/** @type {Api.MadeInvite | null} */ (null));
  const { busy, wrong, run } = useWork(async () => setMade(await api.invite(expires, zone.trim())));
  if (made) return html`<${Made} key="made" made=${made} close=${close} />`;
  return html`<${Dialog} key="wish" title=${t("Invite a machine")} close=${close}><form onSubmit=${run}>
    <${Choice} legend=${t("Good for")} name="expires" choices=${times()} value=${expires} set=${setExpires} />
    <${ZoneField} zones=${zones} value=${zone} set=${setZone} />
    <p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button" type="button" onClick=${close}>${t("Cancel")}</button><button class="button primary" disabled=${busy}>${t("Make the invite")}</button></div>
  </form><//>`;
}

/** @param {{made: Api.MadeInvite, close: () => void}} props */
function Made({ made, close }) {
  return html`<${Dialog} title=${t("Invite for one machine")} close=${close}>
    <p>${t("Shown only now, good until {when}. Send it in a way that others do not read.", { when: moment(made.expires) })}</p>
    <${Once} text=${made.invite} qr=${made.qr} label=${t("invite")} />
    <p class="how">${tx("On the new machine run {join}, paste the invite, press Enter, then run {run}.", { join: html`<code>twofold join -</code>`, run: html`<code>twofold run</code>` })}</p>
    <div class="buttons"><button class="button" onClick=${close}>${t("Done")}</button></div><//>`;
}

/**
 * A zone, with those there are to choose from.
 * @param {{zones: string[], value: string, set: (zone: string) => void}} props
 */
export function ZoneField({ zones, value, set }) {
  return html`<div class="field"><label for="zone">${t("Zone")} <span class="soft">${t("(may be empty)")}</span></label>
    <input id="zone" list="zones" maxlength="64" autocomplete="off" value=${value} onInput=${(event) => set(event.target.value)} aria-describedby="zone-hint" />
    <datalist id="zones">${zones.map((zone) => html`<option key=${zone} value=${zone} />`)}</datalist>
    <p class="soft" id="zone-hint">${t("What could be lost together: a room, a house, an owner. Two copies are kept in different zones.")}</p></div>`;
}

/** @param {{invites: Api.InviteSummary[], load: () => void}} props */
export function OpenInvites({ invites, load }) {
  const [asked, setAsked] = useState(/** @type {Api.InviteSummary | null} */ (null));
  if (!invites?.length) return null;
  return html`<section class="card" aria-labelledby="open-invites"><h2 id="open-invites">${t("Open invites")}</h2>
    <ul class="rows">${invites.map((invite) => html`<li key=${invite.id}>
      <span><span class="mono">${invite.id.slice(0, 12)}</span> <span class="soft">${invite.zone ? t("zone {zone}", invite) : t("no zone")} · ${t("good until {when}", { when: moment(invite.expires) })}</span></span>
      <button class="button" onClick=${() => setAsked(invite)} aria-label=${t("Revoke the invite {id}", { id: invite.id.slice(0, 12) })}>${t("Revoke")}</button></li>`)}</ul>
    ${asked && html`<${Confirm} title=${t("Revoke this invite?")} text=${t("Nobody can join with it any more.")} action=${t("Revoke")} done=${t("The invite is worthless now.")}
      work=${() => api.withdraw(asked.id)} close=${() => { setAsked(null); load(); }} />`}
  </section>`;
}
