// Small pictures in which clips play over and over, as long as they can be seen.

import { clipOf } from "./api.js";
import { h } from "./dom.js";
import { SkeletonView } from "./skeleton.js";

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const shown = new Map();
const PACE = 1000 / 30;
let before = 0,
  running = false;

const watcher = new IntersectionObserver(
  (found) => {
    for (const one of found) {
      const thumb = shown.get(one.target);
      if (!thumb) continue;
      thumb.seen = one.isIntersecting;
      if (thumb.seen) thumb.load();
    }
  },
  { rootMargin: "80px" },
);

class Thumb {
  constructor(canvas, reference) {
    [this.canvas, this.reference] = [canvas, reference];
    [this.seen, this.asked, this.clip, this.start] = [false, false, null, performance.now()];
    this.hovered = false;
  }

  load() {
    if (this.asked) return;
    this.asked = true;
    clipOf(this.reference)
      .then((clip) => {
        this.view = new SkeletonView(this.canvas);
        this.clip = clip;
        this.view.show(clip);
        [this.start, this.frame] = [performance.now(), -1];
        this.canvas.setAttribute("aria-label", `${clip.name} plays`);
        run();
      })
      .catch((error) => {
        const told = h("p.thumb-lost", {}, error.message);
        this.canvas.replaceWith(told);
        shown.delete(this.canvas);
      });
  }

  draw(now) {
    if (!this.seen || !this.clip) return;
    const { frames, fps } = this.clip,
      passed = (now - this.start) / 1000;
    const moving = !still.matches || this.hovered;
    // It rests a moment at the end, so that one sees where it begins.
    const at = passed % (frames / fps + 0.4);
    const frame = moving ? Math.min(Math.floor(at * fps), frames - 1) : Math.floor(frames / 2);
    if (frame === this.frame && this.width === this.canvas.clientWidth) return;
    [this.frame, this.width] = [frame, this.canvas.clientWidth];
    this.view.draw(frame);
  }
}

function run() {
  if (running) return;
  running = true;
  requestAnimationFrame(tick);
}

function tick(now) {
  for (const canvas of shown.keys())
    if (!canvas.isConnected && performance.now() - shown.get(canvas).start > 2000) {
      shown.delete(canvas);
      watcher.unobserve(canvas);
    }
  if (!shown.size) {
    running = false;
    return;
  }
  if (now - before >= PACE - 2) {
    before = now;
    for (const thumb of shown.values()) thumb.draw(now);
  }
  requestAnimationFrame(tick);
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const thumb of shown.values()) thumb.frame = -1;
});

// A picture of a clip: `k` and its hash, or `e` and the number of an example.
export function thumb(reference) {
  const canvas = h("canvas.thumb", { role: "img", "aria-label": "A clip" });
  const made = new Thumb(canvas, reference);
  shown.set(canvas, made);
  watcher.observe(canvas);
  canvas.hover = (on) => {
    made.hovered = on;
  };
  return canvas;
}
