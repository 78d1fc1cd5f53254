/** What is shown of the examples, the named clips and the answer. */

import { drawStill } from "./drawing.js";

const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function still(clip) {
  const canvas = element("canvas", { title: clip.file });
  requestAnimationFrame(() => drawStill(canvas, clip.bodies));  // once it has a size
  return canvas;
}

/** The actions and their examples, each with a button that takes it away. */
export function showActions(box, examples, remove) {
  const actions = Map.groupBy(examples, ({ action }) => action);
  box.replaceChildren(...[...actions].map(([action, clips]) => element("div", { className: "action" },
    element("h3", {}, action, element("span", { className: "dim" },
      `${clips.length} clip${clips.length > 1 ? "s" : ""}`)),
    element("div", { className: "clips" }, ...clips.map((clip) => {
      const label = `Remove ${clip.file}`;
      const button = element("button", { type: "button", title: label, ariaLabel: label }, "×");
      button.addEventListener("click", () => remove(clip));
      return element("div", { className: "thumb" }, still(clip), button);
    })))));
}

/** The clips that were named; the chosen one is marked, and keeps the focus. */
export function showNamed(box, clips, chosen, choose) {
  const focused = box.contains(document.activeElement);
  box.replaceChildren(...clips.map((clip) => {
    const best = clip.answer?.near.find(({ example }) => example.action === clip.answer.label);
    const row = element("button", { type: "button", className: "named",
      ariaCurrent: String(clip === chosen) }, still(clip),
      element("span", {}, element("b", {}, clip.answer?.label ?? "teach an action first"),
        element("small", {}, clip.file)),
      element("span", { title: "cosine with the nearest example" }, best?.cosine.toFixed(3) ?? ""));
    row.addEventListener("click", () => choose(clip));
    return row;
  }));
  if (focused) box.children[clips.indexOf(chosen)]?.focus();
}

const MEASURE = { 1: "", 5: "votes", mean: "score" };

/** The answer for a clip: the name, why, and how each action fares. */
export function showAnswer(clip, actions) {
  const { rule, near, scores, label } = clip.answer;
  const nearest = (action) => near.find(({ example }) => example.action === action);
  const { example } = nearest(label);
  const voters = Math.min(Number(rule), near.length);
  const won = Math.round(scores.get(label) * voters);
  $("label").textContent = label;
  $("why").textContent = rule === "1" ? `is the action of the nearest example`
    : rule === "mean" ? "has the nearest mean of its examples"
      : `has ${won} of the ${voters} nearest examples`;
  $("clip-caption").textContent = clip.file;
  $("nearest-caption").textContent = `nearest ${label}: ${example.file}`;
  $("measure").textContent = MEASURE[rule];
  const shown = [...actions].map((action) => {
    const score = scores.get(action) ?? 0;
    const text = { 1: "", 5: String(Math.round(score * voters)), mean: score.toFixed(3) }[rule];
    return { action, score, text, cosine: nearest(action).cosine };
  }).sort((a, b) => b.score - a.score || b.cosine - a.cosine);
  $("scores").tBodies[0].replaceChildren(...shown.map(({ action, text, score, cosine }) => {
    const length = rule === "5" ? score : rule === "mean" ? score : cosine;
    const bar = element("i", {});
    bar.style.width = `${100 * Math.min(Math.max(length, 0), 1)}%`;
    return element("tr", { className: action === label ? "best" : "" },
      element("td", {}, action), element("td", {}, element("div", { className: "bar" }, bar)),
      element("td", { className: "number" }, text),
      element("td", { className: "number" }, cosine.toFixed(3)));
  }));
}
