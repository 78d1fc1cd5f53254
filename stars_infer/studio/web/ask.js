// Ask: drop a clip or a recording, and see why it is named so.

import * as api from "./api.js";
import { chip } from "./colors.js";
import { clock, h, many, percent } from "./dom.js";
import { dropZone, failuresOf, readFiles } from "./drop.js";
import { Pair } from "./pair.js";
import { thumb } from "./thumbs.js";
import { timeline } from "./timeline.js";

const LONG = 12;
let studio,
  asked = [],
  failures = [],
  reading = "",
  current = null,
  parts = null,
  pair = null;

export const ask = {
  async show(root, rest, owner) {
    studio = owner;
    if (!root.firstChild) build(root);
    draw();
  },

  // Answers follow what was taught meanwhile.
  async changed() {
    for (const one of asked) {
      const part = one.segments?.segments[one.chosen];
      if (part) one.middle = (part.start + part.end) / 2;
      [one.answer, one.segments, one.error] = [null, null, null];
    }
    draw();
    if (current) await open(current);
    for (const one of asked) if (one !== current) await answer(one);
  },

  key(event) {
    if (event.key !== "Delete" || !current) return;
    const at = asked.indexOf(current);
    asked.splice(at, 1);
    current = null;
    if (asked.length) open(asked[Math.min(at, asked.length - 1)]);
    draw();
  },
};

function build(root) {
  parts = {
    drop: dropZone({
      title: "Drop a clip, or a long recording",
      about: "It is named by the nearest examples; in a recording, each action is found.",
      take,
      layouts: studio.state.layouts,
    }),
    list: h("section.asked", { "aria-label": "Clips that were asked" }),
    detail: h("section.detail", { "aria-label": "Answer" }),
  };
  root.replaceChildren(parts.drop, h("div.columns", {}, parts.list, parts.detail));
  pair = null;
}

async function take(files) {
  reading = `Reading ${many(files.length, "file")} …`;
  draw();
  const found = await readFiles(files, (done, all) => {
    reading = `Reading: ${done} of ${all} files …`;
    drawList();
  });
  [reading, failures] = ["", found.failures];
  const added = found.clips.map((clip) => ({
    clip,
    long: clip.long || clip.seconds > LONG,
    answer: null,
    segments: null,
    error: null,
  }));
  asked.unshift(...added);
  draw();
  if (added.length) await open(added[0]);
  for (const one of added.slice(1)) await answer(one);
}

// Name a clip, or find the actions in a recording.
async function answer(one) {
  if (one.answer || one.segments || one.error) return;
  one.error = null;
  try {
    if (one.long) one.segments = await api.post("segment", { key: one.clip.key });
    else one.answer = await api.post("ask", { key: one.clip.key });
  } catch (error) {
    one.error = error.message;
  }
  drawList();
}

async function open(one) {
  current = one;
  parts.drop.classList.toggle("compact", asked.length > 0);
  drawList();
  await answer(one);
  if (current !== one) return;
  if (one.segments) {
    const found = one.segments.segments,
      there = found.findIndex(({ start, end }) => start <= one.middle && one.middle <= end);
    await openSegment(one, there >= 0 ? there : found.findIndex((part) => !part.missed));
  } else await drawDetail(one, one.answer);
}

async function openSegment(one, number) {
  one.chosen = number;
  const part = one.segments.segments[number];
  if (!part) {
    await drawDetail(one, null);
    return;
  }
  await studio.attempt(async () => {
    const { key, start, end } = { key: one.clip.key, ...part };
    part.cut = part.cut || (await api.post("cut", { key, start, end }));
    part.answer = part.answer || (await api.post("ask", { key: part.cut.key }));
    if (current === one && one.chosen === number) await drawDetail(one, part.answer, part);
  });
}

