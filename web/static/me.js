// Whose session this is: the owner of the machine, or somebody whom they let in.

import { api } from "./api.js";
import { cell, use } from "./store.js";
import { useEffect } from "./vendor/preact-htm.js";

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
