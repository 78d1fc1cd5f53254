// Draws the skeletons of one clip in 3D on a canvas, and turns them by drag, wheel and touch.
//
// A clip is what `stars_infer.inspection.clip_data.clip_data` writes:
//   name, fps, frames, joints (names), bones ([parent, child]), sides ("left", "right", "middle"),
//   limbs (number of the limb of each joint), root, head (joints), facing (degrees), person (1 for
//   a standard adult), square (side of a floor square, meters), and
//   bodies: [{number, actor, poses}], poses: a frame's joints in whole millimeters, 3 V numbers,
//   or null where the body is not seen.
// Colors are the custom properties --left0, --right0, --middle0 to --middle2, --text, --panel, --line
// and --apart of the canvas (player.css).

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// What several views share, so that they turn together.
export class Camera {
  constructor() {
    this.follow = false;
    this.reset();
  }

  reset() {
    [this.turn, this.pitch, this.zoom, this.moved] = [0.35, 0.18, 1, [0, 0]];
  }
}

export class SkeletonView {
  // `changed` is called when the picture has to be drawn again. Joints are named in `tip`, an
  // element over the canvas.
  constructor(canvas, { camera = new Camera(), tip = null, changed = () => {} } = {}) {
    [this.canvas, this.camera, this.tip, this.changed] = [canvas, camera, tip, changed];
    this.pen = canvas.getContext("2d");
    this.colors = getComputedStyle(canvas);
    [this.clip, this.reach, this.pointer, this.held] = [null, 0, null, new Map()];
    this.listen();
  }

  // Show a clip. `reach` is how many times a person's size the picture is wide, where several
  // views are to have the same scale.
  show(clip, reach = 0) {
    this.clip = clip;
    this.ends = clip.ends = clip.ends || bounds(clip);
    this.reach = reach || this.ends.size / clip.person;
    this.canvas.setAttribute("aria-label", `Skeletons of ${clip.name}, seen in 3D`);
  }

  get distance() {
    return 1.75 * this.reach * this.clip.person * this.camera.zoom;
  }

  // The camera looks at the middle; without a turn it sees a person from the front.
  axes() {
    const yaw = this.clip.facing * Math.PI / 180 + this.camera.turn, { pitch } = this.camera;
    const sy = Math.sin(yaw), cy = Math.cos(yaw), sp = Math.sin(pitch), cp = Math.cos(pitch);
    return { right: [-cy, 0, -sy], up: [-sy * sp, cp, cy * sp], ahead: [-sy * cp, -sp, cy * cp] };
  }

  projector(width, height, frame) {
    const { clip, camera, distance } = this, { right, up, ahead } = this.axes();
    const body = clip.bodies.find((one) => one.actor && one.poses[frame]);
    const middle = camera.follow && body ? joint(body, frame, clip.root) : this.ends.middle;
    const [over, down] = camera.moved.map((value) => value * clip.person);
    const at = middle.map((value, i) => value - over * right[i] + down * up[i]);
    const focus = 1.5 * Math.min(1.5 * width, height);
    return (point) => {
      const way = [point[0] - at[0], point[1] - at[1], point[2] - at[2]];
      const depth = dot(way, ahead) + distance;
      if (depth < 0.02 * distance) return null;
      const scale = focus / depth;
      return [width / 2 + dot(way, right) * scale, height / 2 - dot(way, up) * scale, depth, scale];
    };
  }

  // Each body has its shades of left and right; who does not act is faint.
  shade(number, side) {
    return this.colors.getPropertyValue(`--${side}${number % 3}`);
  }

