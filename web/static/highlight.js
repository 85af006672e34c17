// Splits source text into comments, strings, numbers and words of the language. Simple on purpose:
// one pass of one pattern, no grammar; what it does not know stays as it is. Pure.

const C_LIKE = "async await break case catch class const continue default delete do else enum export extends extern false final finally fn for from func function go if impl import in instanceof int interface let long match module mut namespace new nil null override package private protected pub public return self short static struct super switch this throw throws trait true try type typedef typeof undefined use using val var virtual void when while with yield";
const PYTHON = "False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return self try while with yield";
const SHELL = "case do done elif else esac exit export fi for function if in local return set then until while";
const SQL = "alter and as asc begin between by case commit create delete desc distinct drop else end exists from group having in index inner insert into is join left like limit not null on or order outer primary key references select set table then union unique update values view when where";
const LUA = "and break do else elseif end false for function if in local nil not or repeat return then true until while";
const RUBY = "alias and begin break case class def do else elsif end ensure false for if in module next nil not or redo rescue retry return self super then true undef unless until when while yield";

const DOUBLE = String.raw`"(?:\\.|[^"\\\n])*"?`, SINGLE = String.raw`'(?:\\.|[^'\\\n])*'?`;
const C_COMMENTS = String.raw`\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`, HASH = String.raw`#[^\n]*`;
const BACKTICKS = "`(?:\\\\.|[^`\\\\])*`?", TRIPLE = String.raw`"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)`;

/**
 * @param {string} comments
 * @param {string} strings
 * @param {string} [words]
 * @param {string} [flags]
 */
const language = (comments, strings, words = "", flags = "") => ({ comments, strings, words: new Set(words.split(" ").filter(Boolean)), fold: flags === "i" });
const c = language(C_COMMENTS, `${DOUBLE}|${SINGLE}|${BACKTICKS}`, C_LIKE);
const python = language(HASH, `${TRIPLE}|${DOUBLE}|${SINGLE}`, PYTHON);
const shell = language(HASH, `${DOUBLE}|'[^']*'?`, SHELL);
const config = language(String.raw`[#;][^\n]*`, `${TRIPLE}|${DOUBLE}|${SINGLE}`, "true false null yes no on off");
const markup = language(String.raw`<!--[\s\S]*?(?:-->|$)`, String.raw`"[^"<\n]*"|<\/?[\w:-]+|\/?>`);
/** @type {[string, ReturnType<typeof language>][]} */
const LANGUAGES = [
  ["c cc cpp cs css dart go gradle h hpp java js json jsonl jsx kt mjs php rs scala swift ts tsx zig ipynb", c],
  ["py gd", python],
  ["sh bash make dockerfile r pl nix", shell],
  ["rb", language(HASH, `${DOUBLE}|${SINGLE}`, RUBY)],
  ["cfg conf env ini properties toml yaml yml lock", config],
  ["sql", language(String.raw`--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`, SINGLE, SQL, "i")],
  ["lua hs", language(String.raw`--[^\n]*`, `${DOUBLE}|${SINGLE}`, LUA)],
  ["html htm xhtml xml svg", markup],
];
const BY_ENDING = new Map(LANGUAGES.flatMap(([endings, found]) => endings.split(" ").map((ending) => [ending, found])));

/**
 * [kind, text] pairs that make up the text; kind is "comment", "string", "number", "word" or "".
 * @param {string} text
 * @param {string} ending
 */
export function tokens(text, ending) {
  const found = BY_ENDING.get(ending);
  if (!found) return [["", text]];
  const pattern = new RegExp(String.raw`(${found.comments})|(${found.strings})|(\b\d[\w.]*)|([A-Za-z_]\w*)`, "g");
  const parts = [];
  let plain = 0;
  for (const match of text.matchAll(pattern)) {
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "number" : isWord(found, match[4]) ? "word" : "";
    if (!kind) continue;
    if (match.index > plain) parts.push(["", text.slice(plain, match.index)]);
    parts.push([kind, match[0]]);
    plain = match.index + match[0].length;
  }
  parts.push(["", text.slice(plain)]);
  return parts;
}

/**
 * @param {ReturnType<typeof language>} found
 * @param {string} text
 */
function isWord(found, text) {
  return found.words.has(found.fold ? text.toLowerCase() : text);
}
