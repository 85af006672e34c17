// A field to paste a link into: fetches what it names to this machine.

import { api } from "./api.js";
import { said } from "./said.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

export function PasteLink() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState(/** @type {Drawn} */ (""));
  const fetchIt = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text.trim()) return setWrong(t("Paste a link first."));
    setBusy(true);
    setWrong("");
    try {
      const entry = await api.fetch(text);
      setText("");
      tell(t("Fetching {name} to this machine.", entry));
    } catch (error) {
      setWrong(said(error));
    }
    return setBusy(false);
  };
  return html`<form class="paste" onSubmit=${fetchIt}>
    <label for="link">${t("Got a link?")}</label>
    <div class="line">
      <input id="link" dir="ltr" autocomplete="off" spellcheck="false" placeholder="twofold-link-…" value=${text} maxlength="900"
        onInput=${(event) => { setText(event.target.value); setWrong(""); }} aria-describedby="link-wrong" aria-invalid=${wrong ? "true" : "false"} />
      <button class="button" disabled=${busy}>${t("Fetch to this machine")}</button>
    </div>
    <p id="link-wrong" class="wrong" role="alert">${wrong}</p>
  </form>`;
}
