// Choosing the page's language; each is called by its own name.

import { choose, language, LANGUAGES } from "./languages.js";
import { use } from "./store.js";
import { t } from "./strings.js";
import { html } from "./vendor/preact-htm.js";

export function LanguageSelect() {
  const now = use(language);
  return html`<label class="language"><span class="sr">${t("Language")}</span>
    <select value=${now} onChange=${(event) => choose(event.target.value)}>
      ${Object.entries(LANGUAGES).map(([tag, { name }]) => html`<option key=${tag} value=${tag} lang=${tag} selected=${tag === now}>${name}</option>`)}
    </select></label>`;
}
