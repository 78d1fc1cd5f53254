// A recording as a bar in time: its actions, and what nearly was one.

import { look, mark } from "./colors.js";
import { clock, h, percent } from "./dom.js";

const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const MOST_TICKS = 9;

// `choose` is called with a segment; `chosen` is the one that is open.
export function timeline({ seconds, segments }, choose, chosen) {
  const step = STEPS.find((one) => seconds / one <= MOST_TICKS) || STEPS.at(-1);
  const at = (time) => `${(100 * time) / seconds}%`;
  const ticks = []; // none so near the end that its time would be cut off
  for (let time = 0; time <= 0.88 * seconds; time += step)
    ticks.push(
      h(
        "span.tick",
        { style: { left: at(time) } },
        h("span", {}, clock(time).replace(".0 s", " s")),
      ),
    );
  const bar = segments.map((part, number) => {
    const words =
      `${part.label}, ${clock(part.start)} to ${clock(part.end)}, ${percent(part.confidence)}` +
      `${part.missed ? ", a near miss" : ""}`;
    const made = h(
      part.missed ? "button.part.missed" : "button.part",
      {
        "data-item": "open",
        "aria-label": words,
        title: words,
        "aria-current": number === chosen ? "true" : null,
        onclick: () => choose(number),
        style: { left: at(part.start), width: at(part.end - part.start) },
      },
      mark(part.label),
      h("span.part-name", {}, part.label),
    );
    made.classList.add(`on-action${look(part.label).color}`);
    return made;
  });
  return h(
    "div.timeline",
    { role: "group", "aria-label": "Actions over time" },
    h("div.lane", {}, bar),
    h("div.axis", { "aria-hidden": "true" }, ticks),
  );
}
