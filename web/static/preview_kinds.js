// Which files can be looked at in the page, and how. Pure.

/** @param {string} text */
const words = (text) => new Set(text.split(" "));
const IMAGE = words("apng avif bmp gif jpeg jpg png webp");
const AUDIO = words("aac flac m4a mp3 oga ogg opus wav weba");
const VIDEO = words("m4v mkv mov mp4 ogv webm");
const TEXT = words("asm bash bat c cc cfg conf cpp cs css csv dart diff env gd go gradle h hpp hs htm html ini ipynb java js json jsonl jsx kt lock log lua make md mjs nfo nix patch php pl properties ps1 py r rb rs rst scala sh sql srt svg swift tex toml ts tsv tsx txt vtt xhtml xml yaml yml zig");
const TEXT_NAMES = words("readme license licence copying changelog makefile dockerfile authors notice todo");

/**
 * "image", "audio", "video", "pdf", "text", or "" for what is only downloaded.
 * @param {string} path
 */
export function kindOf(path) {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const dot = name.lastIndexOf(".");
  if (dot < 0) return TEXT_NAMES.has(name) ? "text" : "";
  const ending = name.slice(dot + 1);
  if (IMAGE.has(ending)) return "image";
  if (AUDIO.has(ending)) return "audio";
  if (VIDEO.has(ending)) return "video";
  if (ending === "pdf") return "pdf";
  return TEXT.has(ending) ? "text" : "";
}

/**
 * The ending of a name, in lower case, for the language of a text.
 * @param {string} path
 */
export function endingOf(path) {
  return path.slice(path.lastIndexOf(".") + 1).toLowerCase();
}
