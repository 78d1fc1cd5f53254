/** Draw prepared bodies on a canvas, as somebody sees them who stands where the sensor stood. */

import { HEAD, PARENTS, sideOf } from "./skeleton.js";

/** How far a figure is turned unless somebody turns it, radians: depth can be seen. */
export const TURN = 0.45;
/** Joints whose way is shown: the hands and feet. */
const TRAILS = [7, 11, 15, 19];
/** Frames for which it is shown. */
const TRAIL_FRAMES = 10;
/** Smallest height and width of what is shown, meters. */
const LEAST_HEIGHT = 1.5, LEAST_WIDTH = 0.9;
/** Of the head, above its joint, meters. */
const HEADROOM = 0.12;
/** Room around it, as a share. */
const MARGIN = 0.06;

/** Across and up in the picture, and toward its viewer, of a joint. */
function project(pose, joint, turn) {
  const [x, y, z] = pose.subarray(3 * joint, 3 * joint + 3);
  const cos = Math.cos(turn), sin = Math.sin(turn);
  return [-(cos * x + sin * z), y, sin * x - cos * z];
}

/** What of a clip must fit into the picture: [left, right, bottom, top], meters. */
export function extentOf(bodies, turn) {
  const box = [Infinity, -Infinity, Infinity, -Infinity];
  for (let body = 0; body < bodies.count; body++)
    for (const frame of bodies.seen(body))
      for (let joint = 0; joint < bodies.joints; joint++) {
        const [x, y] = project(bodies.pose(body, frame), joint, turn);
        [box[0], box[1]] = [Math.min(box[0], x), Math.max(box[1], x)];
        [box[2], box[3]] = [Math.min(box[2], y), Math.max(box[3], y)];
      }
  const wider = Math.max(LEAST_WIDTH - (box[1] - box[0]), 0) / 2;
  return [box[0] - wider, box[1] + wider, box[2], Math.max(box[3], box[2] + LEAST_HEIGHT)];
}

/** A pen on a canvas that is as sharp as the screen, and cleared. */
function penOf(canvas) {
  const ratio = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  const size = [canvas.clientWidth, canvas.clientHeight];
  const [width, height] = size.map((length) => Math.round(length * ratio));
  if (canvas.width !== width || canvas.height !== height)
    [canvas.width, canvas.height] = [width, height];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, ...size);
  pen.lineCap = pen.lineJoin = "round";
  return [pen, ...size];
}

/** How to place meters on a canvas so that an extent fits. */
function placing([left, right, bottom, top], width, height) {
  const room = 1 - 2 * MARGIN;
  const scale = Math.min(room * width / (right - left), room * height / (top - bottom + HEADROOM));
  const x0 = width / 2 - scale * (left + right) / 2, y0 = height * (1 - MARGIN) + scale * bottom;
  return { scale, floor: y0 - scale * bottom, place: ([x, y]) => [x0 + scale * x, y0 - scale * y] };
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

function drawPose(pen, pose, body, turn, { scale, place }) {
  const points = PARENTS.map((_, joint) => project(pose, joint, turn));
  const bones = PARENTS.map((parent, joint) => [joint, parent]).filter(([a, b]) => a !== b)
    .sort(([a, b], [c, d]) => points[a][2] + points[b][2] - points[c][2] - points[d][2]);
  for (const [joint, parent] of bones) {
    pen.strokeStyle = color(`${sideOf(joint)}${body % 2}`);
    pen.lineWidth = Math.max(1.4, 0.04 * scale);
    line(pen, [points[parent], points[joint]].map(place));
  }
  pen.fillStyle = color(`middle${body % 2}`);
  pen.beginPath();
  pen.arc(...place(points[HEAD]), 0.1 * scale, 0, 7);
  pen.fill();
}

function line(pen, points) {
  pen.beginPath();
  points.forEach((point, i) => (i ? pen.lineTo(...point) : pen.moveTo(...point)));
  pen.stroke();
}

/** A still picture of a clip: a few of its postures, the later the stronger. */
export function drawStill(canvas, bodies, shares = [0.15, 0.4, 0.65]) {
  const [pen, width, height] = penOf(canvas);
  const placed = placing(extentOf(bodies, TURN), width, height);
  shares.forEach((share, i) => {
    const frame = Math.round(share * (bodies.frames - 1));
    pen.globalAlpha = 0.15 + 0.85 * (i / (shares.length - 1)) ** 3;
    for (let body = 0; body < bodies.count; body++)
      if (bodies.present(body, frame)) drawPose(pen, bodies.pose(body, frame), body, TURN, placed);
  });
  pen.globalAlpha = 1;
}

/** One moment of a clip, with the way of its hands and feet until then. */
export function drawMoment(canvas, bodies, at, turn, extent) {
  const [pen, width, height] = penOf(canvas);
  const placed = placing(extent, width, height);
  pen.strokeStyle = color("line");
  pen.lineWidth = 1.5;
  line(pen, [[0.06 * width, placed.floor + 4], [0.94 * width, placed.floor + 4]]);
  const now = bodies.resampled([at]);
  const first = Math.max(0, Math.floor(at) - TRAIL_FRAMES);
  for (let body = 0; body < bodies.count; body++) {
    for (const joint of TRAILS)
      for (let frame = first; frame < Math.floor(at); frame++) {
        if (!bodies.present(body, frame) || !bodies.present(body, frame + 1)) continue;
        pen.globalAlpha = 0.5 * (frame - first + 1) / TRAIL_FRAMES;
        pen.strokeStyle = color(`${sideOf(joint)}${body % 2}`);
        pen.lineWidth = Math.max(1, 0.02 * placed.scale);
        line(pen, [frame, frame + 1]
          .map((one) => placed.place(project(bodies.pose(body, one), joint, turn))));
      }
    pen.globalAlpha = 1;
    const whole = bodies.present(body, Math.floor(at)) && bodies.present(body, Math.ceil(at));
    if (whole) drawPose(pen, now.pose(body, 0), body, turn, placed);
  }
}
