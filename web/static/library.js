// The library: search, the list of entries, and a field to paste a link into.

import { api } from "./api.js";
import { age, bytes, count, moment } from "./format.js";
import { Copies, copyLink, Empty, Icon, onMachines, Problem, Waiting } from "./parts.js";
import { FirstMachine } from "./first_machine.js";
import { changes, route, status, tell, use, useRefresh } from "./store.js";
import { PickFiles, UploadList } from "./upload_list.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const PAUSE = 200;

export function Library() {
  const { words } = use(route);
  const found = useEntries(words);
  // One main action: until there is a second machine it is to invite one.
  const first = use(status)?.swarm.members === 1 && found.entries?.length === 0;
  return html`<div class="stack">
    <h1 class="sr">Library</h1>
    <div class="toolbar"><${Search} words=${words} /><${PickFiles} primary=${!first} /></div>
    <div class="slot"><${UploadList} /></div>
    <div class="slot"><${Results} found=${found} words=${words} /></div>
    <${PasteLink} />
  </div>`;
}

/** The pages of entries asked for so far, asked for again when something changed. */
function useEntries(words) {
  const version = use(changes);
  const [found, setFound] = useState({ words: null, entries: null, total: 0, cursor: "", local: false, error: null });
  const newest = useRef(0);
  const load = async (wanted) => {
    const turn = ++newest.current;
    try {
      const next = await pages(words, wanted, () => turn === newest.current);
      if (turn === newest.current) setFound({ ...next, words, error: null });
    } catch (error) {
      if (turn === newest.current) setFound((old) => ({ ...old, error }));
    }
  };
  const shown = found.words === words ? found.entries.length : 0;
  const again = () => load(shown);
  useEffect(() => { again(); }, [words, version]);
  useRefresh(again, found.entries?.some((entry) => entry.copies.have < entry.copies.want));
  return { ...found, more: () => load(shown + 1), again };
}

/** Pages from the first one on, until `wanted` entries are there; at least one page. */
async function pages(words, wanted, stillWanted) {
  let page = await api.entries(words);
  const entries = [...page.entries];
  while (page.cursor && entries.length < wanted && stillWanted()) {
    page = await api.entries(words, page.cursor);
    entries.push(...page.entries);
  }
  return { ...page, entries };
}

function Search({ words }) {
  const [text, setText] = useState(words);
  const timer = useRef(0);
  useEffect(() => setText(words), [words]);
  const go = (value) => {
    const address = value.trim() ? `#/?${new URLSearchParams({ q: value })}` : "#/";
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  const type = (event) => {
    const { value } = event.target;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go(value), PAUSE);
  };
  return html`<form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); clearTimeout(timer.current); go(text); }}>
    <label class="sr" for="search">Search names, captions and tags</label>
    <${Icon} name="search" />
    <input id="search" type="search" placeholder="Search the library" autocomplete="off" value=${text} onInput=${type} maxlength="500" />
  </form>`;
}

function Results({ found, words }) {
  if (found.error && !found.entries) return html`<${Problem} error=${found.error} retry=${found.again} />`;
  if (!found.entries) return html`<${Waiting} />`;
  if (found.entries.length === 0) return words.trim() ? html`<${NothingFound} words=${words} />` : html`<${NothingYet} />`;
  const said = words.trim() ? `${count(found.total, "match", "matches")}` : count(found.total, "entry", "entries");
  return html`<div>
    <p class="tally" role="status">${said}${found.local && " · the tracker is away, this is what this machine knows"}</p>
    <ul class="entries" aria-label="Entries">${found.entries.map((entry) => html`<${Row} key=${entry.id} entry=${entry} />`)}</ul>
    ${found.cursor && html`<p class="more"><button class="button" onClick=${found.more}>Show more</button></p>`}
  </div>`;
}

function Row({ entry }) {
  const about = entry.kind === "folder" ? `${count(entry.files, "file")} · ` : "";
  return html`<li class="entry">
    <span class="kind"><${Icon} name=${entry.kind} /></span>
    <a class="what" href=${`#/entry/${entry.id}`}>
      <span class="name">${entry.name}</span>
      <span class="about"><span class="size-here">${bytes(entry.size)} · </span>${about}${entry.author} · <time datetime=${new Date(entry.created).toISOString()} title=${moment(entry.created)}>${age(entry.created)}</time></span>
    </a>
    <span class="size">${bytes(entry.size)}</span>
    <span class="where"><${Copies} entry=${entry} /><span class="machines">${onMachines(entry)}</span></span>
    <span class="actions">
      <a class="button quiet icon-only" href=${`/download/${entry.id}`} download title="Download" aria-label=${`Download ${entry.name}`}><${Icon} name="download" /></a>
      <button class="button quiet icon-only" title="Copy link" aria-label=${`Copy the link to ${entry.name}`} onClick=${() => copyLink(entry)}><${Icon} name="link" /></button>
    </span>
  </li>`;
}

function NothingFound({ words }) {
  return html`<${Empty} icon="search" title="Nothing found">
    <p>No name, caption or tag has “${words.trim()}” in it.</p>
    <a class="button" href="#/">Show everything</a>
  <//>`;
}

function NothingYet() {
  const members = use(status)?.swarm.members;
  if (members === 1) return html`<${FirstMachine} />`;
  return html`<${Empty} icon="upload" title="Share the first file">
    <p>Drop files anywhere on this page. Every piece is kept on two machines of your swarm.</p>
    <${PickFiles} primary=${true} />
  <//>`;
}

function PasteLink() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const fetchIt = async (event) => {
    event.preventDefault();
    if (!text.trim()) return setWrong("Paste a link first.");
    setBusy(true);
    setWrong("");
    try {
      const entry = await api.fetch(text);
      setText("");
      tell(`Fetching ${entry.name} to this machine.`);
    } catch (error) {
      setWrong(error.message);
    }
    return setBusy(false);
  };
  return html`<form class="paste" onSubmit=${fetchIt}>
    <label for="link">Got a link?</label>
    <div class="line">
      <input id="link" autocomplete="off" spellcheck="false" placeholder="twofold-link-…" value=${text} maxlength="900"
        onInput=${(event) => { setText(event.target.value); setWrong(""); }} aria-describedby="link-wrong" aria-invalid=${wrong ? "true" : "false"} />
      <button class="button" disabled=${busy}>Fetch to this machine</button>
    </div>
    <p id="link-wrong" class="wrong" role="alert">${wrong}</p>
  </form>`;
}
