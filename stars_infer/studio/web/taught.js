// What is taught so far: each action with its examples, which play.

import * as api from "./api.js";
import { mark } from "./colors.js";
import { h, many } from "./dom.js";
import { Player } from "./player.js";
import { thumb } from "./thumbs.js";

export const ENOUGH = 3;
const SHOWN = 6,
  MOST_SHOWN = 120;
const opened = new Set();
let root, exemplars, studio;

// Draws all examples by their actions.
export function drawTaught(into, all, owner) {
  [root, exemplars, studio] = [into, all, owner];
  const groups = Map.groupBy(exemplars, (one) => one.label);
  if (!groups.size) return root.replaceChildren();
  const next =
    groups.size < 3
      ? `Teach ${many(3 - groups.size, "more action")}, then ask.`
      : ["Ready: drop a clip on the page ", h("a", { href: "#ask" }, "Ask"), "."];
  return root.replaceChildren(
    h("h2", {}, `${many(groups.size, "action")} taught `, h("span.dim", {}, next)),
    h(
      "ul.action-list",
      {},
      [...groups].map(([label, all]) => action(label, all)),
    ),
  );
}

function action(label, all) {
  const shown = opened.has(label) ? all.slice(0, MOST_SHOWN) : all.slice(0, SHOWN);
  return h(
    "li.action",
    {},
    h(
      "div.action-head",
      {},
      mark(label),
      h("h3", { title: label }, label),
      h("span.dim", {}, many(all.length, "example")),
      all.length < ENOUGH ? h("span.few", {}, `${ENOUGH - all.length} more would help`) : "",
      h("span.space"),
      h(
        "button.quiet",
        { "aria-label": `Rename ${label}`, onclick: () => rename(label) },
        "Rename",
      ),
      h(
        "button.quiet",
        { "aria-label": `Remove ${label}`, onclick: () => remove(all, `“${label}” removed.`) },
        "Remove",
      ),
    ),
    h(
      "ul.strip",
      {},
      shown.map((one) =>
        hovering(
          h(
            "li",
            { "data-remove": true },
            h(
              "button.open",
              {
                "data-item": true,
                "aria-label": `Play ${one.name}`,
                title: one.name,
                onclick: () => play(`e${one.id}`, one.name),
              },
              thumb(`e${one.id}`),
            ),
            h(
              "button.remove.quiet",
              {
                "aria-label": `Remove example ${one.name}`,
                title: "Remove",
                onclick: () => remove([one], `${one.name} removed.`),
              },
              "×",
            ),
          ),
        ),
      ),
      all.length > shown.length
        ? h(
            "li.more",
            {},
            h(
              "button",
              {
                onclick: () => {
                  opened.add(label);
                  drawTaught(root, exemplars, studio);
                },
              },
              `+${all.length - shown.length}`,
            ),
          )
        : "",
    ),
  );
}

async function remove(some, words) {
  await studio.attempt(async () => {
    await api.post("remove", { ids: some.map((one) => one.id) });
    await studio.changed(words);
  });
}

function rename(label) {
  const name = h("input", {
    value: label,
    maxlength: 200,
    "aria-label": "New name",
    autofocus: true,
  });
  const dialog = studio.dialog(
    "Rename an action",
    h(
      "form.naming",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          const to = name.value;
          dialog.close();
          await studio.attempt(async () => {
            await api.post("rename", { label, to });
            await studio.changed(`“${label}” is “${to.trim()}” now.`);
          });
        },
      },
      h("label", {}, h("span", {}, "Name"), name),
      h("button.primary", { type: "submit" }, "Rename"),
    ),
  );
  name.select();
}

export async function play(reference, name, owner = studio) {
  await owner.attempt(async () => {
    const clip = await api.clipOf(reference),
      stage = h("div");
    owner.dialog(name, clip.note ? h("p.note", {}, clip.note) : "", stage);
    new Player(stage, { captions: false }).show([clip]);
  });
}

// A card whose clip plays while it is pointed at, where motion is to be reduced.
export function hovering(made) {
  const canvas = made.querySelector("canvas");
  for (const [name, on] of [
    ["pointerenter", true],
    ["focusin", true],
    ["pointerleave", false],
    ["focusout", false],
  ])
    made.addEventListener(name, () => canvas?.hover?.(on));
  return made;
}
