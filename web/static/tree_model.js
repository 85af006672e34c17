// A folder's files as a tree, and the rows of it that are open. Pure.

/**
 * @typedef {{name: string, path: string, file: Api.FileView, children?: undefined, files?: undefined}} Leaf
 * @typedef {{name: string, path: string, file?: undefined, children: Map<string, Folder | Leaf>, files: number, size: number, sorted?: (Folder | Leaf)[] | null}} Folder
 * @typedef {{node: Folder | Leaf, depth: number, place: number, of: number}} Row
 */

/**
 * A tree node: a folder has `children`, a file has `file`. Paths are unique.
 * @param {string} name
 * @param {string} path
 * @returns {Folder}
 */
function folder(name, path) {
  return { name, path, children: new Map(), files: 0, size: 0 };
}

/** The root of a tree, to which files are added as they become known. */
export function newTree() {
  return folder("", "");
}

/**
 * Add files (index, path, size) to a tree.
 * @param {Folder} root
 * @param {Api.FileView[]} files
 */
export function addFiles(root, files) {
  for (const file of files) {
    const parts = file.path.split("/");
    let at = root;
    for (let depth = 0; depth < parts.length - 1; depth += 1) {
      count(at, file);
      const path = parts.slice(0, depth + 1).join("/");
      if (!at.children.has(parts[depth])) at.children.set(parts[depth], folder(parts[depth], path));
      at = /** @type {Folder} */ (at.children.get(parts[depth]));
    }
    count(at, file);
    const name = parts[parts.length - 1];
    at.children.set(name, { name, path: file.path, file });
    at.sorted = null;
  }
}

/**
 * @param {Folder} at
 * @param {Api.FileView} file
 */
function count(at, file) {
  at.files += 1;
  at.size += file.size;
  at.sorted = null;
}

const order = new Intl.Collator(undefined, { numeric: true });

/** @param {Folder} node */
function sorted(node) {
  node.sorted ??= [...node.children.values()].sort((a, b) => (Number(Boolean(a.file)) - Number(Boolean(b.file))) || order.compare(a.name, b.name));
  return node.sorted;
}

/**
 * The rows that show: {node, depth, place, of}; `open` is a set of folder paths.
 * @param {Folder} root
 * @param {Set<string>} open
 */
export function openRows(root, open) {
  /** @type {Row[]} */
  const rows = [];
  /** @type {(node: Folder, depth: number) => void} */
  const walk = (node, depth) => {
    const children = sorted(node);
    children.forEach((child, index) => {
      rows.push({ node: child, depth, place: index + 1, of: children.length });
      if (!child.file && open.has(child.path)) walk(child, depth + 1);
    });
  };
  walk(root, 1);
  return rows;
}

/**
 * Rows of the files whose path has all these words, without folders.
 * @param {Api.FileView[]} files
 * @param {string} words
 * @returns {Row[]}
 */
export function matchingRows(files, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = files.filter((file) => { const path = file.path.toLowerCase(); return wanted.every((word) => path.includes(word)); });
  return found.map((file, index) => ({ node: { name: file.path, path: file.path, file }, depth: 1, place: index + 1, of: found.length }));
}