  // Draw a frame. `weights` says for each limb how much it stands out, 0 to 1.
  draw(frame, weights = null) {
    const { canvas, pen, clip } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const sharp = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== sharp[0] || canvas.height !== sharp[1])
      [canvas.width, canvas.height] = sharp;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!clip || !width) return;
    pen.lineCap = "round";
    const project = this.projector(width, height, frame), bones = [], joints = [];
    this.floor(project);
    clip.bodies.forEach((body, number) => {
      if (!body.poses[frame]) return;
      const points = clip.joints.map((name, v) => project(joint(body, frame, v)));
      points.forEach((point, v) => point && joints.push({ point, v, body, number }));
      for (const [parent, child] of clip.bones) {
        const start = points[parent], end = points[child];
        if (start && end) bones.push({ start, end, child, body, number, depth: start[2] + end[2] });
      }
    });
    bones.sort((a, b) => b.depth - a.depth);
    if (weights) this.halo(bones, weights);
    for (const bone of bones) {
      pen.globalAlpha = bone.body.actor ? 1 : 0.3;
      pen.strokeStyle = this.shade(bone.number, clip.sides[bone.child]);
      const thick = this.thickness(bone);
      this.stroke(bone.start, bone.end, thick);
      if (clip.sides[bone.child] !== "left" || thick < 3) continue;
      pen.globalAlpha = 1; // left limbs are hollow, which tells sides in black and white
      pen.strokeStyle = this.colors.getPropertyValue("--panel");
      this.stroke(bone.start, bone.end, thick * 0.4);
    }
    for (const { point, v, body, number } of joints) {
      pen.globalAlpha = body.actor ? 1 : 0.3;
      this.disc(point, Math.max(1.5, clip.person * 0.014 * point[3]),
        this.colors.getPropertyValue("--text"));
      if (v === clip.head)
        this.disc(point, clip.person * 0.1 * point[3], null, this.shade(number, "middle"));
    }
    pen.globalAlpha = 1;
    this.name(joints, frame);
  }

  thickness({ start, end }) {
    return Math.max(1.5, this.clip.person * 0.026 * (start[3] + end[3]) / 2);
  }

  // Limbs that stand out lie on a broad band, which also tells them in black and white.
  halo(bones, weights) {
    const { pen, clip } = this;
    pen.strokeStyle = this.colors.getPropertyValue("--apart");
    for (const bone of bones) {
      const weight = bone.body.actor ? weights[clip.limbs[bone.child]] || 0 : 0;
      if (weight < 0.05) continue;
      pen.globalAlpha = Math.min(1, 0.25 + 0.6 * weight);
      this.stroke(bone.start, bone.end, this.thickness(bone) * (2 + 2.5 * weight));
    }
    pen.globalAlpha = 1;
  }

  floor(project) {
    const { square } = this.clip, { middle, floor, size } = this.ends;
    const reach = Math.min(Math.ceil(0.75 * size / square) + 2, 24);
    const x0 = Math.round(middle[0] / square), z0 = Math.round(middle[2] / square);
    this.pen.strokeStyle = this.colors.getPropertyValue("--line");
    const line = (x, z, dx, dz) => this.stroke(
      project([(x0 + x) * square, floor, (z0 + z) * square]),
      project([(x0 + x + dx) * square, floor, (z0 + z + dz) * square]), 1);
    for (let i = -reach; i <= reach; i++)
      for (let j = -reach; j < reach; j++) {
        line(i, j, 0, 1);
        line(j, i, 1, 0);
      }
  }

  stroke(start, end, width) {
    if (!start || !end) return;
    const { pen } = this;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(start[0], start[1]);
    pen.lineTo(end[0], end[1]);
    pen.stroke();
  }

  disc(point, radius, fill, line) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(point[0], point[1], radius, 0, 7);
    pen.lineWidth = Math.max(1.5, radius / 5);
    if (fill) { pen.fillStyle = fill; pen.fill(); } else { pen.strokeStyle = line; pen.stroke(); }
  }

  // Name the joint under the pointer.
  name(joints, frame) {
    const { tip, clip, canvas, pointer } = this;
    canvas.style.cursor = this.held.size ? "grabbing" : "grab";
    if (!tip) return;
    tip.style.display = "none";
    if (!pointer || this.held.size) return;
    const gap = ({ point }) => Math.hypot(point[0] - pointer[0], point[1] - pointer[1]);
    const near = joints.filter((one) => gap(one) < 14).sort((a, b) => gap(a) - gap(b))[0];
    if (!near) return;
    const place = joint(near.body, frame, near.v).map((value) => value.toFixed(2)).join(", ");
    tip.textContent = `${clip.joints[near.v]} · body ${near.body.number} · (${place}) m`;
    tip.style.display = "block";
    const spare = canvas.clientWidth - tip.offsetWidth - 4;
    tip.style.left = Math.max(0, Math.min(near.point[0] + 12, spare)) + "px";
    tip.style.top = Math.max(0, near.point[1] - 30) + "px";
  }

  // One pointer turns (or moves, with shift), two zoom.
  listen() {
    const { canvas, camera, held } = this;
    const place = (event) => [event.offsetX, event.offsetY];
    const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    const zoom = (by) => { camera.zoom = Math.min(Math.max(camera.zoom * by, 0.03), 12); };
    const on = (name, act) => canvas.addEventListener(name, (event) => {
      act(event);
      this.changed();
    }, { passive: false });
    on("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, place(event));
    });
    on("pointermove", (event) => {
      const last = held.get(event.pointerId);
      this.pointer = place(event);
      if (!last) return;
      const apart = held.size === 2 ? spread([...held.values()]) : 0;
      held.set(event.pointerId, this.pointer);
      const across = this.pointer[0] - last[0], down = this.pointer[1] - last[1];
      if (apart) zoom(apart / Math.max(spread([...held.values()]), 1));
      else if (event.shiftKey) {
        const scale = 1.75 * this.reach * camera.zoom / (1.5 * canvas.clientHeight);
        camera.moved = [camera.moved[0] + across * scale, camera.moved[1] + down * scale];
      } else {
        camera.turn += across * 0.008;
        camera.pitch = Math.min(Math.max(camera.pitch + down * 0.008, -1.5), 1.5);
      }
    });
    for (const end of ["pointerup", "pointercancel"])
      on(end, (event) => held.delete(event.pointerId));
    on("pointerleave", () => { this.pointer = null; });
    on("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(event.deltaY * 0.001));
    });
  }
}

export function joint(body, at, v) {
  const pose = body.poses[at];
  return pose && [pose[3 * v] / 1000, pose[3 * v + 1] / 1000, pose[3 * v + 2] / 1000];
}

// Where the bodies that act are, but for one in a hundred stray positions: where to look, how far
// from, where the floor is.
export function bounds(clip) {
  const places = [[], [], []], some = clip.bodies.some((body) => body.actor);
  for (const body of clip.bodies.filter((one) => one.actor === some))
    for (const pose of body.poses)
      if (pose) pose.forEach((value, i) => places[i % 3].push(value / 1000));
  const ends = places.map((values) => {
    values.sort((a, b) => a - b);
    return [0.01, 0.99].map((share) => values[Math.floor(share * (values.length - 1))] ?? 0);
  });
  const size = Math.max(Math.hypot(...ends.map(([low, high]) => high - low)), 1e-3);
  return { floor: ends[1][0], middle: ends.map(([low, high]) => (low + high) / 2), size };
}
