/** The two figures that move: a new clip, and the example after which it is named. */

import { drawMoment, extentOf, TURN } from "./drawing.js";

/** Seconds for which the last posture is held. */
const HOLD = 0.5;

export class Stage {
  /**
   * @param {HTMLCanvasElement} left For the new clip.
   * @param {HTMLCanvasElement} right For the example.
   * @param {HTMLButtonElement} button Stops and starts both.
   */
  constructor(left, right, button) {
    this.canvases = [left, right];
    this.clips = [];
    this.turn = TURN;
    this.time = 0;
    this.before = null;
    this.playing = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    button.addEventListener("click", () => this.play(button, !this.playing));
    this.play(button, this.playing);
    for (const canvas of this.canvases) this.turnBy(canvas);
    requestAnimationFrame((now) => this.tick(now));
  }

  play(button, on) {
    this.playing = on;
    button.textContent = on ? "Pause" : "Play";
  }

  /** Whoever drags a figure turns both. */
  turnBy(canvas) {
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      this.turn += event.movementX * 0.01;
      this.fit();
    });
  }

  /** Show a clip and an example, from their beginning. */
  show(clip, example) {
    if (this.clips[0] !== clip) this.time = this.playing ? 0 : 0.6 * clip.seconds;
    this.clips = [clip, example];
    this.fit();
  }

  /** Show both at the same scale. */
  fit() {
    const extents = this.clips.map(({ bodies }) => extentOf(bodies, this.turn));
    const width = Math.max(...extents.map(([left, right]) => right - left));
    const height = Math.max(...extents.map(([, , bottom, top]) => top - bottom));
    this.extents = extents.map(([left, right, bottom]) => {
      const middle = (left + right) / 2;
      return [middle - width / 2, middle + width / 2, bottom, bottom + height];
    });
  }

  tick(now) {
    if (this.playing && this.before !== null) this.time += Math.min(now - this.before, 250) / 1000;
    this.before = now;
    const [clip] = this.clips;
    if (clip) {
      // The frames of both are evenly spaced in the same way, so that they keep in step.
      const share = Math.min((this.time % (clip.seconds + HOLD)) / clip.seconds, 1);
      this.clips.forEach(({ bodies }, i) =>
        drawMoment(this.canvases[i], bodies, share * (bodies.frames - 1), this.turn, this.extents[i]));
    }
    requestAnimationFrame((then) => this.tick(then));
  }
}
