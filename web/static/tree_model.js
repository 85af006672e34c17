// A folder's files as a tree, and the rows of it that are open. Pure.

/** A tree node: a folder has `children`, a file has `file`. Paths are unique. */
function folder(name, path) {
  return { name, path, children: new Map(), files: 0, size: 0 };
}

/** The root of a tree, to which files are added as they become known. */
export function newTree() {
  return folder("", "");
}

/** Add files (index, path, size) to a tree. */
export function addFiles(root, files) {
  for (const file of files) {
    const parts = file.path.split("/");
    let at = root;
    for (let depth = 0; depth < parts.length - 1; depth += 1) {
      count(at, file);
      const path = parts.slice(0, depth + 1).join("/");
      if (!at.children.has(parts[depth])) at.children.set(parts[depth], folder(parts[depth], path));
      at = at.children.get(parts[depth]);
    }
    count(at, file);
    const name = parts[parts.length - 1];
    at.children.set(name, { name, path: file.path, file });
    at.sorted = null;
  }
}

function count(at, file) {
  at.files += 1;
  at.size += file.size;
  at.sorted = null;
}

const order = new Intl.Collator(undefined, { numeric: true });

function sorted(node) {
  node.sorted ??= [...node.children.values()].sort((a, b) => (Boolean(a.file) - Boolean(b.file)) || order.compare(a.name, b.name));
  return node.sorted;
}

/** The rows that show: {node, depth, place, of}; `open` is a set of folder paths. */
export function openRows(root, open) {
  const rows = [];
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

/** Rows of the files whose path has all these words, without folders. */
export function matchingRows(files, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = files.filter((file) => { const path = file.path.toLowerCase(); return wanted.every((word) => path.includes(word)); });
  return found.map((file, index) => ({ node: { name: file.path, path: file.path, file }, depth: 1, place: index + 1, of: found.length }));
}
