// The frame around the pages: which page is shown, keys, undo, and what is told.

import * as api from "./api.js";
import { ask } from "./ask.js";
import { learn } from "./colors.js";
import { $, h, many, types } from "./dom.js";
import { teach } from "./teach.js";
import { tend } from "./tend.js";

const PAGES = { teach, ask, tend };
const KEYS = [
  ["1  2  3", "Teach, Ask, Tend"],
  ["O", "choose files"],
  ["/", "name the action"],
  ["J  K", "next and previous in a list"],
  ["Enter", "open what is marked"],
  ["Space  ← →", "play or pause, step by frames"],
  ["Delete", "remove what is marked"],
  ["U or Ctrl Z", "undo the latest change"],
  ["← ↑ ↓ →  + −  0", "on the map: go from clip to clip, zoom, all of it"],
  ["Esc", "close, or let go"],
];

export const studio = {
  state: { counts: {}, undo: [] },
  page: null,

  async refresh() {
    this.state = await api.get("state");
    learn(Object.keys(this.state.counts));
    const [latest] = this.state.undo,
      undo = $("undo");
    undo.disabled = !latest;
    undo.title = latest ? `Undo: ${latest} (U)` : "Nothing to undo";
    undo.setAttribute("aria-label", latest ? `Undo: ${latest}` : "Undo");
    const counts = Object.values(this.state.counts),
      sum = counts.reduce((a, b) => a + b, 0);
    const name = this.state.index.split("/").at(-1);
    $("where").textContent = `${name}: ${many(sum, "example")} of ${many(counts.length, "action")}`;
    $("where").title = this.state.index;
  },

  // After a change: what is shown is shown anew, and it can be undone.
  async changed(words = "") {
    await this.refresh();
    if (words) this.tell(words, { undo: true });
    if (this.page && this.page.changed) await this.page.changed();
  },

  async undo() {
    try {
      const { changed, words } = await api.post("undo");
      await this.changed();
      // Somebody else may have removed the examples since.
      this.tell(changed ? `Taken back: ${words}.` : `Nothing is left to take back: ${words}.`);
    } catch (error) {
      this.fail(error);
    }
  },

  tell(words, { undo = false, bad = false } = {}) {
    const close = () => toast.remove();
    const toast = h(
      bad ? "div.toast.bad" : "div.toast",
      {},
      h("span", {}, words),
      undo &&
        h(
          "button",
          {
            onclick: () => {
              close();
              this.undo();
            },
          },
          "Undo",
        ),
      h("button.quiet", { "aria-label": "Close", onclick: close }, "×"),
    );
    $("toasts").append(toast);
    while ($("toasts").children.length > 3) $("toasts").firstElementChild.remove();
    setTimeout(close, bad ? 12000 : 6000);
  },

  fail(error) {
    if (error instanceof api.Refusal) this.tell(error.message, { bad: true });
    else {
      this.tell("Something went wrong in this page: load it again.", { bad: true });
      console.error(error);
    }
  },

  // Do something that may be refused.
  async attempt(work) {
    try {
      return await work();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  },

  dialog(title, ...content) {
    const dialog = $("dialog");
    dialog.replaceChildren(
      h(
        "header.dialog-head",
        {},
        h("h2", { id: "dialog-title" }, title),
        h("button.quiet", { "aria-label": "Close", onclick: () => dialog.close() }, "×"),
      ),
      ...content,
    );
    dialog.showModal();
    return dialog;
  },
};

async function show() {
  const [name, rest] = location.hash.slice(1).split("/");
  const chosen = PAGES[name] ? name : "teach";
  for (const link of document.querySelectorAll("nav [data-page]")) {
    if (link.dataset.page === chosen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${chosen[0].toUpperCase()}${chosen.slice(1)} · stars studio`;
  const page = PAGES[chosen],
    same = studio.page === page;
  studio.page = page;
  if (!same) $("main").replaceChildren();
  await studio.attempt(() => page.show($("main"), rest || "", studio));
}

function help() {
  studio.dialog(
    "Keys",
    h(
      "table.keys",
      {},
      KEYS.map(([keys, what]) =>
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row" },
            keys.split("  ").map((key) => h("kbd", {}, key)),
          ),
          h("td", {}, what),
        ),
      ),
    ),
    h(
      "p.dim",
      {},
      `Model: ${studio.state.model}. Index: ${studio.state.index}. Clips of examples that you ` +
        `teach here are kept in ${studio.state.clips} beside it.`,
    ),
  );
}

// The next or the previous of what a list holds.
function move(by) {
  const all = [...document.querySelectorAll("main [data-item]")].filter((one) => one.offsetParent);
  if (!all.length) return;
  const at = all.findIndex(
    (one) => one === document.activeElement || one.getAttribute("aria-current") === "true",
  );
  const next =
    all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  if (next.dataset.item === "open") next.click();
}

function keys(event) {
  if (event.defaultPrevented || $("dialog").open) return;
  const typing = types(event.target),
    command = event.ctrlKey || event.metaKey;
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (command && event.key.toLowerCase() === "z" && !event.shiftKey) {
    event.preventDefault();
    studio.undo();
    return;
  }
  if (command || event.altKey) return;
  const press = (key) => document.querySelector(`main [data-key="${key}"]`);
  const acts = {
    1: () => {
      location.hash = "teach";
    },
    2: () => {
      location.hash = "ask";
    },
    3: () => {
      location.hash = "tend";
    },
    u: () => studio.undo(),
    j: () => move(1),
    k: () => move(-1),
    o: () => press("o")?.click(),
    "?": help,
    "/": () => press("name")?.focus(),
    " ": () => {
      if (event.target.closest("button, a, summary, input")) return false;
      const button = document.querySelector("main .player button.play");
      if (button) button.click();
      return Boolean(button);
    },
  };
  const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act && act() !== false) event.preventDefault();
  else if (studio.page.key) studio.page.key(event);
}

window.addEventListener("hashchange", show);
document.addEventListener("keydown", keys);
for (const name of ["dragover", "drop"])
  window.addEventListener(name, (event) => {
    event.preventDefault();
    if (name === "drop" && !event.target.closest(".drop") && studio.page.drop)
      studio.page.drop(event);
  });
$("undo").addEventListener("click", () => studio.undo());
$("help").addEventListener("click", help);
$("dialog").addEventListener("click", (event) => {
  if (event.target === $("dialog")) $("dialog").close();
});
$("dialog").addEventListener("close", () => $("dialog").replaceChildren());
studio.attempt(() => studio.refresh()).then(show);
