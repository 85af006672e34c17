// What a person dropped or picked, as uploads: single files, and folders with all that is in them.

/**
 * @typedef {{kind: "file", name: string, size: number, file: File}} OneFile
 * @typedef {{kind: "folder", name: string, size: number, files: {path: string, file: File}[], empty: string[]}} OneFolder
 */

/**
 * A drop's things. Must be called while the drop event lasts; the folders are read after it.
 * @param {DataTransfer} transfer
 * @returns {Promise<OneFile | OneFolder | null>[]}
 */
export function fromDrop(transfer) {
  const things = [...transfer.items].filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  return things.map(({ entry, file }) => (entry?.isDirectory ? readFolder(entry) : Promise.resolve(file && oneFile(file))));
}

/**
 * What an input has: the files of one folder have paths that begin with its name.
 * @param {File[]} files
 * @returns {Promise<OneFile | OneFolder>[]}
 */
export function fromInput(files) {
  const folders = new Map(), found = [];
  for (const file of files) {
    const [top, ...rest] = (file.webkitRelativePath || "").split("/");
    if (rest.length === 0) {
      found.push(oneFile(file));
      continue;
    }
    if (!folders.has(top)) folders.set(top, []);
    folders.get(top).push({ path: rest.join("/"), file });
  }
  for (const [name, inside] of folders) found.push(oneFolder(name, inside, []));
  return found.map((thing) => Promise.resolve(thing));
}

/** @type {(file: File) => OneFile} */
const oneFile = (file) => ({ kind: "file", name: file.name, size: file.size, file });

/**
 * @param {string} name
 * @param {OneFolder["files"]} files
 * @param {string[]} empty
 * @returns {OneFolder}
 */
function oneFolder(name, files, empty) {
  return { kind: "folder", name, size: files.reduce((sum, { file }) => sum + file.size, 0), files, empty };
}

/** @param {any} root a FileSystemDirectoryEntry */
async function readFolder(root) {
  const files = /** @type {OneFolder["files"]} */ ([]), empty = /** @type {string[]} */ ([]), waiting = [{ entry: root, path: "" }];
  while (waiting.length) {
    const { entry, path } = /** @type {{entry: any, path: string}} */ (waiting.pop());
    const inside = await listFolder(entry);
    if (inside.length === 0 && path) empty.push(path);
    /** @param {FileSystemEntry} one */
    const below = (one) => (path ? `${path}/${one.name}` : one.name);
    for (const one of inside) if (one.isDirectory) waiting.push({ entry: one, path: below(one) });
    const plain = inside.filter((one) => one.isFile);
    files.push(...await Promise.all(plain.map(async (one) => ({ path: below(one), file: await fileOf(one) }))));
  }
  return oneFolder(root.name, files, empty);
}

/**
 * Browsers hand out a folder in portions.
 * @param {FileSystemDirectoryEntry} entry
 * @returns {Promise<any[]>}
 */
async function listFolder(entry) {
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (some.length === 0) return found;
    found.push(...some);
  }
}

/** @type {(entry: FileSystemFileEntry) => Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => { entry.file(resolve, reject); });
