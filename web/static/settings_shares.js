// Files and folders of this machine that are shared from where they lie.

import { api } from "./api.js";
import { Confirm } from "./dialogs.js";
import { bytes } from "./format.js";
import { Problem, Waiting } from "./parts.js";
import { said } from "./said.js";
import { settingsApi } from "./settings_api.js";
import { Field, FieldError, Section, useChange, Wrong } from "./settings_fields.js";
import { changes, tell, use, useRefresh } from "./store.js";
import { t, tn } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

/** @typedef {{shares: Api.ShareView[], total: number}} Known */
/** @typedef {{share: Api.ShareView, all: boolean}} Wish */

/** @type {Record<Api.ShareView["state"], () => string>} */
const STATES = {
  shared: () => t("shared"),
  partly: () => t("not all of it counts: files changed, or pieces are missing"),
  leaving: () => t("goes from here once others hold it"),
};

export function SharedPaths() {
  const version = use(changes);
  const [known, setKnown] = useState(/** @type {Partial<Known> & {error?: Error}} */ ({}));
  const load = async (/** @type {number} */ wanted) => {
    try {
      let page = await settingsApi.shares(0);
      const shares = [...page.shares];
      while (shares.length < Math.min(wanted, page.total) && page.shares.length) {
        page = await settingsApi.shares(shares.length);
        shares.push(...page.shares);
      }
      setKnown({ shares, total: page.total });
    } catch (error) {
      setKnown((old) => ({ ...old, error }));
    }
  };
  const shown = known.shares?.length ?? 0;
  useEffect(() => { load(shown); }, [version]);
  useRefresh(() => load(shown), known.shares?.some((each) => each.state === "leaving"));
  return html`<${Section} id="shares" title=${t("Files and folders shared from here")} owner=${true}>
    <p class="soft">${t("They stay where they are. Others fetch from them, and keep copies of their own.")}</p>
    <${ShareForm} />
    ${known.error && html`<${Problem} error=${known.error} retry=${() => load(shown)} />`}
    ${!known.error && !known.shares && html`<${Waiting} />`}
    ${known.shares && html`<${Listed} known=${known} more=${() => load(shown + 1)} />`}
  <//>`;
}

function ShareForm() {
  const [path, setPath] = useState("");
  const { busy, wrong, run, form } = useChange(async () => {
    if (!path.trim()) throw new FieldError("path", t("Write or paste the path of a file or folder."));
    const done = await settingsApi.share(path.trim());
    tell(done.id ? t("{name} is shared.", { name: done.name }) : t("Reading {path}. A message tells when it is shared.", { path: done.path }));
    setPath("");
  });
  return html`<form ref=${form} onSubmit=${run} novalidate aria-label=${t("Share another path")}>
    <${Field} name="path" label=${t("Share another path of this machine")} placeholder="/home/ana/films" spellcheck=${false} autocapitalize="off" maxlength="4096" value=${path} set=${setPath} wrong=${wrong} />
    <${Wrong} wrong=${wrong} fields=${["path"]} />
    <div class="buttons"><button class="button primary" disabled=${busy}>${busy ? t("Reading…") : t("Share")}</button></div>
  </form>`;
}

/** @param {{known: Known, more: () => void}} props */
function Listed({ known, more }) {
  const [asked, setAsked] = useState(/** @type {Wish | null} */ (null));
  if (known.total === 0) return html`<p class="soft">${t("Nothing is shared this way yet.")}</p>`;
  return html`<div><p class="tally">${tn(known.total, "{n} path", "{n} paths")}</p>
    <ul class="rows shares" aria-label=${t("Shared paths")}>${known.shares.map((share) => html`<${Share} key=${share.path} share=${share} ask=${setAsked} />`)}</ul>
    ${known.shares.length < known.total && html`<p class="more"><button type="button" class="button" onClick=${more}>${t("Show more")}</button></p>`}
    ${asked && html`<${Asked} asked=${asked} close=${() => setAsked(null)} />`}</div>`;
}

/** @param {{share: Api.ShareView, ask: (wish: Wish) => void}} props */
function Share({ share, ask }) {
  const name = share.name || share.path;
  const keep = async () => {
    try {
      await settingsApi.keep(share.entry);
      tell(t("{name} stays here.", { name }));
      changes.set(changes.get() + 1);
    } catch (error) {
      tell(said(error), false);
    }
  };
  return html`<li>
    <${share.entry ? "a" : "span"} class="what" href=${share.entry && `#/entry/${share.entry}`}><span class="mono">${share.path}</span>
      <span class="about-share soft">${share.entry ? share.name : t("no entry of it is known here")} · ${bytes(share.size)} · <span class=${share.state}>${share.notice || STATES[share.state]()}</span></span><//>
    ${share.entry && html`<span class="buttons">
      ${share.state === "leaving"
        ? html`<button type="button" class="button" aria-label=${t("Keep sharing {name}", { name })} onClick=${keep}>${t("Keep sharing")}</button>`
        : html`<button type="button" class="button" aria-label=${t("Stop sharing {name} from here", { name })} onClick=${() => ask({ share, all: false })}>${t("Stop sharing")}</button>`}
      ${share.own && html`<button type="button" class="button danger" aria-label=${t("Delete {name} for everyone", { name })} onClick=${() => ask({ share, all: true })}>${t("Delete")}</button>`}</span>`}</li>`;
}

/** @param {{asked: Wish, close: () => void}} props */
function Asked({ asked: { share, all }, close }) {
  const name = share.name || share.path;
  if (all) {
    return html`<${Confirm} title=${t("Delete {name} for everyone?", { name })} action=${t("Delete")} done=${t("{name} is deleted. The files stay.", { name })} close=${close} work=${() => api.remove(share.entry)}
      text=${t("It leaves the library of every machine. Your files stay at {path}.", { path: share.path })} />`;
  }
  return html`<${Confirm} title=${t("Stop sharing {name} from here?", { name })} action=${t("Stop sharing")} done=${t("{name} is not shared from here any more, or soon will not be.", { name })} close=${close} work=${() => settingsApi.giveUp(share.entry)}
    text=${t("For all others it stays: it goes from here once enough of them hold it. Your files stay at {path}.", { path: share.path })} />`;
}