function draw() {
  parts.drop.classList.toggle("compact", asked.length > 0);
  drawList();
  if (!current) {
    pair = null;
    const none = !Object.keys(studio.state.counts).length;
    parts.detail.replaceChildren(
      asked.length
        ? ""
        : h(
            "div.empty",
            {},
            h(
              "p",
              {},
              none
                ? "Nothing is taught yet."
                : "What a clip shows, how sure that is, and beside which example.",
            ),
            none
              ? h("p", {}, h("a.button.primary", { href: "#teach" }, "Teach the first action"))
              : "",
          ),
    );
  }
}

function drawList() {
  parts.list.replaceChildren(
    reading ? h("p.reading", { role: "status" }, reading) : "",
    failuresOf(failures, take) || "",
    h(
      "ul.answers",
      {},
      asked.map((one) =>
        h(
          "li",
          {},
          h(
            "button.answer",
            {
              "data-item": "open",
              "aria-current": one === current ? "true" : null,
              onclick: () => one !== current && open(one),
            },
            one.long
              ? h("span.thumb.long", { "aria-hidden": "true" }, clock(one.clip.seconds))
              : thumb(`k${one.clip.key}`),
            h(
              "span.answer-words",
              {},
              brief(one),
              h("span.card-name", { title: one.clip.source }, one.clip.name),
            ),
          ),
        ),
      ),
    ),
  );
}

function brief(one) {
  if (one.error) return h("span.bad", {}, "no answer");
  if (one.segments) {
    const found = one.segments.segments.filter((part) => !part.missed).length;
    return h("b", {}, many(found, "action"));
  }
  if (!one.answer) return h("span.dim", {}, "…");
  const { known, label, confidence } = one.answer;
  return known
    ? h("span", {}, chip(label), " ", h("span.dim", {}, percent(confidence)))
    : h("span", {}, h("b.unknown", {}, "unknown"), h("span.dim", {}, ` · nearest ${label}`));
}

async function drawDetail(one, found, part = null) {
  const head = [];
  if (one.segments) head.push(recordingHead(one));
  if (one.error) head.push(h("p.note.bad", {}, one.error));
  if (!found) {
    pair = null;
    parts.detail.replaceChildren(...head);
    return;
  }
  const key = part ? part.cut.key : one.clip.key,
    name = part ? `${one.clip.name}, ${clock(part.start)} to ${clock(part.end)}` : one.clip.name;
  const stage = h("div.pair"),
    near = h("div.near");
  const focused = document.activeElement?.closest(".timeline") ? one.chosen : null;
  parts.detail.replaceChildren(
    ...head,
    verdict(found, part),
    correction(key, found),
    stage,
    near,
    one.clip.notes.length && !part
      ? h(
          "details.notes",
          {},
          h("summary", {}, many(one.clip.notes.length, "note")),
          one.clip.notes.map((note) => h("p", {}, note)),
        )
      : "",
  );
  if (focused !== null) parts.detail.querySelectorAll(".timeline .part")[focused]?.focus();
  pair = new Pair(stage);
  const compare = async (neighbor) => {
    drawNear(near, found.neighbors, neighbor, compare);
    await studio.attempt(() =>
      pair.show(`k${key}`, `e${neighbor.id}`, {
        captions: [`asked: ${name}`, `example of ${neighbor.label}: ${neighbor.name}`],
        label: neighbor.label,
      }),
    );
  };
  const best =
    found.neighbors.find((neighbor) => neighbor.label === found.label) || found.neighbors[0];
  await compare(best);
}

function recordingHead(one) {
  const { seconds, segments, threshold } = one.segments;
  const found = segments.filter((part) => !part.missed).length,
    missed = segments.length - found;
  return h(
    "div.recording",
    {},
    h(
      "h2",
      {},
      many(found, "action"),
      h(
        "span.dim",
        {},
        ` in ${clock(seconds)}${missed ? `, and ${many(missed, "near miss", "near misses")}` : ""}`,
      ),
    ),
    timeline(
      { seconds, segments },
      (number) => {
        one.chosen = number;
        drawRecordingMark(number);
        openSegment(one, number);
      },
      one.chosen,
    ),
    missed
      ? h("p.dim", {}, `Dashed: less sure than ${percent(threshold)}, and left out elsewhere.`)
      : "",
    segments.length ? "" : h("p", {}, "Nothing that was taught is found in it."),
  );
}

