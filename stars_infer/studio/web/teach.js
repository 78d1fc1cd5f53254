// Teach: drop clips, name the action; and what is taught so far.

import * as api from "./api.js";
import { canRecord, recordDialog } from "./camera.js";
import { chip } from "./colors.js";
import { clock, h, many } from "./dom.js";
import { dropZone, failuresOf, readFiles } from "./drop.js";
import { drawTaught, ENOUGH, hovering, play } from "./taught.js";
import { thumb } from "./thumbs.js";

let studio,
  tray = [],
  failures = [],
  reading = "",
  exemplars = [];
let parts = null;

export const teach = {
  async show(root, rest, owner) {
    studio = owner;
    if (!root.firstChild) build(root);
    await this.changed();
  },

  async changed() {
    ({ exemplars } = await api.get("exemplars"));
    const known = new Map(exemplars.map((one) => [one.id, one]));
    for (const clip of tray) if (clip.known && !known.has(clip.known.id)) clip.known = null;
    drawTray();
    drawTaught(parts.actions, exemplars, studio);
    parts.drop.classList.toggle("compact", exemplars.length > 0);
  },

  key(event) {
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    document.activeElement.closest("[data-remove]")?.querySelector(".remove")?.click();
  },
};

function build(root) {
  const more = [h("button", { onclick: camera }, "Record")];
  parts = {
    hero: h("div.hero", {}),
    drop: dropZone({
      title: "Drop clips of an action here",
      about: "Skeleton files of any format that stars reads, or folders of them.",
      take,
      more,
      layouts: studio.state.layouts,
    }),
    tray: h("section.tray", { "aria-label": "New clips" }),
    actions: h("section.actions", { "aria-label": "What is taught" }),
  };
  root.replaceChildren(parts.hero, parts.drop, parts.tray, parts.actions);
}

function camera() {
  if (!canRecord(studio)) {
    studio.dialog(
      "Record from the camera",
      h(
        "p",
        {},
        "The files that find people in a page are not here. Record in a terminal instead:",
      ),
      h("pre", {}, "stars teach wave --camera 0"),
      h(
        "p.dim",
        {},
        "or start the studio with --camera-files FOLDER; docs/studio.md says what it holds.",
      ),
    );
    return;
  }
  recordDialog(studio, (file) => take([{ file, folder: "" }]));
}

async function take(files) {
  reading = `Reading ${many(files.length, "file")} …`;
  drawTray();
  const found = await readFiles(files, (done, all) => {
    reading = `Reading: ${done} of ${all} files …`;
    drawTray();
  });
  reading = "";
  add(found);
}

function add(found) {
  const held = new Set(tray.map((clip) => clip.key));
  tray.push(...found.clips.filter((clip) => !held.has(clip.key) && held.add(clip.key)));
  failures = found.failures;
  drawTray();
  parts.tray.querySelector("input")?.focus();
}

async function demo() {
  await studio.attempt(async () => add({ ...(await api.post("demo")), failures: [] }));
}

const fresh = () => tray.filter((clip) => !clip.known);
const folders = () => [...new Set(fresh().map((clip) => clip.folder))];

function drawTray() {
  const { tray: root, hero } = parts,
    none = !exemplars.length && !tray.length && !reading;
  hero.hidden = !none;
  hero.replaceChildren(...(none ? heroOf() : []));
  if (!tray.length && !reading && !failures.length) return root.replaceChildren();
  const kept = root.querySelector("input[data-key=name]"),
    typed = kept ? kept.value : "";
  const inFolders = folders().length > 1 && folders().every(Boolean);
  const only = folders().length === 1 ? folders()[0] : "";
  const name = h("input", {
    "data-key": "name",
    list: "actions-known",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "wave",
    value: typed || only || "",
    "aria-label": "Name of the action",
  });
  name.addEventListener("input", () => drawSteps(steps, name.value));
  const steps = h("span.steps");
  const form = h(
    "form.naming",
    {
      onsubmit: (event) => {
        event.preventDefault();
        learn(name.value);
      },
    },
    h("label", {}, h("span", {}, "These show"), name),
    h(
      inFolders ? "button" : "button.primary",
      { type: "submit" },
      `Teach ${many(fresh().length, "example")}`,
    ),
    inFolders &&
      h("button.primary", { onclick: learnFolders }, `Take the ${folders().length} folders' names`),
    h("button.quiet", { onclick: clear }, "Leave out all"),
    steps,
  );
  root.replaceChildren(
    reading ? h("p.reading", { role: "status" }, reading) : "",
    failuresOf(failures, take) || "",
    tray.length
      ? h(
          "div.naming-bar",
          {},
          fresh().length
            ? form
            : h(
                "p",
                {},
                "All of these are examples already. ",
                h("button", { onclick: clear }, "Put them away"),
              ),
        )
      : "",
    h("ul.cards", {}, tray.map(card)),
    h(
      "datalist",
      { id: "actions-known" },
      Object.keys(studio.state.counts).map((label) => h("option", { value: label })),
    ),
  );
  drawSteps(steps, name.value);
  return undefined;
}

