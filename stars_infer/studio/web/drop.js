// Files and folders, dropped or chosen, and sent in parts.

import { upload } from "./api.js";
import { conventionFields, inWords, query, remedy, said } from "./convention.js";
import { h } from "./dom.js";

const MOST_FILES = 32,
  MOST_BYTES = 24 * 2 ** 20;
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/;
const TOO_LONG = /frames, more than/;

async function filesOf(entry, folder) {
  if (HIDDEN.test(entry.name)) return [];
  if (entry.isFile) {
    const file = await new Promise((done, fail) => {
      entry.file(done, fail);
    });
    return [{ file, folder }];
  }
  const reader = entry.createReader(),
    found = [];
  for (;;) {
    const some = await new Promise((done, fail) => {
      reader.readEntries(done, fail);
    });
    if (!some.length) break;
    for (const one of some) found.push(...(await filesOf(one, entry.name)));
  }
  return found;
}

async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map(
    (item) => item.webkitGetAsEntry && item.webkitGetAsEntry(),
  );
  if (!entries.some(Boolean)) return [...transfer.files].map((file) => ({ file, folder: "" }));
  const found = [];
  for (const entry of entries) if (entry) found.push(...(await filesOf(entry, "")));
  return found;
}

function filesOfChoice(input) {
  return [...input.files]
    .filter((file) => !HIDDEN.test(file.name))
    .map((file) => {
      const parts = (file.webkitRelativePath || "").split("/");
      return { file, folder: parts.length > 1 ? parts.at(-2) : "" };
    });
}

// Files of one folder go together, so that skeletons and numbers go with the motions beside them.
function portions(files) {
  const folders = new Map(),
    found = [];
  for (const one of files) folders.set(one.folder, [...(folders.get(one.folder) || []), one.file]);
  for (const [folder, all] of folders) {
    const beside = all.filter((file) => /\.(asf|bin)$/i.test(file.name));
    let part = [],
      bytes = 0;
    for (const file of all.filter((one) => !beside.includes(one))) {
      if (part.length && (part.length >= MOST_FILES || bytes + file.size > MOST_BYTES)) {
        found.push({ folder, files: [...beside, ...part] });
        [part, bytes] = [[], 0];
      }
      part.push(file);
      bytes += file.size;
    }
    if (part.length || beside.length === all.length)
      found.push({ folder, files: [...beside, ...part] });
  }
  return found;
}

// Send files, and give the clips in them; `progress` is called with how many files are done.
export async function readFiles(files, progress = () => {}) {
  const clips = [],
    failures = [];
  let done = 0;
  for (const { folder, files: some } of portions(files)) {
    progress(done, files.length);
    const fail = ({ source, error }) => {
      const named = some.filter((file) => source && source.startsWith(file.name));
      failures.push({
        source,
        error,
        files: (named.length ? named : some).map((file) => ({ file, folder })),
      });
    };
    const take = (answer, extra = {}) => {
      clips.push(...answer.clips.map((clip) => ({ ...clip, folder, ...extra })));
      return answer.failures;
    };
    const readLong = async ({ source }) => {
      try {
        const wanted = some.filter((file) => file.name === source);
        take(await upload(`read${query({ recording: "true" })}`, wanted), { long: true }).forEach(
          fail,
        );
      } catch (error) {
        fail({ source, error: error.message });
      }
    };
    try {
      for (const one of take(await upload(`read${query()}`, some)))
        if (TOO_LONG.test(one.error)) await readLong(one);
        else fail(one);
    } catch (error) {
      if (TOO_LONG.test(error.message) && some.length === 1)
        await readLong({ source: some[0].name });
      else
        fail({
          source: some.length === 1 ? some[0].name : "",
          error: error.problem || error.message,
        });
    }
    done += some.length;
    progress(done, files.length);
  }
  return { clips, failures };
}

// A place to drop files on, with buttons to choose them; `take` is called with the files.
export function dropZone({ title, about, take, layouts = [], more = [], compact = false }) {
  const choose = (extra) => {
    const input = h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      tabindex: -1,
      "aria-hidden": "true",
      ...extra,
    });
    input.addEventListener("change", () => {
      const files = filesOfChoice(input);
      input.value = "";
      if (files.length) take(files);
    });
    return input;
  };
  const files = choose({ "data-files": true }),
    folder = choose({ webkitdirectory: true });
  const zone = h(
    compact ? "section.drop.compact" : "section.drop",
    { "aria-label": title },
    h("div.drop-words", {}, h("p.drop-title", {}, title), h("p.dim", {}, about)),
    h(
      "div.drop-buttons",
      {},
      h(
        "button.primary",
        { "data-key": "o", onclick: () => files.click() },
        "Choose files",
        h("kbd", {}, "O"),
      ),
      h("button", { onclick: () => folder.click() }, "Choose a folder"),
      ...more,
    ),
    layouts.length ? conventionFields(layouts) : null,
    files,
    folder,
  );
  let depth = 0;
  zone.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) zone.classList.remove("over");
  });
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    zone.classList.remove("over");
    const found = await filesOfDrop(event.dataTransfer);
    if (found.length) take(found);
  });
  return zone;
}

// What could not be read, and a button where an error names what would help; `again` takes files.
export function failuresOf(failures, again) {
  if (!failures.length) return null;
  const title =
    failures.length === 1 ? "1 file cannot be used" : `${failures.length} files cannot be used`;
  const fixes = new Map();
  for (const one of failures) {
    const options = remedy(one.error);
    if (!options) continue;
    const words = inWords(options),
      files = fixes.get(words)?.files || [];
    files.push(...one.files.filter(({ file }) => !files.some((each) => each.file === file)));
    fixes.set(words, { options, files });
  }
  return h(
    "details.failures",
    { open: failures.length <= 3 || fixes.size > 0 },
    h("summary", {}, title),
    [...fixes].map(([words, { options, files }]) =>
      h(
        "p",
        {},
        h(
          "button.primary",
          {
            onclick: () => {
              Object.assign(said, options);
              again(files);
            },
          },
          `Read ${files.length === 1 ? "it" : `these ${files.length}`} as ${words}`,
        ),
      ),
    ),
    h(
      "ul",
      {},
      failures
        .slice(0, 20)
        .map((one) => h("li", {}, one.source ? h("b", {}, `${one.source}: `) : null, one.error)),
    ),
    failures.length > 20 ? h("p.dim", {}, `… and ${failures.length - 20} more`) : "",
  );
}
