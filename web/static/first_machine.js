// An empty library on the only machine there is: what to do first.

import { api } from "./api.js";
import { useMe } from "./me.js";
import { Empty, Waiting } from "./parts.js";
import { t, tx } from "./strings.js";
import { PickFiles } from "./upload_pick.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

export function FirstMachine() {
  const me = useMe();
  const [here, setHere] = useState(/** @type {Api.MachineView | null | undefined} */ (undefined));
  useEffect(() => { api.peers().then(({ peers }) => setHere(peers.find((machine) => machine.this) ?? null), () => setHere(null)); }, []);
  if (here === undefined || !me) return html`<${Waiting} />`;
  if (here?.admin && me.owner) {
    return html`<${Empty} icon="link" title=${t("Invite a second machine")}>
      <p>${t("Twofold keeps every piece on two machines, and this is the only one so far. What you share before is kept here, and copied when the second one joins.")}</p>
      <a class="button primary" href="#/machines/invite">${t("Invite a second machine")}</a><//>`;
  }
  return html`<${Empty} icon="upload" title=${t("Share the first file")}>
    <p>${t("Drop files anywhere on this page. This machine is the only one so far: a second copy is made when another one joins.")}</p>
    <${PickFiles} primary=${true} />
    ${here && me.owner && html`<p>${tx("To invite a machine from here, run on the tracker's machine: {command}", { command: html`<code>twofold-tracker admin ${here.name}</code>` })}</p>`}<//>`;
}
