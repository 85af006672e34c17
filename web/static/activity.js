// Who did what on this page, newest first, of one person or kind if wished.

import { api } from "./api.js";
import { moment } from "./format.js";
import { Problem, Waiting } from "./parts.js";
import { changes, use, useRefresh } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const kinds = () => [["", "Everything"], ["upload", "Shared"], ["download", "Downloaded"], ["fetch", t("Fetched to this machine")], ["delete", "Deleted"], ["drop", t("No longer shared")], ["settings", t("Settings")], ["login", "Logins"], ["person", "People let in"], ["invite", "Invites"], ["machine", "Machines"]];
const verbs = () => ({ fetch: t("fetched to this machine"), drop: t("stopped sharing"), settings: "", upload: "shared", download: "downloaded", delete: "deleted", login: "logged in", person: "let in", invite: "", machine: "" });
const ANYBODY = "*", DAY = 86_400_000;
const times = () => [["", t("Any time")], ["0", t("Today")], ["7", t("Last 7 days")], ["30", t("Last 30 days")]];

/** The moment from which on acts are wanted, by days back; 0 for since midnight. */
const since = (days) => (days === "0" ? new Date().setHours(0, 0, 0, 0) : Date.now() - Number(days) * DAY);

const called = (person) => person || "The owner";

export function Activity() {
  const version = use(changes);
  const [person, setPerson] = useState(ANYBODY), [kind, setKind] = useState(""), [days, setDays] = useState("");
  const [known, setKnown] = useState({});
  const turn = useRef(0);
  const load = async (cursor) => {
    const mine = ++turn.current;
    const query = { ...(person !== ANYBODY && { person }), ...(kind && { kind }), ...(days && { after: since(days) }), ...(cursor && { cursor }) };
    try {
      const page = await api.activity(query);
      if (mine === turn.current) setKnown((old) => ({ ...page, long: Boolean(cursor), acts: cursor ? [...old.acts, ...page.acts] : page.acts }));
    } catch (error) {
      if (mine === turn.current) setKnown({ error });
    }
  };
  useEffect(() => { load(); }, [person, kind, days, version]);
  // What was unfolded stays so.
  useRefresh(() => { if (!known.long) load(); }, false);
  return html`<section class="card" aria-labelledby="activity"><h2 id="activity">Activity on this page</h2>
    ${known.people && html`<div class="filters">
      <label>Who <select value=${person} onChange=${(event) => setPerson(event.target.value)}><option value=${ANYBODY}>Everybody</option>${known.people.map((each) => html`<option key=${each} value=${each}>${called(each)}</option>`)}</select></label>
      <label>What <select value=${kind} onChange=${(event) => setKind(event.target.value)}>${kinds().map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label>
      <label>${t("When")} <select value=${days} onChange=${(event) => setDays(event.target.value)}>${times().map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label></div>`}
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load()} />`}
    ${!known.error && !known.acts && html`<${Waiting} />`}
    ${known.acts?.length === 0 && html`<p class="soft">Nothing of that kind yet.</p>`}
    ${known.acts?.length > 0 && html`<ul class="happened" aria-label="What was done">${known.acts.map((act) => html`<${Act} key=${act.number} act=${act} />`)}</ul>`}
    ${known.cursor && html`<p class="more"><button class="button" onClick=${() => load(known.cursor)}>Show more</button></p>`}
  </section>`;
}

function Act({ act }) {
  return html`<li><span><strong>${called(act.person)}</strong> ${verbs()[act.kind]} ${act.text}</span><time class="soft" datetime=${new Date(act.when).toISOString()}>${moment(act.when)}</time></li>`;
}
