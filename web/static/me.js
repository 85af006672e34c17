// Whose session this is: the owner of the machine, or somebody whom they let in.

import { api } from "./api.js";
import { said } from "./said.js";
import { cell, tell, use } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect } from "./vendor/preact-htm.js";

const me = cell(/** @type {Api.Me | null} */ (null));
/** @type {Promise<void> | null} */
let asked = null;

/** {person, owner}, or null until it is known. */
export function useMe() {
  useEffect(() => {
    asked ??= api.me().then((known) => me.set(known), () => { asked = null; });
  }, []);
  return use(me);
}

/** At the foot of the page: who is logged in here, and the way out. */
export function LogOut() {
  const known = useMe();
  if (!known) return null;
  const leave = () => api.logOut().then(() => location.assign("/login"), (error) => tell(said(error), false));
  return html`<span class="log-out">${known.person && html`<bdi class="soft">${known.person}</bdi>`}<button class="button quiet" onClick=${leave}>${t("Log out")}</button></span>`;
}