function drawRecordingMark(number) {
  parts.detail.querySelectorAll(".timeline .part").forEach((one, at) => {
    if (at === number) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  });
}

function verdict(found, part) {
  const { known, label, confidence, chance_known: chance, likeliest } = found;
  const rest = Math.max(0, 1 - likeliest.reduce((sum, one) => sum + one.chance, 0));
  const sure = confidence >= 0.9 ? "sure" : confidence >= 0.6 ? "fairly sure" : "unsure";
  const words = known
    ? `${sure}, ${percent(confidence)}`
    : `most like ${label}, but the chance that it is any of these is ${percent(chance)}`;
  const row = (name, share, marked) =>
    h(
      "li",
      {},
      name === null
        ? h("span.chip", {}, h("i.hollow", { "aria-hidden": "true" }), "none of these")
        : chip(name),
      h(
        "span.bar",
        { role: "img", "aria-label": percent(share) },
        h("i", { style: { width: `${Math.max(100 * share, 0.5)}%` } }),
      ),
      h(marked ? "b.number" : "span.number", {}, percent(share)),
    );
  return h(
    "div.verdict",
    {},
    h("h2.name", {}, known ? chip(label) : h("span.unknown", {}, "unknown")),
    h("p.sure", {}, words, part ? ` · as a segment ${percent(part.confidence)}` : ""),
    h(
      "details.chances",
      { open: !known || confidence < 0.9 },
      h("summary", {}, "How likely which action is"),
      h(
        "ul",
        {},
        likeliest.map((one) => row(one.label, one.chance, one.label === label)),
        row(null, rest, false),
      ),
    ),
  );
}

function drawNear(root, neighbors, chosen, compare) {
  root.replaceChildren(
    h("h4", {}, "Nearest examples"),
    h(
      "ul.neighbors",
      {},
      neighbors.map((one) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              "aria-pressed": one.id === chosen.id ? "true" : "false",
              title: one.source,
              onclick: () => compare(one),
            },
            thumb(`e${one.id}`),
            chip(one.label),
            h("span.dim", {}, one.similarity.toFixed(2)),
          ),
        ),
      ),
    ),
  );
}

// What the clip really shows, which is learnt.
function correction(key, found) {
  const name = h("input", {
    "data-key": "name",
    list: "actions-known",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "another action",
    "aria-label": "What it shows",
  });
  // Which share of clips is unknown is learnt from every clip that is looked at.
  const none = () =>
    studio.attempt(async () => {
      const { counted } = await api.post("tell", { key, known: false });
      await studio.changed(
        counted ? "Counted: none of the actions." : "This clip was counted before.",
      );
    });
  const learn = (label) =>
    studio.attempt(async () => {
      if (!label.trim()) {
        name.focus();
        return;
      }
      await api.post("tell", { key, known: label.trim() in studio.state.counts });
      const {
        clips: [done],
      } = await api.post("teach", { keys: [key], label });
      if (!done.added && done.exemplar.label !== label.trim())
        await api.post("relabel", { ids: [done.exemplar.id], label });
      await studio.changed(`Learnt: this is “${label.trim()}”.`);
    });
  return h(
    "form.correction",
    {
      onsubmit: (event) => {
        event.preventDefault();
        learn(name.value);
      },
    },
    h("span.ask-right", {}, "Is that right?"),
    found.known
      ? h("button", { onclick: () => learn(found.label) }, "Yes, learn it too")
      : "",
    h(
      "button",
      { onclick: none },
      found.known ? "No, none of these" : "Yes, none of these",
    ),
    h("label", {}, h("span", {}, found.known ? "No, it is" : "It is"), name),
    h("button.primary", { type: "submit" }, "Teach"),
    h(
      "datalist",
      { id: "actions-known" },
      Object.keys(studio.state.counts).map((label) => h("option", { value: label })),
    ),
  );
}
