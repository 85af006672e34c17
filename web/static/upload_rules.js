// What the owner of this machine takes: looked at before anything is sent, so that it is told at once.

import { ask } from "./api.js";
import { bytes, series } from "./format.js";
import { t } from "./strings.js";

/** @typedef {import("./upload_api.js").Thing} Thing */
/** @typedef {{rules: Pick<Required<Api.Rules>, "types" | "largest" | "least">, endings: string[]}} Taken */

/** @type {Taken} */
const NONE = { rules: { types: [], largest: null, least: null }, endings: [] };
/** @type {Record<string, () => string>} */
const KINDS = { image: () => t("pictures"), video: () => t("videos"), audio: () => t("sound"), document: () => t("documents"), archive: () => t("archives") };
const PICTURE = /\.(apng|avif|bmp|gif|jfif|jpe|jpe?g|png|tiff?|webp)$/i;

/**
 * Whether it is a picture by its name: such ones are asked for a caption.
 * @param {string} name
 */
export const isPicture = (name) => PICTURE.test(name);

/**
 * The rules as they are now. Without an answer there are none here: the machine has the last word.
 * @returns {Promise<Taken>}
 */
export const loadRules = () => ask("GET", "/upload-rules").catch(() => NONE);

/**
 * Why a file or folder is not taken, with what to do; "" when it is.
 * @param {Thing} thing
 * @param {Taken} taken
 */
export async function whyNot(thing, { rules, endings }) {
  const named = thing.kind === "folder" ? thing.files.map((file) => file.path) : [thing.name];
  const other = endings.length ? named.find((name) => !endings.some((ending) => name.toLowerCase().endsWith(ending))) : undefined;
  if (other !== undefined) {
    return t("“{name}” is not taken: only {types} may be uploaded here. Save it as one of these, or ask the owner of this machine to allow it.", { name: other, types: series(rules.types.map((type) => KINDS[type]?.() ?? type)) });
  }
  if (rules.largest !== null && thing.size > rules.largest) {
    return t("“{name}” has {size}, and uploads here may have {most} at most. Make it smaller, share it in parts, or ask the owner of this machine to allow more.", { name: thing.name, size: bytes(thing.size), most: bytes(rules.largest) });
  }
  return rules.least && thing.kind === "file" && isPicture(thing.name) ? whyTooSmall(thing, rules.least) : "";
}

/**
 * @param {{name: string, file: File}} thing
 * @param {Api.Resolution} least
 */
async function whyTooSmall({ name, file }, least) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return ""; // the machine knows more kinds, and says what is wrong with others
  }
  const { width, height } = picture;
  picture.close();
  if (width >= least.width && height >= least.height) return "";
  return t("“{name}” is {size}; pictures here must be at least {least}. Upload a larger one.", { name, size: `${width} x ${height}`, least: `${least.width} x ${least.height}` });
}
