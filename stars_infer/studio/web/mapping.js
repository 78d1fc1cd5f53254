// The view of the map: its legend, and what is pointed at or chosen.

import * as api from "./api.js";
import { chip, mark } from "./colors.js";
import { h, many } from "./dom.js";
import { ExampleMap } from "./map.js";
import { Pair } from "./pair.js";
import { thumb } from "./thumbs.js";

let parts = null;

export async function drawMap(root, studio, tend, { still }) {
  if (!root.querySelector(".mapping")) build(root, studio, tend);
  drawLegend(studio);
  const show = (found) => {
    parts.map.show(found);
    parts.said.textContent = found.final
      ? "Near means similar."
      : "A first draft: the map is being drawn …";
    const chosen = parts.map.ids[parts.map.chosen];
    if (chosen === undefined) emptySide();
    else if (parts.shown !== `${chosen} ${tend.exemplars.get(chosen)?.label}`)
      open(chosen, studio, tend);
  };
  const found = await api.ready("map", show, still);
  if (found) show(found);
}

function build(root, studio, tend) {
  const map = new ExampleMap({
    point: (i) => drawTip(i < 0 ? null : tend.exemplars.get(map.ids[i]), map),
    choose: (i) => open(map.ids[i], studio, tend),
  });
  parts = {
    map,
    shown: null,
    tip: h("div.map-tip", { hidden: true }),
    said: h("p.dim", { role: "status" }, "The map is being drawn …"),
    legend: h("ul.legend-list", { "aria-label": "Actions" }),
    side: h("section.side", { "aria-label": "Chosen example" }),
  };
  root.replaceChildren(
    h(
      "div.mapping",
      {},
      h(
        "div.map-stage",
        {},
        map.canvas,
        parts.tip,
        h(
          "div.map-tools",
          {},
          h("button", { "aria-label": "Zoom in", onclick: () => map.zoomBy(1.5) }, "+"),
          h("button", { "aria-label": "Zoom out", onclick: () => map.zoomBy(1 / 1.5) }, "−"),
          h("button", { "aria-label": "Show all", onclick: () => map.whole() }, "⤢"),
        ),
        parts.said,
      ),
      parts.side,
      parts.legend,
    ),
  );
  emptySide();
  root.key = (event) => {
    if (event.key === "Delete") parts.side.querySelector("[data-act=remove]")?.click();
    else if (event.target === document.body || event.target.id === "main") map.key(event);
  };
}

function drawLegend(studio) {
  const only = (label) => {
    for (const button of parts.legend.querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.dataset.label === label ? "true" : "false");
    parts.map.emphasize(label);
  };
  const pressed = parts.legend.querySelector("[aria-pressed=true]")?.dataset.label;
  parts.legend.replaceChildren(
    ...Object.entries(studio.state.counts).map(([label, count]) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            "data-label": label,
            "aria-pressed": label === pressed ? "true" : "false",
            onclick: (event) =>
              only(event.currentTarget.getAttribute("aria-pressed") === "true" ? null : label),
          },
          mark(label),
          h("span.chip-name", { title: label }, label),
          h("span.dim", {}, count),
        ),
      ),
    ),
  );
}

let tipped = null;

function drawTip(one, map) {
  const { tip } = parts;
  tip.hidden = !one;
  if (!one || tipped === one.id) {
    if (!one) tipped = null;
    return;
  }
  tipped = one.id;
  tip.replaceChildren(thumb(`e${one.id}`), h("p", {}, chip(one.label)), h("p.dim", {}, one.name));
  const [x, y] = map.place(map.hovered),
    wide = map.canvas.clientWidth,
    high = map.canvas.clientHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 14, wide - 156))}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, high - 190))}px`;
}

function emptySide() {
  parts.shown = null;
  parts.side.replaceChildren(
    h(
      "div.empty",
      {},
      h("p", {}, "Point at a clip and it plays."),
      h("p.dim", {}, "Click one, or go through them by arrow keys, to change it."),
    ),
  );
}

async function open(id, studio, tend) {
  const one = tend.exemplars.get(id);
  if (!one) {
    emptySide();
    return;
  }
  parts.shown = `${id} ${one.label}`;
  const stage = h("div");
  parts.side.replaceChildren(
    h("div.side-head", {}, chip(one.label), h("span.card-name", { title: one.source }, one.name)),
    stage,
    editing([one], studio),
  );
  await studio.attempt(() => new Pair(stage).show(`e${id}`, null));
}

// Give examples another name, or remove them.
export function editing(some, studio, { suggestions = [] } = {}) {
  const ids = some.map((one) => one.id),
    what = some.length === 1 ? "it" : many(some.length, "example");
  const relabel = (label) =>
    studio.attempt(async () => {
      if (!label.trim()) {
        name.focus();
        return;
      }
      const { changed } = await api.post("relabel", { ids, label });
      await studio.changed(changed ? `Now “${label.trim()}”.` : "It is called so already.");
    });
  const name = h("input", {
    "data-key": "name",
    list: "actions-known",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "another action",
    "aria-label": `What ${what} shows`,
  });
  return h(
    "form.correction",
    {
      onsubmit: (event) => {
        event.preventDefault();
        relabel(name.value);
      },
    },
    suggestions.map((label) =>
      h("button", { onclick: () => relabel(label) }, "It is ", chip(label)),
    ),
    h("label", {}, h("span", {}, "It shows"), name),
    h("button", { type: "submit" }, "Change"),
    h("span.space"),
    h(
      "button.danger",
      {
        "data-act": "remove",
        onclick: () =>
          studio.attempt(async () => {
            await api.post("remove", { ids });
            await studio.changed(
              `${some.length === 1 ? some[0].name : many(some.length, "example")} removed.`,
            );
          }),
      },
      `Remove ${what}`,
    ),
    h(
      "datalist",
      { id: "actions-known" },
      Object.keys(studio.state.counts).map((label) => h("option", { value: label })),
    ),
  );
}
