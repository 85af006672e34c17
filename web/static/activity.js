// Who did what on this page, newest first, of one person or kind if wished.

import { api } from "./api.js";
import { moment } from "./format.js";
import { Problem, Waiting } from "./parts.js";
import { english } from "./said.js";
import { changes, use, useRefresh } from "./store.js";
import { t, tx } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

/** @type {() => [string, string][]} */
const kinds = () => [["", t("Everything")], ["upload", t("Shared")], ["download", t("Downloaded")], ["fetch", t("Fetched to this machine")], ["edit", t("Edited")], ["delete", t("Deleted")], ["restore", t("Brought back")], ["purge", t("Removed for good")], ["drop", t("No longer shared")], ["settings", t("Settings")], ["login", t("Logins")], ["logout", t("Logouts")], ["person", t("People let in")], ["revoke", t("Access revoked")], ["invite", t("Invites")], ["machine", t("Machines")]];
/** @type {Partial<Record<Api.Act["kind"], (who: unknown, what: string) => unknown>>} */
const ACTS = {
  upload: (who, what) => tx("{who} shared {what}", { who, what }),
  download: (who, what) => tx("{who} downloaded {what}", { who, what }),
  fetch: (who, what) => tx("{who} fetched {what} to this machine", { who, what }),
  delete: (who, what) => tx("{who} deleted {what}", { who, what }),
  edit: (who, what) => tx("{who} edited {what}", { who, what }),
  restore: (who, what) => tx("{who} brought back {what}", { who, what }),
  purge: (who, what) => (what ? tx("{who} removed {what} for good", { who, what }) : tx("{who} emptied the trash", { who })),
  drop: (who, what) => tx("{who} stopped sharing {what}", { who, what }),
  login: (who) => tx("{who} logged in", { who }),
  logout: (who) => tx("{who} logged out", { who }),
  revoke: (who, what) => tx("{who} revoked the access of {what}", { who, what }),
  person: (who, what) => tx("{who} let in {what}", { who, what }),
};
const ANYBODY = "*", DAY = 86_400_000;
/** @type {() => [string, string][]} */
const times = () => [["", t("Any time")], ["0", t("Today")], ["7", t("Last 7 days")], ["30", t("Last 30 days")]];

/**
 * The moment from which on acts are wanted, by days back; 0 for since midnight.
 * @param {string} days
 */
const since = (days) => (days === "0" ? new Date().setHours(0, 0, 0, 0) : Date.now() - Number(days) * DAY);

/** @param {string} person */
const called = (person) => person || t("The owner");

export function Activity() {
  const version = use(changes);
  const [person, setPerson] = useState(ANYBODY), [kind, setKind] = useState(""), [days, setDays] = useState("");
  const [known, setKnown] = useState(/** @type {Partial<Api.Activities> & {long?: boolean, error?: Error}} */ ({}));
  const turn = useRef(0);
  const load = async (/** @type {number} */ cursor = 0) => {
    const mine = ++turn.current;
    const query = { ...(person !== ANYBODY && { person }), ...(kind && { kind }), ...(days && { after: since(days) }), ...(cursor && { cursor }) };
    try {
      const page = await api.activity(query);
      if (mine === turn.current) setKnown((old) => ({ ...page, long: Boolean(cursor), acts: cursor ? [...(old.acts ?? []), ...page.acts] : page.acts }));
    } catch (error) {
      if (mine === turn.current) setKnown({ error });
    }
  };
  useEffect(() => { load(); }, [person, kind, days, version]);
  // What was unfolded stays so.
  useRefresh(() => { if (!known.long) load(); }, false);
  return html`<section class="card" aria-labelledby="activity"><h2 id="activity">${t("Activity on this page")}</h2>
    ${known.people && html`<div class="narrow">
      <label>${t("Who")} <select value=${person} onChange=${(event) => setPerson(event.target.value)}><option value=${ANYBODY}>${t("Everybody")}</option>${known.people.map((each) => html`<option key=${each} value=${each}>${called(each)}</option>`)}</select></label>
      <label>${t("What")} <select value=${kind} onChange=${(event) => setKind(event.target.value)}>${kinds().map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label>
      <label>${t("When")} <select value=${days} onChange=${(event) => setDays(event.target.value)}>${times().map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label></div>`}
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load()} />`}
    ${!known.error && !known.acts && html`<${Waiting} />`}
    ${known.acts?.length === 0 && html`<p class="soft">${t("Nothing of that kind yet.")}</p>`}
    ${known.acts && known.acts.length > 0 && html`<ul class="happened" aria-label=${t("What was done")}>${known.acts.map((act) => html`<${Act} key=${act.number} act=${act} />`)}</ul>`}
    ${known.cursor && html`<p class="more"><button class="button" onClick=${() => load(known.cursor ?? 0)}>${t("Show more")}</button></p>`}
  </section>`;
}

/** @param {{act: Api.Act}} props */
function Act({ act }) {
  const who = html`<strong><bdi>${called(act.person)}</bdi></strong>`;
  return html`<li><span>${ACTS[act.kind]?.(who, act.text) ?? html`${who} ${english(act.text)}`}</span><time class="soft" datetime=${new Date(act.when).toISOString()}>${moment(act.when)}</time></li>`;
}
