// Plays one clip, or two side by side in time alignment, with a bar of controls (player.css).
//
//   const player = new Player(element);
//   player.show([clip]);                       // one clip
//   player.show([clip, example], alignment);   // two, led by the path of `Alignment.to_json()`
//   player.show([clip, example]);              // two, each in its own time
//
// Clips are what `skeleton.js` says. An alignment has `first_seconds` and `second_seconds`, the
// times in both clips at each place of the path, and `distances`, by which the limbs that differ
// most are made to stand out. Nothing is loaded, and all names are text.

import { Camera, SkeletonView } from "./skeleton.js";

// Distances of limbs, in body heights, from which and up to which they stand out more and more.
const LEAST = 0.06, MOST = 0.3;
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

export class Player {
  // `keys` is where space and arrow keys are heard; `playing` whether it starts at once.
  constructor(root, { keys = root, playing = !still.matches, captions = true } = {}) {
    [this.root, this.playing, this.captions, this.clips] = [root, playing, captions, []];
    [this.time, this.before, this.dirty, this.seen] = [0, null, true, true];
    this.camera = new Camera();
    this.build();
    this.listen(keys);
    this.tick = this.tick.bind(this);
    requestAnimationFrame(this.tick);
  }

  build() {
    const { root } = this;
    root.classList.add("player");
    this.views = [0, 1].map((number) => {
      const stage = element("figure", "stage"), canvas = element("canvas", "view");
      const tip = element("div", "tip"), caption = element("figcaption", "caption");
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "img");
      stage.append(canvas, tip, caption);
      const changed = () => { this.dirty = true; };
      const view = new SkeletonView(canvas, { camera: this.camera, tip, changed });
      return Object.assign(view, { stage, caption, number });
    });
    const stages = element("div", "stages"), bar = element("div", "bar");
    stages.append(...this.views.map((view) => view.stage));
    this.button = element("button", "play", "Play");
    this.button.title = "Space";
    this.scrub = Object.assign(element("input", "scrub"), { type: "range", min: 0, step: "any" });
    this.scrub.setAttribute("aria-label", "Time");
    this.said = element("span", "time");
    bar.append(this.button, this.scrub, this.said);
    const more = element("div", "bar"), speed = element("label", "", "Speed ");
    this.speed = element("select", "speed");
    for (const value of SPEEDS) this.speed.add(new Option(`${value}×`, value));
    this.speed.value = 1;
    speed.append(this.speed);
    const follow = element("label", "");
    this.follow = Object.assign(element("input", "follow"), { type: "checkbox" });
    follow.append(this.follow, " follow body");
    this.reset = element("button", "reset", "Reset view");
    this.legend = element("span", "legend");
    more.append(speed, follow, this.reset, this.legend);
    root.replaceChildren(stages, bar, more);
    for (const button of [this.button, this.reset]) button.type = "button";
  }

  // Show one or two clips from their beginning.
  show(clips, alignment = null) {
    this.clips = clips.slice(0, 2);
    this.pair = alignment && this.clips.length === 2 ? alignment : null;
    this.root.classList.toggle("two", this.clips.length === 2);
    this.views.forEach((view, number) => {
      const clip = this.clips[number];
      view.stage.hidden = !clip;
      if (!clip) return;
      view.show(clip);
      view.caption.textContent = clip.caption || clip.name;
      view.caption.hidden = !this.captions;
    });
    const shown = this.views.slice(0, this.clips.length);
    const reach = Math.max(...shown.map((view) => view.reach));
    shown.forEach((view) => view.show(view.clip, reach));
    this.knots = this.pair ? knotsOf(this.clips, this.pair) : null;
    const lengths = this.clips.map((clip) => clip.frames / clip.fps);
    this.length = this.knots ? this.knots.at(-1).time : Math.max(...lengths);
    [this.time, this.before, this.dirty] = [0, null, true];
    this.scrub.max = this.length;
    this.camera.reset();
    this.keyColors();
    this.play(this.playing);
  }

  // The frame of each clip now, and how much each limb stands out.
  now() {
    const { clips, time, knots } = this;
    if (!knots) {
      const at = ({ fps, frames }) => Math.min(Math.floor(time * fps + 1e-6), frames - 1);
      return { frames: clips.map(at), weights: null };
    }
    let after = knots.findIndex((knot) => knot.time > time);
    if (after < 0) after = knots.length - 1;
    const [one, two] = [knots[Math.max(after - 1, 0)], knots[after]];
    const share = two.time > one.time ? (time - one.time) / (two.time - one.time) : 0;
    const frames = clips.map((clip, i) => Math.min(clip.frames - 1,
      Math.round(one.frames[i] + share * (two.frames[i] - one.frames[i]))));
    const weights = one.apart && one.apart.map(
      (value) => Math.min(Math.max((value - LEAST) / (MOST - LEAST), 0), 1));
    return { frames, weights };
  }

  draw() {
    const { frames, weights } = this.now();
    this.clips.forEach((clip, i) => this.views[i].draw(frames[i], weights));
    this.scrub.value = this.time;
    const clip = this.clips[0], seconds = (i) => (frames[i] / this.clips[i].fps).toFixed(2);
    this.said.textContent = this.clips.length > 1 ? `${seconds(0)} s | ${seconds(1)} s`
      : `frame ${frames[0]} of ${clip.frames}, ${seconds(0)} s of `
        + `${(clip.frames / clip.fps).toFixed(2)} s`;
  }

  tick(now) {
    if (!this.root.isConnected) return;
    if (this.playing && this.before !== null && this.clips.length) {
      const passed = Math.min(now - this.before, 250) / 1000 * Number(this.speed.value);
      this.time = (this.time + passed) % Math.max(this.length, 1e-3);
      this.dirty = true;
    }
    this.before = now;
    if (this.dirty && this.seen && this.clips.length) {
      this.dirty = false;
      this.draw();
    }
    requestAnimationFrame(this.tick);
  }

  play(on) {
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
  }

  // Go to a time, seconds, and stop there.
  seek(time) {
    this.play(false);
    this.time = Math.min(Math.max(time, 0), this.length);
    this.dirty = true;
  }

  // Go to where the first clip is at a second of its own.
  seekFirst(seconds) {
    if (!this.knots) return this.seek(seconds);
    const frame = seconds * this.clips[0].fps;
    let after = this.knots.findIndex((knot) => knot.frames[0] >= frame);
    if (after < 1) after = after < 0 ? this.knots.length - 1 : 1;
    const [one, two] = [this.knots[after - 1], this.knots[after]];
    const share = (frame - one.frames[0]) / Math.max(two.frames[0] - one.frames[0], 1e-6);
    return this.seek(one.time + Math.min(share, 1) * (two.time - one.time));
  }

  // Advance by a frame of the first clip.
  step(by) {
    const frame = this.now().frames[0] + by, { frames, fps } = this.clips[0];
    if (!this.knots) return this.seek(((frame + frames) % frames + 0.01) / fps);
    return this.seek(this.time + by / fps);
  }

  keyColors() {
    const keys = [];
    this.clips[0].bodies.forEach((body, number) => {
      for (const side of ["left", "right"]) {
        const many = this.clips[0].bodies.length > 1;
        const key = element("span", `key ${side}`, many ? `${side} of body ${body.number}` : side);
        key.style.color = this.views[0].shade(number, side);
        if (!body.actor) key.style.opacity = 0.5;
        keys.push(key);
      }
    });
    if (this.pair && this.pair.distances) keys.push(element("span", "key apart", "differs most"));
    this.legend.replaceChildren(...keys);
  }

  listen(keys) {
    this.button.addEventListener("click", () => this.play(!this.playing));
    this.button.addEventListener("keyup", (event) => {
      if (event.code === "Space") event.preventDefault();
    });
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.follow.addEventListener("change", () => {
      this.camera.follow = this.follow.checked;
      this.dirty = true;
    });
    this.reset.addEventListener("click", () => { this.camera.reset(); this.dirty = true; });
    keys.addEventListener("keydown", (event) => {
      if (event.target.closest("select, textarea, input:not([type=range])")) return;
      if (event.code === "Space") { event.preventDefault(); this.play(!this.playing); }
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.code];
      if (by && this.clips.length) { event.preventDefault(); this.step(by); }
    });
    new ResizeObserver(() => { this.dirty = true; }).observe(this.root);
    new IntersectionObserver(([one]) => {
      [this.seen, this.dirty] = [one.isIntersecting, true];
    }).observe(this.root);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (this.clips.length) this.keyColors();
      this.dirty = true;
    });
  }
}

// Times at which the frames of both clips are known. What the path leaves out at the beginning and
// the end is played, too; in between, time passes at the mean of both paces.
function knotsOf(clips, { first_seconds: one, second_seconds: two, distances = [] }) {
  const at = (seconds) => clips.map(({ fps }, i) => seconds[i] * fps);
  const places = one.map((time, k) => ({ frames: at([time, two[k]]), apart: distances[k] }));
  const ends = clips.map((clip) => clip.frames - 1), last = places.at(-1);
  const passed = (from, to) => clips.map(({ fps }, i) => (to[i] - from[i]) / fps);
  let time = 0, before = [0, 0];
  const knots = [{ time, frames: before, apart: null }];
  places.forEach(({ frames, apart }, k) => {
    const [a, b] = passed(before, frames);
    time += k ? (a + b) / 2 : Math.max(a, b);
    knots.push({ time, frames, apart });
    before = frames;
  });
  time += Math.max(...passed(last.frames, ends), 0);
  knots.push({ time: time + 1e-3, frames: ends, apart: null });
  return knots;
}