function heroOf() {
  return [
    h("h1", {}, "Show it three examples. It names the next."),
    h(
      "p",
      {},
      "Drop three clips of a motion, say what it is, do the same for two more, and ask. ",
      "No training, no network, no graphics card.",
    ),
    h(
      "p",
      {},
      h("button.primary", { onclick: demo }, "Try it with made-up clips"),
      h("span.dim", {}, " or drop your own below"),
    ),
  ];
}

// How far an action is on its way to enough examples.
function drawSteps(root, label) {
  const name = label.trim(),
    have = (studio.state.counts[name] || 0) + fresh().length;
  const dots = Array.from({ length: ENOUGH }, (_, i) => h(i < have ? "i.on" : "i"));
  const words =
    have >= ENOUGH ? "enough to be recognized" : `${ENOUGH - have} more would be better`;
  root.replaceChildren(
    h("span.dots", { "aria-hidden": "true" }, dots),
    h("span.dim", {}, name ? words : "three are enough"),
  );
}

function card(clip) {
  const facts = [clock(clip.seconds), clip.people === 1 ? null : `${clip.people} people`]
    .filter(Boolean)
    .join(" · ");
  const made = h(
    "li.card",
    { "data-remove": true },
    h(
      "button.open",
      {
        "data-item": true,
        "aria-label": `Play ${clip.name}`,
        onclick: () => play(`k${clip.key}`, clip.name, studio),
      },
      thumb(`k${clip.key}`),
    ),
    h(
      "button.remove.quiet",
      { "aria-label": `Leave out ${clip.name}`, title: "Leave out", onclick: () => leaveOut(clip) },
      "×",
    ),
    h("p.card-name", { title: clip.source }, clip.name),
    h("p.dim", {}, facts, clip.folder ? ` · ${clip.folder}/` : ""),
    clip.notes.length
      ? h(
          "details.notes",
          {},
          h("summary", {}, many(clip.notes.length, "note")),
          clip.notes.map((note) => h("p", {}, note)),
        )
      : "",
    clip.known ? h("p.known", {}, "already ", chip(clip.known.label)) : "",
  );
  return hovering(made);
}

function leaveOut(clip) {
  tray = tray.filter((one) => one !== clip);
  drawTray();
}

function clear() {
  [tray, failures] = [[], []];
  drawTray();
}

async function learn(label) {
  const clips = fresh();
  if (!label.trim()) {
    parts.tray.querySelector("input")?.focus();
    studio.tell("Name the action first.");
    return;
  }
  await studio.attempt(async () => {
    const words = await teachClips(clips, label);
    clear();
    await studio.changed(words);
  });
}

async function learnFolders() {
  await studio.attempt(async () => {
    const batch = `folders ${Date.now()}`;
    for (const folder of folders())
      await teachClips(
        fresh().filter((clip) => clip.folder === folder),
        folder,
        batch,
      );
    const taught = folders().length;
    clear();
    await studio.changed(`${many(taught, "action")} taught.`);
  });
}

async function teachClips(clips, label, batch = "") {
  const done = await api.post("teach", { keys: clips.map((clip) => clip.key), label, batch });
  const added = done.clips.filter((one) => one.added).length;
  const same = done.clips.length - added;
  return `“${done.label}”: ${many(added, "example")} added${same ? `, ${same} known already` : ""}.`;
}
