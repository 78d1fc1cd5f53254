/** Files that somebody drops or chooses, with the names of the folders they lie in. */

const CLIP = /\.(jsonl?|npy|skeleton)$/i;

/**
 * @typedef {object} Chosen
 * @property {File} file
 * @property {string} folder Name of the folder it lies in; empty if it was chosen by itself.
 */

/** Files of an `<input type="file">`. */
export function filesOfInput(input) {
  const found = [...input.files].map((file) => {
    const path = (file.webkitRelativePath || file.name).split("/");
    return { file, folder: path.at(-2) ?? "" };
  });
  input.value = "";
  return clipsAmong(found);
}

/** Files of a drop, and those in the folders of a drop. */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const found = await Promise.all(entries.map((entry) => filesBelow(entry, "")));
  return clipsAmong(found.flat());
}

async function filesBelow(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, folder }];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {  // a reader gives a part of the entries at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.flat();
    found.push(...await Promise.all(some.map((one) => filesBelow(one, entry.name))));
  }
}

/** In folders, only clips count; a file that was chosen by itself is always read, or refused. */
function clipsAmong(found) {
  return found.filter(({ file, folder }) => !folder || CLIP.test(file.name))
    .sort((a, b) => `${a.folder}/${a.file.name}`.localeCompare(`${b.folder}/${b.file.name}`,
      undefined, { numeric: true }));
}
