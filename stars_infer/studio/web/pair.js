// A clip beside an example, in time alignment, and what differs most between them.

import * as api from "./api.js";
import { chip } from "./colors.js";
import { h } from "./dom.js";
import { Player } from "./player.js";

// Shows two clips (`k` and a hash, `e` and a number) in an element; the latest call counts.
export class Pair {
  constructor(root) {
    this.root = root;
    this.turn = 0;
    this.stage = h("div.stage-of-pair");
    this.words = h("div.differences");
    root.append(this.stage, this.words);
    this.player = null;
  }

  async show(first, second, { captions = ["", ""], label = "" } = {}) {
    this.turn += 1;
    const turn = this.turn;
    this.words.replaceChildren(h("p.dim", {}, "Laying both over each other …"));
    const alignment = second
      ? await api.aligned(first, second).catch((error) => ({ error }))
      : null;
    if (turn !== this.turn) return;
    const mirrored = Boolean(alignment?.mirrored);
    const clips = await Promise.all(
      [api.clipOf(first, mirrored), second && api.clipOf(second)].filter(Boolean),
    );
    if (turn !== this.turn) return;
    this.player = this.player || new Player(this.stage);
    const shown = clips.map((clip, i) => ({ ...clip, caption: captions[i] || clip.name }));
    this.player.show(shown, alignment && !alignment.error ? alignment : null);
    this.say(clips, alignment, label);
  }

  say(clips, alignment, label) {
    const notes = clips.map((clip) => clip.note).filter(Boolean);
    if (alignment?.mirrored)
      notes.push(
        "The clip on the left is shown as in a mirror: left and right are not told apart here.",
      );
    const parts = notes.map((note) => h("p.note", {}, note));
    if (alignment && alignment.error) parts.push(h("p.note", {}, alignment.error.message));
    else if (alignment) {
      const found = alignment.differences;
      parts.push(h("h4", {}, "What differs most", label ? [" from ", chip(label)] : ""));
      if (!found.length) parts.push(h("p.dim", {}, "Nothing to speak of: the two move alike."));
      parts.push(
        h(
          "ol.differs",
          {},
          found.map((one) =>
            h(
              "li",
              {},
              h("button", { title: "Go there", onclick: () => this.seek(one.start) }, one.words),
            ),
          ),
        ),
      );
    }
    this.words.replaceChildren(...parts);
  }

  // Go to a second of the first clip.
  seek(seconds) {
    const { player } = this,
      frame = seconds * player.clips[0].fps;
    const knot = (player.knots || []).find((one) => one.frames[0] >= frame);
    player.seek(knot ? knot.time : seconds);
  }
}
