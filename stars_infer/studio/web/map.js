// A map of all examples: drawn on a canvas, so that ten thousand of them stay fluid.

import { look, outline } from "./colors.js";
import { h } from "./dom.js";

const CELLS = 64,
  REACH = 14;

export class ExampleMap {
  // `point` is called with the position of what is under the pointer (-1 for nothing), `choose` with
  // what is clicked or gone to by keys.
  constructor({ point, choose }) {
    this.canvas = h("canvas.map", {
      tabindex: 0,
      role: "application",
      "aria-label": "Map of all examples: arrow keys go from one to the next, plus and minus zoom",
    });
    [this.point, this.choose] = [point, choose];
    [this.ids, this.x, this.y, this.labels, this.label] = [[], [], [], [], []];
    [this.zoom, this.across, this.down] = [1, 0, 0];
    [this.hovered, this.chosen, this.faint, this.dirty] = [-1, -1, null, true];
    this.held = new Map();
    this.sprites = new Map();
    this.canvas.map = this;
    this.listen();
    this.tick = this.tick.bind(this);
  }

  // Show what the server sends; the chosen example stays chosen.
  show({ ids, places, label, labels }) {
    const chosen = this.ids[this.chosen];
    [this.ids, this.label, this.labels] = [ids, label, labels];
    this.x = Float32Array.from(ids, (_, i) => places[2 * i]);
    this.y = Float32Array.from(ids, (_, i) => -places[2 * i + 1]);
    this.cells = new Map();
    ids.forEach((_, i) => {
      const cell = this.cell(this.x[i], this.y[i]);
      if (this.cells.has(cell)) this.cells.get(cell).push(i);
      else this.cells.set(cell, [i]);
    });
    this.chosen = chosen === undefined ? -1 : ids.indexOf(chosen);
    this.hovered = -1;
    this.wake();
  }

  // Let one action stand out; null for all.
  emphasize(label) {
    this.faint = label === null ? null : this.labels.indexOf(label);
    this.wake();
  }

  cell(x, y) {
    return Math.floor(((x + 1) * CELLS) / 2) * 4096 + Math.floor(((y + 1) * CELLS) / 2);
  }

  get scale() {
    return (Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / 2) * this.zoom;
  }

  get radius() {
    const crowd = this.ids.length > 3000 ? 3 : this.ids.length > 600 ? 4.2 : 6;
    return Math.min(crowd * Math.sqrt(this.zoom), 9);
  }

  place(i) {
    const { canvas, scale } = this;
    return [
      canvas.clientWidth / 2 + (this.x[i] + this.across) * scale,
      canvas.clientHeight / 2 + (this.y[i] + this.down) * scale,
    ];
  }

  wake() {
    this.dirty = true;
    if (!this.awake) {
      this.awake = true;
      requestAnimationFrame(this.tick);
    }
  }

  tick() {
    this.awake = false;
    if (this.dirty && this.canvas.isConnected) {
      this.dirty = false;
      this.draw();
    }
  }

  // A point of an action as pixels, drawn once and then copied; `faint` behind one that stands out.
  sprite(label, faint, ratio, style) {
    const { color, shape } = look(label),
      key = `${color} ${shape} ${faint}`;
    if (!this.sprites.has(key)) {
      const size = Math.ceil(this.span * ratio),
        made = document.createElement("canvas");
      [made.width, made.height] = [size, size];
      const pen = made.getContext("2d", { willReadFrequently: true }),
        panel = style.getPropertyValue("--panel");
      pen.scale(ratio, ratio);
      outline(pen, shape, this.span / 2, this.span / 2, this.drawn);
      [pen.fillStyle, pen.strokeStyle, pen.lineWidth, pen.lineJoin] = [panel, panel, 2, "round"];
      pen.fill();
      pen.stroke();
      pen.globalAlpha = faint ? 0.22 : 1;
      pen.fillStyle = style.getPropertyValue(`--action${color}`);
      pen.fill();
      const pixels = new Uint32Array(pen.getImageData(0, 0, size, size).data.buffer),
        places = [],
        colors = [];
      pixels.forEach((pixel, at) => {
        if (pixel >>> 24 < 128) return;
        places.push(at % size, Math.floor(at / size));
        colors.push((pixel | 0xff000000) >>> 0);
      });
      this.sprites.set(key, {
        across: Int16Array.from(places.filter((_, n) => n % 2 === 0)),
        down: Int16Array.from(places.filter((_, n) => n % 2)),
        colors: Uint32Array.from(colors),
      });
    }
    return this.sprites.get(key);
  }

