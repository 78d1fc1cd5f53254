// What to look at, one after the other: odd examples, and pairs that confuse.

import { chip } from "./colors.js";
import { h, many, percent } from "./dom.js";
import { editing } from "./mapping.js";
import { Pair } from "./pair.js";
import { thumb } from "./thumbs.js";

const KINDS = {
  contradiction: "Two labels for one motion",
  duplicate: "Twice the same",
  mislabeled: "Probably another action",
  disagreement: "Examples disagree",
  outlier: "Unlike the others",
  overlap: "Actions overlap",
  few: "Few examples",
};
const MOST = 200;

// A list on one side, what is open on the other.
export function frame(root, kind, title) {
  if (!root.querySelector(`.two-sides.${kind}`)) {
    root.key = null;
    root.replaceChildren(
      h(
        `div.two-sides.${kind}`,
        {},
        h("div.list-side", {}, h("p.dim", {}, title)),
        h("section.side", { "aria-label": "What is open" }),
      ),
    );
  }
  const sides = root.firstElementChild;
  return [sides.querySelector(".list-side"), sides.querySelector(".side")];
}

// Mark an item of a list, and do what opens it.
export function openable(item, act) {
  item.dataset.item = "open";
  item.addEventListener("click", () => {
    for (const other of item.closest("ul, tbody").querySelectorAll("[data-item]"))
      other.removeAttribute("aria-current");
    item.setAttribute("aria-current", "true");
    act();
  });
  return item;
}

async function openPair(side, studio, some, heading, extra) {
  const stage = h("div");
  side.replaceChildren(h("div.side-head", {}, heading), stage, extra);
  const [one, other] = some;
  await studio.attempt(() =>
    new Pair(stage).show(`e${one.id}`, other ? `e${other.id}` : null, {
      captions: [`${one.label}: ${one.name}`, other ? `${other.label}: ${other.name}` : ""],
      label: other?.label || "",
    }),
  );
}

export async function drawCheck(root, studio, tend) {
  const [list, side] = frame(root, "checking", "Comparing all examples …");
  const report = await tend.coming;
  if (!report || !list.isConnected) return;
  const before = list.querySelector("[aria-current]")?.dataset.at;
  if (!report.findings.length) {
    list.replaceChildren(h("p.good", {}, "Nothing looks wrong."));
    side.replaceChildren();
    return;
  }
  const items = report.findings.slice(0, MOST).map((found, at) =>
    h(
      "li",
      {},
      openable(
        h(
          "button.item",
          { "data-at": at },
          h("b", {}, KINDS[found.kind]),
          h(
            "span",
            {},
            chip(found.labels[0]),
            " ",
            found.exemplars.length === 1 || !["few", "overlap", "disagreement"].includes(found.kind)
              ? found.exemplars[0]?.name
              : "",
          ),
          h("span.dim", {}, found.words),
        ),
        () => openFinding(side, studio, tend, found),
      ),
    ),
  );
  list.replaceChildren(
    h(
      "p.dim",
      {},
      `${many(report.findings.length, "finding")}, the most serious first. J and K go through them.`,
    ),
    h("ul.items", {}, items),
  );
  const next = items[Math.min(Number(before || 0), items.length - 1)].firstElementChild;
  next.click();
}

async function openFinding(side, studio, tend, found) {
  const [one, ...others] = found.exemplars;
  if (!one) return;
  const rival = found.labels[1];
  let other = others[0] || null;
  if (found.kind === "mislabeled") other = nearestOf(tend, one.id, rival);
  const extra = h(
    "div",
    {},
    found.exemplars.length > 2
      ? h(
          "ul.strip",
          {},
          found.exemplars.slice(0, 24).map((each) =>
            h(
              "li",
              {},
              h(
                "button.open",
                {
                  title: `${each.label}: ${each.name}`,
                  "aria-label": `Play ${each.name}`,
                  onclick: () =>
                    openPair(side, studio, [each], chip(each.label), editing([each], studio)),
                },
                thumb(`e${each.id}`),
              ),
            ),
          ),
        )
      : "",
    editing([one], studio, { suggestions: rival ? [rival] : [] }),
  );
  await openPair(
    side,
    studio,
    [one, other].filter(Boolean),
    h("span", {}, h("b", {}, KINDS[found.kind]), ` · ${found.words}`),
    extra,
  );
}

