// Who did what on this page, newest first, of one person or kind if wished.

import { api } from "./api.js";
import { moment } from "./format.js";
import { Problem, Waiting } from "./parts.js";
import { changes, use, useRefresh } from "./store.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const KINDS = [["", "Everything"], ["upload", "Shared"], ["download", "Downloaded"], ["delete", "Deleted"], ["login", "Logins"], ["person", "People let in"], ["invite", "Invites"], ["machine", "Machines"]];
/** @type {Record<Api.Act["kind"], string>} */
const VERBS = { upload: "shared", download: "downloaded", delete: "deleted", login: "logged in", person: "let in", invite: "", machine: "" };
const ANYBODY = "*";

/** @param {string} person */
const called = (person) => person || "The owner";

export function Activity() {
  const version = use(changes);
  const [person, setPerson] = useState(ANYBODY), [kind, setKind] = useState("");
  const [known, setKnown] = useState(/** @type {Partial<Api.Activities> & {long?: boolean, error?: Error}} */ ({}));
  const turn = useRef(0);
  const load = async (/** @type {number} */ cursor = 0) => {
    const mine = ++turn.current;
    const query = { ...(person !== ANYBODY && { person }), ...(kind && { kind }), ...(cursor && { cursor }) };
    try {
      const page = await api.activity(query);
      if (mine === turn.current) setKnown((old) => ({ ...page, long: Boolean(cursor), acts: cursor ? [...(old.acts ?? []), ...page.acts] : page.acts }));
    } catch (error) {
      if (mine === turn.current) setKnown({ error });
    }
  };
  useEffect(() => { load(); }, [person, kind, version]);
  // What was unfolded stays so.
  useRefresh(() => { if (!known.long) load(); }, false);
  return html`<section class="card" aria-labelledby="activity"><h2 id="activity">Activity on this page</h2>
    ${known.people && html`<div class="filters">
      <label>Who <select value=${person} onChange=${(event) => setPerson(event.target.value)}><option value=${ANYBODY}>Everybody</option>${known.people.map((each) => html`<option key=${each} value=${each}>${called(each)}</option>`)}</select></label>
      <label>What <select value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select></label></div>`}
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load()} />`}
    ${!known.error && !known.acts && html`<${Waiting} />`}
    ${known.acts?.length === 0 && html`<p class="soft">Nothing of that kind yet.</p>`}
    ${known.acts && known.acts.length > 0 && html`<ul class="happened" aria-label="What was done">${known.acts.map((act) => html`<${Act} key=${act.number} act=${act} />`)}</ul>`}
    ${known.cursor && html`<p class="more"><button class="button" onClick=${() => load(known.cursor ?? 0)}>Show more</button></p>`}
  </section>`;
}

/** @param {{act: Api.Act}} props */
function Act({ act }) {
  return html`<li><span><strong>${called(act.person)}</strong> ${VERBS[act.kind]} ${act.text}</span><time class="soft" datetime=${new Date(act.when).toISOString()}>${moment(act.when)}</time></li>`;
}