  draw() {
    const { canvas } = this,
      ratio = window.devicePixelRatio || 1,
      style = getComputedStyle(canvas);
    const wide = Math.round(canvas.clientWidth * ratio),
      high = Math.round(canvas.clientHeight * ratio);
    if (!wide || !high) return;
    if (canvas.width !== wide || canvas.height !== high) {
      [canvas.width, canvas.height, this.picture] = [wide, high, null];
    }
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    const kind = `${this.radius.toFixed(1)} ${ratio} ${dark}`;
    if (kind !== this.kind) {
      this.sprites.clear();
      [this.kind, this.drawn, this.span] = [
        kind,
        this.radius,
        2 * Math.ceil(1.3 * this.radius + 2),
      ];
    }
    const pen = (this.pen = this.pen || canvas.getContext("2d"));
    this.picture = this.picture || new ImageData(wide, high);
    this.points(new Uint32Array(this.picture.data.buffer), wide, high, ratio, style);
    pen.putImageData(this.picture, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ring(this.hovered, style.getPropertyValue("--text"), 2);
    this.ring(this.chosen, style.getPropertyValue("--accent"), 3);
  }

  // Copying pixels takes less time than drawing as many small pictures.
  points(pixels, wide, high, ratio, style) {
    const half = this.span / 2,
      scale = this.scale * ratio,
      size = Math.ceil(this.span * ratio);
    const left = wide / 2 + this.across * scale - half * ratio,
      top = high / 2 + this.down * scale - half * ratio;
    pixels.fill(0);
    for (const front of this.faint === null ? [true] : [false, true]) {
      const sprites = this.labels.map((label) => this.sprite(label, !front, ratio, style));
      for (let i = 0; i < this.ids.length; i++) {
        if (this.faint !== null && (this.label[i] === this.faint) !== front) continue;
        const x = Math.round(left + this.x[i] * scale),
          y = Math.round(top + this.y[i] * scale);
        if (x < 0 || y < 0 || x + size > wide || y + size > high) continue;
        const { across, down, colors } = sprites[this.label[i]],
          start = y * wide + x;
        for (let n = 0; n < colors.length; n++)
          pixels[start + down[n] * wide + across[n]] = colors[n];
      }
    }
  }

  ring(i, color, width) {
    if (i < 0 || i >= this.ids.length) return;
    const { pen } = this,
      [x, y] = this.place(i),
      { shape } = look(this.labels[this.label[i]]);
    outline(pen, shape, x, y, this.radius);
    pen.fillStyle = getComputedStyle(this.canvas).getPropertyValue(
      `--action${look(this.labels[this.label[i]]).color}`,
    );
    pen.fill();
    pen.beginPath();
    pen.arc(x, y, this.radius + 5, 0, 7);
    pen.lineWidth = width;
    pen.strokeStyle = color;
    pen.stroke();
  }

  // The example nearest to a place of the canvas, -1 if none is near.
  at(px, py) {
    const { canvas, scale } = this;
    const x = (px - canvas.clientWidth / 2) / scale - this.across,
      y = (py - canvas.clientHeight / 2) / scale - this.down;
    const reach = REACH / scale,
      step = 2 / CELLS;
    let best = -1,
      least = reach;
    for (let a = x - reach; a < x + reach + step; a += step)
      for (let b = y - reach; b < y + reach + step; b += step)
        for (const i of this.cells?.get(
          this.cell(Math.min(a, x + reach), Math.min(b, y + reach)),
        ) || []) {
          const gap = Math.hypot(this.x[i] - x, this.y[i] - y);
          if (gap < least) [best, least] = [i, gap];
        }
    return best;
  }

  zoomBy(by, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2) {
    const before = this.scale;
    this.zoom = Math.min(Math.max(this.zoom * by, 0.5), 60);
    const share = 1 / this.scale - 1 / before;
    this.across += (px - this.canvas.clientWidth / 2) * share;
    this.down += (py - this.canvas.clientHeight / 2) * share;
    this.wake();
  }

  whole() {
    [this.zoom, this.across, this.down] = [1, 0, 0];
    this.wake();
  }

  goTo(i) {
    this.chosen = i;
    const [x, y] = this.place(i),
      { clientWidth: width, clientHeight: height } = this.canvas;
    if (x < 0 || y < 0 || x > width || y > height)
      [this.across, this.down] = [-this.x[i], -this.y[i]];
    this.wake();
    this.choose(i);
  }

  // From the chosen example to the nearest one in a direction.
  step(dx, dy) {
    if (!this.ids.length) return;
    if (this.chosen < 0) {
      this.goTo(0);
      return;
    }
    let best = -1,
      least = Infinity;
    for (let i = 0; i < this.ids.length; i++) {
      const a = this.x[i] - this.x[this.chosen],
        b = this.y[i] - this.y[this.chosen];
      const along = a * dx + b * dy,
        beside = Math.abs(a * dy) + Math.abs(b * dx);
      if (i === this.chosen || along <= 0 || beside > 1.5 * along) continue;
      const cost = along + 2 * beside;
      if (cost < least) [best, least] = [i, cost];
    }
    if (best >= 0) this.goTo(best);
  }

  key(event) {
    const about = this.chosen < 0 ? [] : this.place(this.chosen),
      acts = {
        ArrowLeft: () => this.step(-1, 0),
        ArrowRight: () => this.step(1, 0),
        ArrowUp: () => this.step(0, -1),
        ArrowDown: () => this.step(0, 1),
        "+": () => this.zoomBy(1.4, ...about),
        "=": () => this.zoomBy(1.4, ...about),
        "-": () => this.zoomBy(1 / 1.4, ...about),
        0: () => this.whole(),
      };
    if (!acts[event.key]) return false;
    acts[event.key]();
    event.preventDefault();
    return true;
  }

  listen() {
    const { canvas, held } = this,
      place = (event) => [event.offsetX, event.offsetY];
    const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    let moved = 0;
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, place(event));
      if (held.size === 1) moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const now = place(event),
        last = held.get(event.pointerId);
      if (!last) {
        const found = this.at(...now);
        if (found !== this.hovered) {
          this.hovered = found;
          this.point(found);
          this.wake();
        }
        canvas.style.cursor = found < 0 ? "grab" : "pointer";
        return;
      }
      const before = held.size === 2 ? spread([...held.values()]) : 0;
      held.set(event.pointerId, now);
      if (before) this.zoomBy(spread([...held.values()]) / Math.max(before, 1));
      else {
        const across = now[0] - last[0],
          down = now[1] - last[1];
        moved += Math.hypot(across, down);
        [this.across, this.down] = [
          this.across + across / this.scale,
          this.down + down / this.scale,
        ];
        this.wake();
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      const alone = held.size === 1;
      held.delete(event.pointerId);
      if (!alone || moved > 6) return;
      const found = this.at(...place(event));
      if (found >= 0) this.goTo(found);
    });
    canvas.addEventListener("pointercancel", (event) => held.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => {
      if (this.hovered >= 0) {
        this.hovered = -1;
        this.point(-1);
        this.wake();
      }
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY * 0.0015), ...place(event));
      },
      { passive: false },
    );
    new ResizeObserver(() => this.wake()).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wake());
  }
}