function nearestOf(tend, id, label) {
  for (const one of tend.report.confusion.pairs)
    if (one.named === label)
      for (const [each, other] of one.pairs) if (each === id) return tend.exemplars.get(other);
  return [...tend.exemplars.values()].find((one) => one.label === label) || null;
}

export async function drawConfusion(root, studio, tend) {
  const [list, side] = frame(root, "confusing", "Asking every example as if it were not there …");
  const report = await tend.coming;
  if (!report || !list.isConnected) return;
  const { confusion } = report,
    rows = [];
  for (const group of confusion.pairs)
    for (const [id, near, similarity] of group.pairs.slice(0, 20)) {
      const one = tend.exemplars.get(id),
        other = tend.exemplars.get(near);
      if (one && other) rows.push({ group, one, other, similarity });
    }
  const items = rows.slice(0, MOST).map(({ group, one, other, similarity }) =>
    h(
      "li",
      {},
      openable(
        h(
          "button.item",
          {},
          h("span", {}, chip(group.label), " → ", chip(group.named)),
          h("span", {}, one.name),
          h("span.dim", {}, `similar by ${similarity.toFixed(2)}`),
        ),
        () =>
          openPair(
            side,
            studio,
            [one, other],
            h(
              "span",
              {},
              chip(group.label),
              " is named ",
              chip(group.named),
              ` · ${group.count} of ${group.size}`,
            ),
            editing([one], studio, { suggestions: [group.named] }),
          ),
      ),
    ),
  );
  const words = confusion.asked
    ? `${percent(confusion.right / confusion.asked)} of ${many(confusion.asked, "example")} are named rightly when each is left out.`
    : "From two examples of two actions on, each can be left out and asked.";
  list.replaceChildren(
    h("p", {}, words),
    table(confusion),
    items.length
      ? h("ul.items", {}, items)
      : confusion.asked
        ? h("p.good", {}, "No action is taken for another.")
        : "",
  );
  if (items.length) items[0].firstElementChild.click();
  else side.replaceChildren();
}

const MOST_COLUMNS = 16;

// Rows are what examples show, columns what they are named; only confused actions of a large index.
function table({ labels, table: counts, pairs }) {
  const wanted = new Set(pairs.flatMap((one) => [one.label, one.named]));
  const shown = labels
    .map((_, i) => i)
    .filter((i) => labels.length <= MOST_COLUMNS || wanted.has(labels[i]))
    .slice(0, MOST_COLUMNS);
  if (shown.length < 2) return "";
  return h(
    "div.wide",
    {},
    h(
      "table.confusion",
      {},
      h(
        "caption",
        {},
        labels.length > shown.length
          ? "Rows: what they show. Columns: what they are named. Actions that are confused."
          : "Rows: what they show. Columns: what they are named.",
      ),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("td"),
          shown.map((i) => h("th", { scope: "col", title: labels[i] }, h("span", {}, labels[i]))),
        ),
      ),
      h(
        "tbody",
        {},
        shown.map((i) => {
          const sum = counts[i].reduce((a, b) => a + b, 0);
          return h(
            "tr",
            {},
            h("th", { scope: "row", title: labels[i] }, chip(labels[i])),
            shown.map((j) => {
              const share = sum ? counts[i][j] / sum : 0,
                step = Math.ceil(share * 4);
              return h(
                "td",
                { class: counts[i][j] ? `${i === j ? "right" : "wrong"}${step}` : "" },
                counts[i][j] || "",
              );
            }),
          );
        }),
      ),
    ),
  );
}
