// The link of an entry: to copy, to select by hand, and as a QR code.

import { copyLink, Icon } from "./parts.js";
import { t } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

/** @param {{entry: Api.EntryView}} props */
export function ShareLink({ entry }) {
  return html`<section class="card share" aria-labelledby="share"><h2 id="share">${t("Link")}</h2>
    <img class="qr" src=${`/api/v1/entries/${entry.id}/qr.svg`} width="164" height="164" alt=${t("QR code of the link")} />
    <div class="share-text">
      <p class="soft">${t("Anyone in the swarm can paste it in the library. The code says the same.")}</p>
      <label class="sr" for="share-link">${t("Link to this entry")}</label>
      <input id="share-link" dir="ltr" readonly value=${entry.link} onFocus=${(event) => event.target.select()} />
      <button class="button" onClick=${() => copyLink(entry)}><${Icon} name="link" />${t("Copy")}</button>
    </div>
  </section>`;
}
