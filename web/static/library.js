// The library: search, filters, what was found, and a field to paste a link into.

import { FindBar } from "./find_filters.js";
import { readFind } from "./find_query.js";
import { PasteLink } from "./paste_link.js";
import { Results } from "./results.js";
import { SearchBox } from "./search_box.js";
import { route, status, use } from "./store.js";
import { t } from "./strings.js";
import { UploadList } from "./upload_list.js";
import { PickFiles } from "./upload_pick.js";
import { html } from "./vendor/preact-htm.js";

export function Library() {
  const find = readFind(use(route).query);
  // One main action: until there is a second machine it is to invite one.
  const alone = use(status)?.swarm.members === 1;
  return html`<div class="stack">
    <h1 class="sr">${t("Library")}</h1>
    <div class="toolbar"><${SearchBox} find=${find} /><${PickFiles} primary=${!alone} /></div>
    <${PasteLink} />
    <div class="slot"><${UploadList} /></div>
    <${FindBar} find=${find} />
    <div class="slot"><${Results} find=${find} /></div>
  </div>`;
}
