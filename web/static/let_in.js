// Letting a person in to this machine's page: a name, and an address that works once.

import { api } from "./api.js";
import { Choice, Dialog, Once, useWork } from "./dialogs.js";
import { t, tx } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

/** @type {() => [number, string][]} */
const times = () => [[1, t("1 hour")], [24, t("1 day")], [168, t("7 days")]];

/** @param {{close: () => void}} props */
export function LetIn({ close }) {
  const [name, setName] = useState(""), [hours, setHours] = useState(24), [made, setMade] = useState(/** @type {Api.MadeLogin | null} */ (null));
  const { busy, wrong, run } = useWork(async () => setMade(await api.letIn(name, hours)));
  if (made) return html`<${Made} key="made" made=${made} hours=${hours} close=${close} />`;
  return html`<${Dialog} key="wish" title=${t("Let a person in")} close=${close}><form onSubmit=${run}>
    <p class="how">${t("They can see, share and delete on this page as you do. Inviting and shutting out stay yours.")}</p>
    <div class="field"><label for="person">${t("Name")}</label>
      <input id="person" required maxlength="64" autocomplete="off" value=${name} onInput=${(event) => setName(event.target.value)} aria-describedby="person-hint" />
      <p class="soft" id="person-hint">${t("The activity below says who did what by this name.")}</p></div>
    <${Choice} legend=${t("The address works for")} name="hours" choices=${times()} value=${hours} set=${setHours} />
    <p class="wrong" role="alert">${wrong}</p>
    <div class="buttons"><button class="button" type="button" onClick=${close}>${t("Cancel")}</button><button class="button primary" disabled=${busy}>${t("Make the address")}</button></div>
  </form><//>`;
}

/** @param {{made: Api.MadeLogin, hours: number, close: () => void}} props */
function Made({ made, hours, close }) {
  return html`<${Dialog} title=${t("Address for {name}", made)} close=${close}>
    <p>${t("Shown only now. It logs one browser in, once, within {time}.", { time: times().find(([each]) => each === hours)?.[1] })}</p>
    ${made.here && html`<p class="note">${tx("This page listens for this machine only, so the address works only here. To let other devices in, start it with {command}", { command: html`<code>twofold run --web 0.0.0.0:4180</code>` })}</p>`}
    <${Once} text=${made.url} qr=${made.qr} label=${t("login address")} />
    <div class="buttons"><button class="button" onClick=${close}>${t("Done")}</button></div><//>`;
}
