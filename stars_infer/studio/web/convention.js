// What files do not say of themselves: layout, units, axes. It is asked for where it is needed.

import { h } from "./dom.js";

const CHOICES = {
  layout: [],
  units: ["m", "cm", "mm", "in"],
  up: ["y", "z", "x", "-y", "-z", "-x", "auto"],
  flat: ["true"],
};
const WORDS = {
  layout: "joint layout",
  units: "units",
  up: "axis that points up",
  flat: "in 2D",
  fps: "frames per second",
};
const SAID = {
  layout: /--layout ([\w.-]+)/,
  units: /--units (\w+)/,
  up: /--up (-?[xyz]|auto)\b/,
  flat: /--flat\b/,
  fps: /--fps ([\d.]+)/,
};

export const said = {};

// The query of a request that sends files, after `extra`.
export function query(extra = {}) {
  const pairs = Object.entries({ ...said, ...extra }).filter(([, value]) => value);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

// What an error says would help, as options; null if it names none.
export function remedy(error) {
  const found = {};
  for (const [name, pattern] of Object.entries(SAID)) {
    const match = pattern.exec(error);
    if (match) {
      found[name] = name === "flat" ? "true" : match[1];
      if (name === "layout") break;
    }
  }
  return Object.keys(found).length ? found : null;
}

export function inWords(options) {
  return Object.entries(options)
    .map(([name, value]) => (name === "flat" ? "in 2D" : value))
    .join(", ");
}

// Fields for all of it, folded.
export function conventionFields(layouts) {
  CHOICES.layout = layouts;
  const field = (name) =>
    h(
      "label",
      {},
      h("span", {}, WORDS[name]),
      name === "fps"
        ? h("input", {
            type: "number",
            min: 1,
            max: 1000,
            step: "any",
            placeholder: "as in the file",
            value: said.fps || "",
            onchange: (event) => {
              said.fps = event.target.value;
            },
          })
        : select(name),
    );
  const select = (name) => {
    const made = h(
      "select",
      {
        onchange: (event) => {
          said[name] = event.target.value;
          mark();
        },
      },
      h("option", { value: "" }, name === "flat" ? "as in the file" : "as in the file"),
      CHOICES[name].map((one) => h("option", { value: one }, name === "flat" ? "yes" : one)),
    );
    made.value = said[name] || "";
    return made;
  };
  const title = h("span", {}),
    mark = () => {
      const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value));
      title.textContent = Object.keys(given).length ? `: ${inWords(given)}` : "";
    };
  mark();
  return h(
    "details.convention",
    {},
    h("summary", {}, "If files do not say", title),
    h("div.naming", {}, ["layout", "units", "up", "flat", "fps"].map(field)),
  );
}
