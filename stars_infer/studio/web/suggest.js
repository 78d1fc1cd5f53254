// What to name next: of clips that have no name yet, those whose names help most with the others.

import * as api from "./api.js";
import { chip } from "./colors.js";
import { h, many } from "./dom.js";
import { dropZone, failuresOf, readFiles } from "./drop.js";
import { frame, openable } from "./lists.js";
import { Pair } from "./pair.js";
import { thumb } from "./thumbs.js";

const WHY = {
  representative: () => "like many others",
  new: () => "like nothing that is taught",
  between: ([a, b]) => `between ${a} and ${b}`,
  variant: ([a]) => `probably ${a}, but done another way`,
};

let waiting = [],
  chosen = [],
  failed = [],
  reading = "";

export async function drawSuggest(root, studio) {
  const [list, side] = frame(root, "suggesting", "");
  const take = async (files) => {
    const found = await readFiles(files, (done, all) => {
      reading = `Reading: ${done} of ${all} files …`;
      draw();
    });
    const held = new Set(waiting.map((clip) => clip.key));
    waiting.push(
      ...found.clips.filter((clip) => !clip.known && !held.has(clip.key) && held.add(clip.key)),
    );
    [failed, reading] = [found.failures, ""];
    await choose();
  };
  const choose = () =>
    studio.attempt(async () => {
      chosen = waiting.length
        ? (
            await api.post("suggest", {
              keys: waiting.map((clip) => clip.key),
              n: Math.min(20, Math.ceil(waiting.length / 3)),
            })
          ).suggestions
        : [];
      draw();
    });
  const open = (one) => {
    const clip = waiting.find((each) => each.key === one.key),
      stage = h("div");
    side.replaceChildren(
      h("div.side-head", {}, h("span.card-name", {}, clip.name)),
      stage,
      naming(clip, one, studio, choose),
    );
    return studio.attempt(async () => {
      const found = Object.keys(studio.state.counts).length
        ? await api.post("ask", { key: clip.key })
        : null;
      const near = found?.neighbors[0];
      await new Pair(stage).show(`k${clip.key}`, near ? `e${near.id}` : null, {
        captions: [clip.name, near ? `nearest example, ${near.label}: ${near.name}` : ""],
        label: near?.label || "",
      });
    });
  };
  const draw = () => {
    const zone = dropZone({
      title: "Drop clips that have no name yet",
      about: "The few are picked whose names help most with all others.",
      take,
      layouts: studio.state.layouts,
      compact: waiting.length > 0,
    });
    const items = chosen.map((one) =>
      h(
        "li",
        {},
        openable(
          h(
            "button.item",
            {},
            thumb(`k${one.key}`),
            h("span", {}, WHY[one.reason](one.labels)),
            h("span.dim", {}, `stands for ${many(one.stands_for, "clip")}`),
          ),
          () => open(one),
        ),
      ),
    );
    list.replaceChildren(
      zone,
      reading ? h("p.reading", { role: "status" }, reading) : "",
      failuresOf(failed, take) || "",
      chosen.length
        ? h(
            "p.dim",
            {},
            `${many(chosen.length, "clip")} of ${waiting.length}, the most useful first.`,
          )
        : "",
      h("ul.items", {}, items),
    );
    if (items.length) items[0].firstElementChild.click();
    else side.replaceChildren();
  };
  waiting = waiting.filter((clip) => !clip.known);
  await choose();
}

function naming(clip, one, studio, choose) {
  const learn = (label) =>
    studio.attempt(async () => {
      if (!label.trim()) {
        name.focus();
        return;
      }
      await api.post("teach", { keys: [clip.key], label });
      clip.known = true;
      waiting = waiting.filter((each) => each !== clip);
      await studio.changed(`“${label.trim()}” has one more example.`);
    });
  const name = h("input", {
    "data-key": "name",
    list: "actions-known",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "wave",
    "aria-label": "What it shows",
  });
  return h(
    "form.correction",
    {
      onsubmit: (event) => {
        event.preventDefault();
        learn(name.value);
      },
    },
    one.labels.map((label) => h("button", { onclick: () => learn(label) }, "It is ", chip(label))),
    h("label", {}, h("span", {}, "It shows"), name),
    h("button.primary", { type: "submit" }, "Teach"),
    h("span.space"),
    h(
      "button.quiet",
      {
        onclick: () => {
          waiting = waiting.filter((each) => each !== clip);
          choose();
        },
      },
      "Leave it out",
    ),
    h(
      "datalist",
      { id: "actions-known" },
      Object.keys(studio.state.counts).map((label) => h("option", { value: label })),
    ),
  );
}
