/**
 * Joints of bodies over time, as one flat array.
 *
 * Axes: M bodies, T frames, V joints. Positions are in meters, y up, right-handed. A body is absent
 * in a frame in which all its joints are zero.
 */

export class Bodies {
  /**
   * @param {number} count M
   * @param {number} frames T
   * @param {number} joints V
   * @param {Float32Array} data (M, T, V, 3) laid flat; zeros if not given
   */
  constructor(count, frames, joints, data = new Float32Array(count * frames * joints * 3)) {
    this.count = count;
    this.frames = frames;
    this.joints = joints;
    this.data = data;
  }

  /** Numbers of one body in one frame, 3 V. */
  get stride() {
    return this.joints * 3;
  }

  /** Where a body in a frame begins in the data. */
  at(body, frame) {
    return (body * this.frames + frame) * this.stride;
  }

  /** The joints (V, 3) of a body in a frame; a view, not a copy. */
  pose(body, frame) {
    const start = this.at(body, frame);
    return this.data.subarray(start, start + this.stride);
  }

  /** Whether a body is seen in a frame. */
  present(body, frame) {
    return this.pose(body, frame).some((value) => value !== 0);
  }

  /** The numbers of the frames in which a body is seen. */
  seen(body) {
    return Array.from({ length: this.frames }, (_, frame) => frame)
      .filter((frame) => this.present(body, frame));
  }

  /** The frames from `start` up to, but not including, `end`. */
  slice(start, end) {
    const cut = new Bodies(this.count, end - start, this.joints);
    for (let body = 0; body < this.count; body++)
      cut.data.set(this.data.subarray(this.at(body, start), this.at(body, end)), cut.at(body, 0));
    return cut;
  }

  /**
   * Interpolate linearly at fractional frames, clamped to the first and the last.
   *
   * @param {ArrayLike<number>} positions (T',)
   */
  resampled(positions) {
    const result = new Bodies(this.count, positions.length, this.joints);
    const last = this.frames - 1;
    for (let frame = 0; frame < positions.length; frame++) {
      const position = Math.min(Math.max(positions[frame], 0), last);
      const before = Math.floor(position), after = Math.min(before + 1, last);
      const weight = position - before;
      for (let body = 0; body < this.count; body++) {
        const from = this.pose(body, before), to = this.pose(body, after);
        const made = result.pose(body, frame);
        for (let i = 0; i < made.length; i++) made[i] = from[i] * (1 - weight) + to[i] * weight;
      }
    }
    return result;
  }
}

/** The distance of two joints, the second at `j` of `other`. */
export function distance(pose, i, other, j) {
  return Math.hypot(pose[3 * i] - other[3 * j], pose[3 * i + 1] - other[3 * j + 1],
    pose[3 * i + 2] - other[3 * j + 2]);
}
