// Who was let in to this page, for its owner: when they came, when they were seen, and the way to put them out.

import { api } from "./api.js";
import { Confirm } from "./dialogs.js";
import { moment } from "./format.js";
import { changes, use, useRefresh } from "./store.js";
import { t, tn } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {Api.LetIn} PersonView */

export function People() {
  const version = use(changes);
  const [{ people, others }, setKnown] = useState(/** @type {Api.PeopleListed} */ ({ people: [], others: 0 }));
  const [asked, setAsked] = useState(/** @type {PersonView | "others" | null} */ (null));
  const load = () => api.people().then(setKnown, () => {});
  useEffect(() => { load(); }, [version]);
  useRefresh(load, false);
  const close = () => { setAsked(null); load(); };
  if (!people.length && !others && !asked) return null;
  return html`<section class="card" aria-labelledby="people"><h2 id="people">${t("People let in")}</h2>
    <ul class="rows">${people.map((person) => html`<${Person} key=${person.id} person=${person} ask=${() => setAsked(person)} />`)}
      ${others > 0 && html`<li key="others"><span class="soft">${tn(others, "You are logged in at {n} other place.", "You are logged in at {n} other places.")}</span>
        <button class="button" onClick=${() => setAsked("others")}>${t("Log out there")}</button></li>`}</ul>
    ${asked === "others" && html`<${Confirm} title=${t("Log out everywhere else?")} text=${t("Only this browser stays logged in as the owner. Programs that you logged in need a new address, too.")}
      action=${t("Log out there")} done=${t("You are logged in only here now.")} work=${api.logOutOthers} close=${close} />`}
    ${asked && asked !== "others" && html`<${Confirm} title=${t("Revoke the access of {name}?", asked)} text=${consequence(asked)} action=${t("Revoke")} done=${t("{name} has no access any more.", asked)}
      work=${() => api.revokePerson(asked.id)} close=${close} />`}
  </section>`;
}

/** @type {(person: PersonView) => string} */
const consequence = ({ used }) => (used
  ? t("What is open there ends now: the page, downloads, uploads. You can let them in again with a new address.")
  : t("Nobody can log in with the address any more."));

/** @param {{person: PersonView, ask: () => void}} props */
function Person({ person, ask }) {
  const about = person.used
    ? t("came in {came} · last seen {seen} · logged in until {ends}", { came: moment(person.used), seen: moment(person.seen), ends: moment(person.ends) })
    : t("let in {when} · address not used yet, works until {ends}", { when: moment(person.made), ends: moment(person.ends) });
  return html`<li><span><strong><bdi>${person.name}</bdi></strong> <span class="soft">${about}</span></span>
    <button class="button" onClick=${ask} aria-label=${t("Revoke the access of {name}", person)}>${t("Revoke")}</button></li>`;
}
