// The page of `stars segment --html`: tracks of recordings, of which only what is in view is made,
// and a player of the segment that was chosen beside its example.

import { Player } from "./player.js";

const { labels, recordings, examples } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SCALES = [2, 5, 10, 20, 40, 80, 160];
const LAST = 72; // pixels behind the end, for the time that stands there
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `13.5px ${getComputedStyle(document.body).fontFamily}`;
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
let player = null, chosen = null;

function made(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10), s = (tenths % 600) / 10;
  const minutes = Math.floor(tenths / 600) % 60, hours = Math.floor(tenths / 36000);
  const end = (minutes || hours ? String(Math.floor(s)).padStart(2, "0") : String(Math.floor(s)))
    + "." + Math.round(s * 10) % 10;
  if (hours) return `${hours}:${String(minutes).padStart(2, "0")}:${end}`;
  return minutes ? `${minutes}:${end}` : end;
}

class Track {
  constructor(recording, number) {
    [this.recording, this.number, this.scale] = [recording, number, 20];
    const root = made("section", "track"), bar = made("div", "bar");
    this.scroller = made("div", "scroller");
    this.lane = made("div", "lane");
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("aria-label", `Segments of ${recording.name}`);
    for (const [text, by] of [["Wider", 1], ["Narrower", -1]]) {
      const button = Object.assign(made("button", "", text), { type: "button" });
      button.addEventListener("click", () => this.zoom(by));
      bar.append(button);
    }
    this.scroller.append(this.lane);
    root.append(made("h2", "", recording.name), this.scroller, bar);
    $("tracks").append(root);
    this.scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    const fits = SCALES.filter((one) => recording.seconds * one <= 1100);
    this.scale = Math.max(fits.at(-1) || SCALES[0], 20);
    this.draw();
  }

  zoom(by) {
    const middle = (this.scroller.scrollLeft + this.scroller.clientWidth / 2) / this.scale;
    const at = SCALES.indexOf(this.scale) + by;
    this.scale = SCALES[Math.min(Math.max(at, 0), SCALES.length - 1)];
    this.draw();
    this.scroller.scrollLeft = middle * this.scale - this.scroller.clientWidth / 2;
  }

  // Make the segments that are in view, and little more.
  draw() {
    const { scale, recording, scroller } = this, { seconds, parts } = recording;
    this.lane.style.width = `${seconds * scale + LAST}px`;
    const from = scroller.scrollLeft / scale - 60 / scale;
    const to = (scroller.scrollLeft + scroller.clientWidth + 60) / scale;
    const focused = document.activeElement && document.activeElement.dataset.place;
    const shown = [];
    parts.forEach((part, place) => {
      if (part.end >= from && part.start <= to) shown.push(this.part(part, place));
    });
    const step = STEPS.find((one) => one * scale >= 70) || STEPS.at(-1);
    for (let at = Math.max(0, Math.floor(from / step)) * step; at <= Math.min(to, seconds); at += step) {
      const tick = made("span", "tick", clock(at));
      tick.style.left = `${at * scale}px`;
      shown.push(tick);
    }
    const inside = this.lane.contains(document.activeElement);
    this.lane.replaceChildren(...shown);
    if (inside) this.lane.querySelector(`[data-place="${focused}"]`)?.focus();
  }

  part(part, place) {
    const { name, color, pale, letter } = labels[part.label], wide = (part.end - part.start) * this.scale;
    const texts = [`${name} ${part.confidence.toFixed(2)}`, name, letter];
    const text = texts.find((one) => ruler.measureText(one).width + 12 <= wide) || "";
    const button = made("button", "part", text);
    const said = `${part.near ? "nearly " : ""}${name}, ${clock(part.start)} to ${clock(part.end)}, `
      + `confidence ${part.confidence.toFixed(2)}`;
    Object.assign(button, { type: "button", title: said });
    Object.assign(button.dataset, { place });
    button.setAttribute("aria-label", said);
    button.setAttribute("aria-pressed", chosen === part);
    button.classList.toggle("near", part.near);
    button.classList.toggle("silent", !part.clip);
    const up = 100 * part.confidence;
    Object.assign(button.style, {
      left: `${part.start * this.scale}px`, width: `${Math.max(wide - 2, 3)}px`,
      background: `linear-gradient(to top, ${color} ${up}%, ${pale} ${up}%)`,
    });
    button.addEventListener("click", () => choose(part, this));
    button.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.code];
      if (by) { event.preventDefault(); this.step(place + by); }
    });
    return button;
  }

  // Go to another segment, and bring it into view.
  step(place) {
    const part = this.recording.parts[place];
    if (!part) return;
    const middle = (part.start + part.end) / 2 * this.scale;
    this.scroller.scrollLeft = middle - this.scroller.clientWidth / 2;
    this.draw();
    this.lane.querySelector(`[data-place="${place}"]`)?.focus();
    choose(part, this);
  }
}

function choose(part, track) {
  chosen = part;
  tracks.forEach((one) => one.draw());
  const { name } = labels[part.label], { recording } = track;
  $("title").textContent = `${part.near ? "Nearly " : ""}${name}, ${clock(part.start)} to `
    + `${clock(part.end)}, ${(100 * part.confidence).toFixed(0)} % sure`;
  $("chosen").hidden = false;
  $("player").hidden = !part.clip;
  if (!part.clip) {
    $("differs").textContent = "There are more segments than a page of this size can play. "
      + `To see it: cut ${recording.name} from ${clock(part.start)} to ${clock(part.end)}.`;
    return;
  }
  player ||= new Player($("player"));
  const example = part.example === null ? [] : [examples[part.example]];
  player.show([part.clip, ...example], part.alignment);
  player.play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  const words = part.alignment ? part.alignment.differences.map((one) => one.words) : [];
  $("differs").textContent = !example.length ? "The file of its example is not there any more."
    : words.length ? `What differs most: ${words.slice(0, 3).join("; ")}.`
      : "Hardly anything differs.";
}

const tracks = $("tracks") ? recordings.map((one, number) => new Track(one, number)) : [];
