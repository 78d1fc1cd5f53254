// Tend: the map of all examples, what looks wrong, what is confused, what to name next.

import * as api from "./api.js";
import { h, many } from "./dom.js";
import { drawCheck, drawConfusion } from "./lists.js";
import { drawMap } from "./mapping.js";
import { drawSuggest } from "./suggest.js";

const VIEWS = { map: "Map", check: "Check", confusion: "Confusion", suggest: "Suggest" };
let studio,
  parts = null,
  view = "map";

export const tend = {
  report: null,
  exemplars: new Map(),

  async show(root, rest, owner) {
    studio = owner;
    if (!root.firstChild) build(root);
    const wanted = VIEWS[rest] ? rest : "map",
      same = wanted === view && parts.body.firstChild;
    view = wanted;
    for (const link of parts.tabs.querySelectorAll("a")) {
      if (link.dataset.view === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!same) parts.body.replaceChildren();
    await this.changed();
  },

  async changed() {
    const { exemplars } = await api.get("exemplars");
    this.exemplars = new Map(exemplars.map((one) => [one.id, one]));
    const here = view;
    if (!exemplars.length) {
      parts.advice.replaceChildren();
      parts.body.replaceChildren(
        h(
          "div.empty",
          {},
          h("p", {}, "There is nothing to tend yet."),
          h("p", {}, h("a.button.primary", { href: "#teach" }, "Teach the first action")),
        ),
      );
      return;
    }
    parts.body.querySelector(".empty")?.remove();
    const again = { still: () => studio.page === tend && view === here, look: () => this.look() };
    const draw = { map: drawMap, check: drawCheck, confusion: drawConfusion, suggest: drawSuggest }[
      view
    ];
    this.look();
    await draw(parts.body, studio, this, again);
  },

  // What the examples say of each other; it is found out once after each change.
  look() {
    this.turn = (this.turn || 0) + 1;
    const turn = this.turn;
    parts.advice.classList.add("old");
    this.coming = api
      .ready("report", null, () => studio.page === tend && turn === this.turn)
      .then((found) => {
        if (found) {
          this.report = found;
          drawAdvice(found);
        }
        return found;
      });
    return this.coming.catch((error) => studio.fail(error));
  },

  key(event) {
    parts.body.key?.(event);
  },
};

function build(root) {
  parts = {
    advice: h("section.advice", { "aria-label": "What would help" }),
    tabs: h(
      "nav.tabs",
      { "aria-label": "Views" },
      Object.entries(VIEWS).map(([name, title]) =>
        h(
          "a",
          { href: `#tend/${name}`, "data-view": name },
          title,
          h("span.count", { "data-count": name }),
        ),
      ),
    ),
    body: h("div.view"),
  };
  root.replaceChildren(parts.advice, parts.tabs, parts.body);
}

function drawAdvice({ advice, findings, confusion }) {
  const where = { teach: "#teach", check: "#tend/check", confusion: "#tend/confusion" };
  parts.advice.classList.remove("old");
  const share = confusion.asked
    ? `${many(confusion.right, "example")} of ${confusion.asked} are named rightly without themselves.`
    : "";
  const wide = window.matchMedia("(min-width: 40rem)").matches;
  parts.advice.replaceChildren(
    h(
      "details",
      { open: wide || advice.length < 2 },
      h("summary", {}, h("h2", {}, "What would help")),
      h(
        "ul",
        {},
        advice
          .slice(0, 6)
          .map((one) =>
            h(
              "li",
              {},
              where[one.where] ? h("a", { href: where[one.where] }, one.words) : one.words,
            ),
          ),
      ),
      share ? h("p.dim", {}, share) : "",
    ),
  );
  const counts = {
    check: findings.length,
    confusion: confusion.pairs.reduce((sum, one) => sum + one.count, 0),
  };
  for (const [name, count] of Object.entries(counts))
    parts.tabs.querySelector(`[data-count=${name}]`).textContent = count ? ` ${count}` : "";
}
